/* secretctl audit: a process with known copies of a canary in known places, one with none, one that ends, one
 * that keeps others out, and canaries that are none. */
#include "cmocka_main.h"
#include "json.h"
#include "outside/audit_run.h"
#include "outside/pty.h"
#include "outside/sandbox.h"
#include "outside/traced.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGE_BYTES = 65536 };

/* ---- processes ---- */

static void every_form_is_counted_in_the_mapping_that_holds_it(void **state)
{
        pid_t pid = target_start("forms");
        assert_true(pid > 0);
        struct run json = audit_process(pid, "--json"), text = audit_process(pid, NULL);

        (void)state;
        target_end(pid);
        assert_int_equal(json.status, FOUND);
        assert_int_equal(json.n_err, 0);
        assert_true(json_is_valid(json.out, json.n_out));
        assert_planted(json.out, true);
        const char *sums = strstr(json.out, "\"mappings_left_out\": 0");
        assert_non_null(sums);
        assert_int_equal(number_behind(sums, "\"total\": "), PLANTED);
        assert_int_equal(number_behind(sums, "\"outside\": "), PLANTED_OUTSIDE);
        assert_has(sums, "\"copies\": " COPIES(7, 1, 1, 1, 1, 1, 2, 1, 3, 3));
        assert_has(json.out, "\"canary_bytes\": 32,\n  \"complete\": true");
        assert_has(json.out, "\"name\": \"/memfd:planted (deleted)\", \"locked\": false");
        assert_int_equal(text.status, FOUND);
        assert_has(text.out, ": 21 copies of the canary (32 bytes), 20 where swap or a core could get it\n");
        assert_has(text.out, "\n100000000000-100000004000 rw-p (nameless)\n    3 whole\n");
        assert_has(text.out, "\n100004000000-100004004000 rw-p (nameless)\n    1 first half, 1 second half, 1 fragment\n");
        assert_has(text.out, "\n100007000000-100007004000 rw-p (nameless) locked no-dump\n    1 whole\n");
        run_free(&json);
        run_free(&text);
}

static void copies_at_any_place_are_counted(void **state)
{
        pid_t pid = target_start("many");
        struct run r = audit_process(pid, "--json");

        (void)state;
        target_end(pid);
        assert_int_equal(r.status, FOUND);
        const char *sums = strstr(r.out, "\"mappings_left_out\": 0");
        assert_non_null(sums);
        sums = strstr(sums, "\"copies\": ");
        assert_int_equal(number_behind(sums, "\"whole\": "), 2 * MANY);
        assert_int_equal(number_behind(sums, "\"first_half\": "), MANY);
        assert_int_equal(number_behind(sums, "\"second_half\": "), MANY);
        assert_int_equal(number_behind(sums, "\"fragment\": "), 0);
        assert_int_equal(number_behind(sums, "\"hex\": "), MANY);
        run_free(&r);
}

/* As a user whom the limit binds. That user looks into a process of his own. */
static int audit_under_limit(unsigned limit_kb)
{
        char line[4400];

        snprintf(line, sizeof line,
                 "cp %s ./tool && chmod 755 . ./tool && echo qX7zP2mV9kL4wR8t >canary && chmod 644 canary && ulimit -l %u && "
                 "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all "
                 "sh -c 'sleep 20 & ./tool audit --canary-fd 3 $! 3<canary; s=$?; kill $!; exit $s' >out 2>err",
                 tool_path(), limit_kb);
        int status = system(line);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The stack of a clean call takes 64 KiB of it. */
static void it_works_under_a_small_lock_limit_or_says_so(void **state)
{
        (void)state;
        if (geteuid() != 0 || !sandbox_is_meaningful())
                return; /* only root becomes somebody else; sanitizers have the locks do nothing */
        assert_int_equal(audit_under_limit(128), 0);
        assert_int_equal(audit_under_limit(64), 12);
        assert_int_equal(system("grep -q 'limit of locked memory is reached' err && grep -q 'hint: an audit' err"), 0);
}

static void copies_on_heap_and_stack_are_named_so(void **state)
{
        pid_t pid = target_start("heap and stack");
        struct run r = audit_process(pid, NULL);

        (void)state;
        target_end(pid);
        assert_int_equal(r.status, FOUND);
        assert_has(r.out, ": 2 copies of the canary");
        assert_has(r.out, " rw-p [heap]\n    1 whole\n");
        assert_has(r.out, " rw-p [stack]\n    1 whole\n");
        run_free(&r);
}

static void a_process_without_copies_has_none(void **state)
{
        pid_t pid = target_start("nothing");
        struct run r = audit_process(pid, NULL), json = audit_process(pid, "--json");

        (void)state;
        target_end(pid);
        assert_int_equal(r.status, 0);
        assert_has(r.out, ": no copies of the canary (32 bytes)\n");
        assert_int_equal(json.status, 0);
        assert_true(json_is_valid(json.out, json.n_out));
        assert_has(json.out, "\"mappings\": [\n  ]");
        assert_has(json.out, COPIES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
        assert_true(number_behind(json.out, "\"searched_kb\": ") > 1000);
        run_free(&r);
        run_free(&json);
}

static void secrets_are_found_in_locked_memory_and_hidden_ones_not_at_all(void **state)
{
        pid_t pid = target_start("secrets");
        struct run r = audit_process(pid, "--json");

        (void)state;
        target_end(pid);
        assert_int_equal(r.status, FOUND);
        const char *sums = strstr(r.out, "\"mappings_left_out\": 0");
        assert_int_equal(number_behind(sums, "\"total\": "), 2); /* the closed one too */
        assert_int_equal(number_behind(sums, "\"outside\": "), 0);
        assert_has(r.out, "\"locked\": true, \"not_dumped\": true, \"not_forked\": true");
        run_free(&r);
        if ((pid = target_start("hidden")) < 0) {
                print_message("no hidden memory on this kernel\n");
                return;
        }
        r = audit_process(pid, "--json");
        target_end(pid);
        assert_int_equal(r.status, 0);
        assert_true(number_behind(r.out, "\"hidden_kb\": ") >= 4);
        assert_int_equal(number_behind(r.out, "\"unreadable_kb\": "), 0);
        run_free(&r);
}

/* Its own secrets hold the canary: they are left out. Without hidden memory they could be read. (Not dumpable, its
 * /proc/PID/mem is root's.) */
static void it_can_look_at_itself(void **state)
{
        static const struct sandbox_rule none_hidden = {SYS_memfd_secret, -1, 0, ENOSYS};
        char line[4300];
        int status;

        (void)state;
        for (int i = 0; i < CANARY_BYTES; i++)
                line[i] = (char)canary_byte((size_t)i);
        int fd = open("canary", O_WRONLY | O_CREAT, 0600);
        assert_int_equal(write(fd, line, CANARY_BYTES), CANARY_BYTES);
        close(fd);
        snprintf(line, sizeof line, "exec %s audit --canary-fd 3 $$ 3<canary >out", tool_path());
        for (int is_hidden = 1; is_hidden >= !sandbox_is_meaningful(); is_hidden--) {
                pid_t pid = fork();

                if (pid == 0) {
                        if (!is_hidden)
                                sandbox_answer(&none_hidden, 1);
                        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
                        _exit(127);
                }
                waitpid(pid, &status, 0);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), geteuid() == 0 ? 0 : 8);
        }
}

static void a_large_canary_is_found_whole(void **state)
{
        static unsigned char canary[LARGE_BYTES + 1];
        pid_t pid = target_start("large");
        char number[16];

        (void)state;
        for (size_t i = 0; i < sizeof canary; i++)
                canary[i] = canary_byte(i);
        snprintf(number, sizeof number, "%d", (int)pid);
        struct run r = audit_with(canary, LARGE_BYTES, number, NULL);
        assert_int_equal(r.status, FOUND);
        assert_has(r.out, ": 1 copy of the canary (65536 bytes)");
        assert_has(r.out, "\n    1 whole\n");
        run_free(&r);
        r = audit_with(canary, sizeof canary, number, NULL);
        target_end(pid);
        assert_int_equal(r.status, 2);
        assert_has(r.err, "longer than 65536 bytes");
        run_free(&r);
}

static void a_process_that_is_not_there_is_not_found(void **state)
{
        pid_t pid = target_start("nothing");

        (void)state;
        target_end(pid);
        struct run r = audit_process(pid, NULL);
        assert_int_equal(r.status, 6);
        assert_has(r.err, "there is no process");
        run_free(&r);
}

/* The tool stands before its fifth read of the process's memory when the process is killed. */
static void a_process_that_ends_meanwhile_is_told(void **state)
{
        char number[16];
        pid_t pid = target_start("nothing");
        struct traced t;
        const char *words[] = {tool_path(), "audit", "--canary-fd=0", number, NULL};
        int in[2], err = open("err", O_RDWR | O_CREAT, 0600), out = open("/dev/null", O_WRONLY);
        char said[256] = "";

        (void)state;
        if (!traced_is_possible()) {
                target_end(pid);
                return;
        }
        snprintf(number, sizeof number, "%d", (int)pid);
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        for (size_t i = 0; i < CANARY_BYTES; i++) {
                unsigned char c = canary_byte(i);
                assert_int_equal(write(in[1], &c, 1), 1);
        }
        close(in[1]);
        traced_start(&t, words, &(struct traced_way){.in = in[0], .out = out, .err = err});
        for (int n_reads = 0; n_reads < 5;) {
                assert_true(traced_to_next_call(&t));
                n_reads += t.call.is_begun && t.call.number == SYS_pread64;
        }
        target_end(pid);
        traced_to_exit(&t);
        assert_int_equal(traced_end(&t), 1);
        assert_true(pread(err, said, sizeof said - 1, 0) > 0);
        assert_has(said, "ended before all of it was looked at");
        close(in[0]);
        close(err);
        close(out);
}

static void as_another_user_it_is_denied(void **state)
{
        pid_t pid = target_start("nothing");
        char line[4300];

        (void)state;
        if (geteuid() != 0) {
                struct run r = audit_subject("1", NULL);

                target_end(pid);
                assert_int_equal(r.status, 8);
                run_free(&r);
                return;
        }
        snprintf(line, sizeof line, "cp %s ./tool && chmod 755 . ./tool && echo 0123456789abcdefxyz | setpriv --reuid=65534 "
                                    "--regid=65534 --clear-groups ./tool audit --canary-fd 0 %d 2>err",
                 tool_path(), (int)pid);
        int status = system(line);
        target_end(pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 8);
        assert_int_equal(system("grep -q 'may not be looked into' err && grep -q hint err"), 0);
}

/* ---- canaries that are none ---- */

static struct pty terminal;

static void a_canary_must_be_one(void **state)
{
        static const struct {
                const char *bytes, *says;
        } wrong[] = {{"", "shorter than 8 bytes"},
                     {"1234567", "shorter than 8 bytes"},
                     {"xxxxxxxxxxxxxxxx", "repeats itself"},
                     {"qwertyuiAAAAAAAAqwertyui", "repeats itself"},
                     {"abababababababababababababababababababababababababababab", "repeats itself"}};
        const char *words[] = {tool_path(), "audit", "--canary-fd=0", "1", NULL};

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                struct run r = audit_with(wrong[i].bytes, strlen(wrong[i].bytes), "1", NULL);

                assert_int_equal(r.status, 2);
                assert_has(r.err, wrong[i].says);
                assert_int_equal(r.n_out, 0);
                run_free(&r);
        }
        struct run r = tool_run_with(NULL, 0, (const char *const[]){"audit", "--canary-fd=77", "1", NULL});
        assert_int_equal(r.status, 1);
        assert_has(r.err, "cannot read the canary: Bad file descriptor");
        run_free(&r);
        r = tool_run_with(NULL, 0, (const char *const[]){"audit", "1", NULL});
        assert_int_equal(r.status, 2);
        assert_has(r.err, "wants --canary-fd N");
        run_free(&r);
        pty_start(&terminal, words, -1);
        assert_true(pty_expect(&terminal, "is a terminal", 10000));
        assert_int_equal(pty_end(&terminal, 10000), 2);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(every_form_is_counted_in_the_mapping_that_holds_it),
        TOOL_TEST(copies_at_any_place_are_counted),
        TOOL_TEST(it_works_under_a_small_lock_limit_or_says_so),
        TOOL_TEST(copies_on_heap_and_stack_are_named_so),
        TOOL_TEST(a_process_without_copies_has_none),
        TOOL_TEST(secrets_are_found_in_locked_memory_and_hidden_ones_not_at_all),
        TOOL_TEST(it_can_look_at_itself),
        TOOL_TEST(a_large_canary_is_found_whole),
        TOOL_TEST(a_process_that_is_not_there_is_not_found),
        TOOL_TEST(a_process_that_ends_meanwhile_is_told),
        TOOL_TEST(as_another_user_it_is_denied),
        TOOL_TEST(a_canary_must_be_one),
};

/* A sanitizer's process has terabytes of its own, some of it where the target wants its places. */
static const struct CMUnitTest sanitized_tests[] = {
        TOOL_TEST(a_process_that_is_not_there_is_not_found),
        TOOL_TEST(as_another_user_it_is_denied),
        TOOL_TEST(a_canary_must_be_one),
};

int main(int n_words, char **words)
{
        if (n_words == 2)
                target_main(words);
        tool_path();
        alarm(300); /* nothing here may hang a build */
        if (!sandbox_is_meaningful())
                return cmocka_run_group_tests(sanitized_tests, NULL, NULL) != 0 ? 1 : 0;
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

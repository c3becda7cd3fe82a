/* secretctl inspect: of itself, of another process, of one that is not there, of one that may not be looked into. The
 * picture that it draws is test_tool_drawing.c's. */
#include "json.h"
#include "outside/inspected.h"
#include "outside/sandbox.h"

#include <sys/syscall.h>
#include <unistd.h>

static void of_itself_it_shows_the_groups_and_what_protects_a_secret(void **state)
{
        static const char *const lines[] = {
                "\ntext  ", "\ndata  ", "\nbss  ", "\nheap  ", "\nmappings  ", "\nstack  ", "\ntotal  ",
                "[stack]\n", "yes locked", "yes not dumped", "yes not forked", "yes guarded",
        };
        struct run r = tool_run_with(NULL, 0, WORDS("inspect"));

        (void)state;
        assert_int_equal(r.status, 0);
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
                if (strstr(r.out, lines[i]) == NULL)
                        fail_msg("no \"%s\" in:\n%s", lines[i], r.out);
        assert_int_equal(r.n_err, 0);
        run_free(&r);
        r = tool_run_with(NULL, 0, WORDS("inspect", "--json"));
        assert_int_equal(r.status, 0);
        assert_true(json_is_valid(r.out, r.n_out));
        assert_non_null(strstr(r.out, "\"secret\": {\"locked\": true, \"not_dumped\": true, \"not_forked\": true, "
                                      "\"guarded\": true, \"hidden\": "));
        run_free(&r);
}

static void use_memory(void)
{
        if (syscall(SYS_mlock, fill(LOCKED_KB * KB, MAP_SHARED), LOCKED_KB * KB) != 0) /* sanitizers make mlock() do nothing */
                _exit(1);
        if (madvise(fill(KEPT_KB * KB, MAP_PRIVATE), KEPT_KB * KB, MADV_DONTDUMP) != 0)
                _exit(1);
        fill(PLAIN_KB * KB, MAP_PRIVATE);
}

static void of_another_process_it_adds_up_what_could_leak(void **state)
{
        pid_t pid = start_child(use_memory);
        struct run r = inspect(pid, "--json");

        (void)state;
        end_child(pid);
        assert_int_equal(r.status, 0);
        assert_true(json_is_valid(r.out, r.n_out));
        const char *total = strstr(r.out, "\"total\": ");
        assert_non_null(total);
        uint64_t swap = number_behind(total, "\"could_swap_kb\": "), dump = number_behind(total, "\"could_dump_kb\": ");
        assert_int_equal(number_behind(total, "\"locked_kb\": "), LOCKED_KB);
        uint64_t own = sandbox_is_meaningful() ? 2000 : 50000, own_kept = sandbox_is_meaningful() ? 0 : 50000; /* a sanitizer's */
        assert_in_range(swap, PLAIN_KB + KEPT_KB, PLAIN_KB + KEPT_KB + own);
        /* the locked mapping is dumped, the kept one swapped */
        assert_in_range(swap - dump, KEPT_KB - LOCKED_KB, KEPT_KB + own_kept);
        assert_null(strstr(r.out, "\"secret\": {"));
        run_free(&r);
}

static void do_nothing(void)
{
}

static void of_a_process_that_is_not_there_it_says_not_found(void **state)
{
        pid_t pid = start_child(do_nothing);

        (void)state;
        end_child(pid);
        struct run r = inspect(pid, NULL);
        assert_int_equal(r.status, 6);
        assert_non_null(strstr(r.err, "there is no process"));
        assert_int_equal(r.n_out, 0);
        run_free(&r);
}

/* Not dumpable, and for root also of another user seen by nobody: a process keeps out who has no privilege over it. */
static void keep_out(void)
{
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
                _exit(1);
}

static void of_a_process_that_keeps_others_out_it_says_denied(void **state)
{
        pid_t pid = start_child(keep_out);
        char line[4200];

        (void)state;
        if (geteuid() != 0) {
                struct run r = inspect(pid, NULL);

                end_child(pid);
                assert_int_equal(r.status, 8);
                assert_non_null(strstr(r.err, "may not be looked into"));
                run_free(&r);
                return;
        }
        /* As nobody; that one must be able to reach the program. */
        snprintf(line, sizeof line, "cp %s ./tool && chmod 755 . ./tool && setpriv --reuid=65534 --regid=65534 "
                                    "--clear-groups ./tool inspect %d 2>err",
                 tool_path(), (int)pid);
        int status = system(line);
        end_child(pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 8);
        assert_int_equal(system("grep -q 'may not be looked into' err"), 0);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(of_itself_it_shows_the_groups_and_what_protects_a_secret),
        TOOL_TEST(of_another_process_it_adds_up_what_could_leak),
        TOOL_TEST(of_a_process_that_is_not_there_it_says_not_found),
        TOOL_TEST(of_a_process_that_keeps_others_out_it_says_denied),
};

MAIN(tests)

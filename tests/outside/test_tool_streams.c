/* What goes in comes out, byte by byte; and whatever is wrong with a stream or the disk is an error that harms
 * nothing. */
#include "cmocka_main.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VAULT ".local/share/secretctl/vault"
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs a shell line in which $T is the tool; the exit code. */
static int shell(const char *line)
{
        setenv("T", tool_path(), 1);
        int status = system(line);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void round_trip(const char *name, const void *bytes, size_t n_bytes)
{
        struct run r = tool_run_with(bytes, n_bytes, WORDS("add", TOOL_KEY, name));

        if (r.status != 0)
                print_error("%s", r.err);
        assert_int_equal(r.status, 0);
        assert_int_equal(r.n_out, 0);
        run_free(&r);
        assert_true(tool_holds(name, bytes, n_bytes));
}

static void secrets_of_any_bytes_and_any_size_come_back_as_they_were(void **state)
{
        size_t n_bytes = 1 << 20;
        char *large = malloc(n_bytes + 1);

        (void)state;
        for (size_t i = 0; i <= n_bytes; i++)
                large[i] = (char)(i * 2654435761u >> 24);
        round_trip("none", "", 0);
        round_trip("one", "\0", 1);
        round_trip("newline", "\n", 1);
        round_trip("newlines", "two\nlines\n", 10);
        round_trip("binary", "a\0b\xff\r\n\0", 7);
        round_trip("page", large, 4096);
        round_trip("largest", large, n_bytes);
        struct run r = tool_run_with(large, n_bytes + 1, WORDS("add", TOOL_KEY, "too large"));
        assert_int_equal(r.status, 2);
        assert_non_null(strstr(r.err, "longer than 1048576 bytes"));
        run_free(&r);
        free(large);
}

static void a_secret_comes_by_descriptor_while_standard_input_is_left_alone(void **state)
{
        (void)state;
        assert_int_equal(shell("printf abc >s; echo untouched | (\"$T\" add --key-file=key --secret-fd=5 a 5<s; "
                               "cat >left)"), 0);
        assert_true(tool_holds("a", "abc", 3));
        assert_int_equal(shell("test \"$(cat left)\" = untouched"), 0);
        assert_int_equal(shell("\"$T\" add --key-file=key --secret-fd=9 b 9<&- 2>err"), 1);
        assert_int_equal(shell("\"$T\" get --passphrase-fd=9 b 9<&- 2>err"), 4);
}

static void generate_into_add_is_get(void **state)
{
        (void)state;
        assert_int_equal(shell("\"$T\" generate --length 33 | tee g | \"$T\" add --key-file=key a && \"$T\" get "
                               "--key-file=key a | cmp - g"), 0);
        assert_int_equal(shell("test $(wc -c <g) = 33"), 0);
}

static void closed_standard_input_is_an_error_and_not_an_empty_secret(void **state)
{
        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(shell("\"$T\" add --key-file=key b <&- 2>err"), 1);
        assert_int_equal(TOOL("get", TOOL_KEY, "b"), 6);
        assert_int_equal(shell("\"$T\" get --key-file=key a <&- >out && test \"$(cat out)\" = x"), 0);
}

static void closed_standard_output_is_an_error(void **state)
{
        static const char *const verbs[] = {"get a", "get none", "list", "list --json", "show a", "generate",
                                            "inspect", "help", "--version"};
        char line[128];

        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(tool_add("none", ""), 0);
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
                bool unlocks = i < 5;

                for (int is_full = 0; is_full <= 1; is_full++) {
                        if (is_full && strcmp(verbs[i], "get none") == 0)
                                continue; /* nothing is written, nothing fails */
                        snprintf(line, sizeof line, "\"$T\" %s %s %s 2>err", verbs[i], unlocks ? "--key-file=key" : "",
                                 is_full ? ">/dev/full" : ">&-");
                        int status = shell(line);
                        if (status != 1)
                                print_error("%s\n", line);
                        assert_int_equal(status, 1);
                        assert_int_equal(shell("grep -q '^secretctl: .*standard output' err"), 0);
                }
        }
        assert_int_equal(shell("\"$T\" rename --key-file=key a b >&-"), 0); /* says nothing on it */
        assert_true(tool_holds("b", "x", 1));
}

static void closed_standard_error_changes_no_exit_code(void **state)
{
        (void)state;
        assert_int_equal(shell("printf x | \"$T\" add --key-file=key a 2>&-"), 0);
        assert_int_equal(shell("\"$T\" get --key-file=key a 2>&- >out && test \"$(cat out)\" = x"), 0);
        assert_int_equal(shell("\"$T\" get --key-file=key b 2>&-"), 6);
        assert_int_equal(shell("\"$T\" get --key-file=key a <&- >&- 2>&-"), 1);
        assert_true(tool_holds("a", "x", 1));
}

static void a_reader_that_went_away_is_an_error(void **state)
{
        int ends[2], status;

        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(pipe(ends), 0);
        close(ends[0]);
        pid_t pid = fork();
        if (pid == 0) {
                signal(SIGPIPE, SIG_DFL);
                dup2(ends[1], 1);
                dup2(open("/dev/null", O_WRONLY), 2);
                execl(tool_path(), "secretctl", "get", TOOL_KEY, "a", (char *)NULL);
                _exit(127);
        }
        close(ends[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 1);
}

/* A file that may not grow: the way to have a full disk without being root. */
static void a_file_that_may_not_grow_leaves_the_vault_as_it_was(void **state)
{
        static const int limits[] = {0, 1, 4096, 4200, 4352, 8192};
        char *large = calloc(1, 100000);
        struct rlimit was, limit;

        (void)state;
        getrlimit(RLIMIT_FSIZE, &was);
        limit = was;
        limit.rlim_cur = 4096; /* no vault fits */
        setrlimit(RLIMIT_FSIZE, &limit);
        struct run r = tool_run_with("x", 1, WORDS("add", TOOL_KEY, "a"));
        setrlimit(RLIMIT_FSIZE, &was);
        assert_in_range(r.status, 1, 13);
        run_free(&r);
        assert_int_equal(count_files(".local/share"), 0);

        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(shell("cp " VAULT " before"), 0);
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
                limit.rlim_cur = (rlim_t)limits[i];
                setrlimit(RLIMIT_FSIZE, &limit);
                signal(SIGXFSZ, SIG_DFL);
                r = tool_run_with(large, 100000, WORDS("add", TOOL_KEY, "b"));
                setrlimit(RLIMIT_FSIZE, &was);
                assert_in_range(r.status, 1, 13);
                run_free(&r);
                assert_int_equal(shell("cmp " VAULT " before"), 0);
        }
        assert_int_equal(count_files(".local/share"), 1);
        assert_int_equal(tool_add("b", "y"), 0);
        assert_true(tool_holds("b", "y", 1));
        assert_true(tool_holds("a", "x", 1));
        free(large);
}

/* The real thing, for root only: a file system of a few pages. */
static void a_full_disk_is_told_and_harms_nothing(void **state)
{
        char *large = calloc(1, 200000);

        (void)state;
        mkdir("disk", 0700);
        if (geteuid() != 0 || mount("none", "disk", "tmpfs", 0, "size=64k,mode=0700") != 0) {
                free(large);
                print_message("not root, or no mount(2): RLIMIT_FSIZE alone tells\n");
                return;
        }
        struct run first = tool_run_with("x", 1, WORDS("add", TOOL_KEY, "--vault=disk/v", "a"));
        struct run second = tool_run_with(large, 200000, WORDS("add", TOOL_KEY, "--vault=disk/v", "b"));
        struct run third = tool_run_with("z", 1, WORDS("add", TOOL_KEY, "--vault=disk/v", "c"));
        struct run fourth = tool_run_with(NULL, 0, WORDS("list", TOOL_KEY, "--vault=disk/v"));
        size_t n_files = count_files("disk");
        int filled = shell("head -c 100000 /dev/zero >disk/filler 2>err");
        struct run fifth = tool_run_with(large, 50000, WORDS("add", TOOL_KEY, "--vault=disk/v", "d"));
        struct run new = tool_run_with("x", 1, WORDS("add", TOOL_KEY, "--vault=disk/other", "a"));
        assert_int_equal(umount("disk"), 0);
        assert_int_equal(first.status, 0);
        assert_int_equal(second.status, 11);
        assert_non_null(strstr(second.err, "no space is left"));
        assert_int_equal(third.status, 0);
        assert_string_equal(fourth.out, "a\nc\n");
        assert_int_equal(n_files, 1);
        assert_int_not_equal(filled, 0);
        assert_int_equal(fifth.status, 11);
        assert_int_equal(new.status, 11);
        run_free(&first), run_free(&second), run_free(&third), run_free(&fourth), run_free(&fifth), run_free(&new);
        free(large);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(secrets_of_any_bytes_and_any_size_come_back_as_they_were),
        TOOL_TEST(a_secret_comes_by_descriptor_while_standard_input_is_left_alone),
        TOOL_TEST(generate_into_add_is_get),
        TOOL_TEST(closed_standard_input_is_an_error_and_not_an_empty_secret),
        TOOL_TEST(closed_standard_output_is_an_error),
        TOOL_TEST(closed_standard_error_changes_no_exit_code),
        TOOL_TEST(a_reader_that_went_away_is_an_error),
        TOOL_TEST(a_file_that_may_not_grow_leaves_the_vault_as_it_was),
        TOOL_TEST(a_full_disk_is_told_and_harms_nothing),
};

MAIN(tests)

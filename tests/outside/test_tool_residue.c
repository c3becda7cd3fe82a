/* What is left in the memory of secretctl at its very end: stopped by ptrace(2) as it exits, all that can be read of
 * it is searched for the secret, the passphrase and the contents of the key file.
 *
 * That the search finds what is there is seen by the entry's name, which stands in the arguments. Needs root, for
 * the process is not dumpable: skipped as a whole otherwise. */
#include "cmocka_main.h"
#include "outside/sandbox.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "R3s1due-of-a-secret-never-to-be-found"
#define PASSPHRASE "R3s1due-of-a-passphrase-never-found"
#define KEY "Kq7vXz2LmP9wRt4YbN6cJd8HsF3gTu5A"
#define NAME "the-name-that-is-found"

enum { LONGEST = 64 };

static size_t count_in(const char *bytes, size_t n_bytes, const char *needle)
{
        size_t n = 0, n_needle = strlen(needle);

        for (const char *at = bytes; (at = memmem(at, n_bytes - (size_t)(at - bytes), needle, n_needle)) != NULL; at++)
                n++;
        return n;
}

enum { SECRET_IN, PASSPHRASE_IN, KEY_IN, NAME_IN, NEEDLES };
static const char *const needles[NEEDLES] = {SECRET, PASSPHRASE, KEY, NAME};

/* Hits of each half of each needle, and so of the whole one too. */
static void count_all_in(size_t n_hits[static NEEDLES], const char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < NEEDLES; i++) {
                char half[2][LONGEST] = {"", ""};
                size_t n_half = strlen(needles[i]) / 2;

                memcpy(half[0], needles[i], n_half);
                memcpy(half[1], needles[i] + n_half, strlen(needles[i]) - n_half);
                n_hits[i] += count_in(bytes, n_bytes, half[0]) + count_in(bytes, n_bytes, half[1]);
        }
}

/* In all mappings that can be read. To read them takes longest: once for all needles. */
static void count_in_process(size_t n_hits[static NEEDLES], pid_t pid)
{
        char path[64], line[512];

        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        int mem = open(path, O_RDONLY);
        snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
        FILE *maps = fopen(path, "r");
        assert_true(mem >= 0 && maps != NULL);
        while (fgets(line, sizeof line, maps) != NULL) {
                unsigned long start, end;

                assert_int_equal(sscanf(line, "%lx-%lx", &start, &end), 2);
                if (strstr(line, "[v") != NULL || end - start > 512ul << 20)
                        continue;
                char *bytes = malloc(end - start);
                ssize_t got = pread(mem, bytes, end - start, (off_t)start);
                if (got > 0)
                        count_all_in(n_hits, bytes, (size_t)got);
                free(bytes);
        }
        fclose(maps);
        close(mem);
}

static int go_on(pid_t pid, int signal_number)
{
        int status;

        assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)signal_number), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static bool is_at_exit(int status)
{
        return WIFSTOPPED(status) && status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
}

/* Runs the shell line in a child that becomes the tool by exec; stops it at its exit. */
static pid_t run_to_exit(const char *line)
{
        char whole[600];
        int status;

        setenv("T", tool_path(), 1);
        snprintf(whole, sizeof whole, "exec \"$T\" %s", line);
        pid_t pid = fork();
        if (pid == 0) {
                setsid();
                ptrace(PTRACE_TRACEME, 0, NULL, NULL);
                raise(SIGSTOP);
                execl("/bin/sh", "sh", "-c", whole, (char *)NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL,
                                (void *)(intptr_t)(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)), 0);
        status = go_on(pid, 0);
        while (!is_at_exit(status)) {
                assert_true(WIFSTOPPED(status));
                status = go_on(pid, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
        }
        return pid;
}

static void finds_nothing_after(const char *line, int expected)
{
        pid_t pid = run_to_exit(line);
        size_t n_hits[NEEDLES] = {0};
        int status;

        count_in_process(n_hits, pid);
        status = go_on(pid, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), expected);
        if (n_hits[SECRET_IN] + n_hits[PASSPHRASE_IN] + n_hits[KEY_IN] != 0)
                print_error("secretctl %s\n", line);
        assert_int_equal(n_hits[SECRET_IN], 0);
        assert_int_equal(n_hits[PASSPHRASE_IN], 0);
        assert_int_equal(n_hits[KEY_IN], 0);
        assert_true(n_hits[NAME_IN] > 0);
}

static void write_text(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void no_copy_of_a_secret_or_key_is_left_at_exit(void **state)
{
        (void)state;
        write_text("s", SECRET);
        finds_nothing_after("add --key-file=key " NAME " <s", 0);
        finds_nothing_after("add --key-file=key " NAME " <s 2>e", 7);
        finds_nothing_after("get --key-file=key " NAME " >out", 0);
        finds_nothing_after("get --key-file=key " NAME " >/dev/full 2>e", 1);
        finds_nothing_after("show --key-file=key " NAME " >out", 0);
        finds_nothing_after("rename --key-file=key " NAME " " NAME "2", 0);
        finds_nothing_after("remove --yes --key-file=key " NAME "2", 0);
}

static void no_copy_of_a_passphrase_is_left_at_exit(void **state)
{
        (void)state;
        write_text("s", SECRET);
        write_text("p", PASSPHRASE);
        write_text("askpass", "#!/bin/sh\ncat p\n");
        chmod("askpass", 0700);
        finds_nothing_after("add --passphrase-fd=5 5<p " NAME " <s", 0);
        finds_nothing_after("get --passphrase-fd=5 5<p " NAME " >out", 0);
        finds_nothing_after("get --passphrase-fd=5 5<s " NAME " 2>e", 5);
        finds_nothing_after("get --askpass=./askpass " NAME " >out", 0);
}

/* The place where it was typed by mistake. */
static void a_passphrase_on_the_command_line_is_wiped_there(void **state)
{
        (void)state;
        finds_nothing_after("get --passphrase=" PASSPHRASE " " NAME " 2>e", 2);
        finds_nothing_after("get --passphrase " PASSPHRASE " " NAME " 2>e", 2);
        finds_nothing_after("add " NAME " " SECRET " 2>e", 2);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(no_copy_of_a_secret_or_key_is_left_at_exit),
        TOOL_TEST(no_copy_of_a_passphrase_is_left_at_exit),
        TOOL_TEST(a_passphrase_on_the_command_line_is_wiped_there),
};

int main(void)
{
        if (!sandbox_is_meaningful()) {
                printf("skipped: a sanitizer keeps shadows of the memory, and copies in them\n");
                return 77;
        }
        if (geteuid() != 0) {
                printf("skipped: reading the memory of a process that is not dumpable needs root\n");
                return 77;
        }
        tool_path();
        alarm(300);
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

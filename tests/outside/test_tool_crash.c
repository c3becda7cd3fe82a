/* Many at once, and killed at any moment: no acknowledged entry is lost, none is half there, no file is left over. */
#include "cmocka_main.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { ADDS = 8 };

static void add_in_parallel(const char *prefix)
{
        pid_t pids[ADDS];
        char name[32];
        int status[ADDS], empty = open("/dev/null", O_RDONLY);

        for (int i = 0; i < ADDS; i++) {
                snprintf(name, sizeof name, "%s%d", prefix, i);
                pids[i] = tool_start(empty, WORDS("add", TOOL_KEY, "--generate", name));
        }
        close(empty);
        for (int i = 0; i < ADDS; i++) /* all of them, before the first failure ends the test */
                assert_int_equal(waitpid(pids[i], &status[i], 0), pids[i]);
        for (int i = 0; i < ADDS; i++) {
                assert_true(WIFEXITED(status[i]));
                assert_int_equal(WEXITSTATUS(status[i]), 0);
                snprintf(name, sizeof name, "%s%d", prefix, i);
                assert_int_equal(TOOL("get", TOOL_KEY, name), 0);
        }
}

/* The first eight also race for making the vault. */
static void parallel_adds_lose_nothing(void **state)
{
        (void)state;
        add_in_parallel("first");
        add_in_parallel("then");
        assert_int_equal(count_files(".local/share"), 1);
}

static void sleep_us(long us)
{
        struct timespec t = {us / 1000000, us % 1000000 * 1000};

        nanosleep(&t, NULL);
}

static long time_of_one_add(void)
{
        struct timespec from, to;

        clock_gettime(CLOCK_MONOTONIC, &from);
        assert_int_equal(TOOL("add", TOOL_KEY, "--generate=4096", "first"), 0);
        clock_gettime(CLOCK_MONOTONIC, &to);
        return (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

static void killed_at_any_moment_an_add_is_whole_or_not_there(void **state)
{
        enum { KILLS = 60 };
        char name[32];
        int status, empty = open("/dev/null", O_RDONLY), n_finished = 0;
        size_t n_there = 0;

        (void)state;
        long add_us = time_of_one_add();
        for (int i = 0; i < KILLS; i++) {
                snprintf(name, sizeof name, "entry%d", i);
                pid_t pid = tool_start(empty, WORDS("add", TOOL_KEY, "--generate=4096", name));
                sleep_us(add_us * 2 * i / KILLS);
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                bool was_acknowledged = WIFEXITED(status) && WEXITSTATUS(status) == 0;
                n_finished += was_acknowledged;

                struct run r = tool_run_with(NULL, 0, WORDS("get", TOOL_KEY, name));
                assert_true(r.status == 0 || (r.status == 6 && !was_acknowledged));
                assert_true(r.status != 0 || r.n_out == 4096);
                n_there += r.status == 0;
                run_free(&r);
        }
        close(empty);
        assert_int_equal(tool_add("last", "x"), 0);
        struct run r = tool_run_with(NULL, 0, WORDS("list", TOOL_KEY));
        size_t n_lines = 0;
        for (size_t i = 0; i < r.n_out; i++)
                n_lines += r.out[i] == '\n';
        assert_int_equal(n_lines, n_there + 2);
        assert_int_equal(r.n_err, 0); /* the torn tail, if there was one, is gone */
        run_free(&r);
        assert_int_equal(count_files(".local/share"), 1);
        print_message("%d of %d adds finished before they were killed\n", n_finished, KILLS);
}

/* The first add makes the vault by writing a new file: killed there, the next one finds its way. */
static void killed_while_the_vault_is_made_the_next_add_makes_it(void **state)
{
        enum { KILLS = 30 };
        int status, empty = open("/dev/null", O_RDONLY);
        long add_us = time_of_one_add();

        (void)state;
        for (int i = 0; i < KILLS; i++) {
                assert_int_equal(system("rm -rf .local"), 0);
                pid_t pid = tool_start(empty, WORDS("add", TOOL_KEY, "--generate=4096", "a"));
                sleep_us(add_us * 3 / 2 * i / KILLS);
                kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_int_equal(tool_add("b", "x"), 0);
                assert_true(tool_holds("b", "x", 1));
                assert_int_equal(count_files(".local/share"), 1);
        }
        close(empty);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(parallel_adds_lose_nothing),
        TOOL_TEST(killed_at_any_moment_an_add_is_whole_or_not_there),
        TOOL_TEST(killed_while_the_vault_is_made_the_next_add_makes_it),
};

MAIN(tests)

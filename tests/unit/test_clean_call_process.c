/* Clean calls and what happens to the process: limits of locked memory, children, and the wipe of all. */
#include "unit/clean_call_testing.h"

#include "outside/forked.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

/* A page above 64 KiB is one stack and the sealing key: stack and secret give way to each other. */
static void live_under_a_small_limit(void *arg)
{
        keepmum_secret s;
        const void *bytes;
        int four = 4, result = 0;

        (void)arg;
        stack_give_kept();
        if (!forked_become_nobody(STACK_BYTES + page()))
                return;
        expect_int(keepmum_call_clean(&result, add_one, &four, 0), 0);
        expect_int(result, 5);
        expect_int(make_with(&s, 32, 0, 1), 0);
        for (int i = 0; i < 3; i++) {
                result = 0;
                expect_int(keepmum_call_clean(&result, add_one, &four, 0), 0);
                expect_int(result, 5);
                expect_int(look_for(s, 1, 32, 32), 0);
        }
        expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        result = 0;
        expect_int(keepmum_call_clean(&result, add_one, &four, 0), KEEPMUM_ENOSLOT);
        expect_int(result, 0);
        keepmum_close(s);
        keepmum_destroy(&s);
        expect_int(keepmum_call_clean(&result, add_one, &four, 0), 0);
}

static void a_kept_stack_gives_way_where_memory_is_short(void **state)
{
        (void)state;
        if (page() > 4096)
                return;
        assert_true(forked_passes(live_under_a_small_limit, NULL));
}

static void use_in_child(void *arg)
{
        int four = 4, result = 0;

        (void)arg;
        expect_int(keepmum_call_clean(&result, add_one, &four, 0), 0);
        expect_int(result, 5);
        expect(is_clean());
}

static void a_child_has_stacks_of_its_own(void **state)
{
        int one = 1;

        (void)state;
        assert_ok(keepmum_call_clean(NULL, add_one, &one, 0));
        assert_true(forked_passes(use_in_child, NULL));
}

static int fork_inside(void *arg)
{
        pid_t pid = fork();
        int status = 0;

        (void)arg;
        if (pid == 0)
                _exit(0);
        return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static int spawn_inside(void *arg)
{
        (void)arg;
        return system("true");
}

static void a_child_made_inside_has_no_stack(void **state)
{
        int result = -1;

        (void)state;
        if (IS_SANITIZED)
                return; /* its own handlers speak */
        assert_ok(keepmum_call_clean(&result, fork_inside, NULL, 0));
        assert_int_equal(result, SIGSEGV);
        assert_ok(keepmum_call_clean(&result, spawn_inside, NULL, 0));
        assert_int_equal(result, 0);
}

static void wipe_and_call(void *arg)
{
        int four = 4, result = 0;

        (void)arg;
        keepmum_wipe_all();
        expect_int(keepmum_call_clean(&result, add_one, &four, 0), KEEPMUM_EWIPED);
        expect_int(result, 0);
}

static int wipe_inside(void *arg)
{
        make_dirty();
        keepmum_wipe_all();
        return *(int *)arg;
}

static void be_inside_at_the_end(void *arg)
{
        int four = 4, result = 0;

        (void)arg;
        expect_int(keepmum_call_clean(&result, wipe_inside, &four, 0), 0);
        expect_int(result, 4);
        expect(is_clean());
}

static void after_wipe_all_nothing_is_called(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_and_call, NULL));
}

static void a_call_that_wipes_all_comes_back(void **state)
{
        (void)state;
        assert_true(forked_passes(be_inside_at_the_end, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_stack_gives_way_where_memory_is_short),
        cmocka_unit_test(a_child_has_stacks_of_its_own),
        cmocka_unit_test(a_child_made_inside_has_no_stack),
        cmocka_unit_test(after_wipe_all_nothing_is_called),
        cmocka_unit_test(a_call_that_wipes_all_comes_back),
};

int main(void)
{
        if (!MOVED_CALL_IS_THERE)
                forked_skip_all("no clean calls on this machine");
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

/* Clean calls, from inside the process: the stack a call ran on is looked at afterwards, where it stands. What else happens to the process:
 * test_clean_call_process. */
#include "unit/clean_call_testing.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static bool is_blocked(int signal_number)
{
        sigset_t now;

        pthread_sigmask(SIG_SETMASK, NULL, &now);
        return sigismember(&now, signal_number) == 1;
}

static void a_function_gets_its_argument_and_gives_its_result(void **state)
{
        int four = 4, result = 0;

        (void)state;
        assert_ok(keepmum_call_clean(&result, add_one, &four, 0));
        assert_int_equal(result, 5);
        assert_ok(keepmum_call_clean(NULL, add_one, &four, 0));
}

static int stand(void *arg)
{
        volatile int here = 0;

        make_dirty();
        *(uintptr_t *)arg = (uintptr_t)&here;
        return here;
}

static void the_stack_is_wiped_afterwards(void **state)
{
        int result;

        (void)state;
        for (unsigned i = 0; i < 3; i++) {
                uintptr_t where = 0;

                assert_ok(keepmum_call_clean(&result, stand, &where, i * STACK_BYTES));
                assert_true(where > deepest && where - deepest < 2 * DEEP_BYTES);
                if (i < 2)
                        assert_true(is_clean());
        }
}

static int set_errno(void *arg)
{
        (void)arg;
        errno = EXDEV;
        return 0;
}

static _Thread_local int of_this_thread = 1;

static int set_thread_local(void *arg)
{
        (void)arg;
        return of_this_thread++;
}

static void errno_and_thread_locals_are_those_of_the_thread(void **state)
{
        int result;

        (void)state;
        errno = 0;
        assert_ok(keepmum_call_clean(&result, set_errno, NULL, 0));
        assert_int_equal(errno, EXDEV);
        assert_ok(keepmum_call_clean(&result, set_thread_local, NULL, 0));
        assert_int_equal(result, 1);
        assert_int_equal(of_this_thread, 2);
}

static void what_cannot_be_is_refused_and_not_called(void **state)
{
        int number = 1, result = 77;

        (void)state;
        assert_int_equal(keepmum_call_clean(&result, NULL, NULL, 0), MOVED_CALL_IS_THERE ? KEEPMUM_EINVAL : KEEPMUM_ENOTSUP);
        assert_int_equal(keepmum_call_clean(&result, add_one, &number, STACK_MAX_BYTES + 1), KEEPMUM_ETOOBIG);
        assert_int_equal(result, 77);
}

/* ---- nested ---- */

static int call_again(void *arg)
{
        uintptr_t outer = (uintptr_t)__builtin_frame_address(0), inner = 0;
        int result;

        make_dirty();
        if (keepmum_call_clean(&result, stand, &inner, 0) != 0)
                return -1;
        *(bool *)arg = is_clean() && is_blocked(SIGUSR1);
        return outer - inner > STACK_BYTES || inner > outer;
}

static void a_call_within_a_call_leaves_nothing_on_a_stack_of_its_own(void **state)
{
        bool is_inner_clean = false;
        int result = 0;

        (void)state;
        assert_ok(keepmum_call_clean(&result, call_again, &is_inner_clean, 0));
        assert_int_equal(result, 1);
        assert_true(is_inner_clean);
        assert_true(is_clean());
        assert_false(is_blocked(SIGUSR1));
}

/* ---- signals ---- */

static volatile sig_atomic_t n_caught, n_caught_clean;

static void on_signal(int number)
{
        (void)number;
        n_caught = n_caught + 1;
        n_caught_clean = n_caught_clean + is_clean();
}

static int ask_for_signals(void *arg)
{
        (void)arg;
        make_dirty();
        raise(SIGUSR1);
        kill(getpid(), SIGTERM);
        return n_caught;
}

static void signals_wait_until_the_stack_is_wiped(void **state)
{
        sigset_t before, after;
        int result = -1;

        (void)state;
        signal(SIGUSR1, on_signal);
        signal(SIGTERM, on_signal);
        pthread_sigmask(SIG_SETMASK, NULL, &before);
        assert_ok(keepmum_call_clean(&result, ask_for_signals, NULL, 0));
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        signal(SIGUSR1, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        assert_int_equal(result, 0);
        assert_int_equal(n_caught, 2);
        assert_int_equal(n_caught_clean, 2);
        for (int i = 1; i < NSIG; i++)
                assert_int_equal(sigismember(&before, i), sigismember(&after, i));
}

static int look_at_mask(void *arg)
{
        (void)arg;
        return is_blocked(SIGTERM) && is_blocked(SIGALRM) && is_blocked(SIGRTMAX) && is_blocked(SIGABRT) && !is_blocked(SIGSEGV) &&
               !is_blocked(SIGFPE);
}

static void only_what_answers_an_instruction_is_not_blocked(void **state)
{
        int result;

        (void)state;
        assert_ok(keepmum_call_clean(&result, look_at_mask, NULL, 0));
        assert_int_equal(result, 1);
}

/* ---- other ways out ---- */

static _Noreturn int exit_thread(void *arg)
{
        make_dirty();
        pthread_exit(arg);
}

static _Noreturn int wait_for_cancellation(void *arg)
{
        make_dirty();
        atomic_store((atomic_bool *)arg, true);
        for (;;)
                pause();
}

static atomic_bool is_waiting;
static volatile bool was_clean_and_unblocked;

static void note_state(void *arg)
{
        (void)arg;
        was_clean_and_unblocked = is_clean() && !is_blocked(SIGUSR1);
}

static void *run_and_leave(void *fn)
{
        int result;

        pthread_cleanup_push(note_state, NULL);
        if (keepmum_call_clean(&result, *(int (**)(void *))fn, (void *)(uintptr_t)&is_waiting, 0) != 0)
                abort();
        pthread_cleanup_pop(0);
        return NULL;
}

static void pthread_exit_goes_through_it(void **state)
{
        int (*fn)(void *) = exit_thread;
        pthread_t thread;
        void *value = NULL;

        (void)state;
        was_clean_and_unblocked = false;
        assert_ok(pthread_create(&thread, NULL, run_and_leave, &fn));
        assert_ok(pthread_join(thread, &value));
        assert_ptr_equal(value, &is_waiting);
        assert_true(was_clean_and_unblocked);
}

static void so_does_the_cancellation_of_a_thread(void **state)
{
        int (*fn)(void *) = wait_for_cancellation;
        pthread_t thread;
        void *value = NULL;

        (void)state;
        was_clean_and_unblocked = false;
        assert_ok(pthread_create(&thread, NULL, run_and_leave, &fn));
        while (!atomic_load(&is_waiting))
                usleep(1000);
        assert_ok(pthread_cancel(thread));
        assert_ok(pthread_join(thread, &value));
        assert_ptr_equal(value, PTHREAD_CANCELED);
        assert_true(was_clean_and_unblocked);
}

/* ---- many at once ---- */

enum { THREADS = 8, ROUNDS = 300 };

static int stand_alone(void *arg)
{
        volatile unsigned char bytes[4000];

        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = *(unsigned char *)arg;
        for (size_t i = 0; i < sizeof bytes; i++)
                if (bytes[i] != *(unsigned char *)arg)
                        return -1;
        return 0;
}

static void *call_often(void *number)
{
        for (unsigned i = 0; i < ROUNDS; i++) {
                int result = -2;

                if (keepmum_call_clean(&result, stand_alone, number, i % 7 == 0 ? STACK_MAX_BYTES : 0) != 0 || result != 0)
                        return number;
        }
        return NULL;
}

static void threads_do_not_meet_on_a_stack(void **state)
{
        unsigned char numbers[THREADS];
        pthread_t threads[THREADS];

        (void)state;
        for (unsigned char i = 0; i < THREADS; i++) {
                numbers[i] = (unsigned char)(i + 1);
                assert_ok(pthread_create(&threads[i], NULL, call_often, &numbers[i]));
        }
        for (size_t i = 0; i < THREADS; i++) {
                void *failed;

                assert_ok(pthread_join(threads[i], &failed));
                assert_null(failed);
        }
}

static void stacks_are_kept_but_few(void **state)
{
        uint64_t used;

        (void)state;
        stack_give_kept();
        used = stat_of(KEEPMUM_STAT_SLOTS) - stat_of(KEEPMUM_STAT_FREE_SLOTS);
        for (unsigned i = 0; i < 20; i++) {
                int one = 1;

                assert_ok(keepmum_call_clean(NULL, add_one, &one, 0));
        }
        assert_int_equal(stat_of(KEEPMUM_STAT_SLOTS) - stat_of(KEEPMUM_STAT_FREE_SLOTS), used + 1);
        assert_true(stack_give_kept());
        assert_false(stack_give_kept());
        assert_int_equal(stat_of(KEEPMUM_STAT_SLOTS) - stat_of(KEEPMUM_STAT_FREE_SLOTS), used);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused_and_not_called),
#if MOVED_CALL_IS_THERE
        cmocka_unit_test(a_function_gets_its_argument_and_gives_its_result),
        cmocka_unit_test(the_stack_is_wiped_afterwards),
        cmocka_unit_test(errno_and_thread_locals_are_those_of_the_thread),
        cmocka_unit_test(a_call_within_a_call_leaves_nothing_on_a_stack_of_its_own),
        cmocka_unit_test(signals_wait_until_the_stack_is_wiped),
        cmocka_unit_test(only_what_answers_an_instruction_is_not_blocked),
        cmocka_unit_test(pthread_exit_goes_through_it),
        cmocka_unit_test(so_does_the_cancellation_of_a_thread),
        cmocka_unit_test(threads_do_not_meet_on_a_stack),
        cmocka_unit_test(stacks_are_kept_but_few),
#endif
};

MAIN_OF_TESTS

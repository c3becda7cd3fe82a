/* A thread that is to be cancelled calls the library, which calls what cancellation strikes in: open(2), close(2), read(2), getrandom(2). It
 * must come back from there, with no lock taken and nothing half done, and a misuse or a crash must end the process all the same. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

static atomic_bool has_come_back;

/* Cancelled from the start on: the first call that lets it happen ends the thread. */
static void *call_cancelled(void *act)
{
        void (*const *call)(void) = act;

        expect_int(pthread_cancel(pthread_self()), 0);
        (*call)();
        atomic_store(&has_come_back, true);
        pthread_testcancel();
        return NULL;
}

static void in_cancelled_thread(void (*act)(void))
{
        pthread_t thread;
        void *result;

        atomic_store(&has_come_back, false);
        expect_int(pthread_create(&thread, NULL, call_cancelled, &act), 0);
        expect_int(pthread_join(thread, &result), 0);
        expect(result == PTHREAD_CANCELED);
}

/* ---- what it does ---- */

static keepmum_secret made[300];

static void create_one(void)
{
        expect_int(make_with(&made[0], 32, 0, 1), 0);
}

static void create_many(void)
{
        for (unsigned i = 0; i < n_of(made); i++)
                expect_int(make_with(&made[i], 32, 0, i), 0);
}

static void create_many_in_three_pages(void)
{
        expect_int(keepmum_set_lock_budget(3 * page()), 0);
        create_many();
}

static void ask_the_kernel(void)
{
        unsigned promises;

        create_one();
        expect_int(keepmum_verify(made[0], &promises), 0);
}

static void fill_with_noise(void)
{
        create_one();
        expect_int(keepmum_fill_random(made[0]), 0);
}

static void write_and_read(void)
{
        int ends[2];

        create_one();
        expect_int(pipe2(ends, O_CLOEXEC), 0);
        expect_int(keepmum_write_fd(made[0], ends[1]), 0);
        expect_int(dup2(ends[0], ends[1]), ends[1]); /* close(2) is where it would strike */
        expect_int(keepmum_read_fd(&made[1], ends[0], 100, 0), 0);
        expect_int(look_for(made[1], 1, 32, 32), 0);
}

/* ---- the thread comes back, and others go on ---- */

static void leave_the_library_whole(void *act)
{
        in_cancelled_thread(*(void (*const *)(void))act);
        expect(atomic_load(&has_come_back));
        expect_int(stat_of(KEEPMUM_STAT_OPENS), 0);
        create_many();
        for (unsigned i = 0; i < n_of(made); i++)
                expect_int(look_for(made[i], i, 32, 32), 0);
}

static void a_cancelled_thread_comes_back_from_every_call(void **state)
{
        static void (*const acts[])(void) = {create_one, create_many, create_many_in_three_pages, ask_the_kernel, fill_with_noise, write_and_read};

        (void)state;
        for (unsigned i = 0; i < n_of(acts); i++)
                assert_true(forked_passes(leave_the_library_whole, (void *)(uintptr_t)&acts[i]));
}

/* ---- the process ends although the thread is to end ---- */

static void destroy_twice(void)
{
        keepmum_secret copy;

        create_one();
        copy = made[0];
        keepmum_destroy(&made[0]);
        keepmum_destroy(&copy);
}

static void fault(void)
{
        *(volatile char *)(uintptr_t)page() = 1;
}

static void misuse(void *arg)
{
        (void)arg;
        in_cancelled_thread(destroy_twice);
}

static void crash(void *arg)
{
        (void)arg;
        expect_int(keepmum_harden_process(KEEPMUM_WIPE_ON_CRASH), 0);
        in_cancelled_thread(fault);
}

static void misuse_by_a_cancelled_thread_ends_the_process(void **state)
{
        struct ending e = forked_run(misuse, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_string_equal(e.said, "keepmum: destroy of a destroyed secret\n");
}

static void a_crash_of_a_cancelled_thread_ends_the_process(void **state)
{
        struct ending e = forked_run(crash, NULL);

        (void)state;
        if (IS_SANITIZED)
                return; /* the sanitizer has the signal */
        assert_int_equal(e.signal_number, SIGSEGV);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_thread_comes_back_from_every_call),
        cmocka_unit_test(misuse_by_a_cancelled_thread_ends_the_process),
        cmocka_unit_test(a_crash_of_a_cancelled_thread_ends_the_process),
};

MAIN_OF_TESTS

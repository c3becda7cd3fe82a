/* KEEPMUM_WIPE_ON_CRASH beside what the application does itself: it ends by the signal that struck, whatever stands in its way. */
#include "unit/harness.h"

#include "os/crash.h"
#include "outside/forked.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static void report_and_leave(int signal_number)
{
        (void)signal_number;
        _exit(3);
}

static void *sleep_for_ever(void *arg)
{
        for (;;)
                pause();
        return arg;
}

static void abort_beside_a_handler(void *arg)
{
        pthread_t thread;

        signal(SIGSEGV, report_and_leave);
        expect_int(keepmum_harden_process(KEEPMUM_WIPE_ON_CRASH), 0);
        expect_int(pthread_create(&thread, NULL, sleep_for_ever, arg), 0);
        abort();
}

static void no_handler_of_the_application_is_called_for_what_struck_elsewhere(void **state)
{
        struct ending e = forked_run(abort_beside_a_handler, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
}

static void misuse(void)
{
        keepmum_destroy(NULL);
}

static void crash_with_a_bad_wish(void *arg)
{
        (void)arg;
        expect_int(crash_catch(misuse), 0);
        raise(SIGSEGV);
}

static void a_misuse_amid_a_crash_ends_it(void **state)
{
        struct ending e = forked_run(crash_with_a_bad_wish, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_string_equal(e.said, "keepmum: destroy of a null pointer\n");
}

static void is_there(void *arg)
{
        (void)arg;
        _exit(keepmum_harden_process(KEEPMUM_WIPE_ON_CRASH) != 0);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_handler_of_the_application_is_called_for_what_struck_elsewhere),
        cmocka_unit_test(a_misuse_amid_a_crash_ends_it),
};

int main(void)
{
        if (forked_run(is_there, NULL).exit_code != 0)
                forked_skip_all("no KEEPMUM_WIPE_ON_CRASH on this CPU");
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

/* Inner clean calls that are passed by: by a longjmp into the outer one, and by pthread_exit() on its way to a cleanup handler of C. Compiled
 * without -fexceptions, since pthread_cleanup_push() is made of setjmp() only then, and without -D_FORTIFY_SOURCE, whose longjmp() knows no
 * second stack. Not under a sanitizer, which does not know it either. */
#include "unit/harness.h"

#include "base/moved_call.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

enum { KEY_BYTES = 64, DEPTH = 3, IS_POSSIBLE = MOVED_CALL_IS_THERE && !IS_SANITIZED };

static volatile unsigned char *keys[DEPTH];
static jmp_buf back;
static unsigned n_calls;

static volatile unsigned char *leave_key(volatile unsigned char key[static KEY_BYTES])
{
        for (unsigned i = 0; i < KEY_BYTES; i++)
                key[i] = byte_of(1, i);
        return key;
}

static void assert_gone(const volatile unsigned char *key)
{
        for (unsigned i = 0; i < KEY_BYTES; i++)
                assert_int_equal(key[i], 0);
}

static int jump(void *arg)
{
        volatile unsigned char key[KEY_BYTES];

        (void)arg;
        keys[n_calls] = leave_key(key);
        if (++n_calls < DEPTH)
                return keepmum_call_clean(NULL, jump, NULL, 0);
        longjmp(back, 1);
}

static int land(void *arg)
{
        (void)arg;
        return setjmp(back) == 0 ? keepmum_call_clean(NULL, jump, NULL, 0) : 7;
}

static void nothing_is_left_of_calls_that_jumped_into_one_around_them(void **state)
{
        int result = 0;

        (void)state;
        if (!IS_POSSIBLE)
                return;
        n_calls = 0;
        assert_ok(keepmum_call_clean(&result, land, NULL, 0));
        assert_int_equal(result, 7);
        for (unsigned i = 0; i < DEPTH; i++)
                assert_gone(keys[i]);
        assert_ok(keepmum_call_clean(&result, land, NULL, 0)); /* and the thread may go on */
}

static atomic_bool is_handled;

static void handle(void *arg)
{
        (void)arg;
        atomic_store(&is_handled, true);
}

static int end_thread(void *arg)
{
        volatile unsigned char key[KEY_BYTES];

        (void)arg;
        keys[0] = leave_key(key);
        pthread_exit(NULL);
}

static int call_under_a_handler(void *arg)
{
        int err;

        (void)arg;
        pthread_cleanup_push(handle, NULL);
        err = keepmum_call_clean(NULL, end_thread, NULL, 0);
        pthread_cleanup_pop(0);
        return err;
}

static void *run(void *arg)
{
        (void)arg;
        return (void *)(intptr_t)keepmum_call_clean(NULL, call_under_a_handler, NULL, 0);
}

static void nothing_is_left_where_a_thread_ends_past_a_handler_of_c(void **state)
{
        pthread_t thread;

        (void)state;
        if (!IS_POSSIBLE)
                return;
        assert_ok(pthread_create(&thread, NULL, run, NULL));
        assert_ok(pthread_join(thread, NULL));
        assert_true(atomic_load(&is_handled));
        assert_gone(keys[0]);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_left_where_a_thread_ends_past_a_handler_of_c),
        cmocka_unit_test(nothing_is_left_of_calls_that_jumped_into_one_around_them),
};

MAIN_OF_TESTS

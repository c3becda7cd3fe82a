/* The bare call on another stack. Needs nothing of the library but itself, so that it is run for other CPUs too (tests/cross). */
#include "unit/harness.h"

#include "base/moved_call.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unwind.h>

enum { OTHER_BYTES = 256 << 10, FRAMES = 64 };

static unsigned char *other; /* the other stack */

static bool is_on_other(const void *p)
{
        return (uintptr_t)p - (uintptr_t)other < OTHER_BYTES;
}

static int look_around(void *arg)
{
        volatile int here = *(int *)arg;

        return is_on_other((const void *)(uintptr_t)&here) && (uintptr_t)__builtin_frame_address(0) % 16 == 0 ? here : -1;
}

static void the_stack_is_another_and_aligned(void **state)
{
        int number = 12345;

        (void)state;
        assert_false(is_on_other(&number));
        assert_int_equal(moved_call(look_around, &number, other + OTHER_BYTES), 12345);
}

/* ---- unwinding ---- */

static struct {
        uintptr_t at[FRAMES];
        size_t n;
} trace;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
        (void)arg;
        if (trace.n < FRAMES)
                trace.at[trace.n++] = _Unwind_GetIP(context);
        return _URC_NO_REASON;
}

static int note_frames(void *arg)
{
        trace.n = 0;
        _Unwind_Backtrace(note_frame, arg);
        return (int)trace.n;
}

static uintptr_t place_in_caller;

static __attribute__((noinline)) int call_moved(void *stack)
{
        int n = moved_call(note_frames, NULL, stack);

        place_in_caller = (uintptr_t)__builtin_return_address(0);
        return n + 0 * *(volatile int *)&n;
}

static void a_backtrace_goes_through_to_the_caller(void **state)
{
        bool is_found = false;

        (void)state;
        assert_true(call_moved(other + OTHER_BYTES) > 3);
        for (size_t i = 0; i < trace.n; i++)
                is_found |= trace.at[i] == place_in_caller;
        assert_true(is_found);
}

static int n_cleaned;
static bool was_on_own_stack;

static void clean(int *arg)
{
        n_cleaned += *arg;
        was_on_own_stack = !is_on_other(__builtin_frame_address(0));
}

static _Noreturn int leave_thread(void *arg)
{
        pthread_exit(arg);
}

static void *run_and_leave(void *stack)
{
        __attribute__((cleanup(clean))) int one = 1;

        (void)one;
        moved_call(leave_thread, stack, stack);
        abort();
}

static void a_thread_that_ends_inside_runs_its_callers_cleanups(void **state)
{
        pthread_t thread;
        void *value = NULL;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, run_and_leave, other + OTHER_BYTES), 0);
        assert_int_equal(pthread_join(thread, &value), 0);
        assert_ptr_equal(value, other + OTHER_BYTES);
        assert_int_equal(n_cleaned, 1);
        assert_true(was_on_own_stack);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stack_is_another_and_aligned),
        cmocka_unit_test(a_backtrace_goes_through_to_the_caller),
        cmocka_unit_test(a_thread_that_ends_inside_runs_its_callers_cleanups),
};

int main(void)
{
        other = mmap(NULL, OTHER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (!MOVED_CALL_IS_THERE || other == MAP_FAILED)
                return 77;
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

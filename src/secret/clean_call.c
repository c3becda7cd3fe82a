/* Clean calls: a function runs on a stack from guarded memory, and on the way out registers and stack are wiped.
 *
 * The order of leave() is the promise: registers first, before anything else is called that could save them; then the stack, the whole of
 * it, since finding the part that was used costs more; the signal mask last, so that no handler ever finds what is to go. leave()
 * is a cleanup: exceptions, thread cancellation and pthread_exit() go through it too, which is why this is compiled with
 * -fexceptions. Only longjmp() passes it by; the next call of the thread sees that.
 *
 * A call inside a call gets a stack of its own, so that after each of them nothing is left of it. docs/design.md, "Clean calls". */
#include "base/fatal.h"
#include "base/moved_call.h"
#include "base/registers.h"
#include "os/signals.h"
#include "secret/layer.h"
#include "secret/stack.h"

#include <errno.h>

#ifndef __EXCEPTIONS
#error "compile this with -fexceptions"
#endif

/* Where the innermost clean call of this thread runs; {0, 0} while there is none. */
struct bounds {
        uintptr_t low, high;
};

static _Thread_local struct bounds inside;

struct clean_call {
        uint32_t stack;
        struct bounds outside;
        uint64_t mask;
};

static void leave(struct clean_call *c)
{
        int kept;

        registers_wipe();
        kept = errno;
        inside = c->outside;
        stack_give(c->stack);
        errno = kept;
        signals_restore(c->mask);
}

static int run(int (*fn)(void *arg), void *arg, uint32_t stack)
{
        __attribute__((cleanup(leave))) struct clean_call c = {.stack = stack, .outside = inside};
        const struct slot *s = pool_slot(stack);

        signals_block(&c.mask);
        inside = (struct bounds){(uintptr_t)s->bytes, (uintptr_t)s->bytes + s->n_bytes};
        return moved_call(fn, arg, s->bytes + s->n_bytes);
}

/* On the stack where the last call of this thread is still going on, if there is one. */
static bool is_where_it_should_be(const void *frame)
{
        return inside.high == 0 || ((uintptr_t)frame >= inside.low && (uintptr_t)frame < inside.high);
}

int keepmum_call_clean(int *result, int (*fn)(void *arg), void *arg, size_t stack_bytes)
{
        uint32_t stack;
        int err, value;

        if (!MOVED_CALL_IS_THERE)
                return KEEPMUM_ENOTSUP;
        must(is_where_it_should_be(__builtin_frame_address(0)), "a clean call was left by longjmp");
        if (fn == NULL)
                return KEEPMUM_EINVAL;
        if (stack_bytes > STACK_MAX_BYTES)
                return KEEPMUM_ETOOBIG;
        if ((err = layer_enter()) != 0 || (err = stack_take(&stack, stack_bytes)) != 0)
                return err;
        value = run(fn, arg, stack);
        if (result != NULL)
                *result = value;
        return 0;
}

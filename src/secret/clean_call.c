/* Clean calls: a function runs on a stack from guarded memory, and on the way out registers and stack are wiped.
 *
 * The order of leave() is the promise: registers first, before anything else is called that could save them; then the stack, the whole of
 * it, since finding the part that was used costs more; the signal mask last, so that no handler ever finds what is to go. leave()
 * is a cleanup: exceptions, thread cancellation and pthread_exit() go through it too, which is why this is compiled with
 * -fexceptions. Only longjmp() passes it by; the next call of the thread sees that, and the end of a call around it clears up for both.
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

static _Thread_local uint32_t innermost; /* the stack of this thread's innermost clean call; 0 while there is none */

struct clean_call {
        uint32_t stack;
        uint64_t mask;
};

/* With the stacks of calls inside this one that were passed by: libc's thread cancellation and pthread_exit() jump over them to a cleanup handler
 * of C that stands on this stack, since they take what lies higher for what was called earlier. */
static void give_stacks_down_to(uint32_t last)
{
        uint32_t stack;

        do {
                stack = innermost;
                must(stack != 0, "a clean call was left by longjmp");
                innermost = pool_slot(stack)->outer;
                stack_give(stack);
        } while (stack != last);
}

static void leave(struct clean_call *c)
{
        int kept;

        registers_wipe();
        kept = errno;
        give_stacks_down_to(c->stack);
        errno = kept;
        signals_restore(c->mask);
}

static int run(int (*fn)(void *arg), void *arg, uint32_t stack)
{
        __attribute__((cleanup(leave))) struct clean_call c = {.stack = stack};
        struct slot *s = pool_slot(stack);

        s->outer = innermost;
        signals_block(&c.mask);
        innermost = stack;
        return moved_call(fn, arg, s->bytes + s->n_bytes);
}

/* On the stack where the last call of this thread is still going on, if there is one. */
static bool is_where_it_should_be(const void *frame)
{
        const struct slot *s;

        if (innermost == 0)
                return true;
        s = pool_slot(innermost);
        return (uintptr_t)frame - (uintptr_t)s->bytes < s->n_bytes;
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
        if (epoch_is_wiped()) { /* the stack was a secret's slot a moment ago: it may be about to be written over */
                stack_give(stack);
                return KEEPMUM_EWIPED;
        }
        value = run(fn, arg, stack);
        if (result != NULL)
                *result = value;
        return 0;
}

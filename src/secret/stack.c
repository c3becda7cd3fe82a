/* Stacks for clean calls.
 *
 * Opening and closing 64 KiB would cost more than all the rest of a clean call, so a few stacks stay open between calls: there is nothing
 * on them but zeroes. They belong to the process, not to a thread: as many are locked as calls are made at one time.
 *
 * Always true: a kept stack is writable and zero, and stands in exactly one place of kept[]; whoever exchanges it out owns it. No lock, so
 * that a fork meets none. A stack's slot has no owner, and keepmum_wipe_all() passes it by: who runs there wipes it. */
#include "secret/stack.h"

#include "base/wipe.h"
#include "os/page.h"
#include "secret/seal.h"

enum { SMALL_KEPT = 4, LARGE_KEPT = 1 };

static _Atomic uint32_t small_kept[SMALL_KEPT], large_kept[LARGE_KEPT];

static const struct kind {
        size_t n_bytes;
        _Atomic uint32_t *kept;
        size_t n_kept;
} kinds[] = {{STACK_BYTES, small_kept, SMALL_KEPT}, {STACK_MAX_BYTES, large_kept, LARGE_KEPT}};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* In a child of fork: the parent's stacks are not there. */
void stack_start_anew(void)
{
        for (size_t k = 0; k < KINDS; k++)
                for (size_t i = 0; i < kinds[k].n_kept; i++)
                        atomic_store(&kinds[k].kept[i], 0);
}

static uint32_t take_kept(const struct kind *k)
{
        uint32_t number = 0;

        for (size_t i = 0; i < k->n_kept && number == 0; i++)
                number = atomic_exchange(&k->kept[i], 0);
        return number;
}

int stack_take(uint32_t *number, size_t n_bytes)
{
        const struct kind *k = &kinds[n_bytes > STACK_BYTES];
        struct want want = {k->n_bytes, 0, NULL};
        struct key_use use = {0};
        bool is_open = false;
        int err;

        if ((*number = take_kept(k)) != 0)
                return 0;
        if ((err = pool_take(number, want.n_bytes, 0)) != 0) /* a sealing key is asked for only where one is needed */
                err = seal_take_slot(number, &is_open, &want, &use);
        key_close(&use);
        if (err != 0)
                return err;
        atomic_store(&pool_slot(*number)->stays, true);
        if (!is_open)
                page_open_write(pool_slot(*number)->bytes, pool_slot(*number)->n_bytes);
        return 0;
}

static bool keep(const struct kind *k, uint32_t number)
{
        for (size_t i = 0; i < k->n_kept; i++) {
                uint32_t none = 0;

                if (atomic_compare_exchange_strong(&k->kept[i], &none, number))
                        return true;
        }
        return false;
}

void stack_give(uint32_t number)
{
        const struct slot *s = pool_slot(number);

        wipe(s->bytes, s->n_bytes);
        if (!keep(&kinds[s->n_bytes > STACK_BYTES], number))
                pool_give(number);
}

bool stack_give_kept(void)
{
        uint32_t number;
        bool has_given = false;

        for (size_t k = 0; k < KINDS; k++)
                for (; (number = take_kept(&kinds[k])) != 0; has_given = true)
                        pool_give(number);
        return has_given;
}

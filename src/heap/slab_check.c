/* Is a slot sound? Its canary whole while it is live, its bytes zero while it is free. Takes no lock: what another thread changes at this
 * moment is looked at again, and again after a nap. */
#include "heap/slab.h"

#include "base/fatal.h"
#include "heap/canary.h"
#include "heap/misuse.h"
#include "heap/run.h"
#include "heap/tools.h"
#include "heap/zero.h"
#include "os/process.h"

enum { LOOKS = 20 };

/* Live with a whole canary, or free and zero, or on its way from one to the other in another thread's hands. */
static bool slot_is_sound(const struct slab *s, uint32_t slot, uint16_t *slack)
{
        const char *at = s->base + (size_t)slot * s->slot_bytes;

        *slack = s->slack[slot];
        if (*slack != 0)
                return canary_is_sound(at, s->slot_bytes, *slack);
        return zero_holds(at, s->slot_bytes) || canary_last_byte_stands(at, s->slot_bytes);
}

static void slot_check(const struct slab *s, uint32_t slot)
{
        uint16_t slack = 0;

        for (uint32_t look = 0; look < LOOKS; look++) { /* it may change between our looks at its word and at its bytes */
                if (slot_is_sound(s, slot, &slack))
                        return;
                if (look >= LOOKS / 2)
                        process_nap();
        }
        run_unlock(); /* of run_each(): the program's hook may allocate */
        fatal(slack != 0 ? HEAP_OVERRUN : HEAP_WRITE_AFTER_FREE);
}

void slab_check(void *at)
{
        const struct heap_range *r = range_find(at);
        const struct slab *s = &r->slabs[((uintptr_t)at - r->base) / HEAP_UNIT];
        uint32_t n_slots = atomic_load_explicit(&s->n_slots, memory_order_acquire);

        if (tools_watch())
                return;
        for (uint32_t slot = 0; slot < s->n_opened && slot < n_slots; slot++)
                slot_check(s, slot);
}

bool slab_below_is_sound(const void *p)
{
        const char *below = (const char *)p - 1;

        for (uint32_t look = 0; look < LOOKS; look++) {
                const struct heap_range *r = range_find(below);
                const struct slab *s;
                const char *at;
                uint32_t n_slots, slot, within;
                uint16_t slack;

                if (r == NULL)
                        return true;
                s = &r->slabs[((uintptr_t)below - r->base) / HEAP_UNIT];
                n_slots = atomic_load_explicit(&s->n_slots, memory_order_acquire);
                within = (uint32_t)(((uintptr_t)below - r->base) % HEAP_UNIT);
                slot = (uint32_t)((uint64_t)within * s->inverse >> 32);
                if (slot >= n_slots || (slot + 1) * s->slot_bytes != within + 1)
                        return true;
                at = s->base + (size_t)slot * s->slot_bytes;
                slack = s->slack[slot];
                if (canary_end_is_sound(at, s->slot_bytes, slack) || (slack == 0 && canary_last_byte_stands(at, s->slot_bytes)))
                        return true;
                if (look >= LOOKS / 2)
                        process_nap();
        }
        return false;
}

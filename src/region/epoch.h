/* The epoch: from the first use, or from a fork, to the end of the process or its next fork. */
#ifndef REGION_EPOCH_H
#define REGION_EPOCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EPOCH_NONE, EPOCH_STARTING, EPOCH_STARTED }; /* 0 is what a child of fork finds */

/* The page that the kernel fills with zeroes in a child, whatever call made the child. */
struct epoch {
        _Atomic uint32_t stage;
        _Atomic uint32_t is_wiped; /* keepmum_wipe_all() ran */
};

extern _Atomic(struct epoch *) epoch_page;

static inline bool epoch_is_started(void)
{
        struct epoch *e = atomic_load_explicit(&epoch_page, memory_order_acquire);

        return e != NULL && atomic_load_explicit(&e->stage, memory_order_acquire) == EPOCH_STARTED;
}

/* Only after the epoch has started. */
static inline bool epoch_is_wiped(void)
{
        return atomic_load(&atomic_load_explicit(&epoch_page, memory_order_relaxed)->is_wiped) != 0;
}

/* Runs start() in exactly one thread of the process, others wait; a failed start is tried again by the next caller. */
int epoch_start(int (*start)(void));
/* Every later call answers KEEPMUM_EWIPED, in this process. Async-signal-safe. */
void epoch_set_wiped(void);

#endif

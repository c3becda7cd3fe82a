/* A ledger: book-keeping that grows and never moves, in guarded pages of its own. */
#ifndef REGION_LEDGER_H
#define REGION_LEDGER_H

#include "base/fatal.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { LEDGER_SEGMENT_ENTRIES = 4096, LEDGER_SEGMENTS = 4096, LEDGER_MAX_ENTRIES = LEDGER_SEGMENT_ENTRIES * LEDGER_SEGMENTS };

struct ledger {
        _Atomic uint32_t count; /* entries in use; entry 0 is never used, so that 0 can say "none" */
        _Atomic(char *) segments[LEDGER_SEGMENTS];
};

/* Appends zeroed entries; *first becomes the number of the first one. KEEPMUM_ENOMEM, KEEPMUM_ENOSLOT when full, KEEPMUM_ELIMIT.
 * Not for two threads at a time. The entries count only after ledger_publish(), so they can be filled before. */
int ledger_append(struct ledger *l, uint32_t *first, uint32_t n_entries, size_t entry_bytes);
void ledger_publish(struct ledger *l, uint32_t n_entries);

static inline uint32_t ledger_count(struct ledger *l)
{
        uint32_t n = atomic_load_explicit(&l->count, memory_order_acquire);

        return n == 0 ? 1 : n;
}

/* The entry of a number below ledger_count(), or just appended. Any thread, and signal handlers. */
static inline void *ledger_at(struct ledger *l, uint32_t number, size_t entry_bytes)
{
        char *segment = atomic_load_explicit(&l->segments[number / LEDGER_SEGMENT_ENTRIES], memory_order_acquire);

        return segment + number % LEDGER_SEGMENT_ENTRIES * entry_bytes;
}

#endif

/* Ledgers grow by segments of 4,096 entries, each between two untouchable pages.
 *
 * Always true: an entry never moves, so that threads and signal handlers read it without a lock. Small segments instead of one
 * large reservation: under mlockall(MCL_FUTURE) a reservation is charged against the lock limit too. */
#include "region/ledger.h"

#include "base/size.h"
#include "os/page.h"

#include <keepmum.h>

static int segment_get(struct ledger *l, uint32_t number, size_t entry_bytes)
{
        _Atomic(char *) *segment = &l->segments[number / LEDGER_SEGMENT_ENTRIES];
        void *p;
        int err;

        if (atomic_load_explicit(segment, memory_order_relaxed) != NULL)
                return 0;
        if ((err = page_map_table(&p, size_round_up(LEDGER_SEGMENT_ENTRIES * entry_bytes, page_bytes()))) != 0)
                return err;
        atomic_store_explicit(segment, p, memory_order_release);
        return 0;
}

int ledger_append(struct ledger *l, uint32_t *first, uint32_t n_entries, size_t entry_bytes)
{
        uint32_t count = ledger_count(l), last = count + n_entries - 1;
        int err;

        if (last >= LEDGER_MAX_ENTRIES)
                return KEEPMUM_ENOSLOT;
        if ((err = segment_get(l, count, entry_bytes)) != 0 || (err = segment_get(l, last, entry_bytes)) != 0)
                return err;
        *first = count;
        return 0;
}

void ledger_publish(struct ledger *l, uint32_t n_entries)
{
        atomic_store_explicit(&l->count, ledger_count(l) + n_entries, memory_order_release);
}

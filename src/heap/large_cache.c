/* The quarantine of addresses, the ready blocks, and reserving and unmapping: heap/large_cache.h says what for.
 *
 * Always true: what stands in a queue has an entry in the table in that state, and is in no other queue. System calls are made
 * without the lock. docs/heap.md has the measurements behind the numbers. */
#include "heap/large_cache.h"

#include "base/size.h"
#include "heap/zero.h"
#include "os/page.h"

#include <stdint.h>
#include <string.h>

enum {
        QUEUE_PLACES = 64,     /* above the limits, for what several threads give at once */
        HUGE_BYTES = 2097152   /* what one entry of a middle page table spans: mremap moves it in one step if both ends are aligned */
};

struct queue {
        uintptr_t at[QUEUE_PLACES]; /* oldest first */
        size_t n, bytes;            /* ready: of memory; quarantine: of addresses */
};

static struct queue ready, quarantine;
static size_t live_now, live_peak;

/* ---- queues: the lock is held ---- */

static size_t weight(const struct large *d)
{
        return d->state == LARGE_READY ? d->warm_bytes : d->total_bytes;
}

static bool put(struct queue *q, const struct large *d)
{
        if (q->n == QUEUE_PLACES || large_table_put(d) == NULL)
                return false;
        q->at[q->n++] = d->at;
        q->bytes += weight(d);
        return true;
}

static void take(struct queue *q, size_t i, struct large *d, enum large_state state)
{
        struct large *entry = large_table_find(q->at[i]);

        q->bytes -= weight(entry);
        q->n--;
        memmove(&q->at[i], &q->at[i + 1], (q->n - i) * sizeof q->at[0]);
        entry->state = state;
        *d = *entry;
}

static bool is_between(size_t n, size_t least)
{
        return n >= least && n - least <= least / 4;
}

static size_t room_of(const struct large *d)
{
        return d->total_bytes - (d->at - d->base) - page_bytes();
}

/* The oldest that fits, not more than a quarter larger. */
static bool take_fitting(struct queue *q, struct large *d, size_t open_bytes, size_t alignment)
{
        for (size_t i = 0; i < q->n; i++) {
                const struct large *entry = large_table_find(q->at[i]);
                size_t n = entry->state == LARGE_READY ? entry->open_bytes : room_of(entry);
                bool is_fit = entry->state == LARGE_READY || entry->open_bytes == 0; /* not what could not be closed */

                if (is_fit && is_between(n, open_bytes) && (entry->at & (alignment - 1)) == 0) {
                        take(q, i, d, LARGE_BUSY);
                        return true;
                }
        }
        return false;
}

/* ---- addresses ---- */

/* Trims what an alignment above 2 MiB made the mapping too long by. */
static void trim(struct large *d, size_t open_bytes)
{
        size_t guard = page_bytes(), below = d->at - guard - d->base, above = room_of(d) - open_bytes;

        if (below > 0 && page_unmap((void *)d->base, below)) {
                d->base += below;
                d->total_bytes -= below;
        }
        if (above > 0 && page_unmap((void *)(d->base + d->total_bytes - above), above))
                d->total_bytes -= above;
}

static bool reserve(struct large *d, size_t open_bytes, size_t alignment)
{
        size_t guard = page_bytes(), most = (size_t)PTRDIFF_MAX - 2 * guard, spare;
        bool is_known;

        if (open_bytes >= HUGE_BYTES && alignment < HUGE_BYTES && page_address_limit() == SIZE_MAX)
                alignment = HUGE_BYTES;
        spare = alignment > guard ? alignment - guard : 0;
        if (open_bytes > most || spare > most - open_bytes)
                return false;
        *d = (struct large){.state = LARGE_BUSY, .total_bytes = open_bytes + spare + 2 * guard};
        d->base = (uintptr_t)page_set_aside(d->total_bytes);
        if (d->base == 0)
                return false;
        d->at = size_round_up(d->base + guard, alignment > guard ? alignment : guard);
        if (alignment > HUGE_BYTES)
                trim(d, open_bytes);
        heap_lock(&large_table_lock);
        is_known = large_table_put(d) != NULL;
        heap_unlock(&large_table_lock);
        if (!is_known)
                (void)page_unmap((void *)d->base, d->total_bytes);
        return is_known;
}

bool large_cache_take_place(struct large *d, size_t open_bytes, size_t alignment)
{
        bool is_found = false;

        heap_lock(&large_table_lock);
        if (quarantine.n >= LARGE_QUARANTINE_BLOCKS / 2 || quarantine.bytes >= LARGE_QUARANTINE_BYTES / 2)
                is_found = take_fitting(&quarantine, d, open_bytes, alignment);
        heap_unlock(&large_table_lock);
        return is_found || reserve(d, open_bytes, alignment);
}

/* What cannot be unmapped: empty and closed, or at least clear. open_bytes says which. */
static void empty(struct large *d)
{
        void *at = (void *)d->at;

        if (d->open_bytes == 0 || page_empty(at, d->open_bytes)) {
                d->open_bytes = 0;
                return;
        }
        if (!page_discard(at, d->open_bytes))
                zero_clear(at, d->open_bytes);
        if (page_set_none(at, d->open_bytes) == 0)
                d->open_bytes = 0;
}

/* LEAVING before, since another thread may be given the same addresses at once and make the entry its own. */
bool large_cache_drop(struct large *d)
{
        const struct large *entry;
        bool is_gone;

        d->state = LARGE_LEAVING;
        heap_lock(&large_table_lock);
        (void)large_table_put(d);
        heap_unlock(&large_table_lock);
        is_gone = page_unmap((void *)d->base, d->total_bytes);
        if (!is_gone)
                empty(d);
        heap_lock(&large_table_lock);
        if (is_gone) {
                entry = large_table_find(d->at);
                if (entry != NULL && entry->state == LARGE_LEAVING)
                        large_table_remove(d->at);
        } else {
                d->state = LARGE_QUARANTINED;
                if (!put(&quarantine, d)) /* 64 that cannot be unmapped: this one's addresses are lost, its memory is not */
                        large_table_remove(d->at);
        }
        heap_unlock(&large_table_lock);
        return is_gone;
}

void large_cache_forget(struct large *d, uintptr_t hole, size_t hole_bytes)
{
        uintptr_t above = hole + hole_bytes;

        heap_lock(&large_table_lock);
        large_table_remove(d->at);
        heap_unlock(&large_table_lock);
        (void)page_unmap((void *)d->base, hole - d->base);
        (void)page_unmap((void *)above, d->base + d->total_bytes - above);
}

/* ---- giving and taking ---- */

/* What must go first: the oldest ready one, as memory counts more than addresses. */
static bool take_surplus(struct large *d)
{
        if (ready.n > LARGE_READY_BLOCKS || ready.bytes > LARGE_READY_BYTES ||
            (ready.n > 0 && live_now + ready.bytes > live_peak + live_peak / 8)) {
                take(&ready, 0, d, LARGE_LEAVING);
                return true;
        }
        if (quarantine.n > LARGE_QUARANTINE_BLOCKS || quarantine.bytes > LARGE_QUARANTINE_BYTES) {
                take(&quarantine, 0, d, LARGE_LEAVING);
                return true;
        }
        return false;
}

void large_cache_limit(void)
{
        struct large d;
        bool is_over;

        do {
                heap_lock(&large_table_lock);
                is_over = take_surplus(&d);
                heap_unlock(&large_table_lock);
        } while (is_over && large_cache_drop(&d));
}

static void give(struct queue *q, struct large *d, enum large_state state)
{
        bool is_put;

        d->state = state;
        heap_lock(&large_table_lock);
        is_put = put(q, d);
        heap_unlock(&large_table_lock);
        if (is_put)
                large_cache_limit();
        else
                (void)large_cache_drop(d);
}

void large_cache_give_ready(struct large *d)
{
        give(&ready, d, LARGE_READY);
}

void large_cache_give_place(struct large *d)
{
        d->open_bytes = 0;
        if (d->total_bytes > LARGE_QUARANTINE_BYTES)
                (void)large_cache_drop(d);
        else
                give(&quarantine, d, LARGE_QUARANTINED);
}

bool large_cache_take_ready(struct large *d, size_t open_bytes, size_t alignment)
{
        bool is_found;

        heap_lock(&large_table_lock);
        is_found = take_fitting(&ready, d, open_bytes, alignment);
        heap_unlock(&large_table_lock);
        if (!is_found || d->open_bytes == open_bytes)
                return is_found;
        if (page_empty((void *)(d->at + open_bytes), d->open_bytes - open_bytes)) {
                d->open_bytes = open_bytes;
                return true;
        }
        (void)large_cache_drop(d);
        return false;
}

bool large_cache_take_largest(struct large *d)
{
        size_t most = 0, n_bytes = 0;

        heap_lock(&large_table_lock);
        for (size_t i = 0; i < ready.n; i++) {
                size_t n = large_table_find(ready.at[i])->warm_bytes;

                if (n > n_bytes) {
                        most = i;
                        n_bytes = n;
                }
        }
        if (n_bytes > 0)
                take(&ready, most, d, LARGE_BUSY);
        heap_unlock(&large_table_lock);
        return n_bytes > 0;
}

void large_cache_note_live(size_t live_bytes)
{
        live_now = live_bytes;
        if (live_now > live_peak)
                live_peak = live_now;
}

size_t large_cache_empty(void)
{
        size_t n_bytes = 0;
        struct large d;
        bool is_found;

        do {
                heap_lock(&large_table_lock);
                is_found = ready.n > 0 || quarantine.n > 0;
                if (is_found)
                        take(ready.n > 0 ? &ready : &quarantine, 0, &d, LARGE_LEAVING);
                heap_unlock(&large_table_lock);
                if (!is_found || !large_cache_drop(&d))
                        return n_bytes;
                n_bytes += d.total_bytes;
        } while (true);
}

void large_cache_count(uint64_t *n_blocks, uint64_t *n_bytes)
{
        *n_blocks = ready.n + quarantine.n;
        *n_bytes = quarantine.bytes;
        for (size_t i = 0; i < ready.n; i++)
                *n_bytes += large_table_find(ready.at[i])->total_bytes;
}

/* How ranges come to be, grow and shrink.
 *
 * Always true: the tables beside a range are opened before n_bytes says so, and stay open when it shrinks, since lookups hold no
 * lock; what was reserved and not opened is charged to no limit but RLIMIT_AS, so reservations are cut to a share of that. */
#include "heap/range.h"

#include "base/fatal.h"
#include "base/size.h"
#include "heap/run.h"
#include "heap/slab.h"
#include "os/brk.h"
#include "os/page.h"

#include <errno.h>

#define MIB ((size_t)1 << 20)
#define BREAK_MAX (65536 * MIB)    /* of the break, beyond it mappings follow */
#define MAPPING_FIRST (1024 * MIB) /* each further one is twice as large */
#define TABLE_STEP (16 * MIB)      /* tables are opened for so much at once: a page or more of each */

enum { AS_SHARE_BREAK = 2, AS_SHARE_MAPPING = 4 }; /* the part of RLIMIT_AS a reservation may take */

struct heap_range heap_ranges[HEAP_RANGES];

const struct heap_range *range_find_other(const void *p)
{
        for (const struct heap_range *r = &heap_ranges[1]; r < heap_ranges + HEAP_RANGES; r++)
                if (range_holds(r, p))
                        return r;
        return NULL;
}

static size_t slabs_bytes(size_t range_bytes)
{
        return size_round_up(range_bytes / HEAP_UNIT * sizeof(struct slab), page_bytes());
}

static size_t nodes_bytes(size_t range_bytes)
{
        return size_round_up(range_bytes / HEAP_LEAF * sizeof(struct run_node), page_bytes());
}

static size_t dirt_bytes(size_t range_bytes)
{
        return size_round_up(range_bytes / HEAP_LEAF / 8 + sizeof(uint64_t), page_bytes());
}

static size_t tables_bytes(size_t range_bytes)
{
        return slabs_bytes(range_bytes) + nodes_bytes(range_bytes) + dirt_bytes(range_bytes) + 4 * page_bytes();
}

size_t range_books_bytes(void)
{
        size_t n_bytes = 0;

        for (const struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES; r++)
                if (r->opened_bytes > 0)
                        n_bytes += tables_bytes(r->opened_bytes) - 4 * page_bytes();
        return n_bytes;
}

/* The three tables, an untouchable page before each and behind the last. */
static bool reserve_tables(struct heap_range *r, size_t max_bytes)
{
        void *base;
        char *at;

        if (page_reserve(&base, tables_bytes(max_bytes)) != 0)
                return false;
        at = (char *)base + page_bytes();
        r->slabs = (struct slab *)(void *)at;
        at += slabs_bytes(max_bytes) + page_bytes();
        r->nodes = (struct run_node *)(void *)at;
        at += nodes_bytes(max_bytes) + page_bytes();
        r->dirt = (uint64_t *)(void *)at;
        r->max_bytes = max_bytes;
        return true;
}

static bool open_tables_for(struct heap_range *r, size_t n_bytes)
{
        if (page_open_first(r->slabs, slabs_bytes(n_bytes)) != 0 || page_open_first(r->nodes, nodes_bytes(n_bytes)) != 0 ||
            page_open_first(r->dirt, dirt_bytes(n_bytes)) != 0)
                return false;
        r->opened_bytes = n_bytes;
        return true;
}

static bool open_tables(struct heap_range *r, size_t n_bytes)
{
        size_t ample = size_round_up(n_bytes, TABLE_STEP);

        if (n_bytes <= r->opened_bytes)
                return true;
        if (n_bytes > r->max_bytes)
                return false;
        return open_tables_for(r, ample < r->max_bytes ? ample : r->max_bytes) || open_tables_for(r, n_bytes);
}

/* ---- making a range ---- */

static size_t within_limit(size_t wanted, size_t share, size_t n_bytes)
{
        size_t part = page_address_limit() / share / HEAP_STEP * HEAP_STEP;

        if (wanted > part)
                wanted = part;
        return wanted < n_bytes ? n_bytes : wanted;
}

static bool open_break(struct heap_range *r, size_t n_bytes)
{
        uintptr_t top = brk_may_move() ? brk_top() : 0;

        if (top == 0)
                return false;
        for (size_t max = within_limit(BREAK_MAX, AS_SHARE_BREAK, n_bytes); max >= n_bytes; max = max / 2 / HEAP_STEP * HEAP_STEP)
                if (reserve_tables(r, max)) {
                        r->is_break = true;
                        __atomic_store_n(&r->base, size_round_up(top, HEAP_UNIT), __ATOMIC_RELAXED);
                        return true;
                }
        return false;
}

static bool map_range(struct heap_range *r, size_t max_bytes)
{
        void *at;

        if (page_reserve(&at, max_bytes + HEAP_UNIT) != 0)
                return false;
        if (!reserve_tables(r, max_bytes)) {
                page_release(at, max_bytes + HEAP_UNIT);
                return false;
        }
        __atomic_store_n(&r->base, size_round_up((uintptr_t)at, HEAP_UNIT), __ATOMIC_RELAXED);
        return true;
}

static bool open_mapping(struct heap_range *r, size_t n_bytes)
{
        size_t wanted = MAPPING_FIRST << (r - heap_ranges);

        for (size_t max = within_limit(wanted, AS_SHARE_MAPPING, n_bytes); max >= n_bytes; max = max / 2 / HEAP_STEP * HEAP_STEP)
                if (map_range(r, max))
                        return true;
        return false;
}

bool range_open(struct heap_range *r, size_t n_bytes)
{
        static bool is_break_tried;
        bool is_first_try = !is_break_tried;

        n_bytes = size_round_up(n_bytes, HEAP_STEP);
        is_break_tried = true;
        return (is_first_try && open_break(r, n_bytes)) || open_mapping(r, n_bytes);
}

void range_abandon_break(struct heap_range *r)
{
        page_release((char *)r->slabs - page_bytes(), tables_bytes(r->max_bytes));
        __atomic_store_n(&r->base, 0, __ATOMIC_RELAXED);
        r->is_break = false;
        r->opened_bytes = 0;
}

/* ---- growing and shrinking ---- */

/* Where the next step of the break begins: at our top, or behind what somebody else took since. */
static uintptr_t next_of_break(const struct heap_range *r, uintptr_t top)
{
        uintptr_t ours = r->base + r->n_bytes;

        must(r->n_bytes == 0 || top >= ours, "the break was moved below the heap");
        return top <= ours ? ours : size_round_up(top, HEAP_UNIT);
}

static bool grow_break(struct heap_range *r, size_t n_bytes, size_t *gap_bytes)
{
        uintptr_t top = brk_may_move() ? brk_top() : 0, next;

        if (top == 0)
                return false;
        next = next_of_break(r, top);
        *gap_bytes = next - (r->base + r->n_bytes);
        return *gap_bytes < r->max_bytes && open_tables(r, r->n_bytes + *gap_bytes + n_bytes) &&
               brk_grow(top, next + n_bytes - top);
}

static bool grow_mapping(struct heap_range *r, size_t n_bytes, size_t *gap_bytes)
{
        *gap_bytes = 0;
        return open_tables(r, r->n_bytes + n_bytes) && page_open_first((char *)r->base + r->n_bytes, n_bytes) == 0;
}

bool range_grow(struct heap_range *r, size_t n_bytes, size_t *gap_bytes)
{
        if (n_bytes > r->max_bytes - r->n_bytes)
                return false;
        if (!(r->is_break ? grow_break(r, n_bytes, gap_bytes) : grow_mapping(r, n_bytes, gap_bytes)))
                return false;
        __atomic_store_n(&r->n_bytes, r->n_bytes + *gap_bytes + n_bytes, __ATOMIC_RELEASE);
        return true;
}

bool range_shrink(struct heap_range *r, size_t n_bytes)
{
        size_t was = r->n_bytes;
        uintptr_t top = r->base + was;
        int kept = errno;
        bool is_done;

        if (r->is_break && (!brk_may_move() || brk_top() != top))
                return false;
        __atomic_store_n(&r->n_bytes, was - n_bytes, __ATOMIC_RELEASE);
        is_done = r->is_break ? brk_shrink(top, n_bytes) : page_vacate((char *)top - n_bytes, n_bytes) == 0;
        errno = kept;
        if (!is_done)
                __atomic_store_n(&r->n_bytes, was, __ATOMIC_RELEASE);
        return is_done;
}

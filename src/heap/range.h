/* Ranges: the stretches of addresses that small and medium blocks live in.
 *
 * The first is the break (brk), grown in steps of 1 MiB; where the break cannot grow, reserved mappings follow, at most eight.
 * Beside each range, in a mapping of their own with untouchable pages between, stand one struct slab for each 64 KiB, one struct
 * run_node for each 4 KiB and one bit for each 4 KiB (heap/dirt.h). Memory between our steps that somebody else took by sbrk is
 * marked as not ours, never touched. */
#ifndef HEAP_RANGE_H
#define HEAP_RANGE_H

#include "heap/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAP_RANGES = 9 };

struct slab;
struct run_node;

struct heap_range {
        uintptr_t base;         /* multiple of HEAP_UNIT; 0 while unused */
        size_t n_bytes;         /* what lookups may index, ours or not; multiple of HEAP_UNIT; read without a lock */
        struct slab *slabs;     /* [n_bytes / HEAP_UNIT], zero where no slab is */
        struct run_node *nodes; /* [n_bytes / HEAP_LEAF] */
        uint64_t *dirt;         /* a bit a leaf */
        size_t max_bytes;       /* what the tables are reserved for */
        size_t opened_bytes;    /* what of them is opened for */
        bool is_break;
};

extern struct heap_range heap_ranges[HEAP_RANGES];

const struct heap_range *range_find_other(const void *p); /* among all but the first; NULL */

/* *offset: of p from the range's base, if p is in it. */
static inline bool range_offset(const struct heap_range *r, const void *p, uintptr_t *offset)
{
        *offset = (uintptr_t)p - __atomic_load_n(&r->base, __ATOMIC_RELAXED);
        return *offset < __atomic_load_n(&r->n_bytes, __ATOMIC_RELAXED);
}

static inline bool range_holds(const struct heap_range *r, const void *p)
{
        uintptr_t offset;

        return range_offset(r, p, &offset);
}

static inline bool range_first_has(const void *p)
{
        return __builtin_expect(range_holds(&heap_ranges[0], p), 1);
}

static inline const struct heap_range *range_find(const void *p)
{
        if (range_first_has(p))
                return &heap_ranges[0];
        return range_find_other(p);
}

/* For heap/run.c alone, which holds its lock. */

/* Makes an unused range, able to grow by n_bytes at least: of the break, once, or of a mapping. */
bool range_open(struct heap_range *r, size_t n_bytes);
/* The break, which never grew, becomes an unused range again. */
void range_abandon_break(struct heap_range *r);
/* Adds n_bytes, a multiple of HEAP_UNIT, in one piece to the top, behind *gap_bytes of somebody else's. All zero. */
bool range_grow(struct heap_range *r, size_t n_bytes, size_t *gap_bytes);
/* Gives the top n_bytes, a multiple of HEAP_UNIT, back to the kernel. Nobody uses them, and their slabs and nodes are zero. */
bool range_shrink(struct heap_range *r, size_t n_bytes);
size_t range_books_bytes(void); /* opened for book-keeping, of all ranges */

#endif

/* Shelves: the lists of a range's free runs, by length, and the books of each run's two ends. The lock of heap/run.c is held. */
#ifndef HEAP_SHELF_H
#define HEAP_SHELF_H

#include "heap/range.h"
#include "heap/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        SHELF_EXACT = 128,           /* a list for each length up to this; above one for each power of two */
        SHELF_LISTS = SHELF_EXACT + 25
};

struct shelf {
        uint64_t filled[(SHELF_LISTS + 63) / 64]; /* a bit for each list that is not empty */
        uint32_t head[SHELF_LISTS];               /* leaf + 1 */
        uint64_t n_runs, free_leaves, dirty_leaves, foreign_leaves;
        /* for heap/purge.c */
        uint64_t purge_above, purged_leaves, purged_below, retouched_leaves;
        unsigned patience;
        bool is_trimmed;
};

extern struct shelf shelves[HEAP_RANGES];

/* Nodes are read without the lock too. */
#define NODE_GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define NODE_PUT(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

static inline size_t range_leaves(const struct heap_range *r)
{
        return r->n_bytes / HEAP_LEAF;
}

static inline struct shelf *shelf_of(const struct heap_range *r)
{
        return &shelves[r - heap_ranges];
}

/* Writes down a run's two ends. */
void shelf_mark(const struct heap_range *r, size_t first, size_t n_leaves, enum run_use use);
void shelf_unmark(const struct heap_range *r, size_t leaf);
/* The length of the run that starts at first, ends sound and of this use; dies otherwise. */
size_t shelf_length(const struct heap_range *r, size_t first, enum run_use use);

/* A free run comes on its list or leaves it. */
void shelf_put(const struct heap_range *r, size_t first, size_t n_leaves);
void shelf_remove(const struct heap_range *r, size_t first);
/* The first leaf of a free run that has n_leaves at a multiple of align_leaves, from *at on: the shortest such, nearly. */
bool shelf_find(const struct heap_range *r, size_t n_leaves, size_t align_leaves, size_t *first, size_t *at);
/* The longest list below this one that is not empty, or -1: from SHELF_LISTS down. */
int shelf_list_below(const struct shelf *s, int list);

#endif

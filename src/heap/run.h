/* Runs: stretches of 4 KiB leaves within a range, for slabs and for medium blocks.
 *
 * Free runs are found by best fit, joined with free neighbours on both sides, and given back to the kernel: from the top of the
 * range by moving the break down, inside by MADV_DONTNEED. Their sizes and lists stand out of line, in the range's nodes: an
 * overrun of a block finds no boundary tag to forge. Always true: every byte of a free run is zero. */
#ifndef HEAP_RUN_H
#define HEAP_RUN_H

#include "heap/misuse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the first and the last leaf of every run; those between are zero. Changed under the lock; all but the free list is read without. */
struct run_node {
        uint32_t n_leaves;
        uint8_t use;      /* enum run_use */
        uint8_t is_first; /* 0 where only the last leaf of a longer run */
        uint8_t state;    /* first leaf of a medium run: heap/medium.c */
        uint8_t spare;
        uint32_t next;     /* free run: leaf + 1 of the next in its list; medium run: heap/medium.c */
        uint32_t previous; /* free run: leaf + 1 of the one before; other: a number no run taken before had */
};

enum run_use { RUN_NOT_OURS, RUN_FREE, RUN_SLAB, RUN_MEDIUM };

/* n_leaves in one piece, its start at a multiple of align_leaves (a power of two) in the address space. NULL without memory, errno
 * then undefined. */
void *run_take(size_t n_leaves, size_t align_leaves, enum run_use use);
/* Of the whole run that starts there; its bytes are all zero. Keeps errno. Of a slab each leaf counts as touched, of a medium run
 * those that heap/dirt.h says. */
void run_give(void *at);
/* Makes a run longer by what is free behind it, of which nothing is changed; false if that is too little. */
bool run_extend(void *at, size_t n_more_leaves);
/* Keeps the first n_kept_leaves of a run, at least one, and gives the others, which are zero. Keeps errno. */
void run_cut(void *at, size_t n_kept_leaves);
/* Gives all free memory back to the kernel that it takes; returns the bytes. */
size_t run_trim(void);

struct run_counts {
        uint64_t from_kernel, free_bytes, dirty_bytes, n_free_runs, books_bytes;
};
void run_count(struct run_counts *counts);
/* Calls with every run that is in use, lowest first, the lock held: for heap/survey.c. */
void run_each(void (*visit)(void *context, void *at, size_t n_bytes, enum run_use use), void *context);
/* Dies if a free run's memory, as far as the kernel holds it, is not all zero, or its books are not sound. */
void run_check_free(void);
/* Whether p, an address in a range, stands in a free run. */
bool run_is_free_at(const void *p);

/* For fork: take the lock, let it go, or make it anew in the child. */
void run_lock(void);
void run_unlock(void);
void run_lock_renew(void);

#endif

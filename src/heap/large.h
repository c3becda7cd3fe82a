/* Large blocks: more than 1 MiB, a mapping each, between two untouchable pages.
 *
 * What is known of them stands in a hash table out of line. After a free the addresses wait closed and empty, so that a use faults, and
 * the memory waits cleared under other addresses (heap/large_cache.h). The slack up to the page's end carries canaries
 * (heap/canary.h) and is otherwise zero and checked. Where a move of memory is refused it is not known whose the place is by then (the
 * kernel may have unmapped it first, and another thread mapped it): its addresses are given up, no memory. errno: ENOMEM when NULL is returned; kept otherwise. */
#ifndef HEAP_LARGE_H
#define HEAP_LARGE_H

#include "heap/misuse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n_bytes + 1 and the alignment, a power of two, are bounded by PTRDIFF_MAX by the caller. All zero. */
void *large_allocate(size_t n_bytes, size_t alignment);
/* False if p is nowhere in a large block, live or waiting in the cache. Dies if it is, but not the start of a live one. */
bool large_free(void *p);
bool large_size(const void *p, size_t *n_bytes, enum heap_act act);
/* Grows or shrinks by mapping pages anew, without copying (mremap); the block may move. NULL, the block unchanged, if that cannot
 * be. What is gained is zero. p is a live large block, n_bytes still a large size. */
void *large_resize(void *p, size_t n_bytes);
void large_check(void); /* every live block's canaries */
size_t large_trim(void); /* unmaps what waits in the cache; returns the bytes given back */

struct large_counts {
        uint64_t n_live, live_bytes, n_cached, cached_bytes, table_bytes; /* cached: closed ones and ready ones */
};
void large_count(struct large_counts *counts);

/* For fork: take the lock, let it go, or make it anew in the child. */
void large_lock(void);
void large_unlock(void);
void large_lock_renew(void);

#endif

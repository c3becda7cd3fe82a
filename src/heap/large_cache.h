/* Where large blocks get their addresses and their memory from, and what becomes of both after a free.
 *
 * Addresses and memory part ways at a free. The addresses go to the quarantine, closed and empty: 32 mappings and 64 MiB at most, and
 * none is used again before it is half full, then the oldest first. The memory, cleared, goes to a ready block, elsewhere, which the
 * next allocation that fits takes without a system call: nobody has a stale pointer to it. Ready blocks hold no more memory
 * than makes an eighth above the most that was live at once. */
#ifndef HEAP_LARGE_CACHE_H
#define HEAP_LARGE_CACHE_H

#include "heap/large_table.h"

#include <stdbool.h>
#include <stddef.h>

enum {
        LARGE_QUARANTINE_BLOCKS = 32,
        LARGE_QUARANTINE_BYTES = 64 * 1024 * 1024, /* of addresses */
        LARGE_READY_BLOCKS = 16,
        LARGE_READY_BYTES = 64 * 1024 * 1024 /* of memory */
};

/* Each takes the lock itself; what it hands out is BUSY, the caller's. errno kept. */

/* Closed addresses with room for open_bytes between untouchable pages. False without memory. */
bool large_cache_take_place(struct large *d, size_t open_bytes, size_t alignment);
/* A ready block of exactly open_bytes, all zero. */
bool large_cache_take_ready(struct large *d, size_t open_bytes, size_t alignment);
/* The ready block with the most memory, of any size. */
bool large_cache_take_largest(struct large *d);
/* Give: d is the caller's no more. A ready one is open, clear and holds d->warm_bytes; one for the quarantine is closed and empty. */
void large_cache_give_ready(struct large *d);
void large_cache_give_place(struct large *d);
/* Unmaps. Where the kernel refuses, it stays in the quarantine: false. */
bool large_cache_drop(struct large *d);
/* Unmaps all but a hole in it, addresses that are somebody else's. */
void large_cache_forget(struct large *d, uintptr_t hole, size_t hole_bytes);
/* After live blocks have become more: keeps to the limits. The lock is held for the first. */
void large_cache_note_live(size_t live_bytes);
void large_cache_limit(void);
/* Unmaps all; returns the bytes of addresses. */
size_t large_cache_empty(void);
/* The lock is held. */
void large_cache_count(uint64_t *n_blocks, uint64_t *n_bytes);

#endif

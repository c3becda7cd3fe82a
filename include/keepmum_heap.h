/* keepmum_heap.h: a general-purpose heap for what is not secret.
 *
 * The functions mean what their namesakes of the C library mean, with these differences:
 *  - Memory is all zero when it is handed out, and is zeroed when it is freed.
 *  - Misuse ends the process at once: one fixed sentence on standard error, then abort() (docs/misuse.md lists them). A double free, a
 *    free of what is no block, a write past the end or before the start, and a write after the free that a reuse meets are found in
 *    every build, at free, realloc or reuse; keepmum_heap_check() finds the rest.
 *  - No byte beyond the size that was asked for may be used: keepmum_heap_usable_size() returns that size.
 *
 * Blocks are aligned to 16 bytes. Sizes are bytes. Any thread may call any function and free what another allocated. In a child of fork()
 * all blocks are there and may be freed. None of them may be called from a signal handler. A block must go back to the heap it
 * came from: keepmum_heap_free() for keepmum_heap_malloc().
 *
 * A whole program runs on this heap under LD_PRELOAD=libkeepmum-malloc.so; with KEEPMUM_HEAP_CHECK=1 in its environment all of it is
 * looked at when the program exits.
 *
 * Plain secrets do not belong here: see keepmum.h. docs/heap.md says how it works, what each check costs, and what it does not see. */
#ifndef KEEPMUM_HEAP_H
#define KEEPMUM_HEAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined __GNUC__
#define KEEPMUM_HEAP_API __attribute__((visibility("default")))
#define KEEPMUM_HEAP_ALLOCATES __attribute__((visibility("default"), warn_unused_result, malloc))
#define KEEPMUM_HEAP_CHECKED __attribute__((visibility("default"), warn_unused_result))
#else
#define KEEPMUM_HEAP_API
#define KEEPMUM_HEAP_ALLOCATES
#define KEEPMUM_HEAP_CHECKED
#endif

/** Allocate memory, all zero.
 *
 *  in   n_bytes: payload, in bytes; 0 gives a block of its own that has no usable byte
 *  returns the block, or NULL with errno ENOMEM: no memory, a limit (RLIMIT_AS, RLIMIT_DATA), or n_bytes above PTRDIFF_MAX
 *  threads: any; cost: no lock and no system call usually; source: docs/heap.md */
KEEPMUM_HEAP_ALLOCATES void *keepmum_heap_malloc(size_t n_bytes);

/** Allocate an array, all zero.
 *
 *  in   n_members, member_bytes: their product is the payload
 *  returns as keepmum_heap_malloc(); NULL with errno ENOMEM also if the product overflows */
KEEPMUM_HEAP_ALLOCATES void *keepmum_heap_calloc(size_t n_members, size_t member_bytes);

/** Give a block another size, keeping its first bytes. What is gained is zero, what is given up is zeroed.
 *
 *  in   block:   a live block, which must not be used afterwards, or NULL: as keepmum_heap_malloc()
 *       n_bytes: its new payload; 0 is a size like any other: the block is not freed
 *  returns the block, which may have moved; NULL with errno ENOMEM, and the old block is as it was
 *  aborts on a block that is not live, and on one that was written past its end */
KEEPMUM_HEAP_CHECKED void *keepmum_heap_realloc(void *block, size_t n_bytes);

/** Zero a block and give it back. errno is kept.
 *
 *  in   block: a live block, or NULL: nothing happens
 *  aborts on a block that is not live, and on one that was written past its end or before its start */
KEEPMUM_HEAP_API void keepmum_heap_free(void *block);

/** Allocate memory at a multiple of an alignment, all zero.
 *
 *  in   alignment: a power of two
 *       n_bytes:   payload, need not be a multiple of the alignment
 *  returns as keepmum_heap_malloc(); NULL with errno EINVAL if the alignment is no power of two */
KEEPMUM_HEAP_ALLOCATES void *keepmum_heap_aligned_alloc(size_t alignment, size_t n_bytes);

/** The size that was asked for: more may not be used.
 *
 *  in   block: a live block, or NULL
 *  returns bytes; 0 for NULL
 *  aborts on a block that is not live */
KEEPMUM_HEAP_API size_t keepmum_heap_usable_size(const void *block);

/** Look at every block, live or free, for a write past the end, before the start, or after the free.
 *
 *  aborts with the sentence of what was found; returns if nothing was
 *  threads: others may go on working; a block that changes while it is looked at is looked at again
 *  cost: reads all memory of the heap, holding its locks */
KEEPMUM_HEAP_API void keepmum_heap_check(void);

/** Give memory that is not in use back to the kernel: the calling thread's cache, empty slabs, free runs, freed mappings.
 *
 *  returns bytes given back */
KEEPMUM_HEAP_API size_t keepmum_heap_trim(void);

/** What keepmum_heap_stats() can say. New ones are added at the end. */
enum keepmum_heap_stat {
        KEEPMUM_HEAP_STAT_FROM_KERNEL, /* bytes held, from brk and mmap, without the book-keeping */
        KEEPMUM_HEAP_STAT_BOOKS,       /* bytes of book-keeping that were opened */
        KEEPMUM_HEAP_STAT_SLABS,       /* bytes in slabs of small slots */
        KEEPMUM_HEAP_STAT_MEDIUM,      /* bytes in live medium blocks, their slack included */
        KEEPMUM_HEAP_STAT_LARGE,       /* bytes in live large blocks, their slack included */
        KEEPMUM_HEAP_STAT_FREE_RUNS,   /* bytes in free runs */
        KEEPMUM_HEAP_STAT_CACHED,      /* bytes in freed mappings that wait for reuse */
        KEEPMUM_HEAP_STAT_GUARDED,     /* live blocks that stand against a guard page */
        KEEPMUM_HEAP_STAT_THREADS,     /* threads' caches in use */
        KEEPMUM_HEAP_STATS             /* how many there are in this version */
};

/** Read the heap's counters.
 *
 *  out  values[n_values]: indexed by enum keepmum_heap_stat; 0 for what this version does not know
 *  threads: any; the values are of one moment each, not of one moment together */
KEEPMUM_HEAP_API void keepmum_heap_stats(uint64_t *values, size_t n_values);

#ifdef __cplusplus
}
#endif
#endif

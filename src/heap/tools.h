/* What valgrind and AddressSanitizer are told of the heap, in builds with --enable-checks, and ThreadSanitizer; nothing in others.
 *
 * A free block and the slack of a live one may not be touched by the program, but by the heap: it says so first (tools_look). */
#ifndef HEAP_TOOLS_H
#define HEAP_TOOLS_H

#if defined KEEPMUM_CHECKS && defined __SANITIZE_ADDRESS__
#define TOOLS_ASAN 1
#elif defined KEEPMUM_CHECKS && defined __has_feature
#if __has_feature(address_sanitizer)
#define TOOLS_ASAN 1
#endif
#endif
#if defined KEEPMUM_CHECKS && defined HAVE_VALGRIND
#define TOOLS_VALGRIND 1
#include <valgrind/memcheck.h>
#endif
#ifdef TOOLS_ASAN
#include <sanitizer/asan_interface.h>
#endif

#if defined __SANITIZE_THREAD__
#define TOOLS_TSAN 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define TOOLS_TSAN 1
#endif
#endif
#include <stdbool.h>
#include <stddef.h>

/* Whether a tool watches: looking at bytes that another thread may be changing, or that are nobody's, would then be a finding. */
static inline bool tools_watch(void)
{
#if defined TOOLS_ASAN || defined TOOLS_TSAN
        return true;
#elif defined TOOLS_VALGRIND
        return RUNNING_ON_VALGRIND;
#else
        return false;
#endif
}

/* The heap is about to look at n bytes of a block of its own. */
static inline void tools_look(const void *block, size_t n_bytes)
{
        (void)block;
        (void)n_bytes;
#ifdef TOOLS_ASAN
        __asan_unpoison_memory_region(block, n_bytes);
#endif
#ifdef TOOLS_VALGRIND
        (void)VALGRIND_MAKE_MEM_DEFINED(block, n_bytes);
#endif
}

/* Its first n bytes belong to the program now, out of block_bytes. */
static inline void tools_allocated(const void *block, size_t n_bytes, size_t block_bytes)
{
        (void)block;
        (void)n_bytes;
        (void)block_bytes;
#ifdef TOOLS_ASAN
        __asan_poison_memory_region(block, block_bytes);
        __asan_unpoison_memory_region(block, n_bytes);
#endif
#ifdef TOOLS_VALGRIND
        (void)VALGRIND_MAKE_MEM_NOACCESS(block, block_bytes);
        VALGRIND_MALLOCLIKE_BLOCK(block, n_bytes, 0, 1);
#endif
}

static inline void tools_freed(const void *block, size_t block_bytes)
{
        (void)block;
        (void)block_bytes;
#ifdef TOOLS_ASAN
        __asan_poison_memory_region(block, block_bytes);
#endif
#ifdef TOOLS_VALGRIND
        VALGRIND_FREELIKE_BLOCK(block, 0);
        (void)VALGRIND_MAKE_MEM_NOACCESS(block, block_bytes);
#endif
}

#endif

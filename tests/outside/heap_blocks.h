/* Words for tests of the heap from outside: its counters, blocks with known contents, and blocks of either kind, usual
 * or guarded.
 *
 * For use in children: what cannot be ends them (outside/forked.h). */
#ifndef TESTS_OUTSIDE_HEAP_BLOCKS_H
#define TESTS_OUTSIDE_HEAP_BLOCKS_H

#include "unit/harness.h"

#include "keepmum_heap.h"
#include "outside/forked.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#if defined __SANITIZE_THREAD__
#define IS_THREAD_SANITIZED 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define IS_THREAD_SANITIZED 1
#endif
#endif
#ifndef IS_THREAD_SANITIZED
#define IS_THREAD_SANITIZED 0
#endif

/* Where AddressSanitizer was told of the blocks it sees a misuse first, and says so in its own words. */
#if defined KEEPMUM_CHECKS && defined __SANITIZE_ADDRESS__
#define HAS_OTHER_WATCHERS 1
#elif defined KEEPMUM_CHECKS && defined __has_feature
#if __has_feature(address_sanitizer)
#define HAS_OTHER_WATCHERS 1
#endif
#endif
#ifndef HAS_OTHER_WATCHERS
#define HAS_OTHER_WATCHERS 0
#endif

static inline uint64_t heap_stat(enum keepmum_heap_stat which)
{
        uint64_t values[KEEPMUM_HEAP_STATS];

        keepmum_heap_stats(values, KEEPMUM_HEAP_STATS);
        return values[which];
}

/* What a compiler knows of a pointer ends here. */
static inline void *blind(const void *p)
{
        __asm__ volatile("" : "+r"(p) : : "memory");
        return (void *)(uintptr_t)p;
}

static inline bool is_zero(const void *at, size_t n_bytes)
{
        const char *p = at;

        return n_bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, n_bytes - 1) == 0);
}

/* Word i of the contents that a number stands for; the last bytes are those of byte_of(). */
static inline uint64_t word_of(unsigned seed, size_t i)
{
        return (seed * 0x9e3779b97f4a7c15u) ^ (i * 0x100000001b3u + 0x5bd1e995u);
}

static inline void fill(void *block, size_t n_bytes, unsigned seed)
{
        for (size_t i = 0; i < n_bytes / 8; i++)
                memcpy((char *)block + 8 * i, &(uint64_t){word_of(seed, i)}, 8);
        for (size_t i = n_bytes / 8 * 8; i < n_bytes; i++)
                ((unsigned char *)block)[i] = byte_of(seed, i);
}

/* Whether the first n_bytes of what was n_filled bytes are still there. Words at once: the tests spend their time here. */
static inline bool holds_first(const void *block, size_t n_bytes, size_t n_filled, unsigned seed)
{
        size_t n_words = n_bytes / 8, i = 8 * n_words;
        uint64_t differing = 0, word;

        for (size_t w = 0; w < n_words; w++) {
                memcpy(&word, (const char *)block + 8 * w, 8);
                differing |= word ^ word_of(seed, w);
        }
        word = word_of(seed, n_words);
        if (i < n_filled / 8 * 8)
                return differing == 0 && memcmp((const char *)block + i, &word, n_bytes - i) == 0;
        for (; i < n_bytes; i++)
                differing |= ((const unsigned char *)block)[i] ^ byte_of(seed, i);
        return differing == 0;
}

static inline bool holds(const void *block, size_t n_bytes, unsigned seed)
{
        return holds_first(block, n_bytes, n_bytes, seed);
}

/* One that stands in a slot or run of its own, not against a guard page as one in about a thousand does. */
static inline char *usual_block(size_t n_bytes)
{
        for (int i = 0; i < 100; i++) {
                uint64_t n_guarded = heap_stat(KEEPMUM_HEAP_STAT_GUARDED);
                char *p = keepmum_heap_malloc(n_bytes);

                expect(p != NULL);
                if (heap_stat(KEEPMUM_HEAP_STAT_GUARDED) == n_guarded)
                        return p;
        }
        forked_fail("a usual block among a hundred", __FILE__, __LINE__);
}

/* One that stands against a guard page. */
static inline char *guarded_block(size_t n_bytes)
{
        for (int i = 0; i < 200000; i++) {
                uint64_t n_guarded = heap_stat(KEEPMUM_HEAP_STAT_GUARDED);
                char *p = keepmum_heap_malloc(n_bytes);

                expect(p != NULL);
                if (heap_stat(KEEPMUM_HEAP_STAT_GUARDED) > n_guarded)
                        return p;
                keepmum_heap_free(p);
        }
        forked_fail("a guarded block among 200,000", __FILE__, __LINE__);
}

static inline void in_another_thread(void *(*act)(void *arg), void *arg)
{
        pthread_t t;

        expect_int(pthread_create(&t, NULL, act, arg), 0);
        expect_int(pthread_join(t, NULL), 0);
}

#endif

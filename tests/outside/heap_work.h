/* Work for the heap that checks itself: blocks of all sizes that know their contents, turned over at random, by one
 * thread or by many. */
#ifndef TESTS_OUTSIDE_HEAP_WORK_H
#define TESTS_OUTSIDE_HEAP_WORK_H

#include "outside/heap_blocks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static const size_t known_sizes[] = {1,     40, 100,   250, 1000,   40,  3000, 16,
                                     10000, 64, 20000, 300, 100000, 500, 40,   1200000};

static inline uint64_t next_random(uint64_t *state)
{
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

static inline size_t rss_kb(void)
{
        FILE *f = fopen("/proc/self/statm", "r");
        size_t total, resident = 0;

        expect(f != NULL && fscanf(f, "%zu %zu", &total, &resident) == 2);
        fclose(f);
        return resident * page() / 1024;
}

static inline double seconds(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- blocks with known contents: a header of two words, then the pattern ---- */

struct known {
        size_t n_bytes;
        unsigned seed;
};

static inline struct known *known_make(size_t n_bytes, unsigned seed)
{
        struct known *k = keepmum_heap_malloc(sizeof *k + n_bytes);

        expect(k != NULL && is_zero(k, sizeof *k + n_bytes));
        *k = (struct known){n_bytes, seed};
        fill(k + 1, n_bytes, seed);
        return k;
}

static inline void known_drop(struct known *k)
{
        if (k == NULL)
                return;
        expect(holds(k + 1, k->n_bytes, k->seed));
        keepmum_heap_free(k);
}

static inline struct known *known_resize(struct known *k, size_t n_bytes)
{
        size_t n_kept = k->n_bytes < n_bytes ? k->n_bytes : n_bytes, before = k->n_bytes;

        k = keepmum_heap_realloc(k, sizeof *k + n_bytes);
        expect(k != NULL && holds_first(k + 1, n_kept, before, k->seed));
        k->n_bytes = n_bytes;
        fill(k + 1, n_bytes, k->seed);
        return k;
}

/* Turns over n_rounds blocks of all sizes, and leaves none. */
static inline void work(uint64_t random, size_t n_rounds)
{
        struct known *mine[32] = {0};

        for (size_t i = 0; i < n_rounds; i++) {
                uint64_t r = next_random(&random);
                struct known **k = &mine[r % n_of(mine)];
                size_t n = known_sizes[(r >> 8) % n_of(known_sizes)] + (r >> 16) % 9;

                if (n > 16384 && (r >> 24) % 16 != 0) /* few large ones, which cost most of the time */
                        n %= 1000;
                if (*k != NULL && r >> 32 & 1) {
                        *k = known_resize(*k, n);
                } else {
                        known_drop(*k);
                        *k = known_make(n, (unsigned)i);
                }
        }
        for (size_t i = 0; i < n_of(mine); i++)
                known_drop(mine[i]);
}

static _Atomic bool work_is_over;
static _Atomic unsigned n_working;

static inline void *work_until_over(void *seed)
{
        n_working++;
        for (uint64_t i = 1; !work_is_over; i++)
                work((uint64_t)(uintptr_t)seed * 7919 + i, 200);
        return NULL;
}

static inline void start_workers(pthread_t *threads, size_t n)
{
        work_is_over = false;
        n_working = 0;
        for (size_t i = 0; i < n; i++)
                expect_int(pthread_create(&threads[i], NULL, work_until_over, (void *)(i + 1)), 0);
        while (n_working < n)
                ;
}

static inline void end_workers(pthread_t *threads, size_t n)
{
        work_is_over = true;
        for (size_t i = 0; i < n; i++)
                expect_int(pthread_join(threads[i], NULL), 0);
}

#define TEST_IN_CHILD(sentence, act, arg)                       \
        static void sentence(void **state)                      \
        {                                                       \
                (void)state;                                    \
                assert_true(forked_passes(act, arg));           \
        }

#endif

/* A mixed load for a heap in a world that fails: every block is checked, an allocation may be refused with ENOMEM, and
 * nothing else may go wrong. */
#ifndef TESTS_OUTSIDE_HEAP_LOAD_H
#define TESTS_OUTSIDE_HEAP_LOAD_H

#include "outside/heap_blocks.h"

static struct block {
        char *p;
        size_t n_bytes;
        unsigned seed;
} blocks[34];
static size_t n_refused;

static inline bool is_given(const void *p)
{
        n_refused += p == NULL;
        if (p == NULL)
                expect_int(errno, ENOMEM);
        return p != NULL;
}

static inline void put(struct block *b, char *p, size_t n_bytes)
{
        if (!is_given(p))
                return;
        expect((uintptr_t)p % 16 == 0 && is_zero(p, n_bytes));
        *b = (struct block){p, n_bytes, (unsigned)(b - blocks) + 1};
        fill(p, n_bytes, b->seed);
}

static inline void drop(struct block *b)
{
        expect(b->p == NULL || holds(b->p, b->n_bytes, b->seed));
        errno = EXDEV;
        keepmum_heap_free(b->p);
        expect_int(errno, EXDEV);
        *b = (struct block){NULL, 0, 0};
}

static inline void resize(struct block *b, size_t n_bytes)
{
        size_t n_kept = n_bytes < b->n_bytes ? n_bytes : b->n_bytes;
        char *p = keepmum_heap_realloc(b->p, n_bytes);

        if (!is_given(p)) {
                expect(b->p == NULL || holds(b->p, b->n_bytes, b->seed));
                return;
        }
        expect(b->p == NULL || holds_first(p, n_kept, b->n_bytes, b->seed));
        expect(is_zero(p + n_kept, n_bytes - n_kept));
        *b = (struct block){p, n_bytes, b->seed};
        fill(p, n_bytes, b->seed);
}

static const size_t sizes[] = {0, 40, 1000, 10000, 17000, 70000, 300000, 1040000, 1060000, 1200000};

static inline void *work_in_a_thread(void *unused)
{
        (void)unused;
        errno = 0;
        put(&blocks[30], keepmum_heap_malloc(40), 40);
        put(&blocks[31], keepmum_heap_malloc(200000), 200000);
        drop(&blocks[1]);
        drop(&blocks[6]);
        return NULL;
}

static inline void load(void)
{
        pthread_t thread;

        for (unsigned i = 0; i < 30; i++) {
                size_t n = sizes[i % n_of(sizes)];

                errno = 0;
                put(&blocks[i], i % 4 == 1 ? keepmum_heap_calloc(n / 2, 2) : keepmum_heap_malloc(n), n);
        }
        for (unsigned i = 0; i < 30; i += 3)
                drop(&blocks[i]);
        for (unsigned i = 0; i < 30; i += 9) {
                size_t n = sizes[(i + 3) % n_of(sizes)];

                put(&blocks[i], keepmum_heap_aligned_alloc((size_t)64 << i / 3, n), n);
        }
        for (unsigned i = 0; i < 30; i += 2)
                resize(&blocks[i], sizes[(i + 1) % n_of(sizes)] + 5);
        for (unsigned i = 0; i < 30; i += 5)
                resize(&blocks[i], sizes[(i + 7) % n_of(sizes)] / 2);
        keepmum_heap_check();
        if (pthread_create(&thread, NULL, work_in_a_thread, NULL) == 0)
                pthread_join(thread, NULL); /* not at the limit of mappings */
        keepmum_heap_trim();
        for (unsigned i = 10; i < 25; i++)
                drop(&blocks[i]);
        keepmum_heap_trim();
        for (unsigned i = 10; i < 20; i++)
                put(&blocks[i], keepmum_heap_malloc(sizes[i % n_of(sizes)]), sizes[i % n_of(sizes)]);
        keepmum_heap_check();
}

static inline void drop_all(void)
{
        for (size_t i = 0; i < n_of(blocks); i++)
                drop(&blocks[i]);
        keepmum_heap_check();
        keepmum_heap_trim();
}

/* ---- what is left ---- */

static inline void expect_nothing_left(void)
{
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_MEDIUM), 0);
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_LARGE), 0);
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_CACHED), 0);
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_GUARDED), 0);
        expect(heap_stat(KEEPMUM_HEAP_STAT_SLABS) <= 64 * 65536);
}

static inline void expect_all_works(void)
{
        n_refused = 0;
        load();
        expect_int(n_refused, 0);
        drop_all();
        expect_nothing_left();
}

#endif

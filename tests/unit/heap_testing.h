/* What the tests of ranges, runs and medium blocks share. Each test starts with an empty heap, in a child. */
#ifndef TESTS_UNIT_HEAP_TESTING_H
#define TESTS_UNIT_HEAP_TESTING_H

#include "unit/harness.h"

#include "heap/canary.h"
#include "heap/layout.h"
#include "heap/medium.h"
#include "heap/misuse.h"
#include "heap/run.h"
#include "heap/zero.h"
#include "os/brk.h"
#include "outside/forked.h"

#include <sys/mman.h>

enum { LEAF = HEAP_LEAF, MIB = 1024 * 1024 };

static uint32_t seed = 12345;

static inline uint32_t any(uint32_t below)
{
        seed = seed * 1664525 + 1013904223;
        return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

static inline void in_child(void (*act)(void *arg))
{
        assert_true(forked_passes(act, NULL));
}

static inline bool is_zero(const void *at, size_t n_bytes)
{
        const char *p = at;

        return n_bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, n_bytes - 1) == 0);
}

static inline struct run_counts counted(void)
{
        struct run_counts counts;

        run_count(&counts);
        return counts;
}

static inline char *take(size_t n_leaves, size_t align_leaves)
{

        return run_take(n_leaves, align_leaves, RUN_SLAB);
}

static inline void use(char *at, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i += LEAF)
                expect(is_zero(at + i, LEAF));
        memset(at, 0x5a, n_bytes);
}

static inline void give(char *at, size_t n_bytes)
{
        memset(at, 0, n_bytes);
        run_give(at);
}

static inline char *block_of(size_t n_bytes)
{
        char *block = medium_allocate(n_bytes, 16);

        expect(block != NULL && is_zero(block, n_bytes));
        return block;
}

static inline void check_medium(void *context, void *at, size_t n_bytes, enum run_use kind)
{
        (void)context;
        if (kind == RUN_MEDIUM)
                medium_check(at, n_bytes);
}

static inline size_t n_resident(void *at, size_t n_leaves)
{
        unsigned char residents[128];
        size_t n = 0;

        expect_int(mincore(at, n_leaves * LEAF, residents), 0);
        for (size_t i = 0; i < n_leaves * LEAF / page(); i++)
                n += residents[i] & 1;
        return n;
}

static inline int heap_testing_start(void **state)
{
        (void)state;
        canary_start();
        zero_start();
        brk_has_one_user = true; /* sanitizers have threads of their own */
        return 0;
}

#define MAIN_OF_HEAP_TESTS                                                                              \
        int main(void)                                                                                  \
        {                                                                                               \
                return cmocka_run_group_tests(tests, heap_testing_start, NULL) != 0 ? 1 : 0;            \
        }

#endif

/* Medium blocks: every size, resized in place, and from two threads. */
#include "unit/heap_testing.h"

#include "heap/range.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* ---- medium blocks ---- */

static void allocate_every_size(void *arg)
{
        (void)arg;
        for (size_t n = 16 * 1024, step = 1; n < HEAP_MEDIUM_MAX; n += step, step = 1 + any(3000)) {
                size_t alignment = (size_t)16 << any(16), found;
                char *block = medium_allocate(n, alignment);

                expect(block != NULL && (uintptr_t)block % alignment == 0 && is_zero(block, n));
                expect(medium_size(block, &found, HEAP_ACT_SIZE) && found == n);
                memset(block, 0xff, n);
                run_each(check_medium, NULL);
                expect(medium_free(block));
        }
        run_each(check_medium, NULL);
        medium_flush();
        run_check_free();
        expect_int(counted().n_free_runs, 1);
        expect(!medium_free((char []){"on the stack"}));
}

static void medium_blocks_of_every_size_and_alignment(void **state)
{
        (void)state;
        in_child(allocate_every_size);
}

static void resize_at_random(void *arg)
{
        size_t n = 20000, found;
        char *block = block_of(n), *other = block_of(30000);
        unsigned n_done = 0;

        (void)arg;
        memset(block, 0xee, n);
        for (int round = 0; round < 3000; round++) {
                size_t wanted = any(10) == 0 ? n + any(16) - 8 : 16384 + any(HEAP_MEDIUM_MAX - 16384);

                if (round == 100) {
                        expect(medium_free(other));
                        medium_flush();
                }
                if (!medium_resize(block, wanted)) {
                        expect(wanted > n && round <= 100);
                        continue;
                }
                n_done++;
                for (size_t i = 0; i < wanted; i++)
                        expect_int((unsigned char)block[i], i < n ? 0xee : 0);
                expect(medium_size(block, &found, HEAP_ACT_SIZE) && found == wanted);
                memset(block, 0xee, wanted);
                n = wanted;
        }
        expect(n_done > 2900 && !medium_resize(block, HEAP_MEDIUM_MAX));
        expect(medium_free(block));
        medium_flush();
        run_check_free();
        expect_int(counted().n_free_runs, 1);
}

static void medium_blocks_are_resized_in_place(void **state)
{
        (void)state;
        in_child(resize_at_random);
}

static void touch_little(void *arg)
{
        char *block;

        (void)arg;
        for (int round = 0; round < 3; round++) {
                block = block_of(1); /* so that the break stands elsewhere each time */
                block = medium_allocate(119 * LEAF, 16);
                expect(block != NULL);
                block[50 * LEAF] = 1;
                expect(medium_free(block));
        }
        medium_flush();
        expect(n_resident(block, 120) <= 8);
        run_check_free();
        block = block_of(119 * LEAF); /* reads all of it */
        expect(medium_free(block));
}

static void what_is_not_touched_costs_no_memory(void **state)
{
        (void)state;
        if (page() != LEAF)
                skip(); /* the whole of it is cleared there */
        in_child(touch_little);
}

/* ---- threads ---- */

enum { THREADS = 2, TURNS = 20000, EXCHANGED = 16 };

static _Atomic(char *) exchanged[EXCHANGED];

static void *work(void *arg)
{
        uint32_t mine = *(uint32_t *)arg;
        size_t n;

        for (int turn = 0; turn < TURNS; turn++) {
                char *block;

                mine = mine * 1664525 + 1013904223;
                n = 16384 + (mine >> 8) % (turn % 16 == 0 ? 400000 : 20000);
                block = medium_allocate(n, 16);
                expect(block != NULL && block[0] == 0 && block[n - 1] == 0);
                block[0] = block[n - 1] = 1;
                block = atomic_exchange(&exchanged[mine >> 28], block); /* another's, perhaps */
                if (block == NULL)
                        continue;
                if (turn % 4 == 0 && medium_size(block, &n, HEAP_ACT_SIZE))
                        (void)medium_resize(block, n - 3000);
                expect(medium_free(block));
                if (turn % 500 == 0)
                        run_each(check_medium, NULL);
        }
        return NULL;
}

static void work_in_threads(void *arg)
{
        pthread_t threads[THREADS];
        uint32_t seeds[THREADS] = {1, 77};

        (void)arg;
        for (int i = 0; i < THREADS; i++)
                expect_int(pthread_create(&threads[i], NULL, work, &seeds[i]), 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        for (int i = 0; i < EXCHANGED; i++)
                if (exchanged[i] != NULL)
                        expect(medium_free(exchanged[i]));
        medium_flush();
        run_check_free();
        expect_int(counted().free_bytes, counted().from_kernel);
}

static void threads_allocate_and_free_each_others_blocks(void **state)
{
        (void)state;
        in_child(work_in_threads);
}

static void *free_at_once(void *arg)
{
        char *block = exchanged[0];

        pthread_barrier_wait(arg);
        medium_free(block);
        return NULL;
}

static void free_from_two_threads(void *arg)
{
        (void)arg;
        for (int i = 0; i < 100; i++) {
                pthread_barrier_t barrier;
                pthread_t threads[2];

                exchanged[0] = block_of(300000);
                pthread_barrier_init(&barrier, NULL, 2);
                for (int k = 0; k < 2; k++)
                        expect_int(pthread_create(&threads[k], NULL, free_at_once, &barrier), 0);
                for (int k = 0; k < 2; k++)
                        pthread_join(threads[k], NULL);
        }
}

static void two_threads_that_free_one_block_are_caught(void **state)
{
        struct ending e = forked_run(free_from_two_threads, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_non_null(strstr(e.said, HEAP_FREE_TWICE));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(medium_blocks_of_every_size_and_alignment),
        cmocka_unit_test(medium_blocks_are_resized_in_place),
        cmocka_unit_test(what_is_not_touched_costs_no_memory),
        cmocka_unit_test(threads_allocate_and_free_each_others_blocks),
        cmocka_unit_test(two_threads_that_free_one_block_are_caught),
};

MAIN_OF_HEAP_TESTS

/* Misuse of runs and medium blocks, and damage to their books: each row's child ends with its sentence. */
#include "unit/heap_testing.h"

#include "heap/range.h"

#include <signal.h>
#include <sys/mman.h>

/* ---- misuse ---- */

static void free_twice(void)
{
        char *block = block_of(300000);

        medium_free(block);
        medium_free(block);
}

static void free_twice_while_it_waits(void)
{
        char *block = block_of(20000);

        medium_free(block);
        medium_free(block);
}

static void free_twice_when_it_is_a_part_of_a_longer_free_run(void)
{
        char *lower = block_of(200000), *block = block_of(200000);

        medium_free(lower);
        medium_free(block);
        medium_free(block);
}

static void free_the_middle(void)
{
        medium_free(block_of(300000) + 16);
}

static void free_a_page_in_the_middle(void)
{
        medium_free(block_of(300000) + 5 * LEAF);
}

static void free_the_last_page(void)
{
        medium_free(block_of(5 * LEAF - 1) + 4 * LEAF);
}

static void free_a_slab(void)
{
        medium_free(take(16, 16));
}

static void ask_a_freed_ones_size(void)
{
        char *block = block_of(300000);
        size_t n;

        medium_free(block);
        medium_size(block, &n, HEAP_ACT_SIZE);
}

static void ask_the_size_of_the_middle(void)
{
        size_t n;

        medium_size(block_of(300000) + LEAF, &n, HEAP_ACT_REALLOC);
}

static void resize_a_freed_one(void)
{
        char *block = block_of(300000);

        medium_free(block);
        medium_resize(block, 1000);
}

static void overrun(size_t n_bytes, size_t distance)
{
        volatile char *block = block_of(n_bytes);

        block[n_bytes + distance] = 0;
        medium_free((void *)(uintptr_t)block);
}

static void overrun_by_one(void)
{
        overrun(300000, 0);
}

static void overrun_the_last_byte(void)
{
        overrun(75 * LEAF - 1, 0);
}

static void overrun_into_the_zero_between(void)
{
        volatile char *block = block_of(300000);

        block[300100] = 1;
        medium_free((void *)(uintptr_t)block);
}

static void overrun_then_resize(void)
{
        volatile char *block = block_of(300000);

        block[300000] = 1;
        medium_resize((void *)(uintptr_t)block, 200000);
}

static void underrun(size_t lower_bytes, size_t distance)
{
        char *lower = block_of(lower_bytes);
        volatile char *block = block_of(20 * LEAF);

        expect(block == lower + (lower_bytes / LEAF + 1) * LEAF);
        block[-(ptrdiff_t)distance] = 1;
        medium_free((void *)(uintptr_t)block);
}

static void underrun_by_one(void)
{
        underrun(20 * LEAF + 100, 1);
}

static void underrun_by_eight(void)
{
        underrun(20 * LEAF, 8);
}

static void underrun_into_a_short_slack(void)
{
        underrun(20 * LEAF - 3, 2);
}

static void write_after_free(size_t n_bytes, size_t at)
{
        volatile char *block = block_of(n_bytes);

        medium_free((void *)(uintptr_t)block);
        medium_flush();
        block[at] = 1;
        for (size_t n = counted().n_free_runs; n <= 20; n++)
                block_of(n_bytes);
}

static void write_after_free_to_the_head(void)
{
        write_after_free(300000, 0);
}

static void write_after_free_to_the_end(void)
{
        write_after_free(75 * LEAF - 1, 75 * LEAF - 2);
}

static void write_after_free_while_it_waits(void)
{
        volatile char *block = block_of(20000);

        medium_free((void *)(uintptr_t)block);
        block[10000] = 1;
        run_each(check_medium, NULL);
}

static void write_after_free_that_a_check_finds(void)
{
        volatile char *block = block_of(300000);

        medium_free((void *)(uintptr_t)block);
        block[299999] = 1;
        run_check_free();
}

static void write_after_free_to_a_purged_page(void)
{
        volatile char *block = block_of(300000);

        block_of(100000);
        memset((void *)(uintptr_t)block, 1, 300000);
        medium_free((void *)(uintptr_t)block);
        run_trim();
        block[150000] = 1;
        block_of(300000);
}

static void write_after_free_found_by_growing(void)
{
        char *block = block_of(100000);
        volatile char *upper = block_of(300000);

        medium_free((void *)(uintptr_t)upper);
        upper[4 * LEAF] = 1;
        medium_resize(block, 200000);
}

static void run_overrun_that_a_check_finds(void)
{
        volatile char *block = block_of(300000);

        block[300000] = 1;
        run_each(check_medium, NULL);
}

static struct run_node *nodes_of(const void *at)
{
        return &heap_ranges[0].nodes[((uintptr_t)at - heap_ranges[0].base) / LEAF];
}

static void free_run_with_a_wrong_length(void)
{
        char *at = take(10, 1);

        take(1, 1);
        run_give(at);
        nodes_of(at)->n_leaves += 5;
        take(10, 1);
}

static void free_run_with_a_wrong_link(void)
{
        char *at = take(10, 1), *between = take(1, 1), *second = take(10, 1);

        take(1, 1);
        expect(between != NULL);
        run_give(at);
        run_give(second);
        nodes_of(second)->next = (uint32_t)(nodes_of(between) - heap_ranges[0].nodes) + 1;
        take(10, 1);
}

static void run_given_twice(void)
{
        char *at = take(10, 1);

        run_give(at);
        run_give(at);
}

static const struct {
        void (*act)(void);
        const char *sentence;
} deaths[] = {
        {free_twice, HEAP_FREE_TWICE},
        {free_twice_while_it_waits, HEAP_FREE_TWICE},
        {free_twice_when_it_is_a_part_of_a_longer_free_run, HEAP_FREE_TWICE},
        {free_the_middle, HEAP_FREE_NO_BLOCK},
        {free_a_page_in_the_middle, HEAP_FREE_NO_BLOCK},
        {free_the_last_page, HEAP_FREE_NO_BLOCK},
        {free_a_slab, HEAP_FREE_NO_BLOCK},
        {ask_a_freed_ones_size, HEAP_SIZE_FREED},
        {ask_the_size_of_the_middle, HEAP_REALLOC_NO_BLOCK},
        {resize_a_freed_one, HEAP_REALLOC_FREED},
        {overrun_by_one, HEAP_OVERRUN},
        {overrun_the_last_byte, HEAP_OVERRUN},
        {overrun_into_the_zero_between, HEAP_OVERRUN},
        {overrun_then_resize, HEAP_OVERRUN},
        {run_overrun_that_a_check_finds, HEAP_OVERRUN},
        {underrun_by_one, HEAP_UNDERRUN},
        {underrun_by_eight, HEAP_UNDERRUN},
        {underrun_into_a_short_slack, HEAP_UNDERRUN},
        {write_after_free_to_the_head, HEAP_WRITE_AFTER_FREE},
        {write_after_free_to_the_end, HEAP_WRITE_AFTER_FREE},
        {write_after_free_while_it_waits, HEAP_WRITE_AFTER_FREE},
        {write_after_free_that_a_check_finds, HEAP_WRITE_AFTER_FREE},
        {write_after_free_to_a_purged_page, HEAP_WRITE_AFTER_FREE},
        {write_after_free_found_by_growing, HEAP_WRITE_AFTER_FREE},
        {free_run_with_a_wrong_length, HEAP_DAMAGED},
        {free_run_with_a_wrong_link, HEAP_DAMAGED},
        {run_given_twice, HEAP_DAMAGED},
};

static void die(void *arg)
{
        deaths[*(size_t *)arg].act();
}

static void misuse_ends_the_process_with_its_sentence(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(deaths); i++) {
                struct ending e = forked_run(die, &i);

                if (e.signal_number != SIGABRT || strstr(e.said, deaths[i].sentence) == NULL)
                        fail_msg("row %zu (%s): signal %d, said %s", i, deaths[i].sentence, e.signal_number, e.said);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_ends_the_process_with_its_sentence),
};

MAIN_OF_HEAP_TESTS

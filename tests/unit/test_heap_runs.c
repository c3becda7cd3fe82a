/* Ranges and runs: against a model, beside other users of the break, and where the kernel says no. */
#include "unit/heap_testing.h"

#include "heap/dirt.h"
#include "heap/range.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ---- runs ---- */

struct taken {
        char *at;
        size_t n_leaves;
        unsigned char mark;
};

static void give_marked(struct taken *t)
{
        for (size_t i = 0; i < t->n_leaves; i++) {
                expect_int((unsigned char)t->at[i * LEAF], t->mark);
                expect_int((unsigned char)t->at[(i + 1) * LEAF - 1], t->mark);
        }
        give(t->at, t->n_leaves * LEAF);
        t->at = NULL;
}

static void take_marked(struct taken *t)
{
        size_t align = (size_t)1 << (any(4) == 0 ? any(8) : 0);

        t->n_leaves = any(3) == 0 ? HEAP_UNIT_LEAVES : 1 + any(128);
        t->mark = (unsigned char)(1 + any(255));
        t->at = take(t->n_leaves, align);
        expect(t->at != NULL && (uintptr_t)t->at % (align * LEAF) == 0);
        expect(is_zero(t->at, t->n_leaves * LEAF));
        for (size_t i = 0; i < t->n_leaves; i++) {
                t->at[i * LEAF] = (char)t->mark;
                t->at[(i + 1) * LEAF - 1] = (char)t->mark;
        }
}

static void follow_a_model(void *arg)
{
        static struct taken taken[300];

        (void)arg;
        for (int round = 0; round < 30000; round++) {
                struct taken *t = &taken[any(round / 5000 % 2 == 0 ? n_of(taken) : n_of(taken) / 8)];

                if (t->at != NULL)
                        give_marked(t);
                else
                        take_marked(t);
                if (round % 1000 == 0)
                        run_check_free();
                if (round % 7000 == 6999)
                        run_trim();
        }
        for (size_t i = 0; i < n_of(taken); i++)
                if (taken[i].at != NULL)
                        give_marked(&taken[i]);
        run_check_free();
        expect_int(counted().n_free_runs, 1);
        expect_int(counted().free_bytes, counted().from_kernel);
        run_trim();
        expect_int(counted().from_kernel, HEAP_UNIT);
        expect_int(counted().dirty_bytes, 0);
}

static void runs_never_overlap_and_all_come_together_again(void **state)
{
        (void)state;
        in_child(follow_a_model);
}

static void step_between(void *arg)
{
        char *mine = NULL, *ours[64];
        struct run_counts before;

        (void)arg;
        for (size_t i = 0; i < n_of(ours); i++) {
                if (i == 32) {
                        mine = sbrk(10001);
                        expect(mine != (void *)-1);
                        memset(mine, 0x77, 10001);
                }
                ours[i] = take(128, 1);
                use(ours[i], 128 * LEAF);
        }
        expect(heap_ranges[0].is_break && range_find(mine) == &heap_ranges[0]);
        for (size_t i = 0; i < n_of(ours); i++)
                give(ours[i], 128 * LEAF);
        before = counted();
        expect_int(before.n_free_runs, 2);
        run_trim();
        for (size_t i = 0; i < 10001; i++)
                expect_int(mine[i], 0x77);
        expect((uintptr_t)sbrk(0) >= (uintptr_t)mine + 10001);
        expect(take(1000, 1) != NULL);
        run_check_free();
}

static void steps_of_others_are_neither_touched_nor_given_back(void **state)
{
        (void)state;
        in_child(step_between);
}

static void cut_the_break_below(void *arg)
{
        (void)arg;
        expect(take(128, 1) != NULL);
        sbrk(-512 * 1024);
        take(1000, 1);
}

static void a_break_below_the_heap_ends_the_process(void **state)
{
        struct ending e = forked_run(cut_the_break_below, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_non_null(strstr(e.said, "the break was moved below the heap"));
}

static void fill_and_empty(size_t n_runs)
{
        static char *at[4096];

        for (size_t i = 0; i < n_runs; i++) {
                at[i] = take(64, 1);
                expect(at[i] != NULL && is_zero(at[i], 64 * LEAF));
                at[i][5] = 1;
        }
        for (size_t i = n_runs; i-- > 0;) /* the top first, so that the break is cut, not runs inside purged */
                give(at[i], 64 * LEAF);
}

static void fill_and_empty_often(void *arg)
{
        unsigned n_cut = 0;

        (void)arg;
        fill_and_empty(400);
        expect(counted().from_kernel <= 5 * MIB);
        expect_int((uintptr_t)sbrk(0), heap_ranges[0].base + heap_ranges[0].n_bytes);
        for (int i = 0; i < 200; i++) {
                fill_and_empty(100);
                n_cut += counted().from_kernel < 20 * MIB;
        }
        expect(n_cut > 0 && n_cut <= 8);
}

static void the_free_top_goes_back_but_not_each_time(void **state)
{
        (void)state;
        in_child(fill_and_empty_often);
}

/* Every second run stays, so that nothing can go back by the break. */
static void free_every_second(void *arg)
{
        enum { RUNS = 512 };
        static char *at[RUNS];
        const char *locked = arg;

        for (size_t i = 0; i < RUNS; i++) {
                at[i] = take(64, 1);
                use(at[i], 64 * LEAF);
        }
        if (locked != NULL)
                for (size_t i = 0; i < RUNS; i += 16)
                        expect_int(mlock(at[i], LEAF), 0);
        for (size_t i = 0; i < RUNS; i += 2)
                give(at[i], 64 * LEAF);
        expect_int(counted().free_bytes / (64 * LEAF), RUNS / 2);
        expect(counted().dirty_bytes <= (locked != NULL ? 32 : 17) * (size_t)MIB);
        expect(locked != NULL || run_trim() > 4 * MIB);
        expect(locked != NULL || (counted().dirty_bytes == 0 && n_resident(at[0], 64) == 0));
        for (size_t i = 0; i < RUNS; i += 2)
                expect(is_zero(at[i], 64 * LEAF));
}

static void dirty_runs_inside_go_back_when_they_are_many(void **state)
{
        (void)state;
        assert_true(forked_passes(free_every_second, NULL));
}

static void memory_the_kernel_keeps_locked_stays_and_is_zero(void **state)
{
        (void)state;
        assert_true(forked_passes(free_every_second, (char []){"locked"}));
}

static void run_extends_and_is_cut(void *arg)
{
        char *first = take(10, 1), *second = take(10, 1), *third = take(10, 1);

        (void)arg;
        expect(second == first + 10 * LEAF && third == second + 10 * LEAF);
        expect(!run_extend(first, 1));
        give(second, 10 * LEAF);
        expect(!run_extend(first, 11));
        expect(run_extend(first, 4) && run_extend(first, 6) && !run_extend(first, 1));
        use(first, 20 * LEAF);
        memset(first + 5 * LEAF, 0, 15 * LEAF);
        run_cut(first, 5);
        expect(take(15, 1) == first + 5 * LEAF);
        expect(run_extend(third, 700)); /* the range grows */
        use(third, 710 * LEAF);
        run_check_free();
}

static void a_run_grows_and_shrinks_where_it_stands(void **state)
{
        (void)state;
        in_child(run_extends_and_is_cut);
}

/* ---- where the kernel says no ---- */

static void block_the_break(size_t n_bytes_further)
{
        uintptr_t top = ((uintptr_t)sbrk(0) + n_bytes_further + page() - 1) & ~(page() - 1);

        expect(mmap((void *)top, page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)top);
}

static void use_and_give(size_t n_runs)
{
        static char *at[1024];

        for (size_t i = 0; i < n_runs; i++) {
                at[i] = take(128, 1);
                expect(at[i] != NULL);
                use(at[i], 128 * LEAF);
        }
        for (size_t i = 0; i < n_runs; i++)
                give(at[i], 128 * LEAF);
        run_check_free();
}

static void start_without_a_break(void *arg)
{
        (void)arg;
        block_the_break(0);
        use_and_give(100);
        expect(!heap_ranges[0].is_break && heap_ranges[0].n_bytes > 0 && heap_ranges[1].base == 0);
        expect(counted().from_kernel <= 5 * MIB); /* mappings are cut, too */
        use_and_give(100);
}

static void go_on_without_a_break(void *arg)
{
        (void)arg;
        block_the_break(3 * MIB + 123456);
        use_and_give(100);
        expect(heap_ranges[0].is_break && heap_ranges[1].n_bytes > 0 && heap_ranges[2].base == 0);
        expect(heap_ranges[0].n_bytes >= 3 * MIB); /* to the last units */
        expect_int(counted().n_free_runs, 2);
}

static void without_a_break_mappings_serve(void **state)
{
        (void)state;
        in_child(start_without_a_break);
        in_child(go_on_without_a_break);
}

static void *wait_at(void *arg)
{
        pthread_barrier_wait(arg);
        return NULL;
}

static void take_beside_a_thread(void *arg)
{
        pthread_barrier_t barrier;
        pthread_t thread;

        brk_has_one_user = arg != NULL;
        expect_int(pthread_barrier_init(&barrier, NULL, 2), 0);
        expect_int(pthread_create(&thread, NULL, wait_at, &barrier), 0);
        use_and_give(10);
        expect_int(heap_ranges[0].is_break, brk_has_one_user);
        pthread_barrier_wait(&barrier);
        pthread_join(thread, NULL);
}

/* Two threads in sbrk() at once can be given the same bytes, and only the process's malloc knows that there is no second user. */
static void the_break_is_not_moved_beside_other_threads(void **state)
{
        (void)state;
        assert_true(forked_passes(take_beside_a_thread, NULL));
        assert_true(forked_passes(take_beside_a_thread, (char []){"sole user"}));
}

static void limit_to(int resource, size_t n_bytes)
{
        struct rlimit limit = {n_bytes, n_bytes};

        expect_int(setrlimit((__rlimit_resource_t)resource, &limit), 0);
}

static size_t allocate_all(void)
{
        static char *block[4096];
        size_t n = 0, total = 0;

        for (errno = 0; n < n_of(block) && (block[n] = medium_allocate(200000, 16)) != NULL; n++, total += 200000) {
                expect_int(errno, 0);
                memset(block[n], 0x33, 200000);
        }
        expect(n < n_of(block));
        expect_int(errno, ENOMEM);
        errno = 7;
        for (size_t i = 0; i < n; i++)
                expect(medium_free(block[i]));
        expect_int(errno, 7);
        return total;
}

static void run_out(void *arg)
{
        size_t n_bytes = 128 * MIB, first;

        limit_to(*(int *)arg, n_bytes);
        first = allocate_all();
        expect(first > n_bytes / 2);
        expect(allocate_all() >= first - first / 8);
        run_check_free();
}

static void exhaustion_is_an_error_and_nothing_is_lost(void **state)
{
        int limits[] = {RLIMIT_DATA, RLIMIT_AS};

        (void)state;
        if (IS_SANITIZED)
                skip(); /* the sanitizer's own memory is more than the limit */
        assert_true(forked_passes(run_out, &limits[0]));
        assert_true(forked_passes(run_out, &limits[1]));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_never_overlap_and_all_come_together_again),
        cmocka_unit_test(steps_of_others_are_neither_touched_nor_given_back),
        cmocka_unit_test(a_break_below_the_heap_ends_the_process),
        cmocka_unit_test(the_free_top_goes_back_but_not_each_time),
        cmocka_unit_test(dirty_runs_inside_go_back_when_they_are_many),
        cmocka_unit_test(memory_the_kernel_keeps_locked_stays_and_is_zero),
        cmocka_unit_test(a_run_grows_and_shrinks_where_it_stands),
        cmocka_unit_test(without_a_break_mappings_serve),
        cmocka_unit_test(the_break_is_not_moved_beside_other_threads),
        cmocka_unit_test(exhaustion_is_an_error_and_nothing_is_lost),
};

MAIN_OF_HEAP_TESTS

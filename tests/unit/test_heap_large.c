/* Large blocks: against a model, from threads, their limits, refused calls and fork. */
#include "unit/heap_large_testing.h"

#include "heap/large_cache.h"

/* ---- large blocks ---- */

struct block {
        unsigned char *p;
        size_t n_bytes;
        unsigned seed;
};

static uint64_t noise(uint64_t *state)
{
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        return *state >> 33;
}

static size_t any_size(uint64_t *state)
{
        size_t most = noise(state) % 8 == 0 ? 6 * MIB : MIB + 512 * KIB;
        size_t n = 512 * KIB + (size_t)noise(state) % (most - 512 * KIB);

        return noise(state) % 4 == 0 ? n & ~(size_t)(4 * KIB - 1) : n;
}

/* 0 if all is as the model says; else the line. */
static int model_step(struct block *b, uint64_t *state)
{
        size_t n_bytes = any_size(state), size, kept;
        unsigned char *p;

        if (b->p != NULL && (!large_size(b->p, &size, HEAP_ACT_SIZE) || size != b->n_bytes || !holds(b->p, b->seed, 0, size)))
                return __LINE__;
        if (b->p == NULL) {
                size_t alignment = (size_t)16 << noise(state) % 20;

                p = large_allocate(n_bytes, alignment);
                if (p == NULL || (uintptr_t)p % alignment != 0 || !is_zero(p, n_bytes) || !is_fenced(p, n_bytes))
                        return __LINE__;
                b->seed = (unsigned)noise(state);
                kept = 0;
        } else if (noise(state) % 2 == 0) {
                p = large_resize(b->p, n_bytes);
                kept = n_bytes < b->n_bytes ? n_bytes : b->n_bytes;
                if (p == NULL || !holds(p, b->seed, 0, kept) || !is_zero(p + kept, n_bytes - kept) || !is_fenced(p, n_bytes))
                        return __LINE__;
        } else {
                if (!large_free(b->p))
                        return __LINE__;
                b->p = NULL;
                return 0;
        }
        fill(p, b->seed, kept, n_bytes);
        b->p = p;
        b->n_bytes = n_bytes;
        return 0;
}

static int model_run(uint64_t state, size_t n_steps)
{
        struct block blocks[12] = {0};
        int line = 0;

        for (size_t i = 0; i < n_steps && line == 0; i++)
                line = model_step(&blocks[noise(&state) % n_of(blocks)], &state);
        for (size_t i = 0; i < n_of(blocks); i++)
                if (blocks[i].p != NULL)
                        large_free(blocks[i].p);
        return line;
}

static void large_blocks_hold_what_a_model_says(void **unused)
{
        (void)unused;
        assert_int_equal(model_run(1, IS_SANITIZED ? 200 : 1000), 0);
        large_check();
        assert_int_equal(counts().n_live, 0);
        assert_int_equal(counts().live_bytes, 0);
}

static void *run_model_in_thread(void *seed)
{
        return (void *)(intptr_t)model_run((uint64_t)(uintptr_t)seed, IS_SANITIZED ? 60 : 300);
}

static void large_blocks_serve_threads(void **unused)
{
        pthread_t threads[3];
        void *line;

        (void)unused;
        for (uintptr_t i = 0; i < n_of(threads); i++)
                assert_ok(pthread_create(&threads[i], NULL, run_model_in_thread, (void *)(i + 10)));
        for (int i = 0; i < 50; i++)
                large_check();
        for (size_t i = 0; i < n_of(threads); i++) {
                assert_ok(pthread_join(threads[i], &line));
                assert_ptr_equal(line, NULL);
        }
        assert_int_equal(counts().n_live, 0);
}

static void a_freed_block_is_closed_and_its_addresses_rest(void **unused)
{
        enum { TIMES = LARGE_QUARANTINE_BLOCKS / 2 };
        unsigned char *first, *p;

        (void)unused;
        large_trim();
        first = make(MIB);
        memset(first, 1, MIB);
        large_free(first);
        for (size_t i = 1; i < TIMES; i++) {
                assert_true(is_closed(first) && is_closed(first + MIB / 2) && is_closed(first + MIB - 1));
                p = make(MIB);
                assert_ptr_not_equal(p, first);
                assert_true(is_zero(p, MIB));
                memset(p, 1, MIB);
                large_free(p);
        }
}

static void what_waits_keeps_to_its_limits(void **unused)
{
        static unsigned char *blocks[100];
        long before;

        (void)unused;
        large_trim();
        for (size_t i = 0; i < n_of(blocks); i++)
                memset(blocks[i] = make(i < 50 ? MIB : 600 * KIB), 1, 600 * KIB);
        before = statm(1);
        for (size_t i = 0; i < n_of(blocks); i++)
                large_free(blocks[i]);
        assert_in_range(counts().n_cached, 1, LARGE_QUARANTINE_BLOCKS + LARGE_READY_BLOCKS);
        assert_true(counts().cached_bytes <= (uint64_t)LARGE_QUARANTINE_BYTES + LARGE_READY_BYTES);
        assert_true((before - statm(1)) * (long)page() > 30 * MIB); /* of 58 MiB */
        for (size_t i = 0; i < 8; i++)
                blocks[i] = make(12 * MIB);
        for (size_t i = 0; i < 8; i++)
                large_free(blocks[i]);
        assert_true(counts().cached_bytes <= (uint64_t)LARGE_QUARANTINE_BYTES + LARGE_READY_BYTES);
        large_free(make(100 * MIB));
        assert_true(large_trim() > 0);
        assert_int_equal(counts().n_cached, 0);
        assert_int_equal(counts().cached_bytes, 0);
}

/* Other sizes again and again, all written: what waits must not come on top of the most that was live. */
static void replace_blocks_of_all_sizes(void *unused)
{
        static struct block blocks[10];
        long before = statm(1), most = 0;
        size_t live = 0, peak = 0;
        uint64_t state = 5;

        (void)unused;
        for (size_t i = 0; i < 300; i++) {
                struct block *b = &blocks[noise(&state) % n_of(blocks)];

                if (b->p != NULL)
                        large_free(b->p);
                live -= b->n_bytes;
                b->n_bytes = 513 * KIB + (size_t)noise(&state) % (2 * MIB);
                live += b->n_bytes;
                peak = live > peak ? live : peak;
                memset(b->p = make(b->n_bytes), 1, b->n_bytes);
                most = statm(1) - before > most ? statm(1) - before : most;
        }
        expect((size_t)most * page() <= peak + peak / 8 + MIB);
}

/* Before any other test has made the peak higher. */
static void what_waits_adds_an_eighth_at_most(void **unused)
{
        (void)unused;
        if (!IS_SANITIZED) /* their own memory would be counted */
                assert_true(forked_passes(replace_blocks_of_all_sizes, NULL));
}

static void memory_is_clear_also_where_the_kernel_refuses(void **unused)
{
        static const char *const calls[] = {"madvise", "mincore", "mremap", "mmap"};
        unsigned char *p;

        (void)unused;
        for (size_t i = 0; i < n_of(calls); i++) {
                large_trim();
                p = make(3 * MIB);
                fill(p, 1, 0, 2 * MIB);
                for (size_t at = 2 * MIB; at < 3 * MIB; at += 40 * KIB)
                        p[at] = 1;
                only = calls[i];
                fail_from(0, true);
                large_free(p);
                countdown = -1;
                only = NULL;
                assert_true(has_fired);
                p = make(3 * MIB);
                assert_true(is_zero(p, 3 * MIB));
                large_free(p);
        }
}

static void a_growing_block_keeps_its_bytes_and_moves_no_memory(void **unused)
{
        size_t n = 600 * KIB;
        unsigned char *p = make(n);

        (void)unused;
        fill(p, 3, 0, n);
        while (n < 24 * MIB) {
                size_t more = n + 700 * KIB + 5;

                p = large_resize(p, more);
                assert_non_null(p);
                assert_true(holds(p, 3, n > MIB ? n - MIB : 0, n));
                assert_true(is_zero(p + n, more - n));
                fill(p, 3, n, more);
                n = more;
        }
        assert_true(holds(p, 3, 0, n));
        p = large_resize(p, 600 * KIB);
        assert_true(holds(p, 3, 0, 600 * KIB));
        assert_true(is_fenced(p, 600 * KIB) && is_closed(p + 2 * MIB) && is_closed(p + 20 * MIB));
        p = large_resize(p, MIB);
        assert_true(is_zero(p + 600 * KIB, MIB - 600 * KIB));
        large_free(p);
}

static void impossible_sizes_are_enomem(void **unused)
{
        static const struct {
                size_t n_bytes, alignment;
        } rows[] = {
                {PTRDIFF_MAX, 16}, {PTRDIFF_MAX - 1, 16}, {PTRDIFF_MAX - 8192, 16}, {MIB, (size_t)1 << 62}, {PTRDIFF_MAX, (size_t)1 << 62},
                {(size_t)1 << 47, 16}, {(size_t)1 << 62, (size_t)1 << 62},
        };
        unsigned char *p = make(MIB), other;

        (void)unused;
        fill(p, 1, 0, MIB);
        for (size_t i = 0; i < n_of(rows); i++) {
                errno = 0;
                assert_null(large_allocate(rows[i].n_bytes, rows[i].alignment));
                assert_int_equal(errno, ENOMEM);
                errno = 0;
                assert_null(large_resize(p, rows[i].n_bytes <= MIB ? PTRDIFF_MAX : rows[i].n_bytes));
                assert_int_equal(errno, ENOMEM);
                assert_true(holds(p, 1, 0, MIB));
        }
        assert_int_equal(counts().n_live, 1);
        large_free(p);
        p = large_allocate(100, 64 * MIB);
        assert_true((uintptr_t)p % (64 * MIB) == 0 && is_fenced(p, 100));
        large_free(p);
        assert_false(large_free(&other));
}

/* ---- refusals ---- */

/* Every kind of call there is: fresh, ready, cut, grown, moved, shrunk, dropped. Returns a line, or 0. */
static int busy_scene(void)
{
        struct block b[3] = {0};
        static const size_t sizes[] = {3 * MIB, 600 * KIB + 1, 5 * MIB + 9};
        size_t n;

        for (unsigned round = 0; round < 2; round++) {
                for (unsigned i = 0; i < n_of(b); i++) {
                        errno = 4711;
                        b[i] = (struct block){large_allocate(sizes[(i + round) % 3], 16), sizes[(i + round) % 3], i + 1};
                        if (b[i].p == NULL ? errno != ENOMEM : errno != 4711)
                                return __LINE__;
                        if (b[i].p != NULL && (!is_zero(b[i].p, b[i].n_bytes) || !is_fenced(b[i].p, b[i].n_bytes)))
                                return __LINE__;
                        if (b[i].p != NULL)
                                fill(b[i].p, b[i].seed, 0, b[i].n_bytes);
                }
                for (unsigned i = 0; i < n_of(b); i++) {
                        size_t to = i == 0 ? 700 * KIB + 3 : b[i].n_bytes + MIB;
                        unsigned char *p;

                        if (b[i].p == NULL)
                                continue;
                        p = large_resize(b[i].p, to);
                        n = p != NULL && to < b[i].n_bytes ? to : b[i].n_bytes;
                        if (p == NULL && errno != ENOMEM)
                                return __LINE__;
                        if (!holds(p != NULL ? p : b[i].p, b[i].seed, 0, n) || (p != NULL && to > n && !is_zero(p + n, to - n)))
                                return __LINE__;
                        errno = 4711;
                        if (!large_free(p != NULL ? p : b[i].p) || errno != 4711)
                                return __LINE__;
                }
        }
        return counts().n_live == 0 && counts().live_bytes == 0 ? 0 : __LINE__;
}

static void sweep(bool is_lasting_now)
{
        long n_calls = 0, before, resident;

        assert_int_equal(busy_scene(), 0);
        large_trim();
        before = statm(0);
        resident = statm(1);
        do {
                int line;

                fail_from(n_calls, is_lasting_now);
                line = busy_scene();
                countdown = -1;
                if (line != 0)
                        print_message("call %ld of the scene refused\n", n_calls);
                assert_int_equal(line, 0);
                large_check();
                large_trim();
                assert_int_equal(counts().n_cached, 0);
                if (!IS_SANITIZED) {
                        assert_true(statm(1) < resident + 64);
                        if (is_lasting_now || (has_fired && strcmp(fired, "mremap") == 0))
                                before = statm(0); /* no memory is lost, but addresses are: see heap/large.h */
                        assert_int_equal(statm(0), before);
                }
                n_calls++;
        } while (has_fired);
        assert_true(n_calls > 40);
}

static void a_refused_call_leaves_nothing_behind(void **unused)
{
        (void)unused;
        sweep(false);
}

static void refused_calls_leave_nothing_behind(void **unused)
{
        (void)unused;
        sweep(true);
}

/* ---- fork ---- */

static unsigned char *inherited;

static void use_inherited(void *unused)
{
        unsigned char *p = make(2 * MIB);

        (void)unused;
        expect(is_zero(p, 2 * MIB));
        expect(holds(inherited, 9, 0, MIB));
        inherited = large_resize(inherited, 3 * MIB);
        expect(inherited != NULL && holds(inherited, 9, 0, MIB) && is_zero(inherited + MIB, 2 * MIB));
        expect(large_free(inherited) && large_free(p));
        expect_int(model_run(77, 100), 0);
}

static void a_child_goes_on_with_what_it_inherits(void **unused)
{
        (void)unused;
        fill(inherited = make(MIB), 9, 0, MIB);
        assert_true(forked_passes(use_inherited, NULL));
        assert_true(holds(inherited, 9, 0, MIB));
        assert_true(large_free(inherited));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_adds_an_eighth_at_most),
        cmocka_unit_test(large_blocks_hold_what_a_model_says),
        cmocka_unit_test(large_blocks_serve_threads),
        cmocka_unit_test(a_freed_block_is_closed_and_its_addresses_rest),
        cmocka_unit_test(what_waits_keeps_to_its_limits),
        cmocka_unit_test(memory_is_clear_also_where_the_kernel_refuses),
        cmocka_unit_test(a_growing_block_keeps_its_bytes_and_moves_no_memory),
        cmocka_unit_test(impossible_sizes_are_enomem),
        cmocka_unit_test(a_refused_call_leaves_nothing_behind),
        cmocka_unit_test(refused_calls_leave_nothing_behind),
        cmocka_unit_test(a_child_goes_on_with_what_it_inherits),
};

MAIN_OF_LARGE_TESTS

/* Guarded blocks: where they stand, in which order they are used again, refused calls and threads. */
#include "unit/heap_large_testing.h"

/* ---- guarded blocks ---- */

static void guarded_blocks_stand_against_a_closed_page(void **unused)
{
        static const size_t sizes[] = {0, 1, 8, 15, 16, 17, 24, 40, 100, 1000, 2048, 4079, 4080};
        size_t size;

        (void)unused;
        for (size_t i = 0; i < 60 * n_of(sizes); i++) {
                size_t n = sizes[i % n_of(sizes)];
                unsigned char *p = guarded_allocate(n);

                assert_non_null(p);
                assert_true((uintptr_t)p % 16 == 0 && is_zero(p, n));
                assert_true(is_closed(p + size_round_up(n == 0 ? 1 : n, 16)) && is_closed(page_of(p) - 1));
                assert_true(guarded_size(p, &size, HEAP_ACT_SIZE) && size == n);
                assert_int_equal(guarded_count(), 1);
                memset(p, 0xff, n);
                guarded_check();
                assert_true(guarded_free(p));
                assert_true(is_closed(p));
        }
        assert_false(guarded_free(&size));
        assert_false(guarded_size(&size, &size, HEAP_ACT_SIZE));
}

static void guarded_blocks_are_16_and_used_again_in_order(void **unused)
{
        void *all[16];

        (void)unused;
        for (size_t i = 0; i < n_of(all); i++)
                assert_non_null(all[i] = guarded_allocate(64));
        errno = 4711;
        assert_null(guarded_allocate(64));
        assert_int_equal(errno, 4711);
        assert_int_equal(guarded_count(), 16);
        for (size_t i = 0; i < n_of(all); i++)
                assert_true(guarded_free(all[(i * 7) % 16]));
        for (size_t i = 0; i < n_of(all); i++)
                assert_ptr_equal(guarded_allocate(64), all[(i * 7) % 16]);
        for (size_t i = 0; i < n_of(all); i++)
                assert_true(guarded_free(all[i]));
}

static void guarded_pages_survive_refusals(void **unused)
{
        void *p;

        (void)unused;
        for (int i = 0; i < 40; i++) {
                fail_from(0, true);
                errno = 4711;
                assert_null(guarded_allocate(64));
                assert_int_equal(errno, 4711);
                countdown = -1;
        }
        assert_non_null(p = guarded_allocate(64));
        fail_from(0, true);
        assert_true(guarded_free(p));
        countdown = -1;
        assert_int_equal(guarded_count(), 0);
}

static void allocate_guarded_without_addresses(void *unused)
{
        (void)unused;
        fail_from(0, false);
        expect(guarded_allocate(64) == NULL);
        expect(has_fired);
        fail_from(0, false);
        expect(guarded_allocate(64) == NULL);
        expect(!has_fired);
        expect_int(guarded_count(), 0);
        expect(!guarded_free(unused));
}

static void a_refused_reservation_is_not_asked_for_again(void **unused)
{
        (void)unused;
        assert_true(forked_passes(allocate_guarded_without_addresses, NULL)); /* the first of all tests: none is made yet */
}

static void *churn_guarded(void *unused)
{
        for (int i = 0; i < 2000; i++) {
                unsigned char *p = guarded_allocate((size_t)i % 4000);

                if (p != NULL) {
                        memset(p, i, (size_t)i % 4000);
                        guarded_free(p);
                }
        }
        return unused;
}

static void guarded_blocks_serve_threads(void **unused)
{
        pthread_t threads[3];

        (void)unused;
        for (size_t i = 0; i < n_of(threads); i++)
                assert_ok(pthread_create(&threads[i], NULL, churn_guarded, NULL));
        for (int i = 0; i < 200; i++)
                guarded_check();
        for (size_t i = 0; i < n_of(threads); i++)
                assert_ok(pthread_join(threads[i], NULL));
        assert_int_equal(guarded_count(), 0);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_reservation_is_not_asked_for_again),
        cmocka_unit_test(guarded_blocks_stand_against_a_closed_page),
        cmocka_unit_test(guarded_blocks_are_16_and_used_again_in_order),
        cmocka_unit_test(guarded_pages_survive_refusals),
        cmocka_unit_test(guarded_blocks_serve_threads),
};

MAIN_OF_LARGE_TESTS

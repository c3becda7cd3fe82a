/* Secrets as values: made, filled, sized, compared. */
#include "unit/harness.h"

#include "outside/seen.h"
#include "pool/pool.h"

static const unsigned memories[] = {0, KEEPMUM_NOT_HIDDEN};

static keepmum_secret make(size_t n_bytes, unsigned flags, unsigned seed)
{
        keepmum_secret s;

        assert_ok(make_with(&s, n_bytes, flags, seed));
        return s;
}

static size_t size_of(keepmum_secret s)
{
        size_t n = 0;

        assert_ok(keepmum_size(s, &n));
        return n;
}

static const size_t sizes[] = {1,     2,     7,     15,    16,    17,     24,     31,    32,    33,     48,      63,       64,      65,
                               100,   255,   256,   1000,  4080,  4095,   4096,   4097,  8192,  8193,   10000,   16384,    32768,   65536,
                               70000, 98304, 131072, 131073, 200000, 262144, 1000000, 1 << 20, 5000000};

static void a_secret_begins_as_zeroes(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(sizes); i++)
                for (int round = 0; round < 2; round++) { /* the second one gets the used slot */
                        keepmum_secret s;
                        const void *bytes;
                        size_t n;

                        assert_ok(keepmum_create(&s, sizes[i], 0));
                        assert_ok(keepmum_open_read(s, &bytes, &n));
                        assert_int_equal(n, sizes[i]);
                        for (size_t k = 0; k < n; k++)
                                assert_int_equal(((const unsigned char *)bytes)[k], 0);
                        keepmum_close(s);
                        assert_ok(fill_with(s, 9));
                        keepmum_destroy(&s);
                        assert_int_equal(s.bits, 0);
                }
}

static void contents_are_kept(void **state)
{
        (void)state;
        for (size_t m = 0; m < n_of(memories); m++) {
                enum { ALL_AT_ONCE = n_of(sizes) - 3 }; /* a user's lock limit is 8 MiB */
                keepmum_secret s[ALL_AT_ONCE];

                for (size_t i = 0; i < ALL_AT_ONCE; i++)
                        s[i] = make(sizes[i], memories[m] | (i % 2 != 0 ? KEEPMUM_EXACT_END : 0), (unsigned)i);
                for (size_t i = 0; i < ALL_AT_ONCE; i++)
                        assert_ok(look_for(s[i], (unsigned)i, sizes[i], sizes[i]));
                for (size_t i = 0; i < ALL_AT_ONCE; i++)
                        keepmum_destroy(&s[i]);
        }
}

static void bytes_are_aligned_to_what_the_size_allows(void **state)
{
        (void)state;
        for (size_t n = 1; n <= 1024; n++) {
                size_t rounded = (n + 15) / 16 * 16, alignment = 64;
                keepmum_secret s;

                while (rounded % alignment != 0)
                        alignment /= 2;
                assert_ok(keepmum_create(&s, n, 0));
                assert_int_equal((uintptr_t)place_of(s) % alignment, 0);
                keepmum_destroy(&s);
        }
}

static void the_end_of_the_bytes_meets_the_guard(void **state)
{
        (void)state;
        for (size_t n = 1; n <= 300; n++) {
                keepmum_secret s;

                assert_ok(keepmum_create(&s, n, KEEPMUM_EXACT_END));
                assert_int_equal(((uintptr_t)place_of(s) + n) % page(), 0);
                keepmum_destroy(&s);
                assert_ok(keepmum_create(&s, n, 0));
                assert_int_equal(((uintptr_t)place_of(s) + (n + 15) / 16 * 16) % page(), 0);
                keepmum_destroy(&s);
        }
}

static void a_secret_that_stays_has_one_address(void **state)
{
        keepmum_secret s = make(100, KEEPMUM_STAY, 1), others[50];
        const void *at = place_of(s);

        (void)state;
        for (size_t i = 0; i < n_of(others); i++)
                others[i] = make(100, 0, 2);
        for (size_t i = 0; i < n_of(others); i++) {
                keepmum_destroy(&others[i]);
                assert_ptr_equal(place_of(s), at);
        }
        keepmum_destroy(&s);
}

/* ---- taking ---- */

static void take_copies_and_wipes_the_source(void **state)
{
        (void)state;
        for (size_t n = 1; n <= 10000; n = n * 3 + 1) {
                static unsigned char source[10002];
                keepmum_secret s;

                memset(source, 0xee, sizeof source);
                for (size_t i = 0; i < n; i++)
                        source[i + 1] = byte_of(5, i);
                assert_ok(keepmum_take(&s, source + 1, n, 0));
                for (size_t i = 0; i < n; i++)
                        assert_int_equal(source[i + 1], 0);
                assert_int_equal(source[0], 0xee);
                assert_int_equal(source[n + 1], 0xee);
                assert_ok(look_for(s, 5, n, n));
                keepmum_destroy(&s);
        }
}

static void take_leaves_the_source_on_an_error(void **state)
{
        unsigned char source[4] = {1, 2, 3, 4};
        keepmum_secret s = {77};

        (void)state;
        assert_int_equal(keepmum_take(&s, source, 0, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_take(&s, source, 4, 1u << 20), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_take(&s, source, KEEPMUM_MAX_BYTES + 1, 0), KEEPMUM_ETOOBIG);
        assert_int_equal(keepmum_take(&s, NULL, 4, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_take(NULL, source, 4, 0), KEEPMUM_EINVAL);
        assert_int_equal(source[0] | source[1] << 8 | source[2] << 16 | source[3] << 24, 0x04030201);
        assert_int_equal(s.bits, 77);
}

/* ---- resizing ---- */

/* The bytes of the whole slot, looked at from the inside. */
static size_t count_in_slot(keepmum_secret s, size_t slot_bytes, unsigned seed, size_t from, size_t to)
{
        const unsigned char *bytes, *end, *p;
        const void *opened;
        size_t n, found = 0;

        assert_ok(keepmum_open_read(s, &opened, &n));
        bytes = opened;
        end = page_of(bytes + n - 1) + page();
        for (p = end - slot_bytes; p + 8 <= end; p++)
                for (size_t i = from; i + 8 <= to; i++)
                        if (p[0] == byte_of(seed, i) && p[1] == byte_of(seed, i + 1) && p[2] == byte_of(seed, i + 2) &&
                            p[7] == byte_of(seed, i + 7) && p[3] == byte_of(seed, i + 3) && p[4] == byte_of(seed, i + 4))
                                found++;
        keepmum_close(s);
        return found;
}

static void resize_keeps_the_beginning_and_zeroes_the_rest(void **state)
{
        (void)state;
        for (unsigned flags = 0; flags <= KEEPMUM_EXACT_END; flags += KEEPMUM_EXACT_END)
                for (size_t i = 0; i < n_of(sizes) && sizes[i] <= 262144; i += 2)
                        for (size_t k = 1; k < n_of(sizes) && sizes[k] <= 1000000; k += 2) {
                                size_t from = sizes[i], to = sizes[k], kept = from < to ? from : to;
                                keepmum_secret s = make(from, flags, 3);
                                const void *bytes;

                                assert_ok(keepmum_resize(s, to));
                                assert_int_equal(size_of(s), to);
                                assert_ok(look_for(s, 3, kept, to));
                                assert_ok(keepmum_open_read(s, &bytes, NULL));
                                for (size_t z = kept; z < to; z++)
                                        assert_int_equal(((const unsigned char *)bytes)[z], 0);
                                keepmum_close(s);
                                assert_ok(fill_with(s, 4)); /* the pattern is where the new size wants it */
                                keepmum_destroy(&s);
                        }
}

static void resize_in_the_same_page_wipes_what_falls_away(void **state)
{
        (void)state;
        for (size_t to = 1; to < 128; to += 9) {
                keepmum_secret s = make(128, 0, 6);

                assert_ok(keepmum_resize(s, to));
                assert_int_equal(count_in_slot(s, page(), 6, to, 128), 0);
                keepmum_destroy(&s);
        }
}

static void the_search_finds_what_is_there(void **state)
{
        keepmum_secret s = make(128, 0, 6);

        (void)state;
        assert_in_range(count_in_slot(s, page(), 6, 0, 128), 121, 200);
        keepmum_destroy(&s);
}

static void resize_of_a_secret_never_written_keeps_zeroes(void **state)
{
        (void)state;
        for (size_t to = 1; to < 20000; to = to * 5 + 2) {
                keepmum_secret s;
                const void *bytes;

                assert_ok(keepmum_create(&s, 64, 0));
                assert_ok(keepmum_resize(s, to));
                assert_ok(keepmum_open_read(s, &bytes, NULL));
                for (size_t i = 0; i < to; i++)
                        assert_int_equal(((const unsigned char *)bytes)[i], 0);
                keepmum_close(s);
                keepmum_destroy(&s);
        }
}

static void the_slot_left_behind_by_resize_is_closed_and_wiped(void **state)
{
        keepmum_secret s = make(64, 0, 8), next;
        const unsigned char *old = page_of(place_of(s));

        (void)state;
        assert_ok(keepmum_resize(s, 2 * page()));
        assert_true(is_shut(old));
        assert_ok(keepmum_create(&next, 64, 0)); /* takes that slot */
        assert_ptr_equal(page_of(place_of(next)), old);
        assert_int_equal(count_in_slot(next, page(), 8, 0, 64), 0);
        keepmum_destroy(&next);
        keepmum_destroy(&s);
}

static void a_refused_resize_changes_nothing(void **state)
{
        keepmum_secret s = make(100, 0, 2);

        (void)state;
        assert_int_equal(keepmum_resize(s, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_resize(s, KEEPMUM_MAX_BYTES + 1), KEEPMUM_ETOOBIG);
        assert_int_equal(keepmum_resize((keepmum_secret){0}, 10), KEEPMUM_EINVAL);
        assert_ok(keepmum_set_lock_budget(3 * page()));
        assert_int_equal(keepmum_resize(s, 100 * page()), KEEPMUM_ELIMIT);
        assert_ok(keepmum_set_lock_budget(0));
        assert_ok(look_for(s, 2, 100, 100));
        keepmum_destroy(&s);
}

/* ---- comparing and filling ---- */

static bool are_equal(keepmum_secret a, keepmum_secret b)
{
        bool first = false, second = true;

        assert_ok(keepmum_equal(a, b, &first));
        assert_ok(keepmum_equal(b, a, &second));
        assert_int_equal(first, second);
        return first;
}

static void equal_needs_every_byte_and_the_size(void **state)
{
        keepmum_secret a = make(100, 0, 1), b = make(100, KEEPMUM_NOT_HIDDEN | KEEPMUM_EXACT_END, 1), shorter = make(99, 0, 1);

        (void)state;
        assert_true(are_equal(a, b));
        assert_true(are_equal(a, a));
        assert_false(are_equal(a, shorter));
        for (size_t i = 0; i < 100; i++) {
                void *bytes;

                assert_ok(keepmum_open_write(b, &bytes, NULL));
                ((unsigned char *)bytes)[i] ^= 1;
                keepmum_close(b);
                assert_false(are_equal(a, b));
                assert_ok(keepmum_open_write(b, &bytes, NULL));
                ((unsigned char *)bytes)[i] ^= 1;
                keepmum_close(b);
        }
        assert_true(are_equal(a, b));
        keepmum_destroy(&a);
        keepmum_destroy(&b);
        keepmum_destroy(&shorter);
}

static void equal_leaves_both_closed_on_every_way(void **state)
{
        keepmum_secret a = make(100, 0, 1), b = make(100, 0, 1), gone = make(1, 0, 1), stale = gone;
        bool equal = true;
        void *bytes;

        (void)state;
        keepmum_destroy(&gone);
        assert_int_equal(keepmum_equal(a, b, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_equal(a, (keepmum_secret){0}, &equal), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_equal((keepmum_secret){0}, a, &equal), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_equal(a, stale, &equal), KEEPMUM_ESTALE);
        assert_ok(keepmum_open_write(b, &bytes, NULL));
        assert_int_equal(keepmum_equal(a, b, &equal), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_equal(b, a, &equal), KEEPMUM_EBUSY);
        keepmum_close(b);
        assert_true(equal); /* untouched */
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
        keepmum_destroy(&a);
        keepmum_destroy(&b);
}

static void random_bytes_fill_all_of_it(void **state)
{
        static const size_t amounts[] = {1, 32, 257, 5000, 70000};

        (void)state;
        for (size_t i = 0; i < n_of(amounts); i++) {
                unsigned char together[16] = {0};
                keepmum_secret s = make(amounts[i], 0, 0);

                for (int round = 0; round < 40; round++) { /* each byte is other than zero at least once */
                        const void *bytes;

                        assert_ok(keepmum_fill_random(s));
                        assert_ok(keepmum_open_read(s, &bytes, NULL));
                        for (size_t k = 0; k < 16 && k < amounts[i]; k++)
                                together[k] |= ((const unsigned char *)bytes)[k * (amounts[i] - 1) / 15 % amounts[i]];
                        keepmum_close(s);
                }
                for (size_t k = 0; k < 16 && k < amounts[i]; k++)
                        assert_int_not_equal(together[k], 0);
                keepmum_destroy(&s);
        }
}

/* ---- limits and arguments ---- */

static void the_largest_secret_works(void **state)
{
        keepmum_secret s;
        int err = make_with(&s, KEEPMUM_MAX_BYTES, 0, 1);

        (void)state;
        if (err == KEEPMUM_ELIMIT && geteuid() != 0)
                return; /* more than a user may lock */
        assert_ok(err);
        assert_ok(look_for(s, 1, KEEPMUM_MAX_BYTES, KEEPMUM_MAX_BYTES));
        assert_ok(keepmum_resize(s, 1));
        assert_ok(look_for(s, 1, 1, 1));
        keepmum_destroy(&s);
}

static void sizes_beyond_the_limits_are_refused(void **state)
{
        static const size_t big[] = {KEEPMUM_MAX_BYTES + 1, (size_t)1 << 31, (size_t)UINT32_MAX + 2, SIZE_MAX, SIZE_MAX - 4095};
        keepmum_secret s = {5};

        (void)state;
        assert_int_equal(keepmum_create(&s, 0, 0), KEEPMUM_EINVAL);
        for (size_t i = 0; i < n_of(big); i++)
                assert_int_equal(keepmum_create(&s, big[i], 0), KEEPMUM_ETOOBIG);
        assert_int_equal(s.bits, 5);
}

static void unknown_and_contradicting_flags_are_refused(void **state)
{
        keepmum_secret s = {5};

        (void)state;
        for (unsigned bit = 6; bit < 32; bit++)
                assert_int_equal(keepmum_create(&s, 1, 1u << bit), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_create(&s, 1, KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_create(&s, 1, KEEPMUM_SEALED | KEEPMUM_STAY), KEEPMUM_EINVAL);
        assert_int_equal(s.bits, 5);
}

static void null_arguments_are_refused(void **state)
{
        keepmum_secret s = make(1, 0, 0);
        size_t n = 5;

        (void)state;
        assert_int_equal(keepmum_create(NULL, 1, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_size(s, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_size((keepmum_secret){0}, &n), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_open_read(s, NULL, &n), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_open_write(s, NULL, &n), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_state(s, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_verify(s, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_fill_random((keepmum_secret){0}), KEEPMUM_EINVAL);
        assert_int_equal(n, 5);
        keepmum_destroy(&s);
        keepmum_destroy(&s); /* {0} is left alone */
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_begins_as_zeroes),
        cmocka_unit_test(contents_are_kept),
        cmocka_unit_test(bytes_are_aligned_to_what_the_size_allows),
        cmocka_unit_test(the_end_of_the_bytes_meets_the_guard),
        cmocka_unit_test(a_secret_that_stays_has_one_address),
        cmocka_unit_test(take_copies_and_wipes_the_source),
        cmocka_unit_test(take_leaves_the_source_on_an_error),
        cmocka_unit_test(resize_keeps_the_beginning_and_zeroes_the_rest),
        cmocka_unit_test(resize_in_the_same_page_wipes_what_falls_away),
        cmocka_unit_test(the_search_finds_what_is_there),
        cmocka_unit_test(resize_of_a_secret_never_written_keeps_zeroes),
        cmocka_unit_test(the_slot_left_behind_by_resize_is_closed_and_wiped),
        cmocka_unit_test(a_refused_resize_changes_nothing),
        cmocka_unit_test(equal_needs_every_byte_and_the_size),
        cmocka_unit_test(equal_leaves_both_closed_on_every_way),
        cmocka_unit_test(random_bytes_fill_all_of_it),
        cmocka_unit_test(the_largest_secret_works),
        cmocka_unit_test(sizes_beyond_the_limits_are_refused),
        cmocka_unit_test(unknown_and_contradicting_flags_are_refused),
        cmocka_unit_test(null_arguments_are_refused),
};

MAIN_OF_TESTS

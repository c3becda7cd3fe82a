/* The pattern: every single byte beside a payload is watched, none within. */
#include "unit/harness.h"

#include "secret/pattern.h"

enum { SLOT = 4096 };

static _Alignas(64) unsigned char slot[SLOT], other[SLOT];

/* As access_payload() places it: at the end, rounded up to 16, or exactly at the end. */
static unsigned char *payload(unsigned char *in, size_t n, bool is_exact)
{
        return in + SLOT - (is_exact ? n : (n + 15) / 16 * 16);
}

static void look_at_every_byte(size_t n, bool is_exact)
{
        unsigned char *p = payload(slot, n, is_exact);

        memset(slot, 0xee, SLOT);
        pattern_lay(slot, SLOT, p, n, 7);
        assert_true(pattern_is_whole(slot, SLOT, p, n, 7));
        for (size_t i = 0; i < SLOT; i++) {
                bool is_beside = &slot[i] < p || &slot[i] >= p + n;
                static const unsigned char flips[] = {1, 0x80, 0xff};

                for (size_t k = 0; k < n_of(flips); k++) {
                        slot[i] ^= flips[k];
                        assert_int_equal(pattern_is_whole(slot, SLOT, p, n, 7), !is_beside);
                        slot[i] ^= flips[k];
                }
        }
        assert_true(pattern_is_whole(slot, SLOT, p, n, 7));
}

static void a_change_of_any_byte_beside_the_payload_is_seen(void **state)
{
        static const size_t sizes[] = {1, 5, 8, 15, 16, 17, 31, 32, 63, 64, 100, 129, 1000, 4000, 4079, 4081, 4095, 4096};

        (void)state;
        for (size_t i = 0; i < n_of(sizes); i++) {
                look_at_every_byte(sizes[i], false);
                look_at_every_byte(sizes[i], true);
        }
}

static void the_payload_is_left_alone(void **state)
{
        (void)state;
        for (size_t n = 1; n <= 256; n++) {
                unsigned char *p = payload(slot, n, n % 2 != 0);

                memset(slot, 0xee, SLOT);
                pattern_lay(slot, SLOT, p, n, 3);
                for (size_t i = 0; i < n; i++)
                        assert_int_equal(p[i], 0xee);
        }
}

static void another_slot_has_another_pattern(void **state)
{
        (void)state;
        pattern_lay(slot, SLOT, payload(slot, 32, false), 32, 1);
        pattern_lay(other, SLOT, payload(other, 32, false), 32, 2);
        assert_false(pattern_is_whole(slot, SLOT, payload(slot, 32, false), 32, 2));
        for (size_t i = 0; i < SLOT - 32; i += 8)
                assert_memory_not_equal(slot + i, other + i, 8);
}

static void a_piece_moved_within_the_page_does_not_fit(void **state)
{
        unsigned char *p = payload(slot, 32, false);

        (void)state;
        for (size_t by = 8; by <= 64; by += 8) {
                pattern_lay(slot, SLOT, p, 32, 1);
                memmove(slot + 512, slot + 512 - by, by);
                assert_false(pattern_is_whole(slot, SLOT, p, 32, 1));
        }
}

static void zeroes_and_a_repeated_byte_do_not_fit(void **state)
{
        unsigned char *p = payload(slot, 100, false);

        (void)state;
        for (unsigned value = 0; value < 256; value++) {
                memset(slot, (int)value, SLOT);
                assert_false(pattern_is_whole(slot, SLOT, p, 100, 1));
        }
}

static void a_new_start_gives_a_new_key(void **state)
{
        unsigned char *p = payload(slot, 32, false);

        (void)state;
        pattern_lay(slot, SLOT, p, 32, 1);
        pattern_start();
        assert_false(pattern_is_whole(slot, SLOT, p, 32, 1));
}

static int start(void **state)
{
        (void)state;
        pattern_start();
        return 0;
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_change_of_any_byte_beside_the_payload_is_seen, start),
        cmocka_unit_test_setup(the_payload_is_left_alone, start),
        cmocka_unit_test_setup(another_slot_has_another_pattern, start),
        cmocka_unit_test_setup(a_piece_moved_within_the_page_does_not_fit, start),
        cmocka_unit_test_setup(zeroes_and_a_repeated_byte_do_not_fit, start),
        cmocka_unit_test_setup(a_new_start_gives_a_new_key, start),
};

MAIN_OF_TESTS

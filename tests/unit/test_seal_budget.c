/* Sealing under a budget of locked pages: who loses its slot and comes back, who stays, and what is refused without a loss. */
#include "unit/seal_testing.h"

enum { MANY = 300 };

static void a_budget_of_three_pages_is_enough_for_any_number(void **state)
{
        keepmum_secret s[MANY], unwritten;
        const void *p, *q;

        (void)state;
        set_budget_pages(3);
        for (unsigned i = 0; i < MANY; i++)
                s[i] = make(1 + i * 13 % 4000, i % 3 == 0 ? KEEPMUM_SEALED : 0, i);
        assert_ok(keepmum_create(&unwritten, 9, 0));
        for (unsigned i = 0; i < 4 * MANY; i++) {
                unsigned k = i * 7919 % MANY;

                if (i % 5 == 0)
                        assert_ok(fill_with(s[k], k));
                assert_ok(look_for(s[k], k, 1 + k * 13 % 4000, 1 + k * 13 % 4000));
                assert_true(stat_of(KEEPMUM_STAT_RESIDENT) <= 2);
        }
        assert_true(stat_of(KEEPMUM_STAT_LOCKED_BYTES) <= 3 * page());
        assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), MANY + 1);
        assert_int_equal(stat_of(KEEPMUM_STAT_RESIDENT) + stat_of(KEEPMUM_STAT_SEALED), MANY + 1);
        assert_ok(keepmum_open_read(s[1], &p, NULL));
        assert_ok(keepmum_open_read(s[2], &q, NULL));
        assert_int_equal(keepmum_open_read(s[3], &p, NULL), KEEPMUM_ENOSLOT);
        assert_int_equal(keepmum_open_read(unwritten, &p, NULL), KEEPMUM_ENOSLOT);
        assert_int_equal(keepmum_fill_random(s[4]), KEEPMUM_ENOSLOT);
        assert_int_equal(keepmum_resize(s[4], 5), KEEPMUM_ENOSLOT);
        assert_true(is_sealed(s[3]) && is_sealed(unwritten));
        keepmum_close(s[2]);
        assert_ok(look_for(s[3], 3, 40, 40)); /* nothing was lost */
        assert_ok(look_for(s[4], 4, 53, 53));
        keepmum_close(s[1]);
        for (unsigned i = 0; i < MANY; i++)
                keepmum_destroy(&s[i]);
        keepmum_destroy(&unwritten);
}

static void sizes_make_room_for_each_other(void **state)
{
        keepmum_secret s[60];
        size_t n[n_of(s)];

        (void)state;
        set_budget_pages(17);
        for (unsigned i = 0; i < n_of(s); i++) {
                n[i] = (i % 3 == 0 ? 1 : i % 3 == 1 ? 3 * page() : 12 * page()) - i;
                if (i % 3 == 0)
                        n[i] = 1 + i;
                s[i] = make(n[i], i % 4 == 0 ? KEEPMUM_SEALED : 0, i);
        }
        for (unsigned i = 0; i < 3 * n_of(s); i++)
                assert_ok(look_for(s[i * 37 % n_of(s)], i * 37 % (unsigned)n_of(s), n[i * 37 % n_of(s)], n[i * 37 % n_of(s)]));
        assert_true(stat_of(KEEPMUM_STAT_LOCKED_BYTES) <= 17 * page());
        for (unsigned i = 0; i < n_of(s); i++) {
                size_t to = 1 + (i * 9973) % (12 * page());

                assert_ok(keepmum_resize(s[i], to));
                assert_ok(look_for(s[i], i, to < n[i] ? to : n[i], to));
        }
        for (unsigned i = 0; i < n_of(s); i++)
                keepmum_destroy(&s[i]);
}

static void what_was_used_lately_is_passed_over_once(void **state)
{
        keepmum_secret hot, cold[6], more;

        (void)state;
        set_budget_pages(5); /* four slots */
        hot = make(40, 0, 77);
        for (unsigned i = 0; i < n_of(cold); i++)
                cold[i] = make(40, 0, i);
        assert_ok(look_for(hot, 77, 40, 40));
        more = make(40, 0, 9); /* the hand goes round once and takes every mark away but those of later */
        assert_ok(look_for(hot, 77, 40, 40));
        assert_ok(look_for(cold[0], 0, 40, 40));
        assert_false(is_sealed(hot));
        keepmum_destroy(&hot);
        keepmum_destroy(&more);
        for (unsigned i = 0; i < n_of(cold); i++)
                keepmum_destroy(&cold[i]);
}

static void what_must_stay_keeps_its_address_and_others_out(void **state)
{
        keepmum_secret stays = make(40, KEEPMUM_STAY, 1), s[20], second, third;
        const unsigned char *at;

        (void)state;
        assert_ok(keepmum_seal_all());
        keepmum_destroy(&stays);
        pool_trim(NULL, 0);
        set_budget_pages(3);
        stays = make(40, KEEPMUM_STAY, 1);
        at = place_of(stays);
        for (unsigned i = 0; i < n_of(s); i++)
                s[i] = make(40, 0, i);
        for (unsigned i = 0; i < n_of(s); i++)
                assert_ok(look_for(s[i], i, 40, 40));
        assert_ptr_equal(place_of(stays), at);
        second = make(40, KEEPMUM_STAY, 2);
        assert_int_equal(keepmum_create(&third, 40, KEEPMUM_STAY), KEEPMUM_ENOSLOT);
        assert_int_equal(look_for(s[0], 0, 40, 40), KEEPMUM_ENOSLOT);
        keepmum_destroy(&second);
        assert_ok(look_for(s[0], 0, 40, 40));
        keepmum_destroy(&stays);
        for (unsigned i = 0; i < n_of(s); i++)
                keepmum_destroy(&s[i]);
}

static const struct CMUnitTest tests[] = {
        test(a_budget_of_three_pages_is_enough_for_any_number),
        test(sizes_make_room_for_each_other),
        test(what_was_used_lately_is_passed_over_once),
        test(what_must_stay_keeps_its_address_and_others_out),
};

MAIN_OF_TESTS

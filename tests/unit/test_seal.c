/* Sealing: who loses its slot and comes back, what is encrypted when, what a clone shares, and what is refused without a loss. */
#include "unit/harness.h"

#include "os/page.h"
#include "outside/forked.h"
#include "outside/seen.h"
#include "secret/box.h"
#include "secret/record.h"

#include <pthread.h>
#include <stdlib.h>

static const size_t sizes[] = {1, 15, 16, 32, 33, 4000, 4096, 5000, 70000, 300000};

static struct record *record_of(keepmum_secret s)
{
        struct record *r;

        expect_int(record_find(&r, s), 0);
        return r;
}

static unsigned state_of(keepmum_secret s)
{
        unsigned promises = 0;

        assert_ok(keepmum_state(s, &promises));
        return promises;
}

static bool is_sealed(keepmum_secret s)
{
        return (state_of(s) & KEEPMUM_IS_SEALED) != 0;
}

static keepmum_secret make(size_t n_bytes, unsigned flags, unsigned seed)
{
        keepmum_secret s;

        assert_ok(make_with(&s, n_bytes, flags, seed));
        return s;
}

static void set_budget_pages(size_t n_pages)
{
        assert_ok(keepmum_set_lock_budget(n_pages * page()));
}

/* Unused chunks go, so that a budget of a few pages can be kept from here on. */
static int begin(void **state)
{
        keepmum_secret s;

        (void)state;
        if (keepmum_create(&s, 1, 0) != 0)
                return 1;
        keepmum_destroy(&s);
        pool_trim(NULL, 0);
        return 0;
}

static int end(void **state)
{
        (void)state;
        return keepmum_set_lock_budget(0) != 0 || stat_of(KEEPMUM_STAT_SECRETS) != 0 ||
               stat_of(KEEPMUM_STAT_SLOTS) != stat_of(KEEPMUM_STAT_FREE_SLOTS);
}

/* ---- all at once ---- */

static void what_is_sealed_comes_back(void **state)
{
        static const unsigned flags[] = {0, KEEPMUM_NOT_HIDDEN, KEEPMUM_EXACT_END, KEEPMUM_SEALED};
        keepmum_secret s[n_of(sizes) * n_of(flags)];

        (void)state;
        for (size_t i = 0; i < n_of(s); i++)
                s[i] = make(sizes[i / n_of(flags)], flags[i % n_of(flags)], (unsigned)i);
        for (int round = 0; round < 3; round++) {
                assert_ok(keepmum_seal_all());
                assert_int_equal(stat_of(KEEPMUM_STAT_SEALED), n_of(s));
                assert_int_equal(stat_of(KEEPMUM_STAT_RESIDENT), 0);
                for (size_t i = 0; i < n_of(s); i++) {
                        size_t n = sizes[i / n_of(flags)];

                        assert_true(is_sealed(s[i]));
                        assert_ok(look_for(s[i], (unsigned)i, n, n));
                        assert_int_equal(is_sealed(s[i]), i % n_of(flags) == 3);
                        if (round == 1)
                                assert_ok(fill_with(s[i], (unsigned)i));
                }
        }
        for (size_t i = 0; i < n_of(s); i++)
                keepmum_destroy(&s[i]);
}

static size_t n_found, n_open;
static unsigned char marker[48];

static void look_into(struct slot *s)
{
        n_open += page_probe_writable(s->bytes);
        page_open_read(s->bytes, s->n_bytes);
        for (size_t i = 0; i + 8 <= s->n_bytes; i++)
                for (size_t k = 0; k + 8 <= sizeof marker; k += 8)
                        n_found += memcmp(s->bytes + i, marker + k, 8) == 0;
        page_close(s->bytes, s->n_bytes);
}

static bool is_in_slots(void)
{
        n_found = n_open = 0;
        pool_for_each(look_into);
        return n_found > 0;
}

static void mark(keepmum_secret *s, unsigned flags)
{
        unsigned char copy[sizeof marker];

        for (size_t i = 0; i < sizeof marker; i++)
                copy[i] = marker[i] = (unsigned char)(i * 37 + 11);
        assert_ok(keepmum_take(s, copy, sizeof copy, flags));
}

static void what_is_sealed_is_in_no_slot_and_in_its_box_encrypted(void **state)
{
        keepmum_secret s;

        (void)state;
        mark(&s, 0);
        assert_true(is_in_slots());
        assert_ok(keepmum_seal_all());
        assert_false(is_in_slots());
        assert_int_equal(n_open, 0);
        for (size_t k = 0; k + 8 <= sizeof marker; k++)
                assert_memory_not_equal(record_box(record_of(s))->bytes + k, marker + k, 8);
        keepmum_destroy(&s);
}

static void seal_all_leaves_alone_what_is_open_or_stays(void **state)
{
        keepmum_secret reader = make(40, 0, 1), writer = make(40, 0, 2), stays = make(40, KEEPMUM_STAY, 3), fresh;
        const unsigned char *at = place_of(stays);
        const void *bytes;
        void *writable;

        (void)state;
        assert_ok(keepmum_create(&fresh, 40, 0));
        assert_ok(keepmum_open_read(reader, &bytes, NULL));
        assert_ok(keepmum_open_write(writer, &writable, NULL));
        assert_ok(keepmum_seal_all());
        assert_int_equal(stat_of(KEEPMUM_STAT_SEALED), 1);
        assert_true(is_sealed(fresh));
        assert_int_equal(((const unsigned char *)bytes)[7], byte_of(1, 7));
        keepmum_close(reader);
        keepmum_close(writer);
        assert_ptr_equal(place_of(stays), at);
        assert_ok(look_for(stays, 3, 40, 40));
        keepmum_destroy(&reader);
        keepmum_destroy(&writer);
        keepmum_destroy(&stays);
        keepmum_destroy(&fresh);
}

/* ---- one at a time ---- */

static bool is_key_shut(void)
{
        for (unsigned k = 0; k < KEY_KINDS; k++)
                if (key_slot(k) != NULL && !is_shut(key_slot(k)->bytes))
                        return false;
        return true;
}

static void a_secret_always_sealed_is_plain_only_while_open(void **state)
{
        keepmum_secret s;
        const void *bytes, *again;
        void *writable;

        (void)state;
        mark(&s, KEEPMUM_SEALED);
        for (int round = 0; round < 20; round++) {
                assert_true(is_sealed(s));
                assert_false(is_in_slots());
                assert_int_equal(n_open, 0);
                assert_ok(keepmum_open_read(s, &bytes, NULL));
                assert_memory_equal(bytes, marker, sizeof marker);
                assert_false(is_sealed(s));
                assert_true(is_key_shut());
                assert_ok(keepmum_open_read(s, &again, NULL));
                assert_ptr_equal(again, bytes);
                keepmum_close(s);
                assert_memory_equal(bytes, marker, sizeof marker);
                keepmum_close(s);
                assert_true(is_shut(bytes));
                assert_ok(keepmum_open_write(s, &writable, NULL));
                assert_memory_equal(writable, marker, sizeof marker);
                ((unsigned char *)writable)[round] = marker[round] ^= 0x55;
                keepmum_close(s);
                assert_true(is_shut(writable) && is_key_shut());
        }
        assert_ok(keepmum_open_write(s, &writable, NULL));
        keepmum_destroy(&s);
        assert_false(is_in_slots());
}

static void what_was_only_read_is_sealed_again_by_a_wipe(void **state)
{
        keepmum_secret s = make(40, 0, 1);
        uint64_t counter, clean;

        (void)state;
        assert_ok(keepmum_seal_all());
        counter = record_box(record_of(s))->counter;
        clean = stat_of(KEEPMUM_STAT_CLEAN_EVICTIONS);
        assert_ok(look_for(s, 1, 40, 40));
        assert_ok(keepmum_seal_all());
        assert_int_equal(record_box(record_of(s))->counter, counter);
        assert_int_equal(stat_of(KEEPMUM_STAT_CLEAN_EVICTIONS), clean + 1);
        assert_ok(fill_with(s, 2));
        assert_ok(keepmum_seal_all());
        assert_true(record_box(record_of(s))->counter > counter); /* a nonce is never used again */
        assert_int_equal(stat_of(KEEPMUM_STAT_CLEAN_EVICTIONS), clean + 1);
        assert_ok(look_for(s, 2, 40, 40));
        keepmum_destroy(&s);
}

static void what_a_clean_eviction_leaves_is_zero(void **state)
{
        keepmum_secret s = make(40, 0, 1), whole;
        const void *bytes;

        (void)state;
        for (int way = 0; way < 3; way++) {
                assert_ok(keepmum_seal_all());
                assert_ok(look_for(s, 1, 40, 40));
                if (way == 1)
                        assert_ok(keepmum_seal_all());
                if (way == 2)
                        keepmum_destroy(&s);
                assert_ok(keepmum_create(&whole, page(), 0));
                assert_ok(keepmum_open_read(whole, &bytes, NULL));
                for (size_t i = 0; i < page(); i++)
                        assert_int_equal(((const unsigned char *)bytes)[i], 0);
                keepmum_close(whole);
                keepmum_destroy(&whole);
        }
}

/* ---- under a budget ---- */

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

static void a_sealed_secret_tells_its_size_and_promises(void **state)
{
        static const unsigned always = KEEPMUM_IS_LOCKED | KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED;
        keepmum_secret s = make(70000, 0, 1), hidden;
        unsigned seen;
        size_t n;

        (void)state;
        assert_ok(keepmum_seal_all());
        assert_ok(keepmum_size(s, &n));
        assert_int_equal(n, 70000);
        assert_int_equal(state_of(s) & always, always);
        assert_ok(keepmum_verify(s, &seen));
        assert_int_equal(seen, state_of(s));
        if (keepmum_create(&hidden, 10, KEEPMUM_HIDDEN) == 0) {
                assert_ok(fill_with(hidden, 1));
                assert_ok(keepmum_seal_all());
                assert_int_equal(state_of(hidden) & KEEPMUM_IS_HIDDEN, KEEPMUM_IS_HIDDEN); /* so is its key */
                keepmum_destroy(&hidden);
        }
        keepmum_destroy(&s);
}

static void the_end_of_a_sealed_secret_is_an_end(void **state)
{
        static const unsigned flags[] = {0, KEEPMUM_SEALED};

        (void)state;
        for (size_t i = 0; i < n_of(flags); i++) {
                keepmum_secret s = make(40, flags[i], 1), copy = s, next;
                const void *bytes;

                assert_ok(keepmum_seal_all());
                keepmum_destroy(&s);
                assert_int_equal(keepmum_open_read(copy, &bytes, NULL), KEEPMUM_ESTALE);
                next = make(40, flags[i], 2);
                assert_int_equal(keepmum_open_read(copy, &bytes, NULL), KEEPMUM_ESTALE);
                assert_ok(keepmum_open_read(next, &bytes, NULL));
                copy = next;
                keepmum_destroy(&next); /* open: its last close is its end */
                assert_int_equal(((const unsigned char *)bytes)[5], byte_of(2, 5));
                keepmum_close(copy);
                assert_true(is_shut(bytes));
        }
}

/* ---- clones ---- */

static void a_clone_shares_what_is_sealed_until_one_is_written(void **state)
{
        keepmum_secret s = make(40, 0, 1), clone, third;

        (void)state;
        assert_ok(keepmum_seal_all());
        assert_ok(keepmum_clone(&clone, s));
        assert_ok(keepmum_clone(&third, clone));
        assert_ptr_equal(record_box(record_of(s)), record_box(record_of(third)));
        assert_int_equal(record_box(record_of(s))->n_holders, 3);
        assert_ok(look_for(clone, 1, 40, 40));
        assert_ok(fill_with(s, 2));
        assert_ok(look_for(s, 2, 40, 40));
        assert_ok(look_for(clone, 1, 40, 40));
        assert_ok(keepmum_resize(clone, 10));
        assert_ok(keepmum_seal_all());
        assert_int_equal(record_box(record_of(third))->n_holders, 1);
        keepmum_destroy(&s);
        assert_ok(look_for(third, 1, 40, 40));
        assert_ok(look_for(clone, 1, 10, 10));
        keepmum_destroy(&third);
        keepmum_destroy(&clone);
}

static void anything_but_a_written_secret_can_be_cloned(void **state)
{
        static const unsigned flags[] = {0, KEEPMUM_NOT_HIDDEN, KEEPMUM_EXACT_END, KEEPMUM_SEALED, KEEPMUM_STAY};
        keepmum_secret clone = {5}, unwritten, empty;
        const void *bytes, *at;
        void *writable;

        (void)state;
        for (unsigned i = 0; i < n_of(flags); i++) {
                keepmum_secret s = make(5000, flags[i], i);

                assert_ok(keepmum_open_read(s, &bytes, NULL));
                assert_ok(keepmum_clone(&clone, s));
                assert_int_equal(((const unsigned char *)bytes)[7], byte_of(i, 7));
                keepmum_close(s);
                assert_true(is_shut(bytes));
                assert_ok(look_for(clone, i, 5000, 5000));
                keepmum_destroy(&s);
                assert_ok(keepmum_clone(&s, clone));
                keepmum_destroy(&clone);
                assert_int_equal(is_sealed(s), (flags[i] & KEEPMUM_STAY) == 0);
                assert_ok(look_for(s, i, 5000, 5000));
                assert_int_equal(is_sealed(s), (flags[i] & KEEPMUM_SEALED) != 0);
                at = place_of(s);
                assert_int_equal((uintptr_t)at % 64, flags[i] & KEEPMUM_EXACT_END ? (uintptr_t)at % 64 : (uintptr_t)at / 16 % 4 * 16);
                assert_ok(keepmum_open_write(s, &writable, NULL));
                clone.bits = 5;
                assert_int_equal(keepmum_clone(&clone, s), KEEPMUM_EBUSY);
                assert_int_equal(clone.bits, 5);
                keepmum_destroy(&s);
        }
        assert_ok(keepmum_create(&unwritten, 100, 0));
        assert_ok(keepmum_clone(&empty, unwritten));
        keepmum_destroy(&unwritten);
        assert_ok(keepmum_open_read(empty, &bytes, NULL));
        assert_int_equal(((const unsigned char *)bytes)[99], 0);
        keepmum_close(empty);
        keepmum_destroy(&empty);
        assert_int_equal(keepmum_clone(&empty, (keepmum_secret){0}), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_clone(NULL, (keepmum_secret){0}), KEEPMUM_EINVAL);
}

static keepmum_secret to_clone;

static void *clone_often(void *arg)
{
        (void)arg;
        for (int i = 0; i < 300; i++) {
                keepmum_secret mine;

                if (keepmum_clone(&mine, to_clone) != 0)
                        return &to_clone;
                if (i % 8 == 0 && look_for(mine, 3, 100, 100) != 0)
                        return &to_clone;
                keepmum_destroy(&mine);
        }
        return NULL;
}

static void many_may_clone_one_secret_at_once(void **state)
{
        pthread_t t[4];
        void *wrong;

        (void)state;
        to_clone = make(100, 0, 3);
        for (size_t i = 0; i < n_of(t); i++)
                assert_ok(pthread_create(&t[i], NULL, clone_often, NULL));
        for (size_t i = 0; i < n_of(t); i++) {
                pthread_join(t[i], &wrong);
                assert_null(wrong);
        }
        assert_ok(look_for(to_clone, 3, 100, 100));
        keepmum_destroy(&to_clone);
}

/* ---- forks and the end of all ---- */

static void use_in_child(void *arg)
{
        keepmum_secret parents = *(keepmum_secret *)arg, mine, out;
        const void *bytes;

        for (unsigned k = 0; k < KEY_KINDS; k++)
                expect(key_slot(k) == NULL || is_hole(key_slot(k)->bytes)); /* the key did not come along */
        expect_int(keepmum_open_read(parents, &bytes, NULL), KEEPMUM_EFORKED);
        expect_int(keepmum_clone(&out, parents), KEEPMUM_EFORKED);
        keepmum_destroy(&parents);
        expect_int(make_with(&mine, 40, 0, 5), 0);
        expect_int(keepmum_seal_all(), 0);
        expect_int(look_for(mine, 5, 40, 40), 0);
}

static void a_child_has_neither_the_key_nor_the_secrets(void **state)
{
        keepmum_secret s = make(40, 0, 1);

        (void)state;
        assert_ok(keepmum_seal_all());
        assert_true(forked_passes(use_in_child, &s));
        assert_ok(look_for(s, 1, 40, 40));
        keepmum_destroy(&s);
}

static void wipe_all_with_sealed_ones(void *arg)
{
        unsigned char before[KEY_BYTES];
        struct key_use use = {0};
        const struct slot *k;
        const void *bytes;
        keepmum_secret s, out;

        (void)arg;
        expect_int(make_with(&s, 40, 0, 1), 0);
        expect_int(keepmum_seal_all(), 0);
        memcpy(before, key_open(&use, key_best()), KEY_BYTES);
        key_close(&use);
        keepmum_wipe_all();
        k = key_slot(key_best());
        expect(is_shut(k->bytes));
        expect(memcmp(before, key_open(&use, key_best()), 8) != 0);
        key_close(&use);
        expect(is_shut(k->bytes));
        expect_int(keepmum_open_read(s, &bytes, NULL), KEEPMUM_EWIPED);
        expect_int(keepmum_clone(&out, s), KEEPMUM_EWIPED);
        expect_int(keepmum_seal_all(), KEEPMUM_EWIPED);
        keepmum_destroy(&s);
}

static void wiping_all_takes_the_key(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_all_with_sealed_ones, NULL));
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
        test(what_is_sealed_comes_back),
        test(what_is_sealed_is_in_no_slot_and_in_its_box_encrypted),
        test(seal_all_leaves_alone_what_is_open_or_stays),
        test(a_secret_always_sealed_is_plain_only_while_open),
        test(what_was_only_read_is_sealed_again_by_a_wipe),
        test(what_a_clean_eviction_leaves_is_zero),
        test(a_budget_of_three_pages_is_enough_for_any_number),
        test(sizes_make_room_for_each_other),
        test(what_was_used_lately_is_passed_over_once),
        test(what_must_stay_keeps_its_address_and_others_out),
        test(a_sealed_secret_tells_its_size_and_promises),
        test(the_end_of_a_sealed_secret_is_an_end),
        test(a_clone_shares_what_is_sealed_until_one_is_written),
        test(anything_but_a_written_secret_can_be_cloned),
        test(many_may_clone_one_secret_at_once),
        test(a_child_has_neither_the_key_nor_the_secrets),
        test(wiping_all_takes_the_key),
};

MAIN_OF_TESTS

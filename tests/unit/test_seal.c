/* Sealing: what is encrypted when, what a seal leaves alone, and what a child and the end of all find of it. */
#include "unit/seal_testing.h"

#include "os/page.h"
#include "outside/seen.h"
#include "secret/box.h"

static const size_t sizes[] = {1, 15, 16, 32, 33, 4000, 4096, 5000, 70000, 300000};

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

static const struct CMUnitTest tests[] = {
        test(what_is_sealed_comes_back),
        test(what_is_sealed_is_in_no_slot_and_in_its_box_encrypted),
        test(seal_all_leaves_alone_what_is_open_or_stays),
        test(a_secret_always_sealed_is_plain_only_while_open),
        test(what_was_only_read_is_sealed_again_by_a_wipe),
        test(what_a_clean_eviction_leaves_is_zero),
        test(a_sealed_secret_tells_its_size_and_promises),
        test(the_end_of_a_sealed_secret_is_an_end),
        test(a_child_has_neither_the_key_nor_the_secrets),
        test(wiping_all_takes_the_key),
};

MAIN_OF_TESTS

/* Clones: what they share of a sealed secret until one is written, what can be cloned, and many at once. */
#include "unit/seal_testing.h"

#include "outside/seen.h"
#include "secret/box.h"

#include <pthread.h>

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

static const struct CMUnitTest tests[] = {
        test(a_clone_shares_what_is_sealed_until_one_is_written),
        test(anything_but_a_written_secret_can_be_cloned),
        test(many_may_clone_one_secret_at_once),
};

MAIN_OF_TESTS

/* What the tests of sealing share: secrets, whether they are sealed, and budgets of a few pages. */
#ifndef TESTS_UNIT_SEAL_TESTING_H
#define TESTS_UNIT_SEAL_TESTING_H

#include "unit/harness.h"

#include "outside/forked.h"
#include "secret/record.h"

static inline struct record *record_of(keepmum_secret s)
{
        struct record *r;

        expect_int(record_find(&r, s), 0);
        return r;
}

static inline unsigned state_of(keepmum_secret s)
{
        unsigned promises = 0;

        assert_ok(keepmum_state(s, &promises));
        return promises;
}

static inline bool is_sealed(keepmum_secret s)
{
        return (state_of(s) & KEEPMUM_IS_SEALED) != 0;
}

static inline keepmum_secret make(size_t n_bytes, unsigned flags, unsigned seed)
{
        keepmum_secret s;

        assert_ok(make_with(&s, n_bytes, flags, seed));
        return s;
}

static inline void set_budget_pages(size_t n_pages)
{
        assert_ok(keepmum_set_lock_budget(n_pages * page()));
}

/* Unused chunks go, so that a budget of a few pages can be kept from here on. */
static inline int begin(void **state)
{
        keepmum_secret s;

        (void)state;
        if (keepmum_create(&s, 1, 0) != 0)
                return 1;
        keepmum_destroy(&s);
        pool_trim(NULL, 0);
        return 0;
}

static inline int end(void **state)
{
        (void)state;
        return keepmum_set_lock_budget(0) != 0 || stat_of(KEEPMUM_STAT_SECRETS) != 0 ||
               stat_of(KEEPMUM_STAT_SLOTS) != stat_of(KEEPMUM_STAT_FREE_SLOTS);
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif

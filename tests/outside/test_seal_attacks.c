/* What is asked to be sealed where there is no key for it: the lock limit was met before there was room for one, and the secret is there all
 * the same, since KEEPMUM_ACCEPT_UNLOCKED does without. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "region/ledger.h"

#include <keepmum_heap.h>
#include <stdbool.h>
#include <sys/mman.h>

/* ---- hidden secrets are not sealed under a key that is not ---- */

static bool is_hidden(keepmum_secret s)
{
        unsigned promises;

        expect_int(keepmum_state(s, &promises), 0);
        return (promises & KEEPMUM_IS_HIDDEN) != 0;
}

static void seal_what_is_hidden(void *arg)
{
        keepmum_secret pinned[2], hidden, other[3];

        (void)arg;
        expect_int(keepmum_set_lock_budget(4 * page()), 0);
        for (unsigned i = 0; i < n_of(pinned); i++) { /* and a locked key */
                expect_int(make_with(&pinned[i], 32, KEEPMUM_NOT_HIDDEN | KEEPMUM_STAY, i), 0);
        }
        expect_int(make_with(&hidden, 32, KEEPMUM_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED, 5), 0);
        expect(is_hidden(hidden));
        expect_int(keepmum_seal_all(), 0);
        expect(is_hidden(hidden));
        for (unsigned i = 0; i < n_of(other); i++)
                (void)!make_with(&other[i], 32, 0, i);
        expect(is_hidden(hidden));
        expect_int(look_for(hidden, 5, 32, 32), 0);
}

static void have_hidden_memory(void *arg)
{
        keepmum_secret s;

        (void)arg;
        _exit(keepmum_create(&s, 32, KEEPMUM_HIDDEN) == KEEPMUM_ENOHIDDEN ? 77 : 0);
}

static void what_must_be_hidden_is_never_sealed_under_an_open_key(void **state)
{
        (void)state;
        if (forked_run(have_hidden_memory, NULL).exit_code != 77)
                assert_true(forked_passes(seal_what_is_hidden, NULL));
}

/* ---- without any key ---- */

/* Takes every mapping there is: neighbours of one protection would become one. */
static void use_up_mappings(void)
{
        while (mmap(NULL, page(), PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
                ;
}

static void make_records_at_the_limit_of_mappings(void *arg)
{
        keepmum_secret s;
        int err = 0;

        (void)arg;
        keepmum_heap_free(keepmum_heap_malloc(80)); /* so that boxes could be had at the end */
        expect(forked_become_nobody(0));
        for (unsigned i = 1; i < LEDGER_SEGMENT_ENTRIES; i++)
                expect_int(make_with(&s, 32, KEEPMUM_ACCEPT_UNLOCKED, i), 0);
        use_up_mappings();
        while (err == 0)
                err = keepmum_create(&s, 32, KEEPMUM_ACCEPT_UNLOCKED);
        expect_int(err, KEEPMUM_ENOSLOT);
}

static void where_there_is_no_key_nothing_gives_way(void **state)
{
        (void)state;
        assert_true(forked_passes(make_records_at_the_limit_of_mappings, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_hidden_is_never_sealed_under_an_open_key),
        cmocka_unit_test(where_there_is_no_key_nothing_gives_way),
};

MAIN_OF_TESTS

/* Threads that meet in the one moment that hurts. What lies between two looks of the library is a few instructions wide and was not met in
 * minutes of stress; so a wrapped function of its own lets the other thread's deed happen there. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "secret/record.h"

static void (*before_claim)(void); /* runs once */
static unsigned n_claims_refused;

bool __real_record_claim_owner(const struct slot *s, struct record **r, uint64_t *word);
bool __wrap_record_claim_owner(const struct slot *s, struct record **r, uint64_t *word);
bool __wrap_record_claim_owner(const struct slot *s, struct record **r, uint64_t *word)
{
        void (*deed)(void) = before_claim;

        before_claim = NULL;
        if (deed != NULL)
                deed();
        if (n_claims_refused > 0) {
                n_claims_refused--;
                return false;
        }
        return __real_record_claim_owner(s, r, word);
}

/* ---- a slot changes hands while it is looked at ---- */

static keepmum_secret first, second;

static void put_one_that_stays_there(void)
{
        keepmum_destroy(&first);
        expect_int(make_with(&second, 32, KEEPMUM_STAY, 2), 0);
}

static void seal_amid_a_change(void *arg)
{
        const unsigned char *place;
        unsigned promises;

        (void)arg;
        expect_int(make_with(&first, 32, 0, 1), 0);
        place = place_of(first);
        before_claim = put_one_that_stays_there;
        expect_int(keepmum_seal_all(), 0);
        expect_int(keepmum_state(second, &promises), 0);
        expect((promises & KEEPMUM_IS_SEALED) == 0);
        expect(place_of(second) == place);
        expect_int(look_for(second, 2, 32, 32), 0);
}

static void what_must_stay_stays_also_in_a_slot_just_given_up(void **state)
{
        (void)state;
        assert_true(forked_passes(seal_amid_a_change, NULL));
}

/* ---- a record is held for a moment ---- */

/* As where another thread clones it: BUSY when it is claimed, CLOSED again when it is looked at why that failed. */
static void seal_what_is_held(void *arg)
{
        unsigned promises;

        (void)arg;
        expect_int(make_with(&first, 32, 0, 1), 0);
        n_claims_refused = 1;
        expect_int(keepmum_seal_all(), 0);
        expect_int(keepmum_state(first, &promises), 0);
        expect((promises & KEEPMUM_IS_SEALED) != 0);
        expect_int(look_for(first, 1, 32, 32), 0);
}

static void sealing_all_comes_back_to_what_was_held_for_a_moment(void **state)
{
        (void)state;
        assert_true(forked_passes(seal_what_is_held, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_stay_stays_also_in_a_slot_just_given_up),
        cmocka_unit_test(sealing_all_comes_back_to_what_was_held_for_a_moment),
};

MAIN_OF_TESTS

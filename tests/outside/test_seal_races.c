/* Threads that meet in the one moment that hurts. What lies between two looks of the library is a few instructions wide and was not met in
 * minutes of stress; so a wrapped function of its own lets the other thread's deed happen there. */
#include "unit/harness.h"

#include "base/moved_call.h"
#include "os/page.h"
#include "outside/forked.h"
#include "secret/record.h"
#include "secret/stack.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

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

/* ---- keepmum_wipe_all() is about to write over a secret, whose slot becomes a stack ---- */

static _Atomic(unsigned char *) awaited; /* the page that the wiping thread stops before */
static atomic_bool is_there, may_go_on, is_done, has_run;

static void wait_for(atomic_bool *event)
{
        while (!atomic_load(event))
                sched_yield();
}

void __real_page_scramble(void *at, size_t n_bytes);
void __wrap_page_scramble(void *at, size_t n_bytes);
void __wrap_page_scramble(void *at, size_t n_bytes)
{
        if (atomic_load(&awaited) == at) {
                atomic_store(&is_there, true);
                wait_for(&may_go_on);
        }
        __real_page_scramble(at, n_bytes);
}

static void *wipe_everything(void *arg)
{
        keepmum_wipe_all();
        atomic_store(&is_done, true);
        return arg;
}

static pthread_t wiper;

int __real_stack_take(uint32_t *number, size_t n_bytes);
int __wrap_stack_take(uint32_t *number, size_t n_bytes);
int __wrap_stack_take(uint32_t *number, size_t n_bytes)
{
        int err;

        expect_int(pthread_create(&wiper, NULL, wipe_everything, NULL), 0);
        wait_for(&is_there);
        err = __real_stack_take(number, n_bytes);
        expect_int(err, 0);
        expect(pool_slot(*number)->bytes == atomic_load(&awaited));
        return err;
}

static int stand_on_it(void *arg)
{
        volatile unsigned char below[1000] = {0};
        int n_changed = 0;

        (void)arg;
        atomic_store(&has_run, true);
        atomic_store(&may_go_on, true);
        wait_for(&is_done);
        for (size_t i = 0; i < sizeof below; i++)
                n_changed += below[i] != 0;
        return n_changed;
}

static void call_amid_a_wipe(void *arg)
{
        int n_changed = 0;

        (void)arg;
        expect_int(keepmum_set_lock_budget(STACK_BYTES + 3 * page()), 0);
        expect_int(make_with(&first, STACK_BYTES - 16, 0, 1), 0);
        atomic_store(&awaited, (unsigned char *)(uintptr_t)page_of(place_of(first)));
        expect_int(keepmum_call_clean(&n_changed, stand_on_it, NULL, 0), KEEPMUM_EWIPED);
        expect(!atomic_load(&has_run));
        atomic_store(&may_go_on, true);
        expect_int(pthread_join(wiper, NULL), 0);
}

static void no_function_runs_on_a_stack_that_is_being_wiped(void **state)
{
        (void)state;
        if (MOVED_CALL_IS_THERE)
                assert_true(forked_passes(call_amid_a_wipe, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_stay_stays_also_in_a_slot_just_given_up),
        cmocka_unit_test(sealing_all_comes_back_to_what_was_held_for_a_moment),
        cmocka_unit_test(no_function_runs_on_a_stack_that_is_being_wiped),
};

MAIN_OF_TESTS

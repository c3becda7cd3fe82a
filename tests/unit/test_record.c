/* Records: the word, generations, and what is stale, foreign or retired. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "secret/layer.h"
#include "secret/record.h"

#include <signal.h>

#define NEVER "keepmum: a handle that was never given out\n"

static keepmum_secret make(void)
{
        keepmum_secret s;

        assert_ok(keepmum_create(&s, 8, 0));
        return s;
}

static uint64_t generation_of(keepmum_secret s)
{
        return s.bits >> RECORD_INDEX_BITS;
}

static void the_word_keeps_its_three_parts_apart(void **state)
{
        static const uint64_t generations[] = {0, 1, RECORD_GENERATION_MASK, 0x8000000001};

        (void)state;
        for (size_t i = 0; i < n_of(generations); i++)
                for (int phase = PHASE_FREE; phase <= PHASE_BUSY; phase++) {
                        uint64_t word = word_make(generations[i], (enum phase)phase, WORD_MAX_OPENS);

                        assert_int_equal(word_generation(word), generations[i]);
                        assert_int_equal(word_phase(word), phase);
                        assert_int_equal(word_opens(word), WORD_MAX_OPENS);
                        assert_int_equal(word & WORD_WAITERS, 0);
                        assert_int_equal(word_opens(word | WORD_WAITERS), WORD_MAX_OPENS);
                        assert_int_equal(word_phase(word | WORD_WAITERS), phase);
                }
}

static void a_record_is_used_again_with_the_next_generation(void **state)
{
        keepmum_secret first = make(), copy = first, second;

        (void)state;
        keepmum_destroy(&first);
        second = make();
        assert_int_equal(record_number(second), record_number(copy));
        assert_int_equal(generation_of(second), (generation_of(copy) + 1) & RECORD_GENERATION_MASK);
        keepmum_destroy(&second);
}

static void first_generations_are_not_the_same_in_two_records(void **state)
{
        keepmum_secret s[64];

        (void)state;
        for (size_t i = 0; i < n_of(s); i++)
                s[i] = make();
        for (size_t i = 0; i < n_of(s); i++)
                for (size_t k = 0; k < i; k++)
                        assert_int_not_equal(generation_of(s[i]), generation_of(s[k]));
        for (size_t i = 0; i < n_of(s); i++)
                keepmum_destroy(&s[i]);
}

static void every_generation_given_out_before_is_stale(void **state)
{
        keepmum_secret old[50], now;
        size_t n;

        (void)state;
        for (size_t i = 0; i < n_of(old); i++) {
                keepmum_secret s = old[i] = make();

                keepmum_destroy(&s);
        }
        now = make();
        for (size_t i = 0; i < n_of(old); i++) {
                assert_int_equal(record_number(old[i]), record_number(now));
                assert_int_equal(keepmum_size(old[i], &n), KEEPMUM_ESTALE);
        }
        keepmum_destroy(&now);
        for (size_t i = 0; i < n_of(old); i++)
                assert_int_equal(keepmum_size(old[i], &n), KEEPMUM_ESTALE);
}

static void ask_its_size(void *arg)
{
        size_t n;

        _exit(-keepmum_size(*(keepmum_secret *)arg, &n));
}

/* The library is shared with the children, so its handles must be its own there: they make their secret and vary its handle. */
static void ask_with_another_generation(void *arg)
{
        keepmum_secret s, kept;

        for (int i = 0; i < 3; i++) { /* a few that are stale already */
                expect_int(keepmum_create(&s, 8, 0), 0);
                kept = s;
                keepmum_destroy(&s);
        }
        expect_int(keepmum_create(&s, 8, 0), 0);
        expect_int(record_number(s), record_number(kept));
        kept.bits = ((generation_of(s) + *(uint64_t *)arg) & RECORD_GENERATION_MASK) << RECORD_INDEX_BITS | record_number(s);
        ask_its_size(&kept);
}

static void a_generation_never_given_out_ends_the_process(void **state)
{
        static uint64_t distances[] = {1, 2, 1000, (uint64_t)1 << 39, RECORD_GENERATION_MASK - 100, RECORD_GENERATION_MASK - 3};

        (void)state;
        for (size_t i = 0; i < n_of(distances); i++) {
                struct ending e = forked_run(ask_with_another_generation, &distances[i]);

                assert_int_equal(e.signal_number, SIGABRT);
                assert_string_equal(e.said, NEVER);
        }
}

static void the_three_before_are_stale_and_live_is_live(void **state)
{
        static uint64_t distances[] = {RECORD_GENERATION_MASK, RECORD_GENERATION_MASK - 1, RECORD_GENERATION_MASK - 2, 0};

        (void)state;
        for (size_t i = 0; i < n_of(distances); i++)
                assert_int_equal(forked_run(ask_with_another_generation, &distances[i]).exit_code,
                                 distances[i] == 0 ? 0 : -KEEPMUM_ESTALE);
}

static void ask_of_a_number(void *arg)
{
        keepmum_secret s, foreign;

        expect_int(keepmum_create(&s, 8, 0), 0);
        foreign.bits = generation_of(s) << RECORD_INDEX_BITS | *(uint32_t *)arg;
        ask_its_size(&foreign);
}

static void a_number_never_given_out_ends_the_process(void **state)
{
        static uint32_t numbers[] = {0, 5000, 5, (1 << RECORD_INDEX_BITS) - 1};

        (void)state;
        for (size_t i = 0; i < n_of(numbers); i++) {
                struct ending e = forked_run(ask_of_a_number, &numbers[i]);

                assert_int_equal(e.signal_number, SIGABRT);
                assert_string_equal(e.said, NEVER);
        }
}

/* ---- generations come round ---- */

/* Puts the record of a fresh secret n generations before the one at which it is used up. */
static keepmum_secret nearly_used_up(uint64_t n)
{
        keepmum_secret s;
        struct record *r;
        uint64_t first, late;

        expect_int(keepmum_create(&s, 8, 0), 0);
        expect_int(record_find(&r, s), 0);
        first = generation_of(s);
        late = (first - n) & RECORD_GENERATION_MASK;
        atomic_store(&r->word, word_make(late, PHASE_CLOSED, 0));
        s.bits = late << RECORD_INDEX_BITS | record_number(s);
        return s;
}

static void use_up(void *arg)
{
        keepmum_secret s = nearly_used_up(2), copy = s, next;

        (void)arg;
        keepmum_destroy(&s);
        expect_int(keepmum_create(&next, 8, 0), 0);
        expect_int(record_number(next), record_number(copy));
        keepmum_destroy(&next);
        for (int i = 0; i < 100; i++) {
                expect_int(keepmum_create(&next, 8, 0), 0);
                expect(record_number(next) != record_number(copy));
                keepmum_destroy(&next);
        }
}

static void a_record_used_up_is_retired(void **state)
{
        (void)state;
        assert_true(forked_passes(use_up, NULL));
}

static void ask_a_retired_one(void *arg)
{
        keepmum_secret s = nearly_used_up(1), copy = s;

        (void)arg;
        keepmum_destroy(&s);
        ask_its_size(&copy);
}

static void handles_of_a_retired_record_are_stale(void **state)
{
        struct ending e = forked_run(ask_a_retired_one, NULL);

        (void)state;
        assert_string_equal(e.said, "");
        assert_int_equal(e.exit_code, -KEEPMUM_ESTALE);
}

static void wrap(void *arg)
{
        keepmum_secret s, old;
        struct record *r;
        size_t n;

        (void)arg;
        expect_int(keepmum_create(&s, 8, 0), 0);
        expect_int(record_find(&r, s), 0);
        atomic_store(&r->word, word_make(RECORD_GENERATION_MASK, PHASE_CLOSED, 0));
        old.bits = s.bits = RECORD_GENERATION_MASK << RECORD_INDEX_BITS | record_number(s);
        keepmum_destroy(&s);
        expect_int(keepmum_create(&s, 8, 0), 0);
        expect_int(generation_of(s), 0);
        expect(s.bits != 0);
        expect_int(keepmum_size(s, &n), 0);
        expect_int(keepmum_size(old, &n), KEEPMUM_ESTALE);
}

static void generations_go_on_from_the_largest_to_zero(void **state)
{
        (void)state;
        assert_true(forked_passes(wrap, NULL));
}

static void thousands_of_records_all_answer_for_themselves(void **state)
{
        enum { MANY = 2 * LEDGER_SEGMENT_ENTRIES + 10 };
        static keepmum_secret s[MANY];
        static struct record *r[MANY];

        (void)state;
        assert_ok(layer_start());
        for (size_t i = 0; i < MANY; i++) {
                assert_ok(record_take(&r[i], &s[i]));
                r[i]->payload_bytes = (uint32_t)i;
        }
        for (size_t i = 0; i < MANY; i++) {
                struct record *found;

                assert_ok(record_find(&found, s[i]));
                assert_ptr_equal(found, r[i]);
                assert_int_equal(found->payload_bytes, i);
        }
        for (size_t i = 0; i < MANY; i++)
                record_give(r[i], s[i]);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_keeps_its_three_parts_apart),
        cmocka_unit_test(a_generation_never_given_out_ends_the_process), /* these before the library is used here */
        cmocka_unit_test(the_three_before_are_stale_and_live_is_live),
        cmocka_unit_test(a_number_never_given_out_ends_the_process),
        cmocka_unit_test(a_record_used_up_is_retired),
        cmocka_unit_test(handles_of_a_retired_record_are_stale),
        cmocka_unit_test(generations_go_on_from_the_largest_to_zero),
        cmocka_unit_test(a_record_is_used_again_with_the_next_generation),
        cmocka_unit_test(first_generations_are_not_the_same_in_two_records),
        cmocka_unit_test(every_generation_given_out_before_is_stale),
        cmocka_unit_test(thousands_of_records_all_answer_for_themselves),
};

MAIN_OF_TESTS

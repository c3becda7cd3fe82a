/* Ledgers: numbers that count up, entries that never move. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"
#include "region/ledger.h"

#include <signal.h>

struct entry {
        uint64_t a, b, c;
};

static struct ledger l;

static struct entry *at(uint32_t number)
{
        return ledger_at(&l, number, sizeof(struct entry));
}

static uint32_t append(uint32_t n)
{
        uint32_t first;

        assert_ok(ledger_append(&l, &first, n, sizeof(struct entry)));
        ledger_publish(&l, n);
        return first;
}

static int begin(void **state)
{
        (void)state;
        memset(&l, 0, sizeof l);
        return 0;
}

static void numbers_begin_at_one_and_follow_each_other(void **state)
{
        (void)state;
        assert_int_equal(ledger_count(&l), 1);
        assert_int_equal(append(1), 1);
        assert_int_equal(append(4), 2);
        assert_int_equal(append(1), 6);
        assert_int_equal(ledger_count(&l), 7);
}

static void what_is_not_published_is_appended_again(void **state)
{
        uint32_t first;

        (void)state;
        append(3);
        assert_ok(ledger_append(&l, &first, 5, sizeof(struct entry)));
        assert_int_equal(first, 4);
        assert_int_equal(append(1), 4);
}

static void entries_are_zero_and_never_move_over_segments(void **state)
{
        struct entry *early;

        (void)state;
        early = at(append(1));
        early->a = 42;
        for (uint32_t i = 2; i < 3 * LEDGER_SEGMENT_ENTRIES; i++) {
                uint32_t number = append(1);

                assert_int_equal(number, i);
                assert_int_equal(at(number)->a | at(number)->b | at(number)->c, 0);
                at(number)->b = i;
        }
        for (uint32_t i = 2; i < 3 * LEDGER_SEGMENT_ENTRIES; i++)
                assert_int_equal(at(i)->b, i);
        assert_ptr_equal(at(1), early);
        assert_int_equal(early->a, 42);
}

static void an_append_may_cross_a_segment(void **state)
{
        (void)state;
        append(LEDGER_SEGMENT_ENTRIES - 3);
        assert_int_equal(append(64), LEDGER_SEGMENT_ENTRIES - 2);
        for (uint32_t i = 0; i < 64; i++)
                at(LEDGER_SEGMENT_ENTRIES - 2 + i)->c = i;
        assert_int_equal(at(LEDGER_SEGMENT_ENTRIES + 61)->c, 63);
}

static void a_full_ledger_says_so(void **state)
{
        uint32_t first;

        (void)state;
        l.count = LEDGER_MAX_ENTRIES - 2;
        assert_ok(ledger_append(&l, &first, 1, sizeof(struct entry)));
        assert_int_equal(ledger_append(&l, &first, 3, sizeof(struct entry)), KEEPMUM_ENOSLOT);
        ledger_publish(&l, 2);
        assert_int_equal(ledger_append(&l, &first, 1, sizeof(struct entry)), KEEPMUM_ENOSLOT);
}

static void write_before_the_segment(void *arg)
{
        ((volatile unsigned char *)arg)[-1] = 1;
}

static void a_segment_stands_between_untouchable_pages(void **state)
{
        unsigned char *segment;
        size_t n = (LEDGER_SEGMENT_ENTRIES * sizeof(struct entry) + page() - 1) / page() * page();
        struct view v;

        (void)state;
        segment = (unsigned char *)at(append(1)) - sizeof(struct entry);
        v = view_of_self();
        assert_string_equal(view_at(&v, segment)->perms, "rw-p");
        assert_string_equal(view_at(&v, segment - 1)->perms, "---p");
        assert_string_equal(view_at(&v, segment + n)->perms, "---p");
        view_free(&v);
        assert_int_equal(forked_run(write_before_the_segment, segment).signal_number, SIGSEGV);
        assert_int_equal(forked_run(write_before_the_segment, segment + n + 1).signal_number, SIGSEGV);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(numbers_begin_at_one_and_follow_each_other, begin),
        cmocka_unit_test_setup(what_is_not_published_is_appended_again, begin),
        cmocka_unit_test_setup(entries_are_zero_and_never_move_over_segments, begin),
        cmocka_unit_test_setup(an_append_may_cross_a_segment, begin),
        cmocka_unit_test_setup(a_full_ledger_says_so, begin),
        cmocka_unit_test_setup(a_segment_stands_between_untouchable_pages, begin),
};

MAIN_OF_TESTS

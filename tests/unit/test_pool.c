/* The pool: classes, growth, reuse without the kernel, giving back under a budget. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/sandbox.h"
#include "outside/seen.h"
#include "pool/pool.h"
#include "os/page.h"

#include <signal.h>
#include <sys/syscall.h>

static int start(void **state)
{
        (void)state;
        return pool_start_anew();
}

static uint32_t take(size_t n_bytes, unsigned flags)
{
        uint32_t number = 0;

        assert_ok(pool_take(&number, n_bytes, flags));
        assert_int_not_equal(number, 0);
        return number;
}

static size_t size_of(uint32_t number)
{
        return pool_slot(number)->n_bytes;
}

static void sizes_round_up_to_powers_of_two_pages(void **state)
{
        static const struct {
                size_t pages, slot_pages;
        } rows[] = {{1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 8}, {8, 8}, {9, 16}, {16, 16}, {17, 32}, {32, 32}};

        (void)state;
        for (size_t i = 0; i < n_of(rows); i++) {
                uint32_t exact = take(rows[i].pages * page(), 0), less = take(rows[i].pages * page() - page() + 1, 0);

                assert_int_equal(size_of(exact), rows[i].slot_pages * page());
                assert_int_equal(size_of(less), rows[i].slot_pages * page());
                assert_true(pool_is_same_size(pool_slot(exact), rows[i].pages * page()));
                assert_false(pool_is_same_size(pool_slot(exact), rows[i].slot_pages * page() + 1));
                pool_give_untouched(exact);
                pool_give_untouched(less);
        }
}

static void large_sizes_waste_at_most_an_eighth(void **state)
{
        (void)state;
        for (size_t pages = 33; pages * page() <= (size_t)6 << 20; pages += pages / 7) { /* a user's lock limit is 8 MiB */
                uint32_t number = take(pages * page(), 0);

                assert_in_range(size_of(number), pages * page(), (pages + pages / 8) * page());
                pool_give_untouched(number);
        }
}

static void slots_are_closed_and_zero_when_taken(void **state)
{
        static const size_t pages[] = {1, 4, 40};

        (void)state;
        for (size_t i = 0; i < n_of(pages); i++)
                for (int round = 0; round < 3; round++) {
                        uint32_t number = take(pages[i] * page(), 0);
                        struct slot *s = pool_slot(number);

                        assert_true(is_shut(s->bytes));
                        page_open_write(s->bytes, s->n_bytes);
                        for (size_t k = 0; k < s->n_bytes; k++)
                                assert_int_equal(s->bytes[k], 0);
                        memset(s->bytes, 0x5a, s->n_bytes);
                        pool_give(number);
                }
}

static void a_slot_given_back_is_closed_and_the_next_one_taken(void **state)
{
        uint32_t number = take(100, 0);
        const void *at = pool_slot(number)->bytes;

        (void)state;
        page_open_write(pool_slot(number)->bytes, page());
        pool_give(number);
        assert_true(is_shut(at));
        assert_int_equal(take(100, 0), number);
        pool_give_untouched(number);
}

static void chunks_double_from_four_slots_to_sixty_four_pages(void **state)
{
        static const unsigned grown[] = {4, 12, 28, 60, 124, 188};
        uint32_t held[188];
        struct pool_counts c;
        unsigned n = 0;

        (void)state;
        for (size_t i = 0; i < n_of(grown); i++) {
                held[n++] = take(1, 0);
                pool_count(&c);
                assert_int_equal(c.slots, grown[i]);
                assert_int_equal(c.locked_bytes, grown[i] * page());
                while (n < grown[i])
                        held[n++] = take(1, 0);
                pool_count(&c);
                assert_int_equal(c.slots, grown[i]);
                assert_int_equal(c.free_slots, 0);
        }
        for (unsigned i = 0; i < n; i++)
                for (unsigned k = 0; k < i; k++)
                        assert_ptr_not_equal(pool_slot(held[i])->bytes, pool_slot(held[k])->bytes);
        while (n > 0)
                pool_give_untouched(held[--n]);
        pool_count(&c);
        assert_int_equal(c.free_slots, 188);
}

static void neighbours_are_a_guard_apart(void **state)
{
        uint32_t held[16];

        (void)state;
        for (size_t i = 0; i < n_of(held); i++)
                held[i] = take(2 * page(), 0);
        for (size_t i = 0; i < n_of(held); i++) {
                struct view v = view_of_self();
                unsigned char *at = pool_slot(held[i])->bytes;

                assert_string_equal(view_at(&v, at)->perms, "---s");
                assert_int_equal(view_at(&v, at)->start, (uintptr_t)at);
                assert_int_equal(view_at(&v, at)->end, (uintptr_t)at + 2 * page());
                assert_string_equal(view_at(&v, at - 1)->perms, "---p");
                assert_string_equal(view_at(&v, at + 2 * page())->perms, "---p");
                view_free(&v);
        }
        for (size_t i = 0; i < n_of(held); i++)
                pool_give_untouched(held[i]);
}

/* ---- without the kernel ---- */

static void cycle_silently(void *arg)
{
        static const int allowed[] = {SYS_futex};
        size_t n = *(size_t *)arg;
        uint32_t number = 0;

        expect_int(pool_start_anew(), 0);
        expect_int(pool_take(&number, n, 0), 0);
        pool_give_untouched(number);
        sandbox_allow_only(allowed, n_of(allowed));
        for (int i = 0; i < 1000; i++) {
                if (pool_take(&number, n, 0) != 0)
                        _exit(1);
                pool_give_untouched(number);
        }
}

static void a_slot_is_used_again_without_a_system_call(void **state)
{
        size_t sizes[] = {1, page(), 5 * page(), 32 * page()};

        (void)state;
        if (!sandbox_is_meaningful())
                return;
        for (size_t i = 0; i < n_of(sizes); i++)
                assert_true(forked_passes(cycle_silently, &sizes[i]));
}

static void the_kernel_would_be_noticed(void **state)
{
        size_t large = 40 * page(); /* its memory goes back at once */

        (void)state;
        if (sandbox_is_meaningful())
                assert_int_equal(forked_run(cycle_silently, &large).signal_number, SIGSYS);
}

/* ---- large ones ---- */

static void a_large_size_uses_its_addresses_again(void **state)
{
        const void *first = NULL;

        (void)state;
        for (int i = 0; i < 20; i++) {
                uint32_t number = take(50 * page() - (size_t)i, 0);

                if (first == NULL)
                        first = pool_slot(number)->bytes;
                assert_ptr_equal(pool_slot(number)->bytes, first);
                pool_give_untouched(number);
        }
}

static void a_large_one_given_back_frees_its_lock(void **state)
{
        size_t before;
        uint32_t number;
        struct pool_counts c;

        (void)state;
        pool_give_untouched(take(1, 0)); /* the trial slot is behind us */
        before = locked_kb();
        number = take(100 * page(), 0);
        assert_in_range(locked_kb(), before + 100 * page() / 1024, before + 113 * page() / 1024);
        page_open_write(pool_slot(number)->bytes, size_of(number));
        pool_give(number);
        assert_int_equal(locked_kb(), before);
        pool_count(&c);
        assert_int_equal(c.slots, 4);
}

/* ---- a budget ---- */

static void free_chunks_give_way_under_a_budget(void **state)
{
        uint32_t small[4], big, number;
        struct pool_counts c;

        (void)state;
        assert_ok(pool_set_lock_budget(8 * page()));
        for (size_t i = 0; i < n_of(small); i++)
                small[i] = take(1, 0);
        assert_int_equal(pool_take(&big, 8 * page(), 0), KEEPMUM_ELIMIT);
        for (size_t i = 0; i < n_of(small); i++)
                pool_give_untouched(small[i]);
        big = take(8 * page(), 0);
        assert_int_equal(pool_take(&number, 1, 0), KEEPMUM_ELIMIT);
        pool_count(&c);
        assert_int_equal(c.locked_bytes, 8 * page());
        assert_int_equal(c.slots, 1);
        pool_give_untouched(big);
        for (size_t i = 0; i < n_of(small); i++)
                small[i] = take(1, 0);
        pool_count(&c);
        assert_in_range(c.locked_bytes, 4 * page(), 8 * page());
        for (size_t i = 0; i < n_of(small); i++)
                pool_give_untouched(small[i]);
        assert_ok(pool_set_lock_budget(0));
}

static void changing_sizes_under_a_budget_leaves_no_mapping_behind(void **state)
{
        size_t before = 0;

        (void)state;
        assert_ok(pool_set_lock_budget(8 * page()));
        for (int i = 0; i < 50; i++) {
                pool_give_untouched(take(8 * page(), 0));
                pool_give_untouched(take(1, 0));
                if (i == 1)
                        before = count_mappings();
        }
        assert_int_equal(count_mappings(), before);
        assert_ok(pool_set_lock_budget(0));
}

static void a_budget_halves_the_chunk_before_it_refuses(void **state)
{
        uint32_t held[5], number;

        (void)state;
        assert_ok(pool_set_lock_budget(5 * page()));
        for (size_t i = 0; i < n_of(held); i++)
                held[i] = take(1, 0);
        assert_int_equal(pool_take(&number, 1, 0), KEEPMUM_ELIMIT);
        pool_give_untouched(held[4]);
        assert_int_equal(take(1, 0), held[4]);
        for (size_t i = 0; i < n_of(held); i++)
                pool_give_untouched(held[i]);
        assert_ok(pool_set_lock_budget(0));
}

static void a_budget_below_three_pages_is_refused(void **state)
{
        (void)state;
        assert_int_equal(pool_set_lock_budget(1), KEEPMUM_EINVAL);
        assert_int_equal(pool_set_lock_budget(3 * page() - 1), KEEPMUM_EINVAL);
        assert_ok(pool_set_lock_budget(3 * page()));
        assert_ok(pool_set_lock_budget(0));
}

static size_t n_visited, n_unmapped;

static void visit(struct slot *s)
{
        n_visited++;
        n_unmapped += is_hole(s->bytes);
}

static void for_each_meets_every_mapped_slot_and_no_other(void **state)
{
        uint32_t small = take(1, 0), large = take(40 * page(), 0);

        (void)state;
        n_visited = n_unmapped = 0;
        pool_for_each(visit);
        assert_int_equal(n_visited, 5);
        assert_int_equal(n_unmapped, 0);
        pool_give_untouched(large);
        n_visited = 0;
        pool_for_each(visit);
        assert_int_equal(n_visited, 4);
        pool_give_untouched(small);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sizes_round_up_to_powers_of_two_pages, start),
        cmocka_unit_test_setup(large_sizes_waste_at_most_an_eighth, start),
        cmocka_unit_test_setup(slots_are_closed_and_zero_when_taken, start),
        cmocka_unit_test_setup(a_slot_given_back_is_closed_and_the_next_one_taken, start),
        cmocka_unit_test_setup(chunks_double_from_four_slots_to_sixty_four_pages, start),
        cmocka_unit_test_setup(neighbours_are_a_guard_apart, start),
        cmocka_unit_test_setup(a_slot_is_used_again_without_a_system_call, start),
        cmocka_unit_test_setup(the_kernel_would_be_noticed, start),
        cmocka_unit_test_setup(a_large_size_uses_its_addresses_again, start),
        cmocka_unit_test_setup(a_large_one_given_back_frees_its_lock, start),
        cmocka_unit_test_setup(free_chunks_give_way_under_a_budget, start),
        cmocka_unit_test_setup(changing_sizes_under_a_budget_leaves_no_mapping_behind, start),
        cmocka_unit_test_setup(a_budget_halves_the_chunk_before_it_refuses, start),
        cmocka_unit_test_setup(a_budget_below_three_pages_is_refused, start),
        cmocka_unit_test_setup(for_each_meets_every_mapped_slot_and_no_other, start),
};

MAIN_OF_TESTS

/* Secrets as the kernel shows them: every slot locked, not dumped, not forked, closed, between guards; whatever the environment says. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static const size_t sizes[] = {1, 32, 4096, 4097, 10000, 40000, 131072, 140000, 1000000};

static bool is_hidden(keepmum_secret s)
{
        unsigned promises = 0;

        return keepmum_state(s, &promises) == 0 && promises & KEEPMUM_IS_HIDDEN;
}

/* What is wrong with a closed secret's mapping; NULL for nothing. */
static const char *fault_of(const struct view *v, keepmum_secret s, const unsigned char *at, size_t n_bytes)
{
        const struct seen *m = view_at(v, at), *before, *after;

        if (m == NULL || view_at(v, at + n_bytes - 1) != m)
                return "not one mapping";
        before = view_at(v, (const char *)m->start - 1);
        after = view_at(v, (const char *)m->end);
        if (strcmp(m->perms, "---s") != 0)
                return "not closed";
        if (!seen_has(m, "lo"))
                return "not locked";
        if (!seen_has(m, "dd"))
                return "dumped";
        if (!seen_has(m, "dc"))
                return "given to children";
        if (before == NULL || after == NULL || strcmp(before->perms, "---p") != 0 || strcmp(after->perms, "---p") != 0)
                return "no guards";
        if (is_hidden(s) != (strncmp(m->name, "/secretmem", 10) == 0))
                return "hidden in name or fact only";
        return NULL;
}

static const char *first_fault(unsigned flags)
{
        keepmum_secret s[3 * n_of(sizes)];
        const unsigned char *at[n_of(s)];
        const char *fault = NULL;
        struct view v;

        for (size_t i = 0; i < n_of(s); i++) {
                if (make_with(&s[i], sizes[i % n_of(sizes)], flags | (i % 2 != 0 ? KEEPMUM_EXACT_END : 0), 1) != 0)
                        return "not made";
                at[i] = place_of(s[i]);
        }
        v = view_of_self();
        for (size_t i = 0; i < n_of(s) && fault == NULL; i++)
                fault = fault_of(&v, s[i], at[i], sizes[i % n_of(sizes)]);
        view_free(&v);
        for (size_t i = 0; i < n_of(s); i++)
                keepmum_destroy(&s[i]);
        return fault;
}

static void every_slot_is_locked_closed_guarded_and_of_this_process_alone(void **state)
{
        const char *fault = first_fault(0);

        (void)state;
        if (fault != NULL)
                fail_msg("%s", fault);
}

static void so_is_every_slot_of_ordinary_memory(void **state)
{
        const char *fault = first_fault(KEEPMUM_NOT_HIDDEN);

        (void)state;
        if (fault != NULL)
                fail_msg("%s", fault);
}

static void hidden_memory_is_named_by_the_kernel(void **state)
{
        keepmum_secret s;
        int err = make_with(&s, 32, KEEPMUM_HIDDEN, 1);
        struct view v;

        (void)state;
        if (err == KEEPMUM_ENOHIDDEN)
                return;
        assert_ok(err);
        assert_true(is_hidden(s));
        v = view_of_self();
        assert_memory_equal(view_at(&v, place_of(s))->name, "/secretmem", 10);
        view_free(&v);
        keepmum_destroy(&s);
}

static void free_slots_keep_all_of_it(void **state)
{
        keepmum_secret s;
        const unsigned char *at;
        struct view v;

        (void)state;
        assert_ok(make_with(&s, 32, 0, 1));
        at = place_of(s);
        keepmum_destroy(&s);
        v = view_of_self();
        assert_string_equal(view_at(&v, at)->perms, "---s");
        assert_true(seen_has(view_at(&v, at), "lo") && seen_has(view_at(&v, at), "dd") && seen_has(view_at(&v, at), "dc"));
        view_free(&v);
}

static void the_book_keeping_is_not_mixed_with_secrets(void **state)
{
        struct view v = view_of_self();

        (void)state;
        for (size_t i = 0; i < v.n; i++)
                if (strcmp(v.all[i].perms, "---s") != 0 && strncmp(v.all[i].name, "/secretmem", 10) == 0)
                        fail_msg("a slot that is not closed: %s", v.all[i].perms);
        view_free(&v);
}

static void a_thousand_one_page_secrets(void *arg)
{
        enum { MANY = 1000 };
        static keepmum_secret s[MANY];
        size_t mappings, locked;

        (void)arg;
        expect_int(keepmum_create(&s[0], 1, 0), 0);
        mappings = count_mappings();
        locked = locked_kb();
        for (size_t i = 1; i < MANY; i++)
                expect_int(keepmum_create(&s[i], 1, 0), 0);
        expect(count_mappings() - mappings <= 2 * MANY + 2 * MANY / 16);
        expect(locked_kb() - locked >= (MANY - 4) * page() / 1024);
        expect(locked_kb() - locked <= (MANY + 64) * page() / 1024);
}

static void a_secret_costs_one_page_and_two_mappings(void **state)
{
        (void)state;
        assert_true(forked_passes(a_thousand_one_page_secrets, NULL));
}

static void no_descriptor_stays_open(void **state)
{
        size_t before = count_descriptors();
        keepmum_secret s;

        (void)state;
        for (size_t i = 0; i < n_of(sizes); i++) {
                assert_ok(make_with(&s, sizes[i], 0, 1));
                assert_int_equal(count_descriptors(), before);
                keepmum_destroy(&s);
        }
}

/* ---- the environment ---- */

/* Runs this program anew, which looks at its slots and says what is wrong by its exit code. */
static void look_under_an_environment(void *arg)
{
        static char program[] = "look", word[] = "look";
        char *const words[] = {program, word, NULL};

        execve("/proc/self/exe", words, arg);
        expect(false);
}

static void no_environment_variable_changes_any_of_it(void **state)
{
        static char v[][48] = {"KEEPMUM_DEBUG=1",        "KEEPMUM_TEST=1",      "KEEPMUM_NO_LOCK=1",  "KEEPMUM_ACCEPT_UNLOCKED=1", "KEEPMUM_DISABLE=1",
                               "KEEPMUM_INSECURE=1",     "KEEPMUM_NOT_HIDDEN=1", "KEEPMUM_NO_GUARD=1", "KEEPMUM=off",               "KEEPMUM_FLAGS=4",
                               "KEEPMUM_LOCK_BUDGET=0",  "LIBKEEPMUM_DEBUG=1",  "SODIUM_DEBUG=1",     "MALLOC_CHECK_=0",           "MALLOC_PERTURB_=1",
                               "KEEPMUM_ALLOW_DUMP=yes", "KEEPMUM_ALLOW_FORK=1", "DEBUG=1",            "HOME=/nonexistent",         "TMPDIR=/nonexistent"};
        char *environment[n_of(v) + 1];

        (void)state;
        for (size_t i = 0; i < n_of(v); i++)
                environment[i] = v[i];
        environment[n_of(v)] = NULL;
        assert_true(forked_passes(look_under_an_environment, environment));
        environment[0] = NULL;
        assert_true(forked_passes(look_under_an_environment, environment));
}

static int look(void)
{
        const char *fault = first_fault(0);

        if (fault == NULL)
                fault = first_fault(KEEPMUM_NOT_HIDDEN);
        if (fault != NULL)
                fprintf(stderr, "%s\n", fault);
        return fault != NULL;
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_costs_one_page_and_two_mappings),
        cmocka_unit_test(every_slot_is_locked_closed_guarded_and_of_this_process_alone),
        cmocka_unit_test(so_is_every_slot_of_ordinary_memory),
        cmocka_unit_test(hidden_memory_is_named_by_the_kernel),
        cmocka_unit_test(free_slots_keep_all_of_it),
        cmocka_unit_test(the_book_keeping_is_not_mixed_with_secrets),
        cmocka_unit_test(no_descriptor_stays_open),
        cmocka_unit_test(no_environment_variable_changes_any_of_it),
};

int main(int argc, char **argv)
{
        if (argc > 1 && strcmp(argv[1], "look") == 0)
                return look();
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

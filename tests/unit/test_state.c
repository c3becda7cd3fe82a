/* What the library tells of itself: states, counts, budgets, and the process as a whole. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ALWAYS = KEEPMUM_IS_LOCKED | KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED };

static keepmum_secret make(size_t n_bytes, unsigned flags)
{
        keepmum_secret s;

        assert_ok(make_with(&s, n_bytes, flags, 1));
        return s;
}

static void state_and_verify_say_the_same(void **state)
{
        static const size_t sizes[] = {1, 5000, 200000};

        (void)state;
        for (size_t i = 0; i < n_of(sizes); i++)
                for (unsigned flags = 0; flags <= KEEPMUM_NOT_HIDDEN; flags += KEEPMUM_NOT_HIDDEN) {
                        keepmum_secret s = make(sizes[i], flags);
                        unsigned recorded, seen;
                        const void *bytes;

                        assert_ok(keepmum_state(s, &recorded));
                        assert_ok(keepmum_verify(s, &seen));
                        assert_int_equal(recorded, seen);
                        assert_int_equal(recorded & ALWAYS, ALWAYS);
                        if (flags & KEEPMUM_NOT_HIDDEN)
                                assert_false(recorded & KEEPMUM_IS_HIDDEN);
                        assert_ok(keepmum_open_read(s, &bytes, NULL));
                        assert_ok(keepmum_state(s, &recorded));
                        assert_ok(keepmum_verify(s, &seen));
                        assert_int_equal(recorded, seen);
                        assert_true(recorded & KEEPMUM_IS_OPEN);
                        keepmum_close(s);
                        keepmum_destroy(&s);
                }
}

static void verify_sees_what_somebody_undid(void **state)
{
        static const struct {
                int advice;
                unsigned gone;
        } rows[] = {{MADV_DODUMP, KEEPMUM_IS_NODUMP}, {MADV_DOFORK, KEEPMUM_IS_NOFORK}};
        keepmum_secret s = make(10, KEEPMUM_NOT_HIDDEN);
        unsigned char *slot = (unsigned char *)(uintptr_t)page_of(place_of(s));
        unsigned seen, recorded;

        (void)state;
        for (size_t i = 0; i < n_of(rows); i++) {
                assert_ok(madvise(slot, page(), rows[i].advice));
                assert_ok(keepmum_verify(s, &seen));
                assert_int_equal(seen, ALWAYS & ~rows[i].gone);
                assert_ok(madvise(slot, page(), rows[i].advice == MADV_DODUMP ? MADV_DONTDUMP : MADV_DONTFORK));
        }
        assert_ok(mprotect(slot + page(), page(), PROT_READ));
        assert_ok(keepmum_verify(s, &seen));
        assert_int_equal(seen, ALWAYS & ~KEEPMUM_IS_GUARDED);
        assert_ok(mprotect(slot + page(), page(), PROT_NONE));
        assert_ok(mprotect(slot - page(), page(), PROT_READ));
        assert_ok(keepmum_verify(s, &seen));
        assert_int_equal(seen, ALWAYS & ~KEEPMUM_IS_GUARDED);
        assert_ok(mprotect(slot - page(), page(), PROT_NONE));
        assert_ok(keepmum_verify(s, &seen));
        assert_int_equal(seen, ALWAYS);
        assert_ok(keepmum_state(s, &recorded)); /* remembers; only verify looks */
        assert_int_equal(recorded, ALWAYS);
        keepmum_destroy(&s);
}

static void verify_sees_munlockall(void **state)
{
        keepmum_secret plain = make(10, KEEPMUM_NOT_HIDDEN), usual = make(10, 0);
        unsigned seen, recorded;

        (void)state;
        assert_ok(syscall(SYS_munlockall)); /* the sanitizers' munlockall() does nothing */
        assert_ok(keepmum_verify(plain, &seen));
        assert_int_equal(seen, ALWAYS & ~KEEPMUM_IS_LOCKED);
        assert_ok(keepmum_state(usual, &recorded));
        assert_ok(keepmum_verify(usual, &seen));
        if (recorded & KEEPMUM_IS_HIDDEN)
                assert_int_equal(seen & ALWAYS, ALWAYS); /* secret memory is immune */
        keepmum_destroy(&plain);
        keepmum_destroy(&usual);
}

/* ---- counts ---- */

static void stats_count_secrets_opens_and_slots(void **state)
{
        uint64_t before = stat_of(KEEPMUM_STAT_SECRETS);
        keepmum_secret s[10];
        const void *bytes;

        (void)state;
        for (size_t i = 0; i < n_of(s); i++)
                s[i] = make(100, i % 2 != 0 ? KEEPMUM_NOT_HIDDEN : 0);
        assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), before + 10);
        for (size_t i = 0; i < n_of(s); i++)
                for (size_t k = 0; k <= i; k++)
                        assert_ok(keepmum_open_read(s[i], &bytes, NULL));
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 55);
        assert_int_equal(stat_of(KEEPMUM_STAT_SLOTS), stat_of(KEEPMUM_STAT_FREE_SLOTS) + stat_of(KEEPMUM_STAT_SECRETS));
        for (size_t i = 0; i < n_of(s); i++)
                for (size_t k = 0; k <= i; k++)
                        keepmum_close(s[i]);
        for (size_t i = 0; i < n_of(s); i++)
                keepmum_destroy(&s[i]);
        assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), before);
        assert_int_equal(stat_of(KEEPMUM_STAT_SLOTS), stat_of(KEEPMUM_STAT_FREE_SLOTS) + before);
        assert_int_equal(stat_of(KEEPMUM_STAT_UNLOCKED_SLOTS), 0);
}

static void locked_bytes_are_what_the_kernel_counts(void *arg)
{
        size_t before = locked_kb();
        keepmum_secret small, large;

        (void)arg;
        expect_int(make_with(&small, 1, 0, 1), 0);
        expect_int(make_with(&large, 300000, KEEPMUM_NOT_HIDDEN, 1), 0);
        expect_int(stat_of(KEEPMUM_STAT_LOCKED_BYTES) / 1024, locked_kb() - before);
        keepmum_destroy(&large);
        expect_int(stat_of(KEEPMUM_STAT_LOCKED_BYTES) / 1024, locked_kb() - before);
}

static void stats_of_locked_bytes_agree_with_vmlck(void **state)
{
        (void)state;
        assert_true(forked_passes(locked_bytes_are_what_the_kernel_counts, NULL));
}

static void stats_of_an_unknown_place_are_zero(void **state)
{
        uint64_t values[KEEPMUM_STATS + 3], few[2] = {9, 9};

        (void)state;
        memset(values, 0xff, sizeof values);
        assert_ok(keepmum_stats(values, KEEPMUM_STATS + 3));
        for (size_t i = KEEPMUM_STATS; i < KEEPMUM_STATS + 3; i++)
                assert_int_equal(values[i], 0);
        assert_ok(keepmum_stats(few, 1));
        assert_int_equal(few[1], 9);
        assert_ok(keepmum_stats(few, 0));
        assert_int_equal(keepmum_stats(NULL, 3), KEEPMUM_EINVAL);
}

/* ---- a budget ---- */

static void a_budget_bounds_what_is_locked(void *arg)
{
        keepmum_secret s[20], more;
        size_t n = 0;
        int err = 0;

        (void)arg;
        expect_int(keepmum_set_lock_budget(3 * page() - 1), KEEPMUM_EINVAL);
        expect_int(keepmum_set_lock_budget(10 * page()), 0);
        expect_int(stat_of(KEEPMUM_STAT_LOCK_BUDGET), 10 * page());
        while (n < n_of(s) && (err = make_with(&s[n], 50, KEEPMUM_STAY, (unsigned)n)) == 0)
                n++;
        expect_int(n, 9); /* and the sealing key's page */
        expect_int(err, KEEPMUM_ENOSLOT);
        expect_int(stat_of(KEEPMUM_STAT_LOCKED_BYTES), 10 * page());
        expect(locked_kb() <= 10 * page() / 1024);
        for (size_t i = 0; i < n; i++)
                expect_int(look_for(s[i], (unsigned)i, 50, 50), 0);
        keepmum_destroy(&s[3]);
        expect_int(keepmum_create(&s[3], 60, KEEPMUM_STAY), 0);
        expect_int(keepmum_set_lock_budget(3 * page()), 0); /* what is locked stays */
        expect_int(look_for(s[8], 8, 50, 50), 0);
        expect_int(keepmum_create(&more, 60, KEEPMUM_STAY), KEEPMUM_ENOSLOT);
        expect_int(make_with(&more, 60, 0, 1), KEEPMUM_ENOSLOT);
        keepmum_destroy(&more);
        expect_int(keepmum_create(&more, 60, KEEPMUM_ACCEPT_UNLOCKED | KEEPMUM_STAY), 0);
        expect_int(stat_of(KEEPMUM_STAT_UNLOCKED_SLOTS) > 0, 1);
        expect_int(keepmum_set_lock_budget(0), 0);
        expect_int(keepmum_create(&more, 60, KEEPMUM_STAY), 0);
}

static void a_lock_budget_is_kept(void **state)
{
        (void)state;
        assert_true(forked_passes(a_budget_bounds_what_is_locked, NULL));
}

/* ---- the process ---- */

static void harden(void *arg)
{
        struct rlimit core;
        keepmum_secret s;
        unsigned seen;

        (void)arg;
        expect_int(keepmum_harden_process(1u << 7), KEEPMUM_EINVAL);
        expect_int(prctl(PR_GET_DUMPABLE), 1);
        expect_int(keepmum_harden_process(KEEPMUM_NO_NEW_PRIVS), 0);
        expect_int(prctl(PR_GET_DUMPABLE), 0);
        expect_int(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        expect_int(getrlimit(RLIMIT_CORE, &core), 0);
        expect_int(core.rlim_cur | core.rlim_max, 0);
        expect_int(make_with(&s, 10, 0, 1), 0);
        expect_int(keepmum_verify(s, &seen), 0);
        expect_int(seen & ALWAYS, ALWAYS);
}

static void a_hardened_process_is_not_dumpable_and_still_verifies(void **state)
{
        (void)state;
        assert_true(forked_passes(harden, NULL));
}

static void harden_as_nobody(void *arg)
{
        if (!forked_become_nobody(64 * page()))
                _exit(0);
        harden(arg);
        if (!IS_SANITIZED) /* their mlockall() does nothing */
                expect_int(keepmum_harden_process(KEEPMUM_LOCK_PROCESS), KEEPMUM_ENOLOCK); /* the limit is too small */
}

static void a_hardened_user_without_privileges_is_served_too(void **state)
{
        (void)state;
        assert_true(forked_passes(harden_as_nobody, NULL));
}

static void lock_everything(void *arg)
{
        keepmum_secret s;
        size_t before;
        unsigned seen;

        (void)arg;
        if (geteuid() != 0)
                return;
        before = locked_kb();
        expect_int(keepmum_harden_process(KEEPMUM_LOCK_PROCESS), 0);
        expect(locked_kb() > before + 500);
        expect_int(make_with(&s, 10, 0, 1), 0);
        expect_int(keepmum_verify(s, &seen), 0);
        expect_int(seen & ALWAYS, ALWAYS);
}

static void the_whole_process_can_be_locked(void **state)
{
        (void)state;
        if (!IS_SANITIZED) /* terabytes of shadow */
                assert_true(forked_passes(lock_everything, NULL));
}

/* "Groups:" stands before "VmLck:" in /proc/self/status. */
static void join_many_groups(void *arg)
{
        static gid_t groups[5000];
        keepmum_secret s;

        (void)arg;
        for (size_t i = 0; i < n_of(groups); i++)
                groups[i] = (gid_t)(1000000 + i);
        if (setgroups(n_of(groups), groups) != 0)
                return; /* only root may */
        expect_int(keepmum_create(&s, 10, 0), 0);
}

static void a_user_in_thousands_of_groups_is_served_too(void **state)
{
        (void)state;
        assert_true(forked_passes(join_many_groups, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(stats_of_locked_bytes_agree_with_vmlck),
        cmocka_unit_test(a_lock_budget_is_kept),
        cmocka_unit_test(a_hardened_process_is_not_dumpable_and_still_verifies),
        cmocka_unit_test(a_hardened_user_without_privileges_is_served_too),
        cmocka_unit_test(the_whole_process_can_be_locked),
        cmocka_unit_test(a_user_in_thousands_of_groups_is_served_too),
        cmocka_unit_test(state_and_verify_say_the_same),
        cmocka_unit_test(verify_sees_what_somebody_undid),
        cmocka_unit_test(stats_count_secrets_opens_and_slots),
        cmocka_unit_test(stats_of_an_unknown_place_are_zero),
        cmocka_unit_test(verify_sees_munlockall),
};

MAIN_OF_TESTS

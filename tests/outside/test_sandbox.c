/* Old kernels and odd sandboxes: calls that are missing, forbidden, or answered with a lie. A named error or what was asked for; never a
 * weaker secret to somebody who has not accepted one. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/sandbox.h"
#include "outside/seen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { WHOLE = KEEPMUM_IS_LOCKED | KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED, ANY = -1 };

/* What a profile answers, and what creating must give then: usually, with NOT_HIDDEN, with HIDDEN, with ACCEPT_UNLOCKED. 0 is a secret with
 * all that the flags promise. */
static const struct profile {
        const char *name;
        struct sandbox_rule rules[3];
        size_t n_rules;
        int usual, not_hidden, hidden, unlocked;
} profiles[] = {
#define EVERY(call, answer) {call, ANY, 0, answer}
        {"a kernel without memfd_secret", {EVERY(SYS_memfd_secret, ENOSYS)}, 1, 0, 0, KEEPMUM_ENOHIDDEN, 0},
        {"a sandbox that forbids memfd_secret", {EVERY(SYS_memfd_secret, EPERM)}, 1, 0, 0, KEEPMUM_ENOHIDDEN, 0},
        {"no descriptors for memfd_secret", {EVERY(SYS_memfd_secret, EMFILE)}, 1, 0, 0, KEEPMUM_ESYSTEM, 0},
        {"memfd_secret that cannot be sized", {EVERY(SYS_ftruncate, EINVAL)}, 1, 0, 0, KEEPMUM_ENOHIDDEN, 0},
        {"neither memfd_secret nor mlock",
         {EVERY(SYS_memfd_secret, ENOSYS), EVERY(SYS_mlock, EPERM)},
         2,
         KEEPMUM_ENOLOCK,
         KEEPMUM_ENOLOCK,
         KEEPMUM_ENOHIDDEN,
         0},
        {"neither memfd_secret nor mlock at all",
         {EVERY(SYS_memfd_secret, ENOSYS), EVERY(SYS_mlock, ENOSYS)},
         2,
         KEEPMUM_ENOLOCK,
         KEEPMUM_ENOLOCK,
         KEEPMUM_ENOHIDDEN,
         0},
        {"mlock that lies",
         {EVERY(SYS_memfd_secret, ENOSYS), EVERY(SYS_mlock, 0)},
         2,
         KEEPMUM_ENOLOCK,
         KEEPMUM_ENOLOCK,
         KEEPMUM_ENOHIDDEN,
         0},
        {"no MADV_DONTFORK",
         {{SYS_madvise, 2, MADV_DONTFORK, EINVAL}},
         1,
         KEEPMUM_ENOFORK,
         KEEPMUM_ENOFORK,
         KEEPMUM_ENOFORK,
         KEEPMUM_ENOFORK},
        {"no MADV_WIPEONFORK",
         {{SYS_madvise, 2, MADV_WIPEONFORK, EINVAL}},
         1,
         KEEPMUM_ENOFORK,
         KEEPMUM_ENOFORK,
         KEEPMUM_ENOFORK,
         KEEPMUM_ENOFORK},
        {"no MADV_DONTDUMP",
         {EVERY(SYS_memfd_secret, ENOSYS), {SYS_madvise, 2, MADV_DONTDUMP, EINVAL}},
         2,
         KEEPMUM_ENODUMP,
         KEEPMUM_ENODUMP,
         KEEPMUM_ENOHIDDEN,
         KEEPMUM_ENODUMP},
        {"no MADV_NOHUGEPAGE", {{SYS_madvise, 2, MADV_NOHUGEPAGE, EINVAL}}, 1, 0, 0, 0, 0},
        {"mprotect that refuses to close",
         {{SYS_mprotect, 2, PROT_NONE, EACCES}},
         1,
         KEEPMUM_ENOGUARD,
         KEEPMUM_ENOGUARD,
         KEEPMUM_ENOGUARD,
         KEEPMUM_ENOGUARD},
        {"mprotect that lies about closing",
         {{SYS_mprotect, 2, PROT_NONE, 0}},
         1,
         KEEPMUM_ENOGUARD,
         KEEPMUM_ENOGUARD,
         KEEPMUM_ENOGUARD,
         KEEPMUM_ENOGUARD},
        {"a machine without /proc",
         {EVERY(SYS_openat, ENOENT), EVERY(SYS_memfd_secret, ENOSYS)},
         2,
         0,
         0,
         KEEPMUM_ENOHIDDEN,
         0},
};

static bool is_hidden_possible;

static void expect_result(int wanted, unsigned flags, bool can_look)
{
        keepmum_secret s;
        unsigned promises, seen;
        int err = make_with(&s, 100, flags, 3);

        if (flags & KEEPMUM_HIDDEN && !is_hidden_possible)
                wanted = KEEPMUM_ENOHIDDEN;
        expect_int(err, wanted);
        if (err != 0)
                return;
        expect_int(look_for(s, 3, 100, 100), 0);
        expect_int(keepmum_state(s, &promises), 0);
        if (!(flags & KEEPMUM_ACCEPT_UNLOCKED))
                expect_int(promises & WHOLE, WHOLE);
        if (can_look) {
                expect_int(keepmum_verify(s, &seen), 0);
                expect_int(seen, promises);
        }
        keepmum_destroy(&s);
}

static void live_in(void *arg)
{
        const struct profile *p = arg;
        bool can_look = p->rules[0].call != SYS_openat;
        size_t descriptors = count_descriptors(), mappings;

        sandbox_answer(p->rules, p->n_rules);
        expect_result(p->usual, 0, can_look);
        expect_result(p->not_hidden, KEEPMUM_NOT_HIDDEN, can_look);
        expect_result(p->hidden, KEEPMUM_HIDDEN, can_look);
        expect_result(p->unlocked, KEEPMUM_ACCEPT_UNLOCKED | KEEPMUM_NOT_HIDDEN, can_look);
        if (!can_look)
                return;
        mappings = count_mappings();
        for (int i = 0; i < 20; i++) { /* refused again and again, nothing stays */
                expect_result(p->usual, 0, true);
                expect_result(p->hidden, KEEPMUM_HIDDEN, true);
        }
        expect_int(count_mappings(), mappings);
        expect_int(count_descriptors(), descriptors);
}

static void creation_gives_what_was_asked_or_says_what_is_missing(void **state)
{
        struct profile p = *(const struct profile *)*state;
        struct ending e = forked_run(live_in, &p);

        assert_string_equal(e.said, "");
        assert_int_equal(e.exit_code, 0);
}

/* All mprotect calls answered with success and nothing done: nothing opens, and nothing is believed. */
static void live_without_mprotect(void *arg)
{
        static const struct sandbox_rule lie[] = {EVERY(SYS_mprotect, 0)};
        keepmum_secret s;

        (void)arg;
        sandbox_answer(lie, 1);
        expect_int(make_with(&s, 100, 0, 1) < 0, 1);
        expect_int(make_with(&s, 100, KEEPMUM_NOT_HIDDEN, 1) < 0, 1);
}

static void an_mprotect_that_always_lies_is_an_error_not_a_crash(void **state)
{
        (void)state;
        assert_true(forked_passes(live_without_mprotect, NULL));
}

/* Once a secret lives, an mprotect that fails ends the process: a page that should be shut is not. */
static void lose_mprotect_later(void *arg)
{
        static const struct sandbox_rule refusal[] = {{SYS_mprotect, 2, PROT_NONE, ENOMEM}};
        keepmum_secret s;

        (void)arg;
        expect_int(make_with(&s, 100, 0, 1), 0);
        sandbox_answer(refusal, 1);
        place_of(s);
}

static void an_mprotect_that_fails_later_ends_the_process(void **state)
{
        struct ending e = forked_run(lose_mprotect_later, NULL);

        (void)state;
        assert_string_equal(e.said, "keepmum: mprotect of a slot failed\n");
        assert_int_equal(e.signal_number, SIGABRT);
}

static void try_hidden(void *arg)
{
        keepmum_secret s;

        (void)arg;
        _exit(keepmum_create(&s, 1, KEEPMUM_HIDDEN) == 0 ? 0 : 1);
}

int main(void)
{
        struct CMUnitTest tests[n_of(profiles) + 2];

        if (!sandbox_is_meaningful())
                forked_skip_all("a sanitizer or valgrind makes system calls of its own");
        is_hidden_possible = forked_run(try_hidden, NULL).exit_code == 0;
        for (size_t i = 0; i < n_of(profiles); i++)
                tests[i] = (struct CMUnitTest){profiles[i].name, creation_gives_what_was_asked_or_says_what_is_missing, NULL, NULL,
                                               (void *)(uintptr_t)&profiles[i]};
        tests[n_of(profiles)] = (struct CMUnitTest)cmocka_unit_test(an_mprotect_that_always_lies_is_an_error_not_a_crash);
        tests[n_of(profiles) + 1] = (struct CMUnitTest)cmocka_unit_test(an_mprotect_that_fails_later_ends_the_process);
        return _cmocka_run_group_tests("sandboxes", tests, n_of(tests), NULL, NULL) != 0 ? 1 : 0;
}

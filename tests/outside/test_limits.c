/* Limits: an unprivileged user's lock limit, and the number of mappings, met by secrets that must stay where they are. What is handed out is
 * whole; the next one is a named error. Secrets that may be sealed: outside/test_million. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { WHOLE = KEEPMUM_IS_LOCKED | KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED, MOST = 4000 };

static keepmum_secret s[MOST];

struct limit {
        size_t bytes;
        unsigned flags;
};

/* Makes secrets until one is refused, which must be for this reason. */
static size_t make_until(int reason, size_t n_bytes, unsigned flags)
{
        size_t n = 0;
        int err = 0;

        while (n < MOST && (err = make_with(&s[n], n_bytes, flags, (unsigned)n)) == 0)
                n++;
        expect(n < MOST);
        expect_int(err, reason);
        return n;
}

static void expect_whole(size_t n, size_t n_bytes)
{
        struct view v = view_of_self();

        for (size_t i = 0; i < n; i++) {
                const unsigned char *at = place_of(s[i]);
                const struct seen *m = view_at(&v, at), *before, *after;
                unsigned promises = 0;

                expect_int(keepmum_state(s[i], &promises), 0);
                expect_int(promises & WHOLE, WHOLE);
                expect(m != NULL && seen_has(m, "lo") && seen_has(m, "dd") && seen_has(m, "dc"));
                before = view_at(&v, (const char *)m->start - 1);
                after = view_at(&v, (const char *)m->end);
                expect(before != NULL && after != NULL && before->perms[0] == '-' && after->perms[0] == '-');
                expect_int(look_for(s[i], (unsigned)i, n_bytes, n_bytes), 0);
        }
        view_free(&v);
}

static void destroy_first(size_t n)
{
        for (size_t i = 0; i < n; i++)
                keepmum_destroy(&s[i]);
}

static void fill_the_limit(void *arg)
{
        const struct limit *l = arg;
        size_t n_pages = l->bytes / page(), n;
        keepmum_secret more;
        int full = KEEPMUM_ENOSLOT;

        if (!forked_become_nobody(l->bytes))
                _exit(0);
        if (n_pages < 3)
                full = KEEPMUM_ELIMIT;
        n = make_until(full, 100, l->flags);
        expect_int(n, n_pages < 3 ? 0 : n_pages - 1); /* used to the last page, with the sealing key's */
        expect(locked_kb() <= l->bytes / 1024);
        expect_whole(n, 100);
        expect_int(keepmum_create(&more, 100, l->flags), full); /* again the same */
        if (n == 0)
                return;
        keepmum_destroy(&s[n / 2]);
        expect_int(make_with(&s[n / 2], 50, l->flags, (unsigned)(n / 2)), 0); /* what was freed serves again */
        expect_int(keepmum_resize(s[n / 2], 100), 0);
        expect_int(keepmum_create(&more, 100, l->flags), full);
        destroy_first(n);
        if (n_pages >= 16) { /* other sizes, out of the same lock */
                n = make_until(full, 2 * page(), l->flags);
                expect_int(n, (n_pages - 1) / 2);
                for (size_t i = 0; i < n; i++)
                        expect_int(look_for(s[i], (unsigned)i, 2 * page(), 2 * page()), 0);
                destroy_first(n);
                expect_int(keepmum_create(&more, n_pages / 2 * page(), l->flags), 0);
                keepmum_destroy(&more);
        }
        n = make_until(full, 100, l->flags);
        expect_int(n, n_pages - 1);
        expect_whole(n, 100);
}

static void accept_unlocked(void *arg)
{
        const struct limit *l = arg;
        int full = l->bytes < 3 * page() ? KEEPMUM_ELIMIT : KEEPMUM_ENOSLOT;
        unsigned promises, seen;
        keepmum_secret more;
        size_t n;

        if (!forked_become_nobody(l->bytes))
                _exit(0);
        n = make_until(full, 100, l->flags);
        for (int i = 0; i < 5; i++) {
                expect_int(make_with(&more, 100, l->flags | KEEPMUM_ACCEPT_UNLOCKED, 9), 0);
                expect_int(keepmum_state(more, &promises), 0);
                if (full == KEEPMUM_ELIMIT) /* too little for a key may do for a slot */
                        promises &= (unsigned)~(KEEPMUM_IS_LOCKED | KEEPMUM_IS_HIDDEN);
                expect_int(promises, KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED);
                expect_int(keepmum_verify(more, &seen), 0);
                expect_int(seen & promises, promises);
                expect_int(look_for(more, 9, 100, 100), 0);
        }
        expect(stat_of(KEEPMUM_STAT_UNLOCKED_SLOTS) >= 3);
        expect_int(keepmum_create(&more, 100, l->flags), full); /* a free unlocked slot is not for others */
        keepmum_destroy(&s[0]);
        if (n > 0) {
                expect_int(make_with(&more, 100, l->flags | KEEPMUM_ACCEPT_UNLOCKED, 9), 0);
                expect_int(keepmum_state(more, &promises), 0);
                expect(promises & KEEPMUM_IS_LOCKED); /* the better one, where it is to be had */
        }
}

static const size_t limits_kb[] = {8192, 64, 12, 8, 0};

static void try_limits(void (*act)(void *arg))
{
        for (size_t i = 0; i < n_of(limits_kb); i++)
                for (unsigned flags = 0; flags <= KEEPMUM_NOT_HIDDEN; flags += KEEPMUM_NOT_HIDDEN) {
                        struct limit l = {limits_kb[i] * 1024, flags | KEEPMUM_STAY};

                        assert_true(forked_passes(act, &l));
                }
}

static void a_lock_limit_is_used_to_its_last_page_and_never_passed(void **state)
{
        (void)state;
        try_limits(fill_the_limit);
}

static void unlocked_memory_is_for_those_who_accept_it_and_says_so(void **state)
{
        (void)state;
        try_limits(accept_unlocked);
}

static void read_beyond_limit(void *arg)
{
        int p[2];
        char some[3000] = {1};
        keepmum_secret one, two;

        (void)arg;
        if (!forked_become_nobody(4 * page()))
                _exit(0);
        expect_int(make_with(&one, 10, 0, 1), 0);
        expect_int(pipe(p), 0);
        for (size_t n = 0; n < 10 * page(); n += sizeof some)
                expect_int(write(p[1], some, sizeof some), sizeof some);
        close(p[1]);
        expect_int(keepmum_read_fd(&two, p[0], 1 << 20, 0), KEEPMUM_ELIMIT);
        expect_int(keepmum_resize(one, 5 * page()), KEEPMUM_ELIMIT);
        expect_int(look_for(one, 1, 10, 10), 0);
        expect_int(stat_of(KEEPMUM_STAT_SECRETS), 1);
}

static void a_limit_met_in_the_middle_loses_nothing_else(void **state)
{
        (void)state;
        assert_true(forked_passes(read_beyond_limit, NULL));
}

/* ---- mappings ---- */

static char *taken; /* every second page of it is a mapping of its own */

/* Takes mappings until only n_left are to be had: single pages that the kernel cannot merge. */
static void use_up_mappings(size_t n_left)
{
        FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
        size_t most = 0, n, used;
        char *base;

        if (f == NULL || fscanf(f, "%zu", &most) != 1 || most > 200000)
                _exit(0); /* too many to use up */
        fclose(f);
        used = count_mappings();
        n = most - used - n_left;
        base = mmap(NULL, (n + 2) * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        expect(base != MAP_FAILED);
        taken = base;
        for (size_t i = 0; i + 1 < n; i += 2)
                if (mprotect(base + (i + 1) * page(), page(), PROT_READ) != 0)
                        break;
}

/* Another shape may just fit; else the error has the right name. */
static bool try_at_the_brink(keepmum_secret *one, size_t n_bytes, unsigned flags)
{
        int err = keepmum_create(one, n_bytes, flags);

        expect(err == 0 || err == KEEPMUM_ENOSLOT);
        return err == 0;
}

static void meet_the_limit_of_mappings(void *arg)
{
        size_t n_left = *(size_t *)arg, n;
        keepmum_secret more;

        use_up_mappings(n_left);
        n = make_until(KEEPMUM_ENOSLOT, 100, KEEPMUM_STAY);
        for (size_t i = 0; i < n; i++)
                expect_int(look_for(s[i], (unsigned)i, 100, 100), 0);
        if (try_at_the_brink(&more, 300000, 0))
                keepmum_destroy(&more);
        if (n > 0) {
                int err = keepmum_resize(s[0], 5 * page());

                expect(err == 0 || err == KEEPMUM_ENOSLOT);
                expect_int(look_for(s[0], 0, 100, err == 0 ? 5 * page() : 100), 0);
        }
        for (size_t i = 0; i < n; i += 2) {
                keepmum_destroy(&s[i]);
                expect_int(make_with(&s[i], 200, KEEPMUM_STAY, (unsigned)i), 0);
                expect_int(look_for(s[i], (unsigned)i, 200, 200), 0);
        }
        destroy_first(n);
        if (n >= 4) {
                /* The kernel lets a process have one more than the limit, and then refuses even what gives some back (pool/stock.c). Whether
                 * it has depends on whether the program began with an even number. */
                expect_int(munmap(taken + page(), page()), 0);
                expect_int(make_with(&more, 3 * page(), 0, 1), 0); /* free chunks give way to another size */
                keepmum_destroy(&more);
        }
        for (int i = 0; i < 10; i++) { /* again and again at the brink */
                if (try_at_the_brink(&more, (size_t)(i % 5 + 1) * 9000, i % 2 != 0 ? KEEPMUM_NOT_HIDDEN : 0))
                        keepmum_destroy(&more);
        }
}

static void the_limit_of_mappings_is_a_named_error_and_destroys_go_on(void **state)
{
        static size_t left[] = {41, 21, 10};

        (void)state;
        if (IS_SANITIZED)
                return; /* their own mappings fail first */
        for (size_t i = 0; i < n_of(left); i++)
                assert_true(forked_passes(meet_the_limit_of_mappings, &left[i]));
}

static void start_at_the_limit(void *arg)
{
        keepmum_secret one;

        use_up_mappings(*(size_t *)arg);
        try_at_the_brink(&one, 100, 0);
        try_at_the_brink(&one, 100, KEEPMUM_NOT_HIDDEN);
}

static void the_first_use_at_the_limit_of_mappings_is_an_error_too(void **state)
{
        (void)state;
        if (IS_SANITIZED)
                return;
        for (size_t left = 0; left < 24; left += 3)
                assert_true(forked_passes(start_at_the_limit, &left));
}

/* Secret memory needs a descriptor for a moment; the lock is looked at without one. */
static void live_without_descriptors(void *arg)
{
        struct rlimit before, none;
        keepmum_secret one;
        unsigned usual, promises;

        (void)arg;
        expect_int(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){0, before.rlim_max};
        expect_int(setrlimit(RLIMIT_NOFILE, &none), 0);
        expect_int(keepmum_create(&one, 100, KEEPMUM_HIDDEN), KEEPMUM_ESYSTEM);
        expect_int(keepmum_create(&one, 100, 0), 0);
        expect_int(keepmum_state(one, &promises), 0);
        expect_int(promises & KEEPMUM_IS_LOCKED, KEEPMUM_IS_LOCKED);
        expect_int(setrlimit(RLIMIT_NOFILE, &before), 0);
        keepmum_destroy(&one);
        usual = keepmum_create(&one, 100, KEEPMUM_HIDDEN) == 0 ? 0 : 1;
        expect_int(usual, arg == NULL ? 0 : 1);
}

static void no_hidden_memory_at_all(void *arg)
{
        keepmum_secret one;

        (void)arg;
        if (keepmum_create(&one, 100, KEEPMUM_HIDDEN) != 0)
                _exit(1);
}

static void a_moment_without_descriptors_is_no_verdict(void **state)
{
        static char is_impossible;
        bool is_possible = forked_run(no_hidden_memory_at_all, NULL).exit_code == 0;
        struct ending e = forked_run(live_without_descriptors, is_possible ? NULL : &is_impossible);

        (void)state;
        assert_string_equal(e.said, "");
        assert_int_equal(e.exit_code, 0);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_without_descriptors_is_no_verdict),
        cmocka_unit_test(a_lock_limit_is_used_to_its_last_page_and_never_passed),
        cmocka_unit_test(unlocked_memory_is_for_those_who_accept_it_and_says_so),
        cmocka_unit_test(a_limit_met_in_the_middle_loses_nothing_else),
        cmocka_unit_test(the_limit_of_mappings_is_a_named_error_and_destroys_go_on),
        cmocka_unit_test(the_first_use_at_the_limit_of_mappings_is_an_error_too),
};

MAIN_OF_TESTS

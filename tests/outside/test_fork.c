/* Children: none has a secret of its parent, whatever call made it, and each can begin anew. Linked with --wrap=madvise. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { SECRETS = 8 };

static keepmum_secret s[SECRETS];
static const unsigned char *at[SECRETS];
static const size_t sizes[] = {32, 5000, 70000, 300000};

/* Some closed, some open for reading, one for writing; hidden or not. */
static void make_all(void)
{
        for (size_t i = 0; i < SECRETS; i++) {
                const void *bytes;
                void *writable;

                assert_ok(make_with(&s[i], sizes[i % n_of(sizes)], i % 2 != 0 ? KEEPMUM_NOT_HIDDEN : 0, (unsigned)i));
                at[i] = place_of(s[i]);
                if (i == 3 || i == 4)
                        assert_ok(keepmum_open_read(s[i], &bytes, NULL));
                if (i == 5 || i == 6)
                        assert_ok(keepmum_open_write(s[i], &writable, NULL));
        }
}

static void destroy_all(void)
{
        for (size_t i = 0; i < SECRETS; i++) {
                if (i == 3 || i == 4 || i == 5 || i == 6)
                        keepmum_close(s[i]);
                assert_ok(look_for(s[i], (unsigned)i, sizes[i % n_of(sizes)], sizes[i % n_of(sizes)]));
                keepmum_destroy(&s[i]);
        }
}

static bool is_readable(const void *address)
{
        int p[2], n;

        expect_int(pipe(p), 0);
        n = (int)write(p[1], address, 1);
        close(p[0]);
        close(p[1]);
        return n == 1;
}

static void touch(void *arg)
{
        expect(*(volatile const unsigned char *)arg == 0);
}

/* ---- what every child finds ---- */

static void expect_nothing_there(const char *perms)
{
        struct view v = view_of_self();

        for (size_t i = 0; i < SECRETS; i++)
                for (size_t k = 0; k < sizes[i % n_of(sizes)]; k += page()) {
                        const struct seen *m = view_at(&v, at[i] + k);

                        if (perms == NULL)
                                expect(m == NULL);
                        else
                                expect(m != NULL && strcmp(m->perms, perms) == 0);
                        expect(!is_readable(at[i] + k));
                }
        for (size_t i = 0; i < v.n; i++)
                expect(v.all[i].perms[3] != 's' || strncmp(v.all[i].name, "/secretmem", 10) != 0);
        view_free(&v);
}

static void expect_forked(keepmum_secret one)
{
        unsigned promises;
        const void *bytes;
        void *writable;
        size_t n;
        bool equal;

        expect_int(keepmum_open_read(one, &bytes, NULL), KEEPMUM_EFORKED);
        expect_int(keepmum_open_write(one, &writable, NULL), KEEPMUM_EFORKED);
        expect_int(keepmum_size(one, &n), KEEPMUM_EFORKED);
        expect_int(keepmum_resize(one, 5), KEEPMUM_EFORKED);
        expect_int(keepmum_state(one, &promises), KEEPMUM_EFORKED);
        expect_int(keepmum_verify(one, &promises), KEEPMUM_EFORKED);
        expect_int(keepmum_equal(one, one, &equal), KEEPMUM_EFORKED);
        expect_int(keepmum_fill_random(one), KEEPMUM_EFORKED);
        expect_int(keepmum_write_fd(one, STDERR_FILENO), KEEPMUM_EFORKED);
        keepmum_close(one);
        keepmum_close(one);
        keepmum_destroy(&one);
        expect_int(one.bits, 0);
}

static void use_anew(void)
{
        keepmum_secret mine;
        unsigned promises;

        expect_int(stat_of(KEEPMUM_STAT_SECRETS), 0);
        expect_int(stat_of(KEEPMUM_STAT_OPENS), 0);
        for (unsigned i = 0; i < 20; i++) {
                expect_int(make_with(&mine, sizes[i % n_of(sizes)], i % 3 == 0 ? KEEPMUM_NOT_HIDDEN : 0, i), 0);
                expect_int(look_for(mine, i, sizes[i % n_of(sizes)], sizes[i % n_of(sizes)]), 0);
                for (size_t k = 0; k < SECRETS; k++)
                        expect(mine.bits != s[k].bits && page_of(place_of(mine)) != page_of(at[k]));
                expect_int(keepmum_verify(mine, &promises), 0);
                expect(promises & KEEPMUM_IS_LOCKED && promises & KEEPMUM_IS_NOFORK && promises & KEEPMUM_IS_GUARDED);
                if (i % 2 != 0)
                        keepmum_destroy(&mine);
        }
}

static void be_child(void *arg);

static void be_grandchild(void *arg)
{
        keepmum_secret mine;

        be_child(arg);
        expect_int(make_with(&mine, 50, 0, 3), 0);
        expect_int(look_for(mine, 3, 50, 50), 0);
}

static void be_child(void *arg)
{
        int generations = *(int *)arg;

        expect_nothing_there(generations == 1 ? NULL : "---p");
        expect_int(forked_run(touch, (void *)(uintptr_t)at[0]).signal_number, SIGSEGV);
        for (size_t i = 0; i < SECRETS; i++)
                expect_forked(s[i]);
        expect_nothing_there("---p"); /* the first call has mapped the holes */
        if (generations == 1) {
                int next = 2;

                use_anew();
                expect(forked_passes(be_grandchild, &next));
        }
}

static void a_child_of_fork_finds_nothing_and_begins_anew(void **state)
{
        int generations = 1;

        (void)state;
        make_all();
        assert_true(forked_passes(be_child, &generations));
        destroy_all();
}

/* ---- other calls than fork() ---- */

static void run_child_of(pid_t pid)
{
        int generations = 1, status;

        if (pid == 0) {
                signal(SIGSEGV, SIG_DFL);
                alarm(30);
                be_child(&generations);
                _exit(0);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void a_child_of_the_bare_fork_is_seen_too(void **state)
{
        (void)state;
        make_all();
        run_child_of(_Fork());
        destroy_all();
}

static void a_child_of_clone_is_seen_too(void **state)
{
        (void)state;
        make_all();
#if defined __s390__
        run_child_of((pid_t)syscall(SYS_clone, NULL, SIGCHLD, NULL, NULL, 0));
#else
        run_child_of((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0));
#endif
        destroy_all();
}

/* vfork() lends the parent's memory: the same process as far as secrets go. */
static void a_child_of_vfork_shares_them(void **state)
{
        pid_t pid;
        int status;

        (void)state;
        if (IS_SANITIZED)
                return; /* their vfork() is fork() */
        make_all();
        pid = vfork();
        if (pid == 0)
                _exit(look_for(s[0], 0, 32, 32) == 0 ? 0 : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        destroy_all();
}

static void what_the_parent_opens_later_does_not_reach_the_child(void **state)
{
        int go[2], status;
        void *writable;
        char c;
        pid_t pid;

        (void)state;
        make_all();
        assert_ok(pipe(go));
        pid = fork();
        if (pid == 0) {
                close(go[1]);
                if (read(go[0], &c, 1) != 1)
                        _exit(9);
                _exit(is_readable(at[0]) ? 1 : 0);
        }
        assert_ok(keepmum_open_write(s[0], &writable, NULL));
        assert_int_equal(write(go[1], "g", 1), 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        keepmum_close(s[0]);
        close(go[0]);
        close(go[1]);
        destroy_all();
}

static void a_hole_the_child_has_filled_is_left_to_it(void *arg)
{
        unsigned char *hole = (unsigned char *)(uintptr_t)page_of(at[0]), *mine;
        const void *bytes;

        (void)arg;
        mine = mmap(hole, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        expect(mine == hole);
        mine[7] = 42;
        expect_int(keepmum_open_read(s[0], &bytes, NULL), KEEPMUM_EFORKED);
        expect_int(mine[7], 42);
}

static void what_the_child_mapped_into_a_hole_stays_its_own(void **state)
{
        (void)state;
        make_all();
        assert_true(forked_passes(a_hole_the_child_has_filled_is_left_to_it, NULL));
        destroy_all();
}

/* ---- a fork in the middle of growth ---- */

int __real_madvise(void *address, size_t n_bytes, int advice);
int __wrap_madvise(void *address, size_t n_bytes, int advice);

static bool clones_now;
static pid_t born;
static int told_to_look[2];

/* The child made at the very moment before its parent's new pages are marked. */
static void look_around(void *address)
{
        char c;

        close(told_to_look[1]);
        alarm(30);
        if (read(told_to_look[0], &c, 1) != 1)
                _exit(9);
        _exit(is_readable(address) ? 1 : 0);
}

int __wrap_madvise(void *address, size_t n_bytes, int advice)
{
        if (clones_now && advice == MADV_DONTFORK) {
                clones_now = false;
                born = _Fork();
                if (born == 0)
                        look_around(address);
        }
        return __real_madvise(address, n_bytes, advice);
}

static void grow_and_be_cloned(void *arg)
{
        keepmum_secret one[40];
        int status;

        expect_int(pipe(told_to_look), 0);
        expect_int(keepmum_create(&one[0], 10, *(unsigned *)arg), 0);
        clones_now = true;
        for (size_t i = 1; i < n_of(one); i++)
                expect_int(make_with(&one[i], page(), *(unsigned *)arg, 1), 0);
        expect(!clones_now);
        for (size_t i = 1; i < n_of(one); i++) {
                const void *bytes;

                expect_int(keepmum_open_read(one[i], &bytes, NULL), 0);
        }
        expect_int(write(told_to_look[1], "g", 1), 1);
        expect_int(waitpid(born, &status, 0), born);
        expect_int(status, 0);
}

static void a_child_made_amid_growth_finds_the_new_slots_closed(void **state)
{
        static unsigned memories[] = {0, KEEPMUM_NOT_HIDDEN};

        (void)state;
        for (size_t i = 0; i < n_of(memories); i++)
                assert_true(forked_passes(grow_and_be_cloned, &memories[i]));
}

static _Atomic bool is_over;

static void *grow_for_ever(void *arg)
{
        static keepmum_secret held[3000];

        (void)arg;
        while (!atomic_load(&is_over)) {
                size_t n = 0;

                while (n < n_of(held) && !atomic_load(&is_over) && keepmum_create(&held[n], 300000, 0) == 0 && n < 200)
                        n++;
                while (n > 0)
                        keepmum_destroy(&held[--n]);
        }
        return NULL;
}

static void expect_no_shared_memory(void *arg)
{
        (void)arg;
        expect(!has_shared_memory());
}

static void fork_waits_until_new_slots_are_marked(void **state)
{
        unsigned n_bad = 0;
        pthread_t t;

        (void)state;
        if (IS_SANITIZED)
                return; /* shared mappings of its own */
        assert_ok(pthread_create(&t, NULL, grow_for_ever, NULL));
        for (int i = 0; i < 100; i++)
                n_bad += !forked_passes(expect_no_shared_memory, NULL);
        atomic_store(&is_over, true);
        pthread_join(t, NULL);
        assert_int_equal(n_bad, 0);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_made_amid_growth_finds_the_new_slots_closed), /* in children of a fresh process */
        cmocka_unit_test(a_child_of_fork_finds_nothing_and_begins_anew),
        cmocka_unit_test(a_child_of_the_bare_fork_is_seen_too),
        cmocka_unit_test(a_child_of_clone_is_seen_too),
        cmocka_unit_test(a_child_of_vfork_shares_them),
        cmocka_unit_test(what_the_parent_opens_later_does_not_reach_the_child),
        cmocka_unit_test(what_the_child_mapped_into_a_hole_stays_its_own),
        cmocka_unit_test(fork_waits_until_new_slots_are_marked),
};

MAIN_OF_TESTS

/* Secrets that go to other processes where there is little: no secret memory, no lock limit left, no descriptors, no files. A named error and nothing
 * lost, or room is made. */
#include "unit/harness.h"

#include "outside/courier.h"
#include "outside/forked.h"
#include "outside/sandbox.h"
#include "outside/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static int share_and_receive(keepmum_secret s, unsigned seed, size_t n_bytes)
{
        keepmum_secret got;
        int fd, err = keepmum_share_fd(s, &fd);

        if (err != 0)
                return err;
        if ((err = keepmum_receive_fd(&got, fd, KEEPMUM_ACCEPT_UNLOCKED)) != 0)
                return err;
        err = look_for(got, seed, n_bytes, n_bytes);
        keepmum_destroy(&got);
        return err;
}

/* ---- without hidden memory ---- */

static void live_without_hidden_memory(void *arg)
{
        const struct sandbox_rule none = {SYS_memfd_secret, -1, 0, *(int *)arg},
                                  old_memfd = {SYS_memfd_create, 1, MFD_CLOEXEC | MFD_ALLOW_SEALING | 8, EINVAL}, rules[] = {none, old_memfd};
        keepmum_secret hidden = {0}, s;
        int fd = -5;

        if (courier_has_hidden)
                expect_int(make_with(&hidden, 50, KEEPMUM_HIDDEN, 1), 0);
        sandbox_answer(rules, n_of(rules));
        if (courier_has_hidden)
                expect_int(keepmum_share_fd(hidden, &fd), KEEPMUM_ENOHIDDEN);
        expect_int(make_with(&s, 50, 0, 2), 0);
        expect_int(keepmum_share_fd(s, &fd), KEEPMUM_ENOLOCK);
        keepmum_destroy(&s);
        expect_int(make_with(&s, 50, KEEPMUM_NOT_HIDDEN, 2), 0);
        expect_int(keepmum_share_fd(s, &fd), KEEPMUM_ENOLOCK);
        keepmum_destroy(&s);
        expect_int(fd, -5);
        expect_int(make_with(&s, 50, KEEPMUM_ACCEPT_UNLOCKED, 3), 0);
        expect_int(share_and_receive(s, 3, 50), 0);
}

static void without_hidden_memory_only_who_accepts_it_goes(void **state)
{
        int refusals[] = {ENOSYS, EPERM};

        (void)state;
        for (size_t i = 0; i < n_of(refusals) && sandbox_is_meaningful(); i++)
                assert_true(forked_passes(live_without_hidden_memory, &refusals[i]));
}

/* ---- limits ---- */

enum { CROWD = 300 };
static keepmum_secret crowd[CROWD];

static void expect_crowd(unsigned flags)
{
        for (unsigned i = 0; i < CROWD; i++)
                expect_int(make_with(&crowd[i], 100, flags, i), 0);
        for (unsigned i = 0; i < CROWD; i++)
                expect_int(share_and_receive(crowd[i], i, 100), 0);
        for (unsigned i = 0; i < CROWD; i++)
                expect_int(look_for(crowd[i], i, 100, 100), 0);
}

static void share_at_the_limit(void *arg)
{
        size_t n_pages = *(size_t *)arg;
        keepmum_secret large;

        if (!forked_become_nobody(n_pages * page()))
                _exit(0);
        expect_crowd(courier_has_hidden ? 0 : KEEPMUM_ACCEPT_UNLOCKED);
        expect(locked_kb() <= n_pages * page() / 1024);
        if (n_pages < 16 || !courier_has_hidden)
                return;
        expect_int(make_with(&large, 4 * page(), 0, 9), 0); /* its courier takes five pages, each end another slot of four */
        expect_int(share_and_receive(large, 9, 4 * page()), 0);
        expect_int(look_for(crowd[7], 7, 100, 100), 0);
}

static void a_full_lock_limit_makes_room(void **state)
{
        static size_t n_pages[] = {16, 4, 3};

        (void)state;
        for (size_t i = 0; i < n_of(n_pages); i++)
                assert_true(forked_passes(share_at_the_limit, &n_pages[i]));
}

static void share_in_the_budget(void *arg)
{
        (void)arg;
        expect_int(keepmum_set_lock_budget(3 * page()), 0);
        expect_crowd(courier_has_hidden ? 0 : KEEPMUM_ACCEPT_UNLOCKED);
        expect(stat_of(KEEPMUM_STAT_LOCKED_BYTES) <= 3 * page());
}

static void a_full_budget_makes_room(void **state)
{
        (void)state;
        assert_true(forked_passes(share_in_the_budget, NULL));
}

/* What must stay cannot make room: the answer is an error, the courier waits. */
static void share_without_room(void *arg)
{
        keepmum_secret s[40], last, got = {0};
        size_t n = 0;
        int fd = -5, waiting;

        (void)arg;
        if (!forked_become_nobody(16 * page()))
                _exit(0);
        expect_int(make_with(&s[0], 100, 0, 0), 0);
        expect_int(keepmum_share_fd(s[0], &waiting), 0);
        for (n = 1; make_with(&s[n], 100, KEEPMUM_STAY, (unsigned)n) == 0; n++)
                expect(n < 39);
        expect_int(keepmum_share_fd(s[n - 1], &fd), KEEPMUM_ENOSLOT);
        expect_int(fd, -5);
        expect_int(keepmum_receive_fd(&got, waiting, 0), KEEPMUM_ENOSLOT);
        expect(got.bits == 0 && !courier_is_closed(waiting));
        expect_int(keepmum_create(&last, 100, KEEPMUM_STAY), KEEPMUM_ENOSLOT);
        for (size_t i = 1; i < n; i++) {
                expect_int(look_for(s[i], (unsigned)i, 100, 100), 0);
                keepmum_destroy(&s[i]);
        }
        expect_int(keepmum_receive_fd(&got, waiting, 0), 0);
        expect_int(look_for(got, 0, 100, 100), 0);
}

static void where_there_is_no_room_nothing_is_lost(void **state)
{
        (void)state;
        if (courier_has_hidden)
                assert_true(forked_passes(share_without_room, NULL));
}

static void share_without_descriptors(void *arg)
{
        struct rlimit few = {64, 64};
        keepmum_secret s, got;
        int fd, last, other = -5;

        (void)arg;
        expect_int(make_with(&s, 32, KEEPMUM_ACCEPT_UNLOCKED, 4), 0);
        expect_int(keepmum_share_fd(s, &fd), 0);
        expect_int(setrlimit(RLIMIT_NOFILE, &few), 0);
        while ((last = dup(0)) >= 0)
                ;
        expect_int(keepmum_share_fd(s, &other), KEEPMUM_ESYSTEM);
        expect(errno == EMFILE && other == -5);
        expect_int(keepmum_receive_fd(&got, fd, 0), 0);
        expect_int(look_for(got, 4, 32, 32), 0);
}

static void without_descriptors_it_is_an_error(void **state)
{
        (void)state;
        assert_true(forked_passes(share_without_descriptors, NULL));
}

/* A limit of zero bytes for files, as a hardened service has it: to try would be SIGXFSZ. */
static void share_under_a_file_limit(void *arg)
{
        struct rlimit none = {0, 0};
        keepmum_secret s, got;
        int hidden = -1, plain, fd = -5;

        (void)arg;
        if (courier_has_hidden) {
                expect_int(make_with(&s, 32, KEEPMUM_HIDDEN, 4), 0);
                expect_int(keepmum_share_fd(s, &hidden), 0);
        }
        expect_int(make_with(&s, 32, COURIER_PLAIN_FLAGS, 5), 0);
        expect_int(keepmum_share_fd(s, &plain), 0);
        expect_int(setrlimit(RLIMIT_FSIZE, &none), 0);
        expect_int(keepmum_share_fd(s, &fd), KEEPMUM_ESYSTEM);
        expect_int(errno, EFBIG);
        expect_int(fd, -5);
        expect_int(keepmum_receive_fd(&got, plain, 0), KEEPMUM_ESYSTEM);
        expect(!courier_is_closed(plain));
        if (!courier_has_hidden)
                return;
        expect_int(keepmum_receive_fd(&got, hidden, 0), 0);
        expect_int(look_for(got, 4, 32, 32), 0);
        for (int i = 0; i < 200; i++) /* nor do new slots need one */
                expect_int(keepmum_create(&s, page(), 0), 0);
}

static void a_limit_of_file_sizes_is_an_error_and_no_signal(void **state)
{
        (void)state;
        assert_true(forked_passes(share_under_a_file_limit, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_hidden_memory_only_who_accepts_it_goes),
        cmocka_unit_test(a_full_lock_limit_makes_room),
        cmocka_unit_test(a_full_budget_makes_room),
        cmocka_unit_test(where_there_is_no_room_nothing_is_lost),
        cmocka_unit_test(without_descriptors_it_is_an_error),
        cmocka_unit_test(a_limit_of_file_sizes_is_an_error_and_no_signal),
};

int main(void)
{
        return cmocka_run_group_tests(tests, courier_find_out, NULL) != 0 ? 1 : 0;
}

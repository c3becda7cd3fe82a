/* Secrets on their way to other processes: what is shared arrives whole, in a slot of the receiver's, once; nothing of it is left in the
 * courier. Where it cannot go: outside/test_share_limits; whether it leaves copies elsewhere: outside/test_share_residue; what strangers send:
 * outside/test_share_hostile; calls that fail: outside/test_share_faults. */
#include "unit/harness.h"

#include "outside/courier.h"
#include "outside/forked.h"
#include "outside/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { WHOLE = KEEPMUM_IS_LOCKED | KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED };

static _Atomic bool is_over;

/* A flag that gives a courier of this kind. */
static unsigned flags_for(bool is_hidden)
{
        return is_hidden ? KEEPMUM_HIDDEN : COURIER_PLAIN_FLAGS;
}

/* ---- one way, from process to process ---- */

struct parcel {
        size_t n_bytes;
        unsigned given_flags, taken_flags;
        size_t nobodys_limit; /* the receiver is another user, who may lock so many bytes; 0: the same one */
};

static int seed_of(const struct parcel *p)
{
        return (int)(p->n_bytes % 200);
}

/* The receiver: its exit code is 0 where all is as it should be. */
static void receive_one(int socket, const struct parcel *p)
{
        unsigned promises, seen;
        keepmum_secret s = {0};
        int fd;

        alarm(30);
        if (p->nobodys_limit != 0)
                expect(forked_become_nobody(p->nobodys_limit));
        expect((fd = courier_get(socket)) >= 0);
        expect_int(keepmum_receive_fd(&s, fd, p->taken_flags), 0);
        expect(courier_is_closed(fd));
        expect_int(look_for(s, (unsigned)seed_of(p), p->n_bytes, p->n_bytes), 0);
        expect_int(keepmum_state(s, &promises), 0);
        expect_int(keepmum_verify(s, &seen), 0);
        expect_int(promises & WHOLE, WHOLE);
        expect_int(promises, seen);
        if (p->taken_flags & (KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN))
                expect_int((promises & KEEPMUM_IS_HIDDEN) != 0, (p->taken_flags & KEEPMUM_HIDDEN) != 0);
        expect_int(fill_with(s, 77), 0); /* its own, to do with as it likes */
        expect_int(look_for(s, 77, p->n_bytes, p->n_bytes), 0);
        keepmum_destroy(&s);
        _exit(0);
}

static void send_one(void *arg)
{
        const struct parcel *p = arg;
        size_t descriptors = count_descriptors(), mappings;
        int ends[2], fd = -1, kept, status;
        keepmum_secret s;
        pid_t child;

        expect_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        expect((child = fork()) >= 0); /* before there is a secret */
        if (child == 0) {
                close(ends[0]);
                receive_one(ends[1], p);
        }
        expect_int(make_with(&s, p->n_bytes, p->given_flags, (unsigned)seed_of(p)), 0);
        mappings = count_mappings();
        expect_int(keepmum_share_fd(s, &fd), 0);
        expect(count_mappings() == mappings || IS_SANITIZED);
        expect_int(fcntl(fd, F_GETFD), FD_CLOEXEC);
        expect((kept = dup(fd)) >= 0);
        expect(courier_send(ends[0], fd));
        close(fd);
        expect(waitpid(child, &status, 0) == child);
        expect_int(status, 0);
        expect(courier_is_used_up(kept));
        expect_int(look_for(s, (unsigned)seed_of(p), p->n_bytes, p->n_bytes), 0);
        keepmum_destroy(&s);
        close(kept);
        close(ends[0]);
        close(ends[1]);
        expect_int(count_descriptors(), descriptors);
}

static void what_is_shared_arrives(void **state)
{
        const size_t sizes[] = {1, 15, 16, 32, 100, page() - 64, page() - 63, page(), 3 * page() + 5, 300000, KEEPMUM_MAX_BYTES};

        (void)state;
        for (size_t i = 0; i < n_of(sizes); i++) {
                struct parcel as_it_comes = {.n_bytes = sizes[i], .given_flags = KEEPMUM_ACCEPT_UNLOCKED},
                              plain = {.n_bytes = sizes[i], .given_flags = COURIER_PLAIN_FLAGS};

                if (sizes[i] > 1 << 20 && geteuid() != 0)
                        continue; /* more than may be locked */
                assert_true(forked_passes(send_one, &as_it_comes));
                assert_true(forked_passes(send_one, &plain));
        }
}

static void the_receivers_flags_are_its_own(void **state)
{
        static const unsigned given[] = {0, KEEPMUM_HIDDEN, KEEPMUM_STAY, KEEPMUM_SEALED, COURIER_PLAIN_FLAGS, COURIER_PLAIN_FLAGS | KEEPMUM_EXACT_END};
        static const unsigned taken[] = {KEEPMUM_HIDDEN, KEEPMUM_NOT_HIDDEN, KEEPMUM_STAY, KEEPMUM_SEALED, KEEPMUM_EXACT_END};

        (void)state;
        for (size_t i = 0; i < n_of(given); i++) {
                for (size_t k = 0; k < n_of(taken); k++) {
                        struct parcel p = {.n_bytes = 40 + i, .given_flags = given[i], .taken_flags = taken[k]};

                        if (courier_has_hidden || (!(given[i] & KEEPMUM_HIDDEN) && given[i] & KEEPMUM_ACCEPT_UNLOCKED && !(taken[k] & KEEPMUM_HIDDEN)))
                                assert_true(forked_passes(send_one, &p));
                }
        }
}

static void another_user_receives(void **state)
{
        const size_t limits[] = {8 << 20, 16 * page(), 3 * page()}; /* in the last one there is room for a key, a courier and a slot */

        (void)state;
        for (size_t i = 0; i < n_of(limits); i++) {
                struct parcel usual = {.n_bytes = 32, .given_flags = KEEPMUM_ACCEPT_UNLOCKED, .nobodys_limit = limits[i]},
                              plain = {.n_bytes = 32, .given_flags = COURIER_PLAIN_FLAGS, .nobodys_limit = limits[i]};

                assert_true(forked_passes(send_one, &usual));
                assert_true(forked_passes(send_one, &plain));
        }
}

/* This very program once more, with other arguments: see main(). */
static void send_to_program(void *arg)
{
        int ends[2], fd, status;
        keepmum_secret s;
        pid_t child;

        (void)arg;
        expect_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        expect((child = fork()) >= 0);
        if (child == 0) {
                dup2(ends[1], STDIN_FILENO);
                execl("/proc/self/exe", "receiver", "receive", (char *)NULL);
                _exit(9);
        }
        expect_int(make_with(&s, 32, KEEPMUM_ACCEPT_UNLOCKED, 32), 0);
        expect_int(keepmum_share_fd(s, &fd), 0);
        expect(courier_send(ends[0], fd));
        keepmum_destroy(&s); /* the courier does not need it */
        expect(waitpid(child, &status, 0) == child);
        expect_int(status, 0);
        expect(courier_is_used_up(fd));
}

static void another_program_receives(void **state)
{
        (void)state;
        assert_true(forked_passes(send_to_program, NULL));
}

/* ---- one receiver ---- */

static void a_courier_is_received_once(void **state)
{
        (void)state;
        for (int is_hidden = 0; is_hidden <= courier_has_hidden; is_hidden++) {
                keepmum_secret s, first = {0}, second = {0};
                int fd, again;

                assert_ok(make_with(&s, 100, flags_for(is_hidden), 5));
                assert_ok(keepmum_share_fd(s, &fd));
                assert_int_equal(courier_is_hidden(fd), is_hidden);
                again = dup(fd);
                assert_ok(keepmum_receive_fd(&first, fd, 0));
                assert_int_equal(keepmum_receive_fd(&second, again, 0), KEEPMUM_ETAKEN);
                assert_true(second.bits == 0 && !courier_is_closed(again) && courier_is_used_up(again));
                assert_ok(look_for(first, 5, 100, 100));
                close(again);
                keepmum_destroy(&first);
                keepmum_destroy(&s);
        }
}

enum { RACERS = 4 };
static pthread_barrier_t start_line;

struct racer {
        int fd, answer;
        keepmum_secret got;
};

static void *race(void *arg)
{
        struct racer *r = arg;

        pthread_barrier_wait(&start_line);
        r->answer = keepmum_receive_fd(&r->got, r->fd, 0);
        return NULL;
}

static void of_several_receivers_one_succeeds(void **state)
{
        pthread_t threads[RACERS];
        keepmum_secret s;

        (void)state;
        pthread_barrier_init(&start_line, NULL, RACERS);
        for (int round = 0; round < 200; round++) {
                struct racer r[RACERS] = {0};
                int fd, n_won = 0;

                assert_ok(make_with(&s, 64, flags_for(courier_has_hidden && round % 2 == 0), (unsigned)round));
                assert_ok(keepmum_share_fd(s, &fd));
                for (int i = 0; i < RACERS; i++) {
                        r[i].fd = i == 0 ? fd : dup(fd);
                        assert_ok(pthread_create(&threads[i], NULL, race, &r[i]));
                }
                for (int i = 0; i < RACERS; i++) {
                        pthread_join(threads[i], NULL);
                        n_won += r[i].answer == 0;
                        if (r[i].answer != 0) {
                                assert_int_equal(r[i].answer, KEEPMUM_ETAKEN);
                                close(r[i].fd);
                                continue;
                        }
                        assert_ok(look_for(r[i].got, (unsigned)round, 64, 64));
                        keepmum_destroy(&r[i].got);
                }
                assert_int_equal(n_won, 1);
                keepmum_destroy(&s);
        }
        pthread_barrier_destroy(&start_line);
}

/* ---- answers ---- */

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

static void a_secret_is_shared_in_every_phase_but_writing(void **state)
{
        keepmum_secret s, stale, got;
        const void *bytes;
        void *mine;
        int fd = -5;

        (void)state;
        assert_ok(keepmum_create(&s, 40, KEEPMUM_ACCEPT_UNLOCKED));
        assert_ok(keepmum_share_fd(s, &fd)); /* never written: zeroes */
        assert_ok(keepmum_receive_fd(&got, fd, 0));
        assert_ok(keepmum_open_read(got, &bytes, NULL));
        for (size_t i = 0; i < 40; i++)
                assert_int_equal(((const char *)bytes)[i], 0);
        keepmum_close(got);
        keepmum_destroy(&got);
        assert_ok(fill_with(s, 3));
        assert_ok(keepmum_seal_all());
        assert_ok(share_and_receive(s, 3, 40));
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        assert_ok(share_and_receive(s, 3, 40));
        keepmum_close(s);
        fd = -5;
        assert_ok(keepmum_open_write(s, &mine, NULL));
        assert_int_equal(keepmum_share_fd(s, &fd), KEEPMUM_EBUSY);
        keepmum_close(s);
        assert_int_equal(keepmum_share_fd(s, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_share_fd((keepmum_secret){0}, &fd), KEEPMUM_EINVAL);
        stale = s;
        keepmum_destroy(&s);
        assert_int_equal(keepmum_share_fd(stale, &fd), KEEPMUM_ESTALE);
        assert_int_equal(fd, -5);
}

static void receive_after_fork(void *arg)
{
        int fd = *(int *)arg, other = -5;
        keepmum_secret mine;

        expect_int(keepmum_receive_fd(&mine, fd, 0), 0); /* what fork() brings along can be received */
        expect_int(look_for(mine, 8, 32, 32), 0);
        expect_int(keepmum_share_fd(mine, &other), courier_has_hidden ? 0 : KEEPMUM_ENOLOCK);
}

static void share_the_parents(void *arg)
{
        int fd = -5;

        expect_int(keepmum_share_fd(*(keepmum_secret *)arg, &fd), KEEPMUM_EFORKED);
        expect_int(fd, -5);
}

static void a_child_receives_what_was_shared_before_the_fork(void **state)
{
        keepmum_secret s, late = {0};
        int fd;

        (void)state;
        assert_ok(make_with(&s, 32, KEEPMUM_ACCEPT_UNLOCKED, 8));
        assert_ok(keepmum_share_fd(s, &fd));
        assert_true(forked_passes(receive_after_fork, &fd));
        assert_int_equal(keepmum_receive_fd(&late, fd, 0), KEEPMUM_ETAKEN);
        close(fd);
        assert_true(forked_passes(share_the_parents, &s));
        keepmum_destroy(&s);
}

static void *resize_for_ever(void *arg)
{
        int err;

        for (unsigned i = 0; !atomic_load(&is_over); i++) {
                err = keepmum_resize(*(keepmum_secret *)arg, i % 2 == 0 ? 40 : 3 * page());
                expect(err == 0 || err == KEEPMUM_EBUSY);
        }
        return NULL;
}

static void a_secret_is_shared_whole_or_busy_while_it_is_resized(void **state)
{
        unsigned n_busy = 0;
        pthread_t thread;
        keepmum_secret s, got;
        size_t n;
        int fd, err;

        (void)state;
        assert_ok(make_with(&s, 3 * page(), KEEPMUM_ACCEPT_UNLOCKED, 9));
        assert_ok(pthread_create(&thread, NULL, resize_for_ever, &s));
        for (int i = 0; i < 100000 && (i < 300 || n_busy == 0); i++) {
                if ((err = keepmum_share_fd(s, &fd)) == KEEPMUM_EBUSY) {
                        n_busy++;
                        continue;
                }
                assert_int_equal(err, 0);
                assert_ok(keepmum_receive_fd(&got, fd, 0));
                assert_ok(keepmum_size(got, &n));
                assert_true(n == 40 || n == 3 * page());
                assert_ok(look_for(got, 9, 40, n));
                keepmum_destroy(&got);
        }
        atomic_store(&is_over, true);
        pthread_join(thread, NULL);
        assert_true(n_busy > 0);
        keepmum_destroy(&s);
}

static void receive_with_wrong_arguments(void **state)
{
        keepmum_secret s, out = {7};
        int fd;

        (void)state;
        assert_ok(make_with(&s, 32, KEEPMUM_ACCEPT_UNLOCKED, 8));
        assert_ok(keepmum_share_fd(s, &fd));
        assert_int_equal(keepmum_receive_fd(NULL, fd, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_receive_fd(&out, fd, 1u << 20), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_receive_fd(&out, fd, KEEPMUM_STAY | KEEPMUM_SEALED), KEEPMUM_EINVAL);
        assert_int_equal(out.bits, 7);
        assert_ok(keepmum_receive_fd(&out, fd, 0)); /* it was not touched */
        assert_ok(look_for(out, 8, 32, 32));
        keepmum_destroy(&out);
        keepmum_destroy(&s);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shared_arrives),
        cmocka_unit_test(the_receivers_flags_are_its_own),
        cmocka_unit_test(another_user_receives),
        cmocka_unit_test(another_program_receives),
        cmocka_unit_test(a_courier_is_received_once),
        cmocka_unit_test(of_several_receivers_one_succeeds),
        cmocka_unit_test(a_secret_is_shared_in_every_phase_but_writing),
        cmocka_unit_test(a_child_receives_what_was_shared_before_the_fork),
        cmocka_unit_test(a_secret_is_shared_whole_or_busy_while_it_is_resized),
        cmocka_unit_test(receive_with_wrong_arguments),
};

int main(int n_words, char **words)
{
        static const struct parcel usual = {.n_bytes = 32};

        if (n_words == 2 && strcmp(words[1], "receive") == 0)
                receive_one(STDIN_FILENO, &usual);
        return cmocka_run_group_tests(tests, courier_find_out, NULL) != 0 ? 1 : 0;
}

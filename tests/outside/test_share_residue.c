/* What sharing and receiving leave behind: no copy of the secret in either process outside slots, in whatever kind of courier it went; nothing that
 * a spy can read of a hidden one under way; nothing in children that are forked meanwhile; and nothing that goes on after
 * keepmum_wipe_all(). */
#include "unit/harness.h"

#include "outside/courier.h"
#include "outside/forked.h"
#include "outside/memory_scan.h"
#include "outside/sandbox.h"
#include "outside/seen.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { KEY_BYTES = 64 };

/* ---- copies ---- */

/* Byte by byte, so that nothing but the byte itself is anywhere. */
static void write_key(volatile unsigned char *at, uint64_t id)
{
        for (unsigned i = 0; i < KEY_BYTES; i++) {
                uint64_t x = (id * KEY_BYTES + i + 1) * 0x9e3779b97f4a7c15u;

                x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
                at[i] = (unsigned char)(x >> 40);
        }
}

static int make_key(keepmum_secret *s, unsigned flags, uint64_t id)
{
        void *bytes;
        int err = keepmum_create(s, KEY_BYTES, flags);

        if (err != 0 || (err = keepmum_open_write(*s, &bytes, NULL)) != 0)
                return err;
        write_key(bytes, id);
        keepmum_close(*s);
        return 0;
}

/* What the two ends are told: whom to talk to, when to look away. */
struct end {
        int socket, told, ready;
        unsigned flags;
        bool keeps_copy; /* the control: what the scan must find */
};

static void tell_and_wait(const struct end *e)
{
        char c = 'r';

        expect(write(e->ready, &c, 1) == 1);
        expect(read(e->told, &c, 1) == 0);
        _exit(0);
}

static void be_sender(const struct end *e, uint64_t id)
{
        keepmum_secret s;
        int fd;

        if (e->keeps_copy)
                write_key(malloc(KEY_BYTES), id);
        expect_int(make_key(&s, e->flags, id), 0);
        expect_int(keepmum_share_fd(s, &fd), 0);
        expect(courier_send(e->socket, fd));
        close(fd);
        tell_and_wait(e);
}

static void be_receiver(const struct end *e)
{
        keepmum_secret s;
        const void *bytes;

        expect_int(keepmum_receive_fd(&s, courier_get(e->socket), e->flags), 0);
        expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        keepmum_close(s);
        tell_and_wait(e);
}

static void scan(struct findings *f, const struct needle *n, pid_t pid)
{
        char path[64];
        int mem, smaps;

        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        mem = open(path, O_RDONLY | O_CLOEXEC);
        snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
        smaps = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(mem >= 0 && smaps >= 0);
        scan_process(f, n, 1, mem, smaps, false);
        close(mem);
        close(smaps);
}

/* The parent never has the key before the two are born. */
static void share_and_scan(struct findings *f, unsigned flags, bool keeps_copy)
{
        static uint64_t id;
        int ends[2], told[2], ready[2], status;
        unsigned char key[KEY_BYTES];
        struct needle *n = malloc(sizeof *n);
        pid_t pids[2];
        char c;

        id++;
        assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
        assert_ok(pipe(told));
        assert_ok(pipe(ready));
        for (int i = 0; i < 2; i++) {
                struct end e = {ends[i], told[0], ready[1], flags, keeps_copy};

                if ((pids[i] = fork()) == 0) {
                        close(told[1]);
                        alarm(30);
                        if (i == 0)
                                be_sender(&e, id);
                        be_receiver(&e);
                }
        }
        assert_true(read(ready[0], &c, 1) == 1 && read(ready[0], &c, 1) == 1);
        write_key(key, id);
        needle_make(n, "the key", key, sizeof key);
        *f = (struct findings){0};
        scan(f, n, pids[0]);
        scan(f, n, pids[1]);
        memset(key, 0, sizeof key); /* the next round's children are copies of this process */
        memset(n, 0, sizeof *n);
        free(n);
        close(told[1]);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
                assert_int_equal(status, 0);
                close(ends[i]);
        }
        close(told[0]);
        close(ready[0]);
        close(ready[1]);
}

static void no_copy_is_left_on_either_side(void **state)
{
        struct findings f;

        (void)state;
        if (!sandbox_is_meaningful())
                return; /* a sanitizer's shadow is too large to go through */
        share_and_scan(&f, COURIER_PLAIN_FLAGS, false);
        findings_show(&f, "in ordinary memory");
        assert_int_equal(f.n_copies, 2); /* the slots: one on each side */
        assert_int_equal(f.n_outside, 0);
        share_and_scan(&f, COURIER_PLAIN_FLAGS, true);
        assert_int_equal(f.n_outside, 1); /* the control is seen */
        if (!courier_has_hidden)
                return;
        share_and_scan(&f, KEEPMUM_HIDDEN, false);
        findings_show(&f, "in hidden memory");
        assert_int_equal(f.n_copies, 0);
        share_and_scan(&f, 0, false);
        assert_int_equal(f.n_outside, 0);
}

/* ---- a spy ---- */

/* What read(2) gets through /proc/PID/fd of a courier that another process holds; also as root. */
static bool can_read_elsewhere(pid_t pid, int fd)
{
        unsigned char got[sizeof(struct courier_header) + 32];
        char path[64];
        int again;
        ssize_t n;

        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        if ((again = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                return false;
        n = pread(again, got, sizeof got, 0);
        close(again);
        if (n != sizeof got)
                return false;
        for (size_t i = 0; i < 32; i++)
                if (got[sizeof(struct courier_header) + i] != byte_of(6, i))
                        return false;
        return true;
}

static void a_spy_reads_no_hidden_courier(void **state)
{
        (void)state;
        for (int is_hidden = 0; is_hidden <= courier_has_hidden; is_hidden++) {
                char buffer[16];
                keepmum_secret s;
                int fd, ends[2], status;
                pid_t holder;

                assert_ok(make_with(&s, 32, is_hidden ? KEEPMUM_HIDDEN : KEEPMUM_NOT_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED, 6));
                assert_ok(keepmum_share_fd(s, &fd));
                assert_ok(pipe(ends));
                if ((holder = fork()) == 0) {
                        close(ends[1]);
                        _exit(read(ends[0], buffer, 1) == 0 ? 0 : 1);
                }
                close(ends[0]);
                assert_int_equal(can_read_elsewhere(holder, fd), !is_hidden); /* a plain one is read, as the page on threats says */
                if (is_hidden)
                        assert_int_equal(pread(fd, buffer, sizeof buffer, 0), -1);
                close(ends[1]);
                assert_int_equal(waitpid(holder, &status, 0), holder);
                close(fd);
                keepmum_destroy(&s);
        }
}

/* ---- forks meanwhile ---- */

static _Atomic bool is_over;

static void *share_for_ever(void *arg)
{
        keepmum_secret s = *(keepmum_secret *)arg, got;
        int fd;

        while (!atomic_load(&is_over)) {
                expect_int(keepmum_share_fd(s, &fd), 0);
                expect_int(keepmum_receive_fd(&got, fd, 0), 0);
                keepmum_destroy(&got);
        }
        return NULL;
}

static void expect_no_shared_memory(void *arg)
{
        (void)arg;
        expect(!has_shared_memory());
}

static void share_amid_forks(void *arg)
{
        pthread_t thread;
        keepmum_secret s;

        expect_int(make_key(&s, KEEPMUM_ACCEPT_UNLOCKED, 9), 0);
        expect_int(pthread_create(&thread, NULL, share_for_ever, &s), 0);
        for (int i = 0; i < 200; i++)
                expect(forked_passes(expect_no_shared_memory, arg));
        atomic_store(&is_over, true);
        pthread_join(thread, NULL);
}

static void no_child_has_the_couriers_pages(void **state)
{
        (void)state;
        if (!IS_SANITIZED) /* shared mappings of its own */
                assert_true(forked_passes(share_amid_forks, NULL));
}

/* ---- a cancelled thread ---- */

struct errand {
        keepmum_secret s, got;
        int shared, received, kept;
};

/* From the first line on any cancellation point ends it. */
static void *share_while_cancelled(void *arg)
{
        struct errand *e = arg;
        int fd = -1;

        pthread_cancel(pthread_self());
        e->shared = keepmum_share_fd(e->s, &fd);
        e->kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        e->received = keepmum_receive_fd(&e->got, fd, 0);
        pthread_testcancel();
        return NULL;
}

static void a_cancelled_thread_leaves_nothing_half_done(void **state)
{
        (void)state;
        if (IS_SANITIZED)
                return; /* ASan accuses itself at the end of a cancelled thread */
        for (int is_hidden = 0; is_hidden <= courier_has_hidden; is_hidden++) {
                struct errand e = {.shared = 1, .received = 1};
                pthread_t thread;
                void *result;

                assert_ok(make_with(&e.s, 100, is_hidden ? KEEPMUM_HIDDEN : COURIER_PLAIN_FLAGS, 3));
                assert_ok(pthread_create(&thread, NULL, share_while_cancelled, &e));
                assert_ok(pthread_join(thread, &result));
                assert_ptr_equal(result, PTHREAD_CANCELED);
                assert_int_equal(e.shared, 0);
                assert_int_equal(e.received, 0);
                assert_ok(look_for(e.got, 3, 100, 100));
                assert_true(courier_is_used_up(e.kept));
                close(e.kept);
                keepmum_destroy(&e.got);
                keepmum_destroy(&e.s);
        }
}

/* ---- the end of all secrets meanwhile ---- */

struct wiping {
        unsigned flags, round;
};

/* Long, so that the end comes while it is copied. */
enum { LONG_BYTES = 200000 };

static bool is_whole(int fd)
{
        unsigned char *bytes = malloc(LONG_BYTES), differing = 0;

        courier_look(bytes, fd, LONG_BYTES, sizeof(struct courier_header));
        for (size_t i = 0; i < LONG_BYTES; i++)
                differing |= bytes[i] ^ byte_of(9, i);
        free(bytes);
        return differing == 0;
}

/* Every courier that was given out has the whole secret, never noise; then all is refused. */
static void *share_until_wiped(void *arg)
{
        keepmum_secret s = *(keepmum_secret *)arg, got = {0};
        int fd = -5, err;

        while ((err = keepmum_share_fd(s, &fd)) == 0) {
                expect(is_whole(fd));
                if ((err = keepmum_receive_fd(&got, fd, 0)) != 0) {
                        expect_int(err, KEEPMUM_EWIPED);
                        expect(got.bits == 0 && (is_whole(fd) || courier_is_used_up(fd)));
                        close(fd);
                }
                keepmum_destroy(&got);
                fd = -5;
        }
        expect_int(err, KEEPMUM_EWIPED);
        expect_int(fd, -5);
        return NULL;
}

static void wipe_amid_sharing(void *arg)
{
        const struct wiping *w = arg;
        size_t descriptors = count_descriptors();
        pthread_t threads[2];
        keepmum_secret s;
        int fd = -5;

        expect_int(make_with(&s, LONG_BYTES, w->flags, 9), 0);
        for (size_t i = 0; i < n_of(threads); i++)
                expect_int(pthread_create(&threads[i], NULL, share_until_wiped, &s), 0);
        usleep(3000 + w->round % 40 * 37);
        keepmum_wipe_all();
        for (size_t i = 0; i < n_of(threads); i++)
                pthread_join(threads[i], NULL);
        expect_int(keepmum_share_fd(s, &fd), KEEPMUM_EWIPED);
        expect_int(count_descriptors(), descriptors);
}

static void after_wipe_all_nothing_is_under_way(void **state)
{
        struct wiping w = {0, 0};

        (void)state;
        for (; w.round < (IS_SECOND_RUN ? 30 : 120); w.round++) {
                w.flags = w.round % 2 == 0 || !courier_has_hidden ? COURIER_PLAIN_FLAGS : 0;
                assert_true(forked_passes(wipe_amid_sharing, &w));
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_copy_is_left_on_either_side),
        cmocka_unit_test(a_spy_reads_no_hidden_courier),
        cmocka_unit_test(no_child_has_the_couriers_pages),
        cmocka_unit_test(a_cancelled_thread_leaves_nothing_half_done),
        cmocka_unit_test(after_wipe_all_nothing_is_under_way),
};

int main(void)
{
        return cmocka_run_group_tests(tests, courier_find_out, NULL) != 0 ? 1 : 0;
}

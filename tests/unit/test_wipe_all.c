/* keepmum_wipe_all(): afterwards no slot holds a secret, whoever was at work in it, and every function says so. */
#include "unit/harness.h"

#include "os/page.h"
#include "outside/forked.h"
#include "outside/seen.h"
#include "pool/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* What is looked for; built at run time, so that the program itself is not what is found. */
static unsigned char marker[64];
static size_t n_found, n_slots, n_accessible;

static void make_marker(void)
{
        for (size_t i = 0; i < sizeof marker; i++)
                marker[i] = (unsigned char)(0x80 | (i * 37 + 11));
}

static void look_into(struct slot *s)
{
        size_t n = s->n_bytes;

        n_slots++;
        n_accessible += page_probe_writable(s->bytes);
        page_open_read(s->bytes, n);
        for (size_t i = 0; i + 8 <= n; i++)
                for (size_t k = 0; k + 8 <= sizeof marker; k++)
                        n_found += s->bytes[i] == marker[k] && memcmp(s->bytes + i, marker + k, 8) == 0;
        page_close(s->bytes, n);
}

/* Eight bytes in a row of the marker, anywhere in any slot. */
static size_t marker_in_slots(void)
{
        n_found = n_slots = n_accessible = 0;
        pool_for_each(look_into);
        return n_found;
}

static int hold_marker(keepmum_secret *s, size_t n_bytes)
{
        void *bytes;
        int err = keepmum_create(s, n_bytes, 0);

        if (err != 0 || (err = keepmum_open_write(*s, &bytes, NULL)) != 0)
                return err;
        memcpy(bytes, marker, n_bytes < sizeof marker ? n_bytes : sizeof marker);
        keepmum_close(*s);
        return 0;
}

static void expect_wiped(keepmum_secret s)
{
        unsigned char source[4] = {1, 2, 3, 4};
        keepmum_secret out = {5};
        const void *bytes;
        void *writable;
        unsigned promises;
        size_t n;
        bool equal;

        expect_int(keepmum_create(&out, 1, 0), KEEPMUM_EWIPED);
        expect_int(keepmum_take(&out, source, 4, 0), KEEPMUM_EWIPED);
        expect_int(source[3], 4);
        expect_int(keepmum_resize(s, 3), KEEPMUM_EWIPED);
        expect_int(keepmum_size(s, &n), KEEPMUM_EWIPED);
        expect_int(keepmum_open_read(s, &bytes, &n), KEEPMUM_EWIPED);
        expect_int(keepmum_open_write(s, &writable, &n), KEEPMUM_EWIPED);
        expect_int(keepmum_equal(s, s, &equal), KEEPMUM_EWIPED);
        expect_int(keepmum_fill_random(s), KEEPMUM_EWIPED);
        expect_int(keepmum_read_fd(&out, 0, 5, 0), KEEPMUM_EWIPED);
        expect_int(keepmum_write_fd(s, 1), KEEPMUM_EWIPED);
        expect_int(keepmum_prompt(&out, NULL, 5, 0), KEEPMUM_EWIPED);
        expect_int(keepmum_state(s, &promises), KEEPMUM_EWIPED);
        expect_int(keepmum_verify(s, &promises), KEEPMUM_EWIPED);
        expect_int(keepmum_set_lock_budget(0), KEEPMUM_EWIPED);
        expect(stat_of(KEEPMUM_STAT_SLOTS) != UINT64_MAX);
        expect_int(out.bits, 5);
        keepmum_close(s);
        keepmum_close(s);
        keepmum_destroy(&s);
        expect_int(s.bits, 0);
}

static void wipe_closed_ones(void *arg)
{
        static const size_t sizes[] = {1, 64, 5000, 70000, 300000};
        keepmum_secret s[10];

        (void)arg;
        for (size_t i = 0; i < n_of(s); i++)
                expect_int(hold_marker(&s[i], sizes[i % n_of(sizes)]), 0);
        expect(marker_in_slots() > 100); /* the search can find */
        errno = 77;
        keepmum_wipe_all();
        expect_int(errno, 77);
        expect_int(marker_in_slots(), 0);
        expect(n_slots >= 10);
        expect_int(n_accessible, 0);
        for (size_t i = 0; i < n_of(s); i++)
                expect_wiped(s[i]);
        keepmum_wipe_all(); /* twice does no harm */
        expect_int(marker_in_slots(), 0);
}

static void closed_secrets_are_gone_and_every_function_says_wiped(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_closed_ones, NULL));
}

static void wipe_an_open_one(void *arg)
{
        keepmum_secret s;
        const void *bytes;

        (void)arg;
        expect_int(hold_marker(&s, 64), 0);
        expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        expect(memcmp(bytes, marker, 64) == 0);
        keepmum_wipe_all();
        expect(memcmp(bytes, marker, 8) != 0); /* noise under the reader's hands; no fault */
        expect_int(marker_in_slots(), 0);
        keepmum_close(s);
        expect_wiped(s);
}

static void bytes_open_for_reading_become_noise(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_an_open_one, NULL));
}

static void write_after_the_wipe(void *arg)
{
        keepmum_secret s;
        void *bytes;

        expect_int(hold_marker(&s, 64), 0);
        expect_int(keepmum_open_write(s, &bytes, NULL), 0);
        keepmum_wipe_all();
        memcpy(bytes, marker, sizeof marker); /* a thread that was about to */
        if (*(int *)arg == 0)
                keepmum_close(s);
        else
                keepmum_destroy(&s);
        expect_int(marker_in_slots(), 0);
        expect_int(n_accessible, 0);
}

static void what_a_writer_still_writes_is_wiped_when_it_closes(void **state)
{
        int by_destroy = 0;

        (void)state;
        assert_true(forked_passes(write_after_the_wipe, &by_destroy));
}

static void what_a_writer_still_writes_is_wiped_when_it_destroys(void **state)
{
        int by_destroy = 1;

        (void)state;
        assert_true(forked_passes(write_after_the_wipe, &by_destroy));
}

/* ---- a read that was waiting ---- */

static int from_pipe[2];

static void *read_marker(void *result)
{
        keepmum_secret s;

        *(int *)result = keepmum_read_fd(&s, from_pipe[0], 1000, 0);
        return NULL;
}

static void wipe_during_a_read(void *arg)
{
        pthread_t t;
        int result = 1;

        (void)arg;
        expect_int(pipe(from_pipe), 0);
        expect_int(pthread_create(&t, NULL, read_marker, &result), 0);
        usleep(50000);
        keepmum_wipe_all();
        expect_int(write(from_pipe[1], marker, sizeof marker), sizeof marker);
        close(from_pipe[1]);
        pthread_join(t, NULL);
        expect_int(result, KEEPMUM_EWIPED);
        expect_int(marker_in_slots(), 0);
}

static void what_a_waiting_read_brings_is_wiped(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_during_a_read, NULL));
}

/* ---- when there is nothing yet, and forks ---- */

static void wipe_first(void *arg)
{
        keepmum_secret s;

        (void)arg;
        keepmum_wipe_all();
        expect_int(keepmum_create(&s, 1, 0), KEEPMUM_EWIPED);
}

static void a_wipe_before_the_first_use_is_not_forgotten(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_first, NULL));
}

static void use_after_parents_wipe(void *arg)
{
        keepmum_secret s;

        (void)arg;
        expect_int(make_with(&s, 10, 0, 1), 0);
        expect_int(look_for(s, 1, 10, 10), 0);
}

static void wipe_then_fork(void *arg)
{
        keepmum_secret s;

        (void)arg;
        expect_int(hold_marker(&s, 64), 0);
        keepmum_wipe_all();
        expect(forked_passes(use_after_parents_wipe, NULL));
        expect_wiped(s);
}

static void a_child_of_a_wiped_process_begins_anew(void **state)
{
        (void)state;
        assert_true(forked_passes(wipe_then_fork, NULL));
}

static void wipe_in_child(void *arg)
{
        keepmum_wipe_all();
        expect_wiped(*(keepmum_secret *)arg);
}

static void fork_then_wipe_there(void *arg)
{
        keepmum_secret s;

        (void)arg;
        expect_int(make_with(&s, 10, 0, 1), 0);
        expect(forked_passes(wipe_in_child, &s));
        expect_int(look_for(s, 1, 10, 10), 0);
}

static void a_wipe_in_a_child_leaves_the_parent_alone(void **state)
{
        (void)state;
        assert_true(forked_passes(fork_then_wipe_there, NULL));
}

/* ---- from a signal handler, amid threads ---- */

static _Atomic bool is_wiped;
static bool is_tight;
static _Atomic int odd_result;
static _Atomic size_t n_cycles;

static void on_signal(int signal_number)
{
        (void)signal_number;
        keepmum_wipe_all();
        atomic_store(&is_wiped, true);
}

/* One cycle of a thread's life; the first error. */
static int cycle(unsigned x)
{
        static const size_t sizes[] = {64, 100, 3000, 9000};
        unsigned char copy[sizeof marker];
        keepmum_secret s, clone;
        const void *bytes;
        void *writable;
        int err;

        memcpy(copy, marker, sizeof copy);
        if (x % 4 == 0)
                err = keepmum_take(&s, copy, sizeof copy, x % 8 == 0 ? KEEPMUM_SEALED : 0);
        else
                err = hold_marker(&s, sizes[x % n_of(sizes)]);
        if (err == 0 && (err = keepmum_open_read(s, &bytes, NULL)) == 0)
                keepmum_close(s);
        if (err == 0 && x % 7 == 0 && (err = keepmum_clone(&clone, s)) == 0) {
                if ((err = keepmum_open_read(clone, &bytes, NULL)) == 0)
                        keepmum_close(clone);
                keepmum_destroy(&clone);
        }
        if (err == 0 && x % 3 == 0)
                err = keepmum_resize(s, sizes[x / 4 % n_of(sizes)]);
        if (err == 0 && (err = keepmum_open_write(s, &writable, NULL)) == 0) {
                memcpy(writable, marker, sizeof marker);
                if (x % 5 != 0)
                        keepmum_close(s);
        }
        if (err == 0)
                keepmum_destroy(&s);
        return err;
}

static void *live(void *arg)
{
        unsigned x = (unsigned)(uintptr_t)arg;
        int err = 0;

        while (err == 0 || (is_tight && err == KEEPMUM_ENOSLOT)) { /* what could not be opened stays, closed */
                err = cycle(x++);
                atomic_fetch_add(&n_cycles, 1);
        }
        if (err != KEEPMUM_EWIPED)
                atomic_store(&odd_result, err);
        return NULL;
}

static void wipe_amid_threads(void *arg)
{
        enum { THREADS = 4 };
        unsigned round = *(unsigned *)arg;
        pthread_t t[THREADS];

        is_tight = round % 2 != 0; /* secrets take each other's slots all the time */
        if (is_tight)
                expect_int(keepmum_set_lock_budget(30 * page()), 0);
        signal(SIGTERM, on_signal);
        for (uintptr_t i = 0; i < THREADS; i++)
                expect_int(pthread_create(&t[i], NULL, live, (void *)(i * 1000 + round)), 0);
        while (atomic_load(&n_cycles) < 20)
                usleep(100);
        usleep(round * 137 % 3000);
        pthread_kill(t[round % THREADS], SIGTERM);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        expect(atomic_load(&is_wiped));
        expect_int(atomic_load(&odd_result), 0);
        expect_int(marker_in_slots(), 0);
}

static void a_handler_wipes_amid_four_threads(void **state)
{
        unsigned n_bad = 0;

        (void)state;
        for (unsigned round = 0; round < 60; round++)
                n_bad += !forked_passes(wipe_amid_threads, &round);
        assert_int_equal(n_bad, 0);
}

static int begin(void **state)
{
        (void)state;
        make_marker();
        return 0;
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(closed_secrets_are_gone_and_every_function_says_wiped, begin),
        cmocka_unit_test_setup(bytes_open_for_reading_become_noise, begin),
        cmocka_unit_test_setup(what_a_writer_still_writes_is_wiped_when_it_closes, begin),
        cmocka_unit_test_setup(what_a_writer_still_writes_is_wiped_when_it_destroys, begin),
        cmocka_unit_test_setup(what_a_waiting_read_brings_is_wiped, begin),
        cmocka_unit_test_setup(a_wipe_before_the_first_use_is_not_forgotten, begin),
        cmocka_unit_test_setup(a_child_of_a_wiped_process_begins_anew, begin),
        cmocka_unit_test_setup(a_wipe_in_a_child_leaves_the_parent_alone, begin),
        cmocka_unit_test_setup(a_handler_wipes_amid_four_threads, begin),
};

MAIN_OF_TESTS

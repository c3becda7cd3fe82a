/* Threads and forks: everything at once, and every byte looked at. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { THREADS = 8, SHARED = 4, SHARED_BYTES = 600, ROUNDS = 1500 };

static _Atomic uint64_t shared[SHARED];
static _Atomic size_t n_wrong, n_stale, n_busy, n_read, n_full;
static _Atomic bool is_over;
static bool is_tight; /* there are more secrets than slots: those that are open may be all there are */

static unsigned next_random(unsigned *x)
{
        *x = *x * 1664525 + 1013904223;
        return *x >> 8;
}

static void count_wrong(bool is_wrong)
{
        if (is_wrong)
                atomic_fetch_add(&n_wrong, 1);
}

/* Whether something was done; all else must have left everything as it was. */
static bool is_done(int err)
{
        if (is_tight && err == KEEPMUM_ENOSLOT)
                atomic_fetch_add(&n_full, 1);
        else
                count_wrong(err != 0);
        return err == 0;
}

static void note(int err)
{
        if (err == KEEPMUM_ESTALE)
                atomic_fetch_add(&n_stale, 1);
        else if (err == KEEPMUM_EBUSY)
                atomic_fetch_add(&n_busy, 1);
        else
                (void)is_done(err);
}

/* A shared secret is all of one byte, whoever wrote it. */
static bool is_uniform(const unsigned char *p, size_t n)
{
        for (size_t i = 1; i < n; i++)
                if (p[i] != p[0])
                        return false;
        return n == SHARED_BYTES;
}

static void read_shared(unsigned k)
{
        keepmum_secret s = {atomic_load(&shared[k])};
        const void *bytes;
        size_t n;
        int err = keepmum_open_read(s, &bytes, &n);

        note(err);
        if (err != 0)
                return;
        count_wrong(!is_uniform(bytes, n));
        atomic_fetch_add(&n_read, 1);
        keepmum_close(s);
}

static void write_shared(unsigned k, unsigned value)
{
        keepmum_secret s = {atomic_load(&shared[k])};
        void *bytes;
        size_t n;
        int err = keepmum_open_write(s, &bytes, &n);

        note(err);
        if (err != 0)
                return;
        count_wrong(!is_uniform(bytes, n));
        memset(bytes, (int)value, n);
        keepmum_close(s);
}

static const unsigned rotated_flags[] = {0, KEEPMUM_NOT_HIDDEN, KEEPMUM_SEALED, KEEPMUM_SEALED | KEEPMUM_EXACT_END};

/* Of one that others read, write and destroy meanwhile. */
static void clone_shared(unsigned k)
{
        keepmum_secret s = {atomic_load(&shared[k])}, clone;
        const void *bytes;
        size_t n;
        int err = keepmum_clone(&clone, s);

        note(err);
        if (err != 0)
                return;
        if (is_done(keepmum_open_read(clone, &bytes, &n))) {
                count_wrong(!is_uniform(bytes, n));
                keepmum_close(clone);
        }
        keepmum_destroy(&clone);
}

/* A key is rotated by a new secret and a swap of handles. */
static void rotate_shared(unsigned k, unsigned value)
{
        unsigned char bytes[SHARED_BYTES];
        keepmum_secret fresh, old;

        memset(bytes, (int)value, sizeof bytes);
        if (!is_done(keepmum_take(&fresh, bytes, sizeof bytes, rotated_flags[value % 4])))
                return;
        old.bits = atomic_exchange(&shared[k], fresh.bits);
        keepmum_destroy(&old);
}

static void ask_shared(unsigned k)
{
        keepmum_secret s = {atomic_load(&shared[k])};
        unsigned promises = 0;
        size_t n = SHARED_BYTES;
        int err = keepmum_size(s, &n);

        note(err);
        count_wrong(n != SHARED_BYTES);
        err = keepmum_state(s, &promises);
        note(err);
        count_wrong(err == 0 && !(promises & KEEPMUM_IS_NODUMP));
}

struct own {
        keepmum_secret s;
        size_t n_bytes, n_known;
        unsigned seed;
};

static const unsigned own_flags[] = {0, KEEPMUM_EXACT_END, KEEPMUM_SEALED, 0};

static void use_own(struct own *o, unsigned *x)
{
        size_t n = 1 + next_random(x) % (next_random(x) % 8 == 0 ? 40000 : 500);

        if (o->s.bits == 0) {
                o->n_bytes = o->n_known = n;
                o->seed = next_random(x);
                if (!is_done(make_with(&o->s, n, own_flags[next_random(x) % 4], o->seed)))
                        keepmum_destroy(&o->s);
                return;
        }
        is_done(look_for(o->s, o->seed, o->n_known, o->n_bytes));
        if (next_random(x) % 3 == 0) {
                keepmum_destroy(&o->s);
                return;
        }
        if (!is_done(keepmum_resize(o->s, n)))
                return;
        o->n_known = n < o->n_known ? n : o->n_known;
        o->n_bytes = n;
}

static void step(struct own own[static 6], unsigned *x)
{
        unsigned k = next_random(x) % SHARED;

        switch (next_random(x) % 8) {
        case 0:
                write_shared(k, next_random(x) % 256);
                break;
        case 1:
                rotate_shared(k, next_random(x) % 256);
                break;
        case 2:
                ask_shared(k);
                clone_shared(k);
                if (next_random(x) % 32 == 0)
                        count_wrong(keepmum_seal_all() != 0);
                break;
        case 3:
        case 4:
                read_shared(k);
                break;
        default:
                use_own(&own[next_random(x) % 6], x);
        }
}

static void *work(void *arg)
{
        unsigned x = (unsigned)(uintptr_t)arg;
        struct own own[6] = {0};

        for (int i = 0; i < ROUNDS && !atomic_load(&is_over); i++)
                step(own, &x);
        for (size_t i = 0; i < n_of(own); i++)
                keepmum_destroy(&own[i].s);
        return NULL;
}

static void begin_shared(void)
{
        atomic_store(&is_over, false);
        for (unsigned k = 0; k < SHARED; k++) {
                unsigned char bytes[SHARED_BYTES] = {0};
                keepmum_secret s;

                expect_int(keepmum_take(&s, bytes, sizeof bytes, 0), 0);
                atomic_store(&shared[k], s.bits);
        }
}

static void end_shared(void)
{
        for (unsigned k = 0; k < SHARED; k++) {
                keepmum_secret s = {atomic_load(&shared[k])};

                keepmum_destroy(&s);
        }
}

static void eight_threads_never_see_a_wrong_byte(void **state)
{
        pthread_t t[THREADS];

        (void)state;
        begin_shared();
        for (uintptr_t i = 0; i < THREADS; i++)
                assert_ok(pthread_create(&t[i], NULL, work, (void *)(i + 1)));
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        end_shared();
        assert_int_equal(atomic_load(&n_wrong), 0);
        assert_true(atomic_load(&n_read) > 100);
        assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), 0);
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
        assert_int_equal(stat_of(KEEPMUM_STAT_SLOTS), stat_of(KEEPMUM_STAT_FREE_SLOTS));
}

/* ---- more secrets than slots ---- */

static void work_in_tightness(void *arg)
{
        pthread_t t[THREADS];

        is_tight = true;
        expect_int(keepmum_set_lock_budget(*(size_t *)arg * page()), 0);
        begin_shared();
        for (uintptr_t i = 0; i < THREADS; i++)
                expect_int(pthread_create(&t[i], NULL, work, (void *)(i + 1)), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        end_shared();
        expect_int(atomic_load(&n_wrong), 0);
        expect(atomic_load(&n_read) > 100);
        expect(stat_of(KEEPMUM_STAT_EVICTIONS) > 100);
        expect_int(stat_of(KEEPMUM_STAT_SECRETS), 0);
        expect_int(stat_of(KEEPMUM_STAT_OPENS), 0);
        expect_int(stat_of(KEEPMUM_STAT_SLOTS), stat_of(KEEPMUM_STAT_FREE_SLOTS));
        expect(stat_of(KEEPMUM_STAT_LOCKED_BYTES) <= *(size_t *)arg * page());
}

static void eight_threads_evict_each_others_secrets_and_lose_none(void **state)
{
        static size_t n_pages[] = {64, 36};

        (void)state;
        for (size_t i = 0; i < n_of(n_pages); i++)
                assert_true(forked_passes(work_in_tightness, &n_pages[i]));
}

/* ---- the first use, by all at once ---- */

static pthread_barrier_t together;

static void *make_first(void *arg)
{
        keepmum_secret *s = arg;

        pthread_barrier_wait(&together);
        if (make_with(s, 20, 0, 7) != 0)
                atomic_fetch_add(&n_wrong, 1);
        return NULL;
}

static void first_use(void *arg)
{
        keepmum_secret s[THREADS];
        pthread_t t[THREADS];

        (void)arg;
        pthread_barrier_init(&together, NULL, THREADS);
        for (size_t i = 0; i < THREADS; i++)
                expect_int(pthread_create(&t[i], NULL, make_first, &s[i]), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        expect_int(atomic_load(&n_wrong), 0);
        for (size_t i = 0; i < THREADS; i++)
                for (size_t k = 0; k < i; k++)
                        expect(s[i].bits != s[k].bits);
        for (size_t i = 0; i < THREADS; i++)
                expect_int(look_for(s[i], 7, 20, 20), 0);
}

static void the_first_use_may_be_by_all_threads_at_once(void **state)
{
        (void)state;
        for (int i = 0; i < 20; i++)
                assert_true(forked_passes(first_use, NULL));
}

/* ---- forks between ---- */

static keepmum_secret kept;

static void use_in_child(void *arg)
{
        keepmum_secret s, parents = kept;
        struct own own[6] = {0};
        const void *bytes;
        unsigned x = 99;

        (void)arg;
        alarm(20);
        expect_int(keepmum_open_read(parents, &bytes, NULL), KEEPMUM_EFORKED);
        keepmum_close(parents);
        keepmum_destroy(&parents);
        expect_int(make_with(&s, 300, 0, 5), 0);
        for (int i = 0; i < 50; i++)
                use_own(&own[i % 6], &x);
        expect_int(look_for(s, 5, 300, 300), 0);
        expect_int(atomic_load(&n_wrong), 0);
        keepmum_destroy(&s);
}

static void *work_on(void *arg)
{
        while (!atomic_load(&is_over))
                work(arg);
        return NULL;
}

/* In a child, or in the test itself: what is wrong ends the process. */
static void fork_amid_threads(void)
{
        pthread_t t[4];
        bool all_passed = true;
        int err;

        begin_shared();
        expect_int(make_with(&kept, 10, 0, 1), 0);
        for (uintptr_t i = 0; i < n_of(t); i++)
                expect_int(pthread_create(&t[i], NULL, work_on, (void *)(i + 1)), 0);
        for (int i = 0; i < 60 && all_passed; i++) {
                usleep(1000);
                all_passed = forked_passes(use_in_child, NULL);
        }
        atomic_store(&is_over, true);
        for (size_t i = 0; i < n_of(t); i++)
                pthread_join(t[i], NULL);
        expect(all_passed);
        expect_int(atomic_load(&n_wrong), 0);
        err = look_for(kept, 1, 10, 10);
        expect_int(err, 0);
        keepmum_destroy(&kept);
        end_shared();
}

static void a_child_forked_amid_other_threads_can_use_the_library(void **state)
{
        (void)state;
        fork_amid_threads();
}

static void fork_in_tightness(void *arg)
{
        (void)arg;
        is_tight = true;
        expect_int(keepmum_set_lock_budget(40 * page()), 0);
        fork_amid_threads();
        expect(stat_of(KEEPMUM_STAT_EVICTIONS) > 100);
}

static void a_child_forked_amid_evictions_can_use_the_library(void **state)
{
        (void)state;
        assert_true(forked_passes(fork_in_tightness, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_use_may_be_by_all_threads_at_once), /* before the library is used here */
        cmocka_unit_test(eight_threads_evict_each_others_secrets_and_lose_none),
        cmocka_unit_test(a_child_forked_amid_evictions_can_use_the_library),
        cmocka_unit_test(eight_threads_never_see_a_wrong_byte),
        cmocka_unit_test(a_child_forked_amid_other_threads_can_use_the_library),
};

MAIN_OF_TESTS

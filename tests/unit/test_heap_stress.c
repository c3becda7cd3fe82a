/* The heap under load: one thread and eight, blocks that change hands, threads that come and go, looks at every block and forks
 * meanwhile; and every block holds what was written into it. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <errno.h>
#include <keepmum_heap.h>
#include <pthread.h>
#include <stdatomic.h>

enum { OWN = 48, BOXES = 256, MANY = 200, HEAD = 96, TAIL = 32 };
enum { ROUNDS_ALONE = 40000, ROUNDS = 12000, ROUNDS_OF_GUEST = 300, GUESTS = 120, FORKS = 40 };

static _Atomic size_t n_wrong, n_given;
static atomic_bool is_over;

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

/* ---- a block, and what stands in it: a pattern at both ends, zeroes between ---- */

struct item {
        unsigned char *at;
        size_t n_bytes;
        unsigned seed;
};

static size_t head_of(size_t n_bytes)
{
        return n_bytes < HEAD ? n_bytes : HEAD;
}

static size_t tail_of(size_t n_bytes)
{
        return n_bytes >= HEAD + TAIL ? n_bytes - TAIL : n_bytes;
}

static bool is_zero(const unsigned char *at, size_t from, size_t to)
{
        for (size_t i = from; i < to; i++)
                if (at[i] != 0)
                        return false;
        return true;
}

/* The ends of what should be zero; all of it in smaller blocks. */
static bool is_zero_between(const unsigned char *at, size_t from, size_t to)
{
        if (to - from <= 1024)
                return is_zero(at, from, to);
        return is_zero(at, from, from + 256) && is_zero(at, (from + to) / 2, (from + to) / 2 + 64) && is_zero(at, to - 256, to);
}

static void fill(struct item *it, unsigned seed)
{
        it->seed = seed;
        for (size_t i = 0; i < head_of(it->n_bytes); i++)
                it->at[i] = byte_of(seed, i);
        for (size_t i = tail_of(it->n_bytes); i < it->n_bytes; i++)
                it->at[i] = byte_of(seed, i);
}

static bool holds(const struct item *it)
{
        for (size_t i = 0; i < head_of(it->n_bytes); i++)
                if (it->at[i] != byte_of(it->seed, i))
                        return false;
        for (size_t i = tail_of(it->n_bytes); i < it->n_bytes; i++)
                if (it->at[i] != byte_of(it->seed, i))
                        return false;
        return is_zero_between(it->at, head_of(it->n_bytes), tail_of(it->n_bytes)) &&
               keepmum_heap_usable_size(it->at) == it->n_bytes;
}

static size_t some_size(unsigned *x)
{
        static const size_t edges[] = {15, 16, 127, 128, 4079, 4080, 4095, 4096, 16383, 16384, 65535, 1048575, 1048576};
        unsigned kind = next_random(x) % 64;

        if (kind < 40)
                return next_random(x) % 300;
        if (kind < 52)
                return next_random(x) % 16384;
        if (kind < 56)
                return edges[next_random(x) % n_of(edges)];
        if (kind < 62)
                return 16384 + next_random(x) % 100000;
        return 400000 + next_random(x) % 700000;
}

static bool take(struct item *it, unsigned *x)
{
        size_t n_bytes = some_size(x), alignment = (size_t)16 << next_random(x) % 9;
        bool is_aligned = next_random(x) % 8 == 0;

        *it = (struct item){.n_bytes = n_bytes};
        it->at = is_aligned ? keepmum_heap_aligned_alloc(alignment, n_bytes) : keepmum_heap_malloc(n_bytes);
        count_wrong(it->at == NULL);
        if (it->at == NULL)
                return false;
        count_wrong((uintptr_t)it->at % (is_aligned ? alignment : 16) != 0);
        count_wrong(!is_zero_between(it->at, 0, n_bytes));
        fill(it, next_random(x));
        return true;
}

static void let_go(struct item *it)
{
        if (it->at == NULL)
                return;
        count_wrong(!holds(it));
        errno = EXDEV;
        keepmum_heap_free(it->at);
        count_wrong(errno != EXDEV);
        *it = (struct item){0};
}

static void resize(struct item *it, unsigned *x)
{
        size_t n_bytes = some_size(x), before = it->n_bytes, head = head_of(before < n_bytes ? before : n_bytes);
        unsigned char *at;

        count_wrong(!holds(it));
        at = keepmum_heap_realloc(it->at, n_bytes);
        count_wrong(at == NULL);
        if (at == NULL)
                return;
        for (size_t i = 0; i < head; i++)
                count_wrong(at[i] != byte_of(it->seed, i));
        if (n_bytes > before) {
                count_wrong(!is_zero_between(at, before, n_bytes));
                memset(at + tail_of(before), 0, before - tail_of(before));
        }
        *it = (struct item){at, n_bytes, 0};
        if (n_bytes < before) /* a tail of its own again, zeroes before it */
                memset(at + head, 0, n_bytes - head);
        fill(it, next_random(x));
}

/* ---- boxes that threads leave blocks in for each other; what tells of a block is a block too ---- */

static _Atomic(struct item *) boxes[BOXES];

static void swap_with_box(struct item *it, unsigned *x)
{
        struct item *mine = keepmum_heap_malloc(sizeof *mine), *other;

        if (mine == NULL) {
                count_wrong(true);
                return;
        }
        *mine = *it;
        other = atomic_exchange(&boxes[next_random(x) % BOXES], mine);
        *it = other != NULL ? *other : (struct item){0};
        keepmum_heap_free(other);
        atomic_fetch_add(&n_given, 1);
}

static void empty_boxes(void)
{
        for (size_t i = 0; i < BOXES; i++) {
                struct item *it = atomic_exchange(&boxes[i], NULL);

                if (it != NULL)
                        let_go(it);
                keepmum_heap_free(it);
        }
}

/* More of one size than a thread keeps at hand, so that the store that all share is used. */
static void take_many(unsigned *x)
{
        unsigned char *at[MANY];
        size_t n_bytes = 1 + next_random(x) % 60;
        unsigned char seed = (unsigned char)(next_random(x) | 1);

        for (size_t i = 0; i < MANY; i++) {
                at[i] = keepmum_heap_malloc(n_bytes);
                count_wrong(at[i] == NULL || at[i][0] != 0 || at[i][n_bytes - 1] != 0);
                if (at[i] != NULL)
                        memset(at[i], seed, n_bytes);
        }
        for (size_t i = 0; i < MANY; i++) {
                count_wrong(at[i] != NULL && (at[i][0] != seed || at[i][n_bytes - 1] != seed));
                keepmum_heap_free(at[i]);
        }
}

static void step(struct item *it, unsigned *x)
{
        if (next_random(x) % 64 == 0)
                take_many(x);
        if (it->at == NULL && !take(it, x))
                return;
        switch (next_random(x) % 8) {
        case 0:
                resize(it, x);
                break;
        case 1:
        case 2:
                swap_with_box(it, x);
                break;
        case 3:
                count_wrong(!holds(it));
                break;
        default:
                let_go(it);
        }
}

static void work(unsigned seed, unsigned n_rounds)
{
        struct item own[OWN] = {0};
        unsigned x = seed;

        for (unsigned i = 0; i < n_rounds && !atomic_load(&is_over); i++)
                step(&own[next_random(&x) % OWN], &x);
        for (size_t i = 0; i < OWN; i++)
                let_go(&own[i]);
}

static uint64_t heap_stat(enum keepmum_heap_stat which)
{
        uint64_t values[KEEPMUM_HEAP_STATS];

        keepmum_heap_stats(values, KEEPMUM_HEAP_STATS);
        return values[which];
}

static void assert_nothing_is_left(void)
{
        empty_boxes();
        keepmum_heap_check();
        assert_int_equal(atomic_load(&n_wrong), 0);
        assert_int_equal(heap_stat(KEEPMUM_HEAP_STAT_MEDIUM), 0);
        assert_int_equal(heap_stat(KEEPMUM_HEAP_STAT_LARGE), 0);
        assert_int_equal(heap_stat(KEEPMUM_HEAP_STAT_GUARDED), 0);
}

/* ---- the tests ---- */

static void *work_first(void *together)
{
        pthread_barrier_wait(together);
        work(3, 50);
        return NULL;
}

static void use_first(void *arg)
{
        pthread_barrier_t together;
        pthread_t t[8];

        (void)arg;
        pthread_barrier_init(&together, NULL, n_of(t));
        for (size_t i = 0; i < n_of(t); i++)
                expect_int(pthread_create(&t[i], NULL, work_first, &together), 0);
        for (size_t i = 0; i < n_of(t); i++)
                pthread_join(t[i], NULL);
        keepmum_heap_check();
        expect_int(atomic_load(&n_wrong), 0);
}

static void the_first_use_of_the_heap_may_be_by_all_threads_at_once(void **state)
{
        (void)state;
        for (int i = 0; i < 10; i++)
                assert_true(forked_passes(use_first, NULL));
}

static void one_thread_finds_every_block_as_it_left_it(void **state)
{
        (void)state;
        work(1, ROUNDS_ALONE);
        assert_nothing_is_left();
}

static void *work_long(void *seed)
{
        work((unsigned)(uintptr_t)seed, ROUNDS);
        return NULL;
}

static void *work_as_guest(void *seed)
{
        work((unsigned)(uintptr_t)seed, ROUNDS_OF_GUEST);
        return NULL;
}

static void *look_at_all(void *arg)
{
        (void)arg;
        while (!atomic_load(&is_over)) {
                keepmum_heap_check();
                count_wrong(heap_stat(KEEPMUM_HEAP_STAT_THREADS) == 0);
                usleep(2000);
                (void)keepmum_heap_trim();
                usleep(8000);
        }
        return NULL;
}

/* Guests live for a moment, two at a time, and leave blocks behind. */
static void *invite_guests(void *arg)
{
        (void)arg;
        for (uintptr_t i = 0; i < GUESTS / 2; i++) {
                pthread_t guest[2];

                count_wrong(pthread_create(&guest[0], NULL, work_as_guest, (void *)(1000 + i)) != 0);
                count_wrong(pthread_create(&guest[1], NULL, work_as_guest, (void *)(2000 + i)) != 0);
                pthread_join(guest[0], NULL);
                pthread_join(guest[1], NULL);
        }
        return NULL;
}

static void threads_that_exchange_blocks_find_every_one_as_it_was_left(void **state)
{
        pthread_t t[5], host, watcher;

        (void)state;
        atomic_store(&is_over, false);
        assert_ok(pthread_create(&watcher, NULL, look_at_all, NULL));
        assert_ok(pthread_create(&host, NULL, invite_guests, NULL));
        for (uintptr_t i = 0; i < n_of(t); i++)
                assert_ok(pthread_create(&t[i], NULL, work_long, (void *)(i + 10)));
        for (size_t i = 0; i < n_of(t); i++)
                pthread_join(t[i], NULL);
        pthread_join(host, NULL);
        atomic_store(&is_over, true);
        pthread_join(watcher, NULL);
        atomic_store(&is_over, false);
        assert_true(atomic_load(&n_given) > 1000);
        assert_nothing_is_left();
}

/* ---- forks between ---- */

static struct item kept[OWN];

static void go_on_in_child(void *arg)
{
        (void)arg;
        for (size_t i = 0; i < OWN; i++)
                let_go(&kept[i]);
        work(77, 400);
        keepmum_heap_check();
        (void)keepmum_heap_trim();
        work(78, 200);
        expect_int(atomic_load(&n_wrong), 0);
}

static void *work_on(void *seed)
{
        while (!atomic_load(&is_over))
                work((unsigned)(uintptr_t)seed, ROUNDS_OF_GUEST);
        return NULL;
}

static void a_child_forked_amid_other_threads_can_use_the_heap(void **state)
{
        pthread_t t[4];
        unsigned x = 5;
        bool all_passed = true;

        (void)state;
        for (size_t i = 0; i < OWN; i++)
                assert_true(take(&kept[i], &x));
        for (uintptr_t i = 0; i < n_of(t); i++)
                assert_ok(pthread_create(&t[i], NULL, work_on, (void *)(i + 50)));
        for (int i = 0; i < FORKS && all_passed; i++) {
                usleep(500);
                all_passed = forked_passes(go_on_in_child, NULL);
        }
        atomic_store(&is_over, true);
        for (size_t i = 0; i < n_of(t); i++)
                pthread_join(t[i], NULL);
        atomic_store(&is_over, false);
        assert_true(all_passed);
        for (size_t i = 0; i < OWN; i++)
                let_go(&kept[i]);
        assert_nothing_is_left();
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_use_of_the_heap_may_be_by_all_threads_at_once), /* before it is used here */
        cmocka_unit_test(one_thread_finds_every_block_as_it_left_it),
        cmocka_unit_test(threads_that_exchange_blocks_find_every_one_as_it_was_left),
        cmocka_unit_test(a_child_forked_amid_other_threads_can_use_the_heap),
};

MAIN_OF_TESTS

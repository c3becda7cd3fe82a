/* The heap with threads: contents stay, memory does not grow, nothing hangs. Each test in a child; one that hangs is
 * ended by its alarm. */
#include "outside/heap_work.h"

#include <limits.h>
#include <stdatomic.h>

/* ---- threads come and go ---- */

enum { AT_ONCE = 8 };
static struct known *left_behind[AT_ONCE][20];

static void *live_shortly(void *arg)
{
        unsigned at = (unsigned)(uintptr_t)arg;

        work(at + 1, 100);
        for (size_t i = 0; i < n_of(left_behind[at]); i++)
                left_behind[at][i] = known_make(known_sizes[i % n_of(known_sizes)], at);
        return NULL;
}

static void come_and_go(void *arg)
{
        size_t rss = 0, rounds = IS_SECOND_RUN ? 160 : 400;
        uint64_t held = 0, books = 0;

        (void)arg;
        for (size_t round = 0; round < rounds; round++) {
                pthread_t threads[AT_ONCE];

                for (size_t i = 0; i < AT_ONCE; i++)
                        expect_int(pthread_create(&threads[i], NULL, live_shortly, (void *)i), 0);
                for (size_t i = 0; i < AT_ONCE; i++) {
                        expect_int(pthread_join(threads[i], NULL), 0);
                        for (size_t k = 0; k < n_of(left_behind[i]); k++)
                                known_drop(left_behind[i][k]);
                }
                if (round == rounds / 2) { /* the runs differ by what is placed where; they stand still from about the 70th round */
                        rss = rss_kb();
                        held = heap_stat(KEEPMUM_HEAP_STAT_FROM_KERNEL);
                        books = heap_stat(KEEPMUM_HEAP_STAT_BOOKS);
                }
        }
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_THREADS), 1);
        expect(heap_stat(KEEPMUM_HEAP_STAT_FROM_KERNEL) <= held + (8 << 20));
        expect(heap_stat(KEEPMUM_HEAP_STAT_BOOKS) <= books + (1 << 20));
        if (!IS_SANITIZED)
                expect(rss_kb() <= rss + 8192);
        keepmum_heap_check();
}

/* ---- what one allocates another frees ---- */

enum { RING = 512, TO_HAND_OVER = 60000 };
static _Atomic(struct known *) ring[RING];

static void *produce(void *seed)
{
        uint64_t random = (uint64_t)(uintptr_t)seed;

        for (unsigned i = 0; i < TO_HAND_OVER; i++) {
                struct known *k = known_make(known_sizes[next_random(&random) % (n_of(known_sizes) - 4)], i),
                             *none = NULL;

                while (!atomic_compare_exchange_weak(&ring[next_random(&random) % RING], &none, k))
                        none = NULL;
        }
        n_working--;
        return NULL;
}

static void *consume(void *seed)
{
        uint64_t random = (uint64_t)(uintptr_t)seed;

        while (n_working > 0)
                known_drop(atomic_exchange(&ring[next_random(&random) % RING], NULL));
        return NULL;
}

static void hand_over(void *arg)
{
        pthread_t threads[4];
        size_t rss;

        (void)arg;
        work(1, 1000);
        rss = rss_kb();
        n_working = 2;
        for (size_t i = 0; i < 4; i++)
                expect_int(pthread_create(&threads[i], NULL, i < 2 ? produce : consume, (void *)(i + 1)), 0);
        for (size_t i = 0; i < 4; i++)
                expect_int(pthread_join(threads[i], NULL), 0);
        for (size_t i = 0; i < RING; i++)
                known_drop(ring[i]);
        keepmum_heap_check();
        keepmum_heap_trim();
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_MEDIUM), 0);
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_LARGE), 0);
        expect(rss_kb() <= rss + 20000 || IS_SANITIZED);
}

/* ---- in the last moments of a thread ---- */

enum { KEYS = 6 };
static pthread_key_t keys[KEYS];
static _Atomic unsigned n_endings;

struct last_words {
        struct known *k;
        pthread_key_t key;
        unsigned rounds;
};

/* ThreadSanitizer is gone itself in the last round that POSIX promises. */
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS - IS_THREAD_SANITIZED };

/* Until the last round that POSIX promises it is called again. */
static void end_slowly(void *value)
{
        struct last_words *w = value;

        n_endings++;
        work(n_endings, 20);
        known_drop(w->k);
        w->k = known_make(100 * w->rounds + 5, w->rounds);
        if (++w->rounds < ROUNDS) {
                pthread_setspecific(w->key, w);
                return;
        }
        known_drop(w->k);
        keepmum_heap_free(w);
}

static void *have_last_words(void *uses_the_heap_before)
{
        for (size_t i = 0; i < KEYS; i++) {
                struct last_words *w = keepmum_heap_calloc(1, sizeof *w);

                w->key = keys[i];
                pthread_setspecific(keys[i], w);
        }
        if (uses_the_heap_before != NULL)
                work(3, 50);
        return NULL;
}

/* Half of the keys are there before the heap's own, half after. */
static void allocate_in_destructors(void *arg)
{
        static int yes;
        size_t n_threads = IS_SECOND_RUN ? 100 : 1000;
        uint64_t held = 0, books = 0;

        (void)arg;
        for (size_t i = 0; i < KEYS; i++) {
                if (i == KEYS / 2)
                        work(1, 100);
                expect_int(pthread_key_create(&keys[i], end_slowly), 0);
        }
        for (size_t i = 0; i < n_threads; i++) {
                in_another_thread(have_last_words, i % 2 != 0 ? &yes : NULL);
                if (i == n_threads / 4) {
                        held = heap_stat(KEEPMUM_HEAP_STAT_FROM_KERNEL);
                        books = heap_stat(KEEPMUM_HEAP_STAT_BOOKS);
                }
        }
        expect_int(n_endings, n_threads * KEYS * ROUNDS);
        keepmum_heap_check();
        expect(heap_stat(KEEPMUM_HEAP_STAT_THREADS) <= 2);
        expect(heap_stat(KEEPMUM_HEAP_STAT_FROM_KERNEL) <= held + (4 << 20));
        expect(heap_stat(KEEPMUM_HEAP_STAT_BOOKS) <= books + (1 << 20));
}

/* ---- looking while others work ---- */

static void look_while_others_work(void *arg)
{
        pthread_t threads[4];
        double end = seconds() + 3;
        size_t n = 0;

        (void)arg;
        work(1, 100);
        start_workers(threads, n_of(threads));
        for (; seconds() < end; n++) {
                keepmum_heap_check();
                if (n % 4 == 0)
                        keepmum_heap_trim();
                expect(heap_stat(KEEPMUM_HEAP_STAT_THREADS) <= 6);
        }
        end_workers(threads, n_of(threads));
        expect(n >= 10);
        keepmum_heap_check();
}

/* ---- neighbours: a slot is resized in place while the one above it is freed ---- */

enum { NEIGHBOURS = 2048, SIDES = 4, SIDE_SECONDS = 2 };
static char *neighbours[NEIGHBOURS];
static atomic_bool is_over;

static void *resize_the_lower(void *first)
{
        while (!is_over)
                for (size_t i = *(size_t *)first * 2; i < NEIGHBOURS; i += 2 * SIDES) {
                        neighbours[i] = keepmum_heap_realloc(neighbours[i], 47);
                        memset(neighbours[i], 'y', 47);
                        neighbours[i] = keepmum_heap_realloc(neighbours[i], 45);
                }
        return NULL;
}

static void *replace_the_upper(void *first)
{
        while (!is_over)
                for (size_t i = *(size_t *)first * 2 + 1; i < NEIGHBOURS; i += 2 * SIDES) {
                        keepmum_heap_free(neighbours[i]);
                        neighbours[i] = keepmum_heap_malloc(46);
                        memset(neighbours[i], 'z', 46);
                }
        return NULL;
}

static void resize_beside_frees(void *arg)
{
        pthread_t threads[2 * SIDES];
        size_t sides[SIDES];

        (void)arg;
        for (size_t i = 0; i < NEIGHBOURS; i++)
                memset(neighbours[i] = keepmum_heap_malloc(46), 'x', 46);
        for (size_t i = 0; i < SIDES; i++) {
                sides[i] = i;
                expect_int(pthread_create(&threads[2 * i], NULL, resize_the_lower, &sides[i]), 0);
                expect_int(pthread_create(&threads[2 * i + 1], NULL, replace_the_upper, &sides[i]), 0);
        }
        sleep(SIDE_SECONDS);
        is_over = true;
        for (size_t i = 0; i < n_of(threads); i++)
                pthread_join(threads[i], NULL);
        keepmum_heap_check();
}

/* ---- slabs that come and go while others look ---- */

static void *fill_and_trim(void *unused)
{
        char *blocks[64];

        while (!is_over) {
                for (size_t i = 0; i < n_of(blocks); i++)
                        blocks[i] = keepmum_heap_malloc(8000);
                for (size_t i = 0; i < n_of(blocks); i++)
                        keepmum_heap_free(blocks[i]);
                keepmum_heap_trim();
        }
        return unused;
}

static void look_while_slabs_go(void *arg)
{
        double end = seconds() + SIDE_SECONDS;
        pthread_t thread;

        (void)arg;
        expect_int(pthread_create(&thread, NULL, fill_and_trim, NULL), 0);
        while (seconds() < end)
                keepmum_heap_check();
        is_over = true;
        pthread_join(thread, NULL);
}

TEST_IN_CHILD(threads_that_come_and_go_leave_nothing_behind, come_and_go, NULL)
TEST_IN_CHILD(what_one_thread_allocates_another_frees, hand_over, NULL)
TEST_IN_CHILD(a_threads_last_destructors_may_allocate, allocate_in_destructors, NULL)
TEST_IN_CHILD(a_look_at_busy_blocks_never_complains, look_while_others_work, NULL)
TEST_IN_CHILD(a_resize_beside_a_free_is_never_taken_for_damage, resize_beside_frees, NULL)
TEST_IN_CHILD(nor_is_a_slab_that_goes_while_others_look, look_while_slabs_go, NULL)

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_come_and_go_leave_nothing_behind),
        cmocka_unit_test(what_one_thread_allocates_another_frees),
        cmocka_unit_test(a_threads_last_destructors_may_allocate),
        cmocka_unit_test(a_look_at_busy_blocks_never_complains),
        cmocka_unit_test(a_resize_beside_a_free_is_never_taken_for_damage),
        cmocka_unit_test(nor_is_a_slab_that_goes_while_others_look),
};

MAIN_OF_TESTS

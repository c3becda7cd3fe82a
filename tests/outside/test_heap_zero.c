/* What was in a block is nowhere once it was given back, and nothing is in a block that is handed out.
 *
 * The first is seen from outside: this program, run again, reads random bytes from standard input, writes them into
 * blocks of all sizes, does one of the deeds below, and is stopped as it exits; then all of its memory is searched,
 * what is shut too. Where blocks live on, every copy must be found, and no other. */
#include "outside/heap_blocks.h"

#include "outside/traced.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { KEPT_BYTES = 32, EACH = 3 };

static const size_t sizes[] = {8,     32,    40,    47,     100,    250,    1000,   4000,   10000,
                               16383, 16384, 70000, 300000, 1048575, 1048576, 600000, 2000000};

/* ---- the one that keeps ---- */

static unsigned char *source;
static char *blocks[n_of(sizes)][EACH];

/* As often as it goes in, no part of it at the end. */
static void stamp(char *p, size_t n_bytes)
{
        for (; n_bytes >= KEPT_BYTES; p += KEPT_BYTES, n_bytes -= KEPT_BYTES)
                memcpy(p, source, KEPT_BYTES);
        if (n_bytes == FRAGMENT_BYTES)
                memcpy(p, source, FRAGMENT_BYTES);
        blind(p);
}

static void unstamp(char *p, size_t n_bytes)
{
        memset(p, 0, n_bytes);
        blind(p);
}

static char *stamped(size_t n_bytes)
{
        char *p = keepmum_heap_malloc(n_bytes);

        expect(p != NULL);
        stamp(p, n_bytes);
        return p;
}

static void stamp_all(void)
{
        for (size_t i = 0; i < n_of(sizes); i++)
                for (size_t k = 0; k < EACH; k++)
                        blocks[i][k] = stamped(sizes[i]);
}

static void resize_each(size_t wanted(size_t n_bytes))
{
        for (size_t i = 0; i < n_of(sizes); i++)
                for (size_t k = 0; k < EACH; k++) {
                        blocks[i][k] = keepmum_heap_realloc(blocks[i][k], wanted(sizes[i]));
                        expect(blocks[i][k] != NULL);
                }
}

static void unstamp_each(size_t wanted(size_t n_bytes))
{
        for (size_t i = 0; i < n_of(sizes); i++)
                for (size_t k = 0; k < EACH; k++) {
                        size_t n = wanted(sizes[i]);

                        unstamp(blocks[i][k], n < sizes[i] ? n : sizes[i]);
                }
}

static void free_each(void)
{
        for (size_t i = 0; i < n_of(sizes); i++)
                for (size_t k = 0; k < EACH; k++)
                        keepmum_heap_free(blocks[i][k]);
}

static size_t the_same(size_t n_bytes)
{
        return n_bytes;
}

static size_t a_bit_more(size_t n_bytes)
{
        return n_bytes + 24;
}

static size_t threefold(size_t n_bytes)
{
        return 3 * n_bytes;
}

static size_t half(size_t n_bytes)
{
        return n_bytes / 2;
}

static size_t nothing(size_t n_bytes)
{
        return 0 * n_bytes;
}

static size_t a_small_one(size_t n_bytes)
{
        return n_bytes % 100 + 1;
}

static void keep(void)
{
        stamp_all();
}

static void keep_what_moved(void)
{
        stamp_all();
        resize_each(threefold);
}

static void keep_what_grew(void)
{
        stamp_all();
        resize_each(a_bit_more);
}

static void free_all(void)
{
        stamp_all();
        free_each();
}

static void free_all_and_trim(void)
{
        free_all();
        keepmum_heap_trim();
}

static void free_all_and_allocate_again(void)
{
        free_all();
        for (size_t i = 0; i < n_of(sizes); i++)
                expect(keepmum_heap_malloc(sizes[i]) != NULL);
}

static void *free_each_elsewhere(void *unused)
{
        (void)unused;
        free_each();
        return NULL;
}

static void free_in_another_thread(void)
{
        stamp_all();
        in_another_thread(free_each_elsewhere, NULL);
}

static void *free_all_elsewhere(void *unused)
{
        (void)unused;
        free_all();
        return NULL;
}

static void free_in_a_thread_that_ends(void)
{
        for (int i = 0; i < 10; i++)
                in_another_thread(free_all_elsewhere, NULL);
}

static void move_and_unstamp(void)
{
        stamp_all();
        resize_each(threefold);
        unstamp_each(the_same);
}

static void move_and_free(void)
{
        stamp_all();
        resize_each(threefold);
        free_each();
}

static void halve_and_unstamp(void)
{
        stamp_all();
        resize_each(half);
        unstamp_each(half);
}

static void shrink_to_small_ones_and_unstamp(void)
{
        stamp_all();
        resize_each(a_small_one);
        unstamp_each(a_small_one);
}

static void shrink_to_nothing(void)
{
        stamp_all();
        resize_each(nothing);
}

static void halve_and_free(void)
{
        stamp_all();
        resize_each(half);
        free_each();
}

static void free_aligned_ones(void)
{
        for (size_t alignment = 1; alignment <= (size_t)4 << 20; alignment <<= 1)
                for (size_t i = 0; i < n_of(sizes); i++) {
                        char *p = keepmum_heap_aligned_alloc(alignment, sizes[i]);

                        expect(p != NULL);
                        stamp(p, sizes[i]);
                        keepmum_heap_free(p);
                }
}

static void free_guarded_ones(void)
{
        for (int i = 0; i < 8; i++) {
                char *p = guarded_block(i % 2 != 0 ? 40 : 4000);

                stamp(p, i % 2 != 0 ? 40 : 4000);
                keepmum_heap_free(p);
        }
}

/* Many large ones, so that some go back to the kernel and others wait. */
static void free_many_large_ones(void)
{
        static char *p[60];

        for (size_t i = 0; i < n_of(p); i++)
                p[i] = stamped(600000 + i * 40000);
        for (size_t i = 0; i < n_of(p); i++)
                keepmum_heap_free(p[i]);
        for (size_t i = 0; i < 10; i++)
                expect(keepmum_heap_malloc(900000 + i * 10000) != NULL);
}

static void turn_over_at_random(void)
{
        char *live[200] = {NULL};
        uint64_t random = 88172645463325252u;

        for (int i = 0; i < 20000; i++) {
                size_t k, n;

                random = random * 6364136223846793005u + 1442695040888963407u;
                k = (random >> 33) % n_of(live);
                n = (size_t)8 << (random >> 20) % 14;
                n += (random >> 45) % n;
                if (random >> 60 & 1) {
                        live[k] = keepmum_heap_realloc(live[k], n);
                        expect(live[k] != NULL);
                } else {
                        keepmum_heap_free(live[k]);
                        live[k] = keepmum_heap_malloc(n);
                        expect(live[k] != NULL);
                }
                stamp(live[k], n);
        }
        for (size_t k = 0; k < n_of(live); k++)
                keepmum_heap_free(live[k]);
}

static const struct deed {
        const char *name;
        void (*act)(void);
        bool keeps_all; /* every copy is found, and only once */
} deeds[] = {
#define KEEPS(act) {#act, act, true}
#define LEAVES_NOTHING(act) {#act, act, false}
        KEEPS(keep),
        KEEPS(keep_what_moved),
        KEEPS(keep_what_grew),
        LEAVES_NOTHING(free_all),
        LEAVES_NOTHING(free_all_and_trim),
        LEAVES_NOTHING(free_all_and_allocate_again),
        LEAVES_NOTHING(free_in_another_thread),
        LEAVES_NOTHING(free_in_a_thread_that_ends),
        LEAVES_NOTHING(move_and_unstamp),
        LEAVES_NOTHING(move_and_free),
        LEAVES_NOTHING(halve_and_unstamp),
        LEAVES_NOTHING(shrink_to_small_ones_and_unstamp),
        LEAVES_NOTHING(shrink_to_nothing),
        LEAVES_NOTHING(halve_and_free),
        LEAVES_NOTHING(free_aligned_ones),
        LEAVES_NOTHING(free_guarded_ones),
        LEAVES_NOTHING(free_many_large_ones),
        LEAVES_NOTHING(turn_over_at_random),
};

static void do_and_end(const struct deed *deed)
{
        source = mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (source == MAP_FAILED || read(STDIN_FILENO, source, KEPT_BYTES) != KEPT_BYTES)
                _exit(92);
        deed->act();
        munmap(source, page());
        _exit(0);
}

/* ---- the one that looks ---- */

static void start_keeper(struct traced *t, struct needle *n, const char *argument)
{
        const char *const words[] = {"/proc/self/exe", argument, NULL};
        unsigned char kept[KEPT_BYTES];
        int in[2];

        setenv("LD_BIND_NOW", "1", 1); /* else the loader saves vector registers on the stack at a function's first call */
        assert_int_equal(getrandom(kept, sizeof kept, 0), sizeof kept);
        needle_make(n, "what is kept", kept, sizeof kept);
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(write(in[1], kept, sizeof kept), sizeof kept);
        traced_start(t, words, &(struct traced_way){.in = in[0], .out = -1, .err = STDERR_FILENO});
        close(in[0]);
        close(in[1]);
}

static void only_what_lives_is_found(void **state)
{
        const struct deed *deed = *state;
        size_t n_whole = 0, n_fragments = 0;
        struct findings f = {0};
        struct needle n;
        struct traced t;
        char argument[16];

        for (size_t i = 0; i < n_of(sizes) && deed->keeps_all; i++) {
                n_whole += EACH * (sizes[i] / KEPT_BYTES);
                n_fragments += sizes[i] % KEPT_BYTES == FRAGMENT_BYTES ? EACH : 0;
        }
        snprintf(argument, sizeof argument, "%zu", (size_t)(deed - deeds));
        start_keeper(&t, &n, argument);
        traced_to_exit(&t);
        traced_scan(&f, &n, 1, &t, false);
        assert_int_equal(traced_end(&t), 0);
        if (f.of[FORM_WHOLE] != n_whole || f.n_copies != n_whole + n_fragments)
                findings_show(&f, deed->name);
        assert_int_equal(f.of[FORM_WHOLE], n_whole);
        assert_int_equal(f.n_copies, n_whole + n_fragments);
}

/* ---- what is handed out ---- */

static void expect_zero(char *p, size_t from, size_t n_bytes)
{
        expect(p != NULL && is_zero(p + from, n_bytes - from));
        memset(p, 0xff, n_bytes);
}

/* Every way to get a block, again and again from memory that was full of ones. */
static void take_and_fill(void *arg)
{
        (void)arg;
        for (size_t round = 0; round < (IS_SANITIZED ? 2 : 8); round++)
                for (size_t i = 0; i < 1400; i++) {
                        size_t power = (size_t)16 << i % 18, n = i < 1100 ? i : power - 8 + i / 18 % 16;
                        char *p[5];

                        expect_zero(p[0] = keepmum_heap_malloc(n), 0, n);
                        expect_zero(p[1] = keepmum_heap_calloc(n, 1), 0, n);
                        expect_zero(p[2] = keepmum_heap_aligned_alloc((size_t)16 << i % 9, n), 0, n);
                        expect_zero(p[3] = keepmum_heap_realloc(NULL, n), 0, n);
                        expect_zero(p[3] = keepmum_heap_realloc(p[3], n + 9), n, n + 9);
                        expect_zero(p[3] = keepmum_heap_realloc(p[3], n + n / 2 + 500), n + 9, n + n / 2 + 500);
                        expect_zero(p[4] = keepmum_heap_malloc(n), 0, n);
                        p[4] = keepmum_heap_realloc(p[4], n / 2);
                        expect(p[4] != NULL);
                        expect_zero(p[4] = keepmum_heap_realloc(p[4], n), n / 2, n);
                        for (size_t k = 0; k < n_of(p); k++)
                                keepmum_heap_free(p[k]);
                        if (i % 200 == 199 && round % 2 != 0)
                                keepmum_heap_trim();
                }
}

static void *take_and_fill_elsewhere(void *unused)
{
        take_and_fill(unused);
        return NULL;
}

static void take_and_fill_at_once(void *arg)
{
        pthread_t threads[3];

        (void)arg;
        for (size_t i = 0; i < n_of(threads); i++)
                expect_int(pthread_create(&threads[i], NULL, take_and_fill_elsewhere, NULL), 0);
        for (size_t i = 0; i < n_of(threads); i++)
                expect_int(pthread_join(threads[i], NULL), 0);
        keepmum_heap_check();
}

static void every_block_handed_out_is_zero(void **state)
{
        (void)state;
        assert_true(forked_passes(take_and_fill, NULL));
        assert_true(forked_passes(take_and_fill_at_once, NULL));
}

int main(int argc, char **argv)
{
        struct CMUnitTest tests[n_of(deeds) + 1] = {cmocka_unit_test(every_block_handed_out_is_zero)};
        size_t n = 1;

        if (argc == 2)
                do_and_end(&deeds[strtoul(argv[1], NULL, 10)]);
        for (size_t i = 0; i < n_of(deeds) && !IS_SANITIZED && traced_is_possible();
             i++) /* no search for residue under a sanitizer */
                tests[n++] = (struct CMUnitTest){deeds[i].name, only_what_lives_is_found, NULL, NULL,
                                                 (void *)(uintptr_t)&deeds[i]};
        return _cmocka_run_group_tests("zero", tests, n, NULL, NULL) != 0 ? 1 : 0;
}

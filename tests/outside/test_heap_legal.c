/* What a program may do with the heap, at every kind of size: it must not die of it, and the answers are those of the
 * header. The control rows of the death table. */
#include "outside/heap_blocks.h"

#include <signal.h>
#include <stdlib.h>

static const size_t sizes[] = {0, 1, 15, 16, 40, 1000, 4080, 16383, 16384, 300000, 1048575, 1048576, 2000000};

static void give_null(size_t n_bytes)
{
        char *p;

        keepmum_heap_free(NULL);
        expect_int(keepmum_heap_usable_size(NULL), 0);
        p = keepmum_heap_realloc(NULL, n_bytes);
        expect(p != NULL && is_zero(p, n_bytes));
        keepmum_heap_free(p);
}

static void use_every_byte(size_t n_bytes)
{
        char *p = keepmum_heap_malloc(n_bytes);

        expect(p != NULL && (uintptr_t)p % 16 == 0 && is_zero(p, n_bytes));
        expect_int(keepmum_heap_usable_size(p), n_bytes);
        fill(p, n_bytes, 1);
        keepmum_heap_check();
        expect(holds(p, n_bytes, 1));
        keepmum_heap_free(p);
        keepmum_heap_check();
}

static void resize_to_nothing_and_back(size_t n_bytes)
{
        char *p = keepmum_heap_malloc(n_bytes);

        expect(p != NULL);
        fill(p, n_bytes, 2);
        p = keepmum_heap_realloc(p, 0);
        expect(p != NULL);
        expect_int(keepmum_heap_usable_size(p), 0);
        keepmum_heap_check();
        p = keepmum_heap_realloc(p, n_bytes);
        expect(p != NULL && is_zero(p, n_bytes));
        expect_int(keepmum_heap_usable_size(p), n_bytes);
        keepmum_heap_free(p);
}

static void resize_to_every_size(size_t n_bytes)
{
        for (size_t i = 0; i < n_of(sizes); i++) {
                size_t n_kept = n_bytes < sizes[i] ? n_bytes : sizes[i];
                char *p = keepmum_heap_malloc(n_bytes);

                expect(p != NULL);
                fill(p, n_bytes, (unsigned)i);
                p = keepmum_heap_realloc(p, sizes[i]);
                expect(p != NULL && (uintptr_t)p % 16 == 0);
                expect_int(keepmum_heap_usable_size(p), sizes[i]);
                expect(holds_first(p, n_kept, n_bytes, (unsigned)i));
                expect(is_zero(p + n_kept, sizes[i] - n_kept));
                fill(p, sizes[i], 7);
                keepmum_heap_check();
                keepmum_heap_free(p);
        }
}

static void *free_elsewhere(void *p)
{
        keepmum_heap_free(p);
        return NULL;
}

static void free_in_another_thread(size_t n_bytes)
{
        for (unsigned i = 0; i < 50; i++) {
                char *p = keepmum_heap_malloc(n_bytes);

                expect(p != NULL && is_zero(p, n_bytes));
                fill(p, n_bytes, i);
                in_another_thread(free_elsewhere, p);
        }
        keepmum_heap_check();
}

static void keep_errno(size_t n_bytes)
{
        char *p[80];

        for (size_t i = 0; i < n_of(p); i++) {
                p[i] = keepmum_heap_malloc(n_bytes);
                expect(p[i] != NULL);
        }
        for (size_t i = 0; i < n_of(p); i++) {
                errno = EXDEV;
                keepmum_heap_free(p[i]);
                expect_int(errno, EXDEV);
        }
        keepmum_heap_free(NULL);
        expect_int(keepmum_heap_usable_size(NULL), 0);
        keepmum_heap_check();
        keepmum_heap_trim();
        expect_int(errno, EXDEV);
}

static void ask_for_too_much(size_t n_bytes)
{
        static const size_t too_much[] = {(size_t)PTRDIFF_MAX + 1,
                                          SIZE_MAX,
                                          SIZE_MAX - 1,
                                          SIZE_MAX - 4096,
                                          SIZE_MAX - 65536,
                                          SIZE_MAX / 2 + 4096,
                                          PTRDIFF_MAX,
                                          (size_t)PTRDIFF_MAX - 4096,
                                          (size_t)1 << 60};
        char *p = keepmum_heap_malloc(n_bytes);

        expect(p != NULL);
        fill(p, n_bytes, 3);
#define REFUSES(call, cause)                            \
        do {                                            \
                errno = 0;                              \
                expect(blind(call) == NULL);            \
                expect_int(errno, cause);               \
        } while (0)
        for (size_t i = 0; i < n_of(too_much); i++) {
                size_t n = (size_t)(uintptr_t)blind((void *)(uintptr_t)too_much[i]);

                REFUSES(keepmum_heap_malloc(n), ENOMEM);
                REFUSES(keepmum_heap_calloc(1, n), ENOMEM);
                REFUSES(keepmum_heap_calloc(n, 1), ENOMEM);
                REFUSES(keepmum_heap_realloc(p, n), ENOMEM);
                REFUSES(keepmum_heap_realloc(NULL, n), ENOMEM);
                for (size_t alignment = 1; alignment != 0; alignment <<= 1)
                        REFUSES(keepmum_heap_aligned_alloc(alignment, n), ENOMEM);
        }
        REFUSES(keepmum_heap_calloc((size_t)1 << 32, (size_t)1 << 32), ENOMEM);
        REFUSES(keepmum_heap_calloc((size_t)1 << 33, ((size_t)1 << 31) + 5), ENOMEM);
        REFUSES(keepmum_heap_calloc(SIZE_MAX / 8 + 2, 8), ENOMEM);
        REFUSES(keepmum_heap_calloc(8, SIZE_MAX / 8 + 2), ENOMEM);
        REFUSES(keepmum_heap_calloc(SIZE_MAX, SIZE_MAX), ENOMEM);
        REFUSES(keepmum_heap_aligned_alloc((size_t)1 << 63, n_bytes), ENOMEM);
        REFUSES(keepmum_heap_aligned_alloc((size_t)1 << 62, n_bytes), ENOMEM);
        expect(holds(p, n_bytes, 3));
        expect_int(keepmum_heap_usable_size(p), n_bytes);
        keepmum_heap_check();
        keepmum_heap_free(p);
}

static void ask_for_arrays(size_t n_bytes)
{
        char *p = keepmum_heap_calloc(n_bytes, 3), *none = keepmum_heap_calloc(0, SIZE_MAX),
             *nothing = keepmum_heap_calloc(n_bytes, 0);

        expect(p != NULL && none != NULL && nothing != NULL && none != nothing);
        expect(is_zero(p, 3 * n_bytes));
        expect_int(keepmum_heap_usable_size(p), 3 * n_bytes);
        expect_int(keepmum_heap_usable_size(none), 0);
        fill(p, 3 * n_bytes, 1);
        keepmum_heap_free(none);
        keepmum_heap_free(nothing);
        keepmum_heap_free(p);
}

static void ask_for_alignments(size_t n_bytes)
{
        static const size_t wrong[] = {0, 3, 5, 24, 48, 4097, 12288, SIZE_MAX, SIZE_MAX - 1, ((size_t)1 << 63) + 16};

        for (size_t i = 0; i < n_of(wrong); i++)
                REFUSES(keepmum_heap_aligned_alloc(wrong[i], n_bytes), EINVAL);
        for (size_t alignment = 1; alignment <= (size_t)8 << 20; alignment <<= 1) {
                char *p[3], *bigger;

                for (unsigned i = 0; i < n_of(p); i++) {
                        p[i] = keepmum_heap_aligned_alloc(alignment, n_bytes);
                        expect(p[i] != NULL && (uintptr_t)p[i] % alignment == 0 && (uintptr_t)p[i] % 16 == 0);
                        expect(is_zero(p[i], n_bytes));
                        expect_int(keepmum_heap_usable_size(p[i]), n_bytes);
                        fill(p[i], n_bytes, i);
                }
                keepmum_heap_check();
                bigger = keepmum_heap_realloc(p[2], n_bytes + 5000);
                expect(bigger != NULL && holds_first(bigger, n_bytes, n_bytes, 2) && is_zero(bigger + n_bytes, 5000));
                keepmum_heap_free(p[0]);
                expect(holds(p[1], n_bytes, 1));
                keepmum_heap_free(bigger);
                keepmum_heap_free(p[1]);
        }
        keepmum_heap_check();
}

/* Zero bytes are a block like any other: its address is its own. */
static void have_addresses_of_their_own(size_t n_bytes)
{
        char *p[300];

        for (size_t i = 0; i < n_of(p); i++) {
                p[i] = keepmum_heap_malloc(n_bytes);
                expect(p[i] != NULL);
                for (size_t k = 0; k < i; k++)
                        expect(p[k] != p[i]);
        }
        for (size_t i = 0; i < n_of(p); i++)
                keepmum_heap_free(p[i]);
}

/* All there is to do, at random, against a table of what should be there. */
static void live_long(size_t n_bytes)
{
        struct {
                char *p;
                size_t n_bytes;
        } all[64] = {0};
        uint64_t random = 88172645463325252u + n_bytes;

        for (unsigned i = 0; i < (n_bytes > 100000 ? 300 : 3000); i++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                unsigned k = (unsigned)(random >> 8) % n_of(all);
                size_t n = n_bytes / 2 + (random >> 20) % (n_bytes + 40);

                if (all[k].p != NULL)
                        expect(holds(all[k].p, all[k].n_bytes, k));
                if (random % 4 == 0) {
                        char *p = keepmum_heap_realloc(all[k].p, n);

                        expect(p != NULL && holds_first(p, n < all[k].n_bytes ? n : all[k].n_bytes, all[k].n_bytes, k));
                        if (n > all[k].n_bytes)
                                expect(is_zero(p + all[k].n_bytes, n - all[k].n_bytes));
                        all[k].p = p;
                } else {
                        keepmum_heap_free(all[k].p);
                        all[k].p = random % 4 == 1 ? keepmum_heap_aligned_alloc((size_t)1 << (random >> 40) % 14, n)
                                                   : keepmum_heap_malloc(n);
                        expect(all[k].p != NULL && is_zero(all[k].p, n));
                }
                all[k].n_bytes = n;
                fill(all[k].p, n, k);
                if (i % 100 == 99)
                        keepmum_heap_check();
                if (i % 130 == 129)
                        keepmum_heap_trim();
        }
        for (unsigned k = 0; k < n_of(all); k++) {
                expect(all[k].p == NULL || holds(all[k].p, all[k].n_bytes, k));
                keepmum_heap_free(all[k].p);
        }
        keepmum_heap_check();
}

static void live_against_a_guard_page(size_t n_bytes)
{
        char *p[40];

        if (n_bytes + 16 > 4096)
                return;
        for (unsigned i = 0; i < 8; i++) {
                p[i] = guarded_block(n_bytes);
                expect((uintptr_t)p[i] % 16 == 0 && is_zero(p[i], n_bytes));
                expect_int(keepmum_heap_usable_size(p[i]), n_bytes);
                fill(p[i], n_bytes, i);
        }
        keepmum_heap_check();
        for (unsigned i = 0; i < 8; i++) {
                expect(holds(p[i], n_bytes, i));
                if (i % 2 == 0) {
                        p[i] = keepmum_heap_realloc(p[i], n_bytes + 100);
                        expect(p[i] != NULL && holds_first(p[i], n_bytes, n_bytes, i) && is_zero(p[i] + n_bytes, 100));
                }
                keepmum_heap_free(p[i]);
        }
        keepmum_heap_check();
}

static const struct row {
        const char *name;
        void (*act)(size_t n_bytes);
} rows[] = {
#define ROW(act) {#act, act}
        ROW(give_null),
        ROW(use_every_byte),
        ROW(resize_to_nothing_and_back),
        ROW(resize_to_every_size),
        ROW(free_in_another_thread),
        ROW(keep_errno),
        ROW(ask_for_too_much),
        ROW(ask_for_arrays),
        ROW(ask_for_alignments),
        ROW(have_addresses_of_their_own),
        ROW(live_long),
        ROW(live_against_a_guard_page),
};

static size_t n_bytes_of_the_row;

static void act_out(void *arg)
{
        ((const struct row *)arg)->act(n_bytes_of_the_row);
}

static void lives(void **state)
{
        struct row row = *(const struct row *)*state;

        for (size_t i = 0; i < n_of(sizes); i++) {
                n_bytes_of_the_row = sizes[i];
                if (!forked_passes(act_out, &row))
                        fail_msg("%s, %zu bytes", row.name, sizes[i]);
        }
}

int main(void)
{
        struct CMUnitTest tests[n_of(rows)];

        for (size_t i = 0; i < n_of(rows); i++)
                tests[i] = (struct CMUnitTest){rows[i].name, lives, NULL, NULL, (void *)(uintptr_t)&rows[i]};
        return _cmocka_run_group_tests("what is allowed", tests, n_of(tests), NULL, NULL) != 0 ? 1 : 0;
}

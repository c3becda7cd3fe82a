/* What each function of the malloc family does under libkeepmum-malloc.so, against what glibc's manual says of it. */
#include "outside/shim_family.h"

#include "outside/forked.h"

#include <signal.h>

#define TOO_MUCH ((size_t)PTRDIFF_MAX + 1)

static const size_t sizes[] = {0,     1,     15,     16,     17,     40,      100,    1000, 4095, 4096,
                               16383, 16384, 100000, 300000, 1048576, 1000000, 5000000};

static void assert_refused(const void *p, int error)
{
        assert_null(p);
        assert_int_equal(errno, error);
        errno = 0;
}

/* ---- to allocate ---- */

static void malloc_gives_what_was_asked_for(void **state)
{
        void *zero = shim.malloc(0), *other = shim.malloc(0);

        (void)state;
        assert_true(zero != NULL && other != NULL && zero != other);
        shim.free(zero);
        shim.free(other);
        for (size_t i = 0; i < n_of(sizes); i++)
                assert_block(shim.malloc(sizes[i]), 16, sizes[i]);
        assert_refused(shim.malloc(TOO_MUCH), ENOMEM);
        assert_refused(shim.malloc(SIZE_MAX), ENOMEM);
        assert_refused(shim.malloc(SIZE_MAX - 4096), ENOMEM);
        assert_refused(shim.malloc(PTRDIFF_MAX), ENOMEM);
}

static void calloc_sees_an_overflow(void **state)
{
        (void)state;
        assert_block(shim.calloc(25, 40), 16, 1000);
        assert_block(shim.calloc(0, 40), 16, 0);
        assert_block(shim.calloc(40, 0), 16, 0);
        assert_block(shim.calloc(1000, 1000), 16, 1000000);
        assert_refused(shim.calloc(SIZE_MAX / 2 + 1, 2), ENOMEM);
        assert_refused(shim.calloc(SIZE_MAX / 16 + 2, 16), ENOMEM);
        assert_refused(shim.calloc(TOO_MUCH, 1), ENOMEM);
}

static void posix_memalign_touches_its_result_only_with_success(void **state)
{
        static const size_t bad[] = {0, 1, 2, 3, 4, 7, 12, 24, 48, 4095, SIZE_MAX};
        static char untouched;
        void *p = &untouched;

        (void)state;
        errno = EXDEV;
        for (size_t i = 0; i < n_of(bad); i++)
                assert_int_equal(shim.posix_memalign(&p, bad[i], 8), EINVAL);
        assert_int_equal(shim.posix_memalign(&p, 64, TOO_MUCH), ENOMEM);
        assert_int_equal(shim.posix_memalign(&p, 64, SIZE_MAX), ENOMEM);
        assert_int_equal(shim.posix_memalign(&p, SIZE_MAX / 2 + 1, 8), ENOMEM);
        assert_ptr_equal(p, &untouched);
        for (size_t alignment = sizeof(void *); alignment <= KIB(2048); alignment *= 2)
                for (size_t i = 0; i < n_of(sizes); i++) {
                        assert_int_equal(shim.posix_memalign(&p, alignment, sizes[i]), 0);
                        assert_block(p, alignment, sizes[i]);
                }
        assert_int_equal(errno, EXDEV);
}

static void aligned_alloc_wants_a_power_of_two(void **state)
{
        static const size_t bad[] = {0, 3, 24, 48, 4097, SIZE_MAX};

        (void)state;
        for (size_t i = 0; i < n_of(bad); i++)
                assert_refused(shim.aligned_alloc(bad[i], 64), EINVAL);
        assert_refused(shim.aligned_alloc(64, TOO_MUCH), ENOMEM);
        assert_refused(shim.aligned_alloc(SIZE_MAX / 2 + 1, 64), ENOMEM);
        for (size_t alignment = 1; alignment <= KIB(2048); alignment *= 2)
                for (size_t i = 0; i < n_of(sizes); i++)
                        assert_block(shim.aligned_alloc(alignment, sizes[i]), alignment, sizes[i]);
}

static void memalign_rounds_an_odd_alignment_up(void **state)
{
        static const size_t odd[][2] = {{0, 16},  {1, 16},    {3, 16},      {17, 32},       {24, 32},
                                        {48, 64}, {100, 128}, {5000, 8192}, {65537, 131072}};

        (void)state;
        for (size_t i = 0; i < n_of(odd); i++)
                for (size_t k = 0; k < 20; k++)
                        assert_block(shim.memalign(odd[i][0], 100), odd[i][1], 100);
        assert_refused(shim.memalign(SIZE_MAX / 2 + 2, 100), EINVAL);
        assert_refused(shim.memalign(SIZE_MAX / 2 + 1, 100), ENOMEM);
        assert_refused(shim.memalign(64, TOO_MUCH), ENOMEM);
}

static void valloc_and_pvalloc_give_whole_pages(void **state)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        (void)state;
        assert_block(shim.valloc(1), page, 1);
        assert_block(shim.valloc(page + 1), page, page + 1);
        assert_block(shim.pvalloc(1), page, page);
        assert_block(shim.pvalloc(page), page, page);
        assert_block(shim.pvalloc(page + 1), page, 2 * page);
        assert_refused(shim.valloc(SIZE_MAX), ENOMEM);
        assert_refused(shim.pvalloc(SIZE_MAX), ENOMEM);
        assert_refused(shim.pvalloc(SIZE_MAX - page + 1), ENOMEM);
        assert_refused(shim.pvalloc(TOO_MUCH), ENOMEM);
}

/* ---- to resize ---- */

static void realloc_keeps_the_contents(void **state)
{
        (void)state;
        for (size_t from = 0; from < n_of(sizes); from++)
                for (size_t to = 1; to < n_of(sizes); to++) {
                        size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
                        unsigned char *p = shim.malloc(sizes[from]);

                        memset(p, 0x5a, sizes[from]);
                        p = shim.realloc(p, sizes[to]);
                        assert_true(is_aligned(p, 16));
                        assert_int_equal(shim.malloc_usable_size(p), sizes[to]);
                        for (size_t i = 0; i < kept; i += kept > 4096 ? 97 : 1)
                                assert_int_equal(p[i], 0x5a);
                        assert_true(kept == 0 || p[kept - 1] == 0x5a);
                        assert_true(is_zero(p + kept, sizes[to] - kept));
                        shim.free(p);
                }
}

static void realloc_of_nothing_and_to_nothing(void **state)
{
        void *p = shim.realloc(NULL, 0);

        (void)state;
        assert_block(p, 16, 0);
        assert_block(shim.realloc(NULL, 1000), 16, 1000);
        for (size_t i = 0; i < n_of(sizes); i++) {
                p = shim.malloc(sizes[i]);
                errno = EXDEV;
                assert_null(shim.realloc(p, 0)); /* frees: the death table has a second free */
                assert_int_equal(errno, EXDEV);
        }
}

static void a_realloc_that_fails_changes_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(sizes); i++) {
                unsigned char *p = shim.malloc(sizes[i]);

                memset(p, 0x3c, sizes[i]);
                assert_refused(shim.realloc(p, TOO_MUCH), ENOMEM);
                assert_refused(shim.realloc(p, SIZE_MAX), ENOMEM);
                assert_refused(shim.realloc(p, PTRDIFF_MAX), ENOMEM);
                assert_refused(shim.reallocarray(p, SIZE_MAX / 2 + 1, 2), ENOMEM);
                assert_refused(shim.reallocarray(p, 1, TOO_MUCH), ENOMEM);
                assert_int_equal(shim.malloc_usable_size(p), sizes[i]);
                for (size_t k = 0; k < sizes[i]; k++)
                        if (p[k] != 0x3c)
                                fail_msg("byte %zu of %zu has changed", k, sizes[i]);
                shim.free(p);
        }
        assert_block(shim.reallocarray(NULL, 30, 40), 16, 1200);
        assert_null(shim.reallocarray(shim.malloc(40), 0, 40));
        assert_null(shim.reallocarray(shim.malloc(40), 40, 0));
}

/* ---- to free ---- */

static void every_free_frees_and_keeps_errno(void **state)
{
        (void)state;
        errno = EXDEV;
        shim.free(NULL);
        shim.cfree(NULL);
        shim.free_sized(NULL, 5);
        shim.free_aligned_sized(NULL, 64, 5);
        assert_int_equal(shim.malloc_usable_size(NULL), 0);
        for (size_t i = 0; i < n_of(sizes); i++) {
                shim.free(shim.malloc(sizes[i]));
                shim.cfree(shim.malloc(sizes[i]));
                shim.free_sized(shim.malloc(sizes[i]), sizes[i]);
                shim.free_sized(shim.calloc(1, sizes[i]), sizes[i]);
                shim.free_aligned_sized(shim.aligned_alloc(128, sizes[i]), 128, sizes[i]);
        }
        assert_int_equal(errno, EXDEV);
}

static void free_twice(void)
{
        void *p = shim.malloc(40);

        shim.free(p);
        shim.free(p);
}

static void free_what_realloc_to_nothing_freed(void)
{
        void *p = shim.malloc(40);

        expect(shim.realloc(p, 0) == NULL);
        shim.free(p);
}

static void free_what_reallocarray_to_nothing_freed(void)
{
        void *p = shim.malloc(300000);

        expect(shim.reallocarray(p, 0, 8) == NULL);
        shim.free(p);
}

static void cfree_twice(void)
{
        void *p = shim.malloc(1000);

        shim.cfree(p);
        shim.cfree(p);
}

static void free_with_a_smaller_size(void)
{
        shim.free_sized(shim.malloc(40), 39);
}

static void free_with_a_larger_size(void)
{
        shim.free_sized(shim.malloc(40), 41);
}

static void free_aligned_with_another_size(void)
{
        shim.free_aligned_sized(shim.aligned_alloc(64, 1000), 64, 1024);
}

static void free_aligned_with_an_alignment_it_has_not(void)
{
        char *p = shim.malloc(40);

        while ((uintptr_t)p % 64 == 0)
                p = shim.malloc(40);
        shim.free_aligned_sized(p, 64, 40);
}

static void free_aligned_with_no_alignment(void)
{
        shim.free_aligned_sized(shim.aligned_alloc(64, 40), 0, 40);
}

static void ask_the_size_of_a_freed_block(void)
{
        void *p = shim.malloc(40);

        shim.free(p);
        shim.malloc_usable_size(p);
}

static void free_a_string_that_was_written_past_its_end(void)
{
        char *p = strdup("0123456789abcdef0123456");

        memcpy(p, "0123456789abcdef01234567", 25); /* the terminating NUL does not fit */
        shim.free(p);
}

#define WRONG_SIZE "keepmum: free of a heap block with a size or alignment it does not have\n"

static const struct {
        void (*act)(void);
        const char *said;
} deaths[] = {
        {free_twice, "keepmum: free of a heap block that is free already\n"},
        {free_what_realloc_to_nothing_freed, "keepmum: free of a heap block that is free already\n"},
        {free_what_reallocarray_to_nothing_freed, "keepmum: free of a heap block that is free already\n"},
        {cfree_twice, "keepmum: free of a heap block that is free already\n"},
        {free_with_a_smaller_size, WRONG_SIZE},
        {free_with_a_larger_size, WRONG_SIZE},
        {free_aligned_with_another_size, WRONG_SIZE},
        {free_aligned_with_an_alignment_it_has_not, WRONG_SIZE},
        {free_aligned_with_no_alignment, WRONG_SIZE},
        {ask_the_size_of_a_freed_block, "keepmum: size asked of a heap block that is free already\n"},
        {free_a_string_that_was_written_past_its_end, "keepmum: write past the end of a heap block\n"},
};

static void run_death(void *arg)
{
        deaths[*(const size_t *)arg].act();
}

static void misuse_ends_the_process_with_its_sentence(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(deaths); i++) {
                struct ending e = forked_run(run_death, &i);

                assert_string_equal(e.said, deaths[i].said);
                assert_int_equal(e.signal_number, SIGABRT);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_gives_what_was_asked_for),
        cmocka_unit_test(calloc_sees_an_overflow),
        cmocka_unit_test(posix_memalign_touches_its_result_only_with_success),
        cmocka_unit_test(aligned_alloc_wants_a_power_of_two),
        cmocka_unit_test(memalign_rounds_an_odd_alignment_up),
        cmocka_unit_test(valloc_and_pvalloc_give_whole_pages),
        cmocka_unit_test(realloc_keeps_the_contents),
        cmocka_unit_test(realloc_of_nothing_and_to_nothing),
        cmocka_unit_test(a_realloc_that_fails_changes_nothing),
        cmocka_unit_test(every_free_frees_and_keeps_errno),
        cmocka_unit_test(misuse_ends_the_process_with_its_sentence),
};

int main(int n_words, char **words)
{
        (void)n_words;
        shim_start(words);
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

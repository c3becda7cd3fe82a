/* What every test program here starts with: cmocka, the library, and a few words for what tests do all the time. */
#ifndef TESTS_UNIT_HARNESS_H
#define TESTS_UNIT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>
#include <keepmum.h>
#include <string.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define IS_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* The costly-checks build runs the same tests once more, under another uid: the longest ones are shorter there. */
#ifdef KEEPMUM_CHECKS
#define IS_SECOND_RUN 1
#else
#define IS_SECOND_RUN IS_SANITIZED
#endif

#define assert_ok(call) assert_int_equal(call, 0)
#define n_of(array) (sizeof(array) / sizeof *(array))

/* A main() of the tests in a static array named tests; 256 failures are not success. */
#define MAIN_OF_TESTS                                                                 \
        int main(void)                                                                \
        {                                                                             \
                return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;        \
        }

static inline size_t page(void)
{
        return (size_t)sysconf(_SC_PAGESIZE);
}

/* Byte i of the contents that a number stands for. */
static inline unsigned char byte_of(unsigned seed, size_t i)
{
        return (unsigned char)(seed * 31 + i * 7 + (i >> 8) * 13 + 1);
}

/* The next ones return 0 or the library's error, so that they serve threads and children too. */
static inline int fill_with(keepmum_secret s, unsigned seed)
{
        void *bytes;
        size_t n;
        int err = keepmum_open_write(s, &bytes, &n);

        if (err != 0)
                return err;
        for (size_t i = 0; i < n; i++)
                ((unsigned char *)bytes)[i] = byte_of(seed, i);
        keepmum_close(s);
        return 0;
}

/* 0; an error; 1 where the first n_bytes are not those of seed, or the size is not n_total. */
static inline int look_for(keepmum_secret s, unsigned seed, size_t n_bytes, size_t n_total)
{
        const void *bytes;
        size_t n;
        int err = keepmum_open_read(s, &bytes, &n);

        if (err != 0)
                return err;
        for (size_t i = 0; i < n_bytes && err == 0; i++)
                err = ((const unsigned char *)bytes)[i] != byte_of(seed, i);
        keepmum_close(s);
        return err != 0 || n != n_total;
}

static inline int make_with(keepmum_secret *s, size_t n_bytes, unsigned flags, unsigned seed)
{
        int err = keepmum_create(s, n_bytes, flags);

        return err != 0 ? err : fill_with(*s, seed);
}

/* Where a secret stands, found out by opening it. */
static inline const unsigned char *place_of(keepmum_secret s)
{
        const void *bytes;

        if (keepmum_open_read(s, &bytes, NULL) != 0)
                return NULL;
        keepmum_close(s);
        return bytes;
}

static inline const unsigned char *page_of(const void *address)
{
        return (const unsigned char *)((uintptr_t)address & ~(uintptr_t)(page() - 1));
}

static inline uint64_t stat_of(enum keepmum_stat which)
{
        uint64_t values[KEEPMUM_STATS] = {0};

        return keepmum_stats(values, KEEPMUM_STATS) == 0 ? values[which] : UINT64_MAX;
}

#endif

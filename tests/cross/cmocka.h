/* As much of cmocka as tests need that run on another CPU, where cmocka itself is not at hand. The first failure ends the program. */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>

struct CMUnitTest {
        const char *name;
        void (*test)(void **state);
};

#define cmocka_unit_test(f) {#f, f}
#define assert_true(cond) ((cond) ? (void)0 : cross_fail(#cond, __FILE__, __LINE__))
#define assert_false(cond) assert_true(!(cond))
#define assert_int_equal(a, b) assert_true((unsigned long long)(a) == (unsigned long long)(b))
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define cmocka_run_group_tests(tests, setup, teardown) cross_run(tests, sizeof(tests) / sizeof *(tests))

static inline void cross_fail(const char *what, const char *file, int line)
{
        printf("%s:%d: not so: %s\n", file, line, what);
        exit(1);
}

static inline int cross_run(const struct CMUnitTest *tests, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                tests[i].test(NULL);
                printf("ok - %s\n", tests[i].name);
        }
        return 0;
}

#endif

/* cmocka with its needed includes, and the exit status that tells. */
#ifndef TESTS_OUTSIDE_CMOCKA_MAIN_H
#define TESTS_OUTSIDE_CMOCKA_MAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define TOOL_TEST(name) cmocka_unit_test_setup_teardown(name, tool_begin, tool_end)

/* 256 failures would be exit status 0. */
#define MAIN(tests)                                                                  \
        int main(void)                                                               \
        {                                                                            \
                tool_path();                                                         \
                alarm(300); /* nothing here may hang a build */                      \
                return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;       \
        }

#endif

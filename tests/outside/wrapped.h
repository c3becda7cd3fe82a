/* A call of libc's that fails when the test says so: for programs linked with --wrap=NAME, which have a bool fails(const char *name) that
 * sets errno. */
#ifndef TESTS_OUTSIDE_WRAPPED_H
#define TESTS_OUTSIDE_WRAPPED_H

#define WRAP(type, name, parameters, arguments, failure)                         \
        type __real_##name parameters;                                           \
        type __wrap_##name parameters;                                           \
        type __wrap_##name parameters                                            \
        {                                                                        \
                return fails(#name) ? failure : __real_##name arguments;         \
        }

#endif

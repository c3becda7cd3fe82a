/* System call filters (seccomp) for children: kernels that lack a call, sandboxes that forbid it or lie about it. */
#ifndef TESTS_OUTSIDE_SANDBOX_H
#define TESTS_OUTSIDE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct sandbox_rule {
        int call;        /* SYS_... */
        int argument;    /* index of an argument that must have the value, -1 for every call */
        unsigned value;
        int answer;      /* errno; 0: success without doing anything */
};

/* From now on these calls get these answers, everything else goes through. */
void sandbox_answer(const struct sandbox_rule rules[], size_t n_rules);
/* From now on any call but these kills the process with SIGSYS. exit_group(2) is always allowed. */
void sandbox_allow_only(const int calls[], size_t n_calls);

/* A sanitizer or valgrind makes calls of its own: no filter can tell them apart. */
bool sandbox_is_meaningful(void);

#endif

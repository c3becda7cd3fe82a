/* Something done in a child process, and how that ended. */
#ifndef TESTS_OUTSIDE_FORKED_H
#define TESTS_OUTSIDE_FORKED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ending {
        int exit_code, signal_number; /* -1 and the signal, or the code and 0 */
        char said[4096];              /* what it wrote to standard error */
};

/* Runs act(arg) in a child that has the default signals, no core file and 40 seconds; it exits with 0 when act returns. */
struct ending forked_run(void (*act)(void *arg), void *arg);

/* The same; shows what it said and returns false if it did not end with 0. */
bool forked_passes(void (*act)(void *arg), void *arg);

/* For use in the child, where cmocka's assertions do not work. */
#define expect(cond)                                                            \
        do {                                                                    \
                if (!(cond))                                                    \
                        forked_fail(#cond, __FILE__, __LINE__);                 \
        } while (0)
#define expect_int(got, wanted)                                                                 \
        do {                                                                                    \
                long long got_ = (long long)(got), wanted_ = (long long)(wanted);               \
                if (got_ != wanted_)                                                            \
                        forked_differs(#got, got_, wanted_, __FILE__, __LINE__);                \
        } while (0)
_Noreturn void forked_fail(const char *condition, const char *file, int line);
_Noreturn void forked_differs(const char *what, long long got, long long wanted, const char *file, int line);

/* Becomes a user whom lock limits bind, with this RLIMIT_MEMLOCK. An unprivileged tester only lowers the limit; false if even that
 * cannot be had. */
bool forked_become_nobody(size_t memlock_bytes);

/* For a child: what a program at a terminal begins with. A build in the background of a script ignores SIGINT and SIGQUIT, and its children
 * would too. */
void forked_default_signals(void);

/* Ends the whole program as skipped, saying why. */
_Noreturn void forked_skip_all(const char *reason);

#endif

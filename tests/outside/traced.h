/* A program run under ptrace(2): stopped at each system call, or just before its end, when all of its memory is still
 * there.
 *
 * Its files in /proc are opened when it has only just become that program, since later it may forbid it
 * (PR_SET_DUMPABLE): what is open stays readable, so that root is not needed. */
#ifndef TESTS_OUTSIDE_TRACED_H
#define TESTS_OUTSIDE_TRACED_H

#include "outside/memory_scan.h"
#include "outside/pty.h"

#include <stdbool.h>
#include <sys/types.h>

struct traced {
        pid_t pid;
        int mem, smaps, environ;
        bool is_running;
        int wait_status; /* of its last stop, or of its end */
        struct {         /* the system call that it stands before or behind */
                bool is_begun;
                uint64_t number, first_argument; /* of its beginning, kept until its end */
                int64_t result;
        } call;
};

struct traced_way {
        int in, out, err;        /* its standard descriptors */
        struct pty *terminal;    /* its controlling terminal; NULL: it has none */
        bool forbids_hidden;     /* memfd_secret(2) is ENOSYS */
};

/* Whether tracing works here at all; if not, says why. */
bool traced_is_possible(void);

/* words[0] is the path of the program. It stands at its first instruction then. */
void traced_start(struct traced *t, const char *const words[], const struct traced_way *way);
/* Lets it run, and does not wait: to be followed by traced_to_exit(). */
void traced_run(struct traced *t);
/* False: it has come to its end, and stands before it. */
bool traced_to_next_call(struct traced *t);
void traced_to_exit(struct traced *t);
/* Lets it end: the exit code, or 128 + signal. */
int traced_end(struct traced *t);

/* Memory, and what the registers hold. */
void traced_scan(struct findings *f, const struct needle *all, size_t n_all, const struct traced *t,
                 bool is_only_changing);
void traced_scan_registers(struct findings *f, const struct needle *all, size_t n_all, const struct traced *t);
/* Its arguments and environment, as anybody else would see them. */
void traced_scan_words(struct findings *f, const struct needle *all, size_t n_all, const struct traced *t);

/* Kilobytes that it has locked. */
long traced_locked_kb(const struct traced *t);

#endif

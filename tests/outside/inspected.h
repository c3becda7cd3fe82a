/* A child with memory that is known, and what secretctl inspect says of it. */
#ifndef TESTS_OUTSIDE_INSPECTED_H
#define TESTS_OUTSIDE_INSPECTED_H

#include "cmocka_main.h"
#include "outside/tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { KB = 1 << 10, LOCKED_KB = 16, PLAIN_KB = 8000, KEPT_KB = 4000 };

/* A child that has done something to its memory, and waits. */
static inline pid_t start_child(void prepare(void))
{
        int ends[2];
        char byte;

        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                prepare();
                if (write(ends[1], "x", 1) == 1)
                        pause();
                _exit(0);
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        close(ends[0]);
        close(ends[1]);
        return pid;
}

static inline struct run inspect(pid_t pid, const char *option)
{
        char number[16];

        snprintf(number, sizeof number, "%d", (int)pid);
        return tool_run_with(NULL, 0, WORDS("inspect", number, option));
}

static inline void end_child(pid_t pid)
{
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

static inline uint64_t number_behind(const char *text, const char *field)
{
        const char *at = strstr(text, field);

        assert_non_null(at);
        return strtoull(at + strlen(field), NULL, 10);
}

static inline void *fill(size_t n_bytes, int flags)
{
        char *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                _exit(1);
        madvise(p, n_bytes, MADV_NOHUGEPAGE);
        memset(p, 1, n_bytes);
        return p;
}

#endif

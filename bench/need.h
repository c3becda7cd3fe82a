/* What must be so for a figure to mean anything; where it is not, the program says it and ends. */
#ifndef BENCH_NEED_H
#define BENCH_NEED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void need(bool is_so, const char *what)
{
        if (!is_so) {
                fprintf(stderr, "bench: %s\n", what);
                exit(1);
        }
}

#endif

/* What the runs of all patterns under all allocators say: tables in markdown, and the same figures for a machine to read. */
#ifndef BENCH_HEAP_REPORT_H
#define BENCH_HEAP_REPORT_H

#include "heap_patterns.h"
#include "heap_run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { HEAP_MOST_ALLOCATORS = 10, HEAP_MOST_ROUNDS = 25, HEAP_MOST_THREADS = 2 };

extern const char *const heap_pattern_names[N_HEAP_PATTERNS];

struct heap_results {
        struct heap_allocator allocators[HEAP_MOST_ALLOCATORS]; /* the first is the C library's own */
        size_t n_allocators;
        bool has_pattern[N_HEAP_PATTERNS];
        unsigned n_rounds;
        /* [threads - 1][pattern][allocator][round] */
        struct heap_sample samples[HEAP_MOST_THREADS][N_HEAP_PATTERNS][HEAP_MOST_ALLOCATORS][HEAP_MOST_ROUNDS];
        struct heap_sample nothing[HEAP_MOST_ALLOCATORS][HEAP_MOST_ROUNDS];
};

void heap_report_tables(const struct heap_results *r);
/* One figure a line: threads, pattern or "geometric mean", allocator, time against glibc, peak memory against glibc, ms, kB. */
void heap_report_tsv(const struct heap_results *r, FILE *to);

#endif

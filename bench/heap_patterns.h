/* The ways in which programs use a heap, by name: each a function of bench/heap_load that does one thread's share of the work.
 *
 * They follow the programs that allocators are usually compared with (larson, sh6bench, sh8bench, xmalloc-test, mstress, rptest, alloc-test,
 * glibc-simple, binary trees) and what real programs do. Always true: the calls and sizes come from a fixed seed alone, so that every
 * allocator is asked the same; every block is written as its use implies and looked at before it is freed. */
#ifndef BENCH_HEAP_PATTERNS_H
#define BENCH_HEAP_PATTERNS_H

#include <stdint.h>

struct random;

/* In the order of the tables. "nothing" is not one of them: the cost of starting a process. */
#define HEAP_PATTERNS(X)                                                                                                              \
        X(pair) X(ring) X(churn) X(lifo) X(string) X(realloc) X(calloc) X(aligned) X(large) X(burst) X(fragmentation) X(cross)       \
                X(server) X(tree) X(mixed_large)

#define HEAP_COUNT_ONE(name) +1
enum { N_HEAP_PATTERNS = 0 HEAP_PATTERNS(HEAP_COUNT_ONE) };

/* Returns a sum over what was read from the blocks: the same for every allocator. */
#define HEAP_DECLARE_ONE(name) uint64_t pattern_##name(struct random *r);
HEAP_PATTERNS(HEAP_DECLARE_ONE)

/* How many threads work at the same time; the patterns that hand blocks from thread to thread need to know it. */
extern unsigned heap_n_threads;

#endif

/* Copies of keys in the core file of a program that crashes. */
#ifndef BENCH_CORES_H
#define BENCH_CORES_H

#include <stddef.h>

/* Runs the program of this name, which stands beside this one, and counts whole copies of its keys (crashing.h) in its
 * core. NULL, or why it could not be measured. */
const char *cores_count(size_t *n_copies, const char *name);

#endif

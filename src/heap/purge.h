/* Purging: free memory goes back to the kernel, neither too eagerly nor never. The lock of heap/run.c is held. */
#ifndef HEAP_PURGE_H
#define HEAP_PURGE_H

#include "heap/range.h"

#include <stddef.h>

/* For the policy to learn from: the range grew; of a run taken there n_clean leaves were clean. */
void purge_note_growth(const struct heap_range *r);
void purge_note_take(const struct heap_range *r, size_t first, size_t n_clean);
/* A free run has become longer, or more dirty. Keeps errno. */
void purge_where_due(struct heap_range *r, size_t first, size_t n_leaves);
/* All that can go; returns the bytes. */
size_t purge_all(struct heap_range *r);

#endif

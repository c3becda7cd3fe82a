/* Dirt: a bit for each leaf of a range, whether its memory may have been touched since the kernel gave it.
 *
 * What is not dirty need not be cleared, and must not be read without need: that would make the kernel find memory for it. A run that
 * is in use keeps the bits it was taken with; its owner alone changes them, without a lock, and so may read them. */
#ifndef HEAP_DIRT_H
#define HEAP_DIRT_H

#include "heap/range.h"

#include <stdbool.h>
#include <stddef.h>

void dirt_set(const struct heap_range *r, size_t first, size_t n_leaves);
void dirt_clear(const struct heap_range *r, size_t first, size_t n_leaves);
size_t dirt_count(const struct heap_range *r, size_t first, size_t n_leaves);
/* How many leaves from the first one on, n_leaves at most, are all dirty or all clean. */
size_t dirt_stretch(const struct heap_range *r, size_t first, size_t n_leaves, bool *is_dirty);

/* Whether n_leaves from at on are all zero. Clean ones are looked at only where the kernel holds memory for them by now. */
bool dirt_holds_zero(const struct heap_range *r, void *at, size_t n_leaves);
/* Makes n_bytes from at, the start of a leaf, zero; clean leaves as a whole. */
void dirt_wipe(const struct heap_range *r, void *at, size_t n_bytes);

#endif

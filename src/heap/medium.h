/* Medium blocks: more than 16 KiB and up to 1 MiB, a run of leaves each.
 *
 * The slack (at least one byte) carries canaries as in heap/canary.h, and what of it is neither is zero and checked too.
 * errno: ENOMEM when NULL is returned; kept otherwise. Misuse ends the process with a sentence of heap/misuse.h. */
#ifndef HEAP_MEDIUM_H
#define HEAP_MEDIUM_H

#include "heap/misuse.h"

#include <stdbool.h>
#include <stddef.h>

/* n_bytes < HEAP_MEDIUM_MAX, alignment a power of two up to HEAP_MEDIUM_MAX. All zero. */
void *medium_allocate(size_t n_bytes, size_t alignment);
/* False if p is not inside a range. A block is zeroed. */
bool medium_free(void *p);
/* False if p is not inside a range; dies if it is there, but no live medium block. */
bool medium_size(const void *p, size_t *n_bytes, enum heap_act act);
/* Grows or shrinks within the run, or into a free run behind it; false if that cannot be: nothing has changed then. What is
 * gained is zero, what is given up is zeroed. p is a live block; false also if it is not a medium one. */
bool medium_resize(void *p, size_t n_bytes);
/* Checks the canaries of a live block, and that a freed one that waits is still zero (run_each finds them). */
void medium_check(const void *p, size_t run_bytes);
/* Whether the eight bytes below p, the start of a run or of the first slot of a slab, are what they must be: canary of the medium
 * block that ends there. True if no medium block ends there. Takes no lock; never false while others work. */
bool medium_below_is_sound(const void *p);
/* Whether the medium run that starts there is a block in use, not one that waits. */
bool medium_is_live(const void *p);
/* Gives back what waits in the quarantine: its leaves are free runs then. */
void medium_flush(void);

#endif

/* Guarded blocks: one small allocation in about a thousand, at random, stands alone on a page between two untouchable ones,
 * its end against the upper one, so that an overrun of a byte more than the alignment faults at once, and after its free the
 * page is closed: any use faults. 16 pages at most; those free the longest are taken first.
 *
 * The pages are one reservation made at the first use. The bytes left of the payload, and the up to 15 right of it, are the same
 * canary pattern and checked at free. errno is kept, also on failure: the caller then takes a usual slot. */
#ifndef HEAP_GUARDED_H
#define HEAP_GUARDED_H

#include "heap/misuse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* n_bytes at most a page less 16; aligned to 16. All zero. NULL when no page is left. */
void *guarded_allocate(size_t n_bytes);
/* False if p is outside the reservation. Dies if it is inside, but not the start of a live block. */
bool guarded_free(void *p);
bool guarded_size(const void *p, size_t *n_bytes, enum heap_act act);
void guarded_check(void);
uint64_t guarded_count(void); /* live ones */

void guarded_lock(void);
void guarded_unlock(void);
void guarded_lock_renew(void);

#endif

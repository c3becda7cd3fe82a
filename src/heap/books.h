/* Books: memory for the heap's own book-keeping, in mappings of its own between untouchable pages.
 *
 * Never given back to the kernel and never used for anything else, so that a late look at it by another thread is harmless. */
#ifndef HEAP_BOOKS_H
#define HEAP_BOOKS_H

#include <stddef.h>
#include <stdint.h>

enum { BOOKS_MAX = 16 * 1024 }; /* largest piece */

/* n_bytes, at most BOOKS_MAX, all zero, aligned to 64; at least BOOKS_MAX bytes behind it can be read. NULL without memory. */
void *books_take(size_t n_bytes);
/* A mapping of its own for larger things, n_bytes a multiple of the page; NULL without memory. */
void *books_map(size_t n_bytes);
uint64_t books_bytes(void); /* mapped by now */

void books_lock(void);
void books_unlock(void);
void books_lock_renew(void);

#endif

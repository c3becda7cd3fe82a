/* Stacks for clean calls: slots of the pool, open and zero while nobody is on them. */
#ifndef SECRET_STACK_H
#define SECRET_STACK_H

#include "pool/pool.h"

enum { STACK_BYTES = 64 << 10, STACK_MAX_BYTES = 256 << 10 };

void stack_start_anew(void);

/* The slot of a writable stack of zeroes, of at least n_bytes <= STACK_MAX_BYTES. 0 or what pool_take() returns. */
int stack_take(uint32_t *number, size_t n_bytes);
/* Wipes all of it; keeps it, or gives its slot back. */
void stack_give(uint32_t number);
/* Gives kept ones back to the pool, where slots are short; whether there were any. */
bool stack_give_kept(void);

#endif

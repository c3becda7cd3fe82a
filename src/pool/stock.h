/* The stock behind the pool: chunks, their slots by size class, and what they cost. For pool/pool.c alone, which holds its lock around
 * every call. */
#ifndef POOL_STOCK_H
#define POOL_STOCK_H

#include "os/page.h"
#include "pool/pool.h"

enum { STOCK_CLASSES = 6, STOCK_LARGE = STOCK_CLASSES };

extern uint32_t stock_free_head[MEMORY_KINDS][STOCK_CLASSES]; /* numbers of slots, 0: none */
extern struct pool_counts stock_counts;

void stock_start_anew(void);

static inline struct pool_chunk *stock_chunk(uint32_t number)
{
        return ledger_at(&pool_chunks, number, sizeof(struct pool_chunk));
}

/* The size a slot has that holds n_bytes; its class, which is STOCK_LARGE above the last one. */
size_t stock_slot_bytes(size_t n_bytes);
unsigned stock_class(size_t slot_bytes);

/* Puts a closed, zeroed slot that nobody owns back: on its free list, or with the kernel where it is a large one. */
void stock_put(uint32_t number);
/* A closed, zeroed slot. KEEPMUM_ELIMIT, KEEPMUM_ENOMEM, KEEPMUM_ENOSLOT, or what chunk_map() returns. */
int stock_get(uint32_t *number, enum memory_kind kind, size_t slot_bytes);
/* One of a page, where none is free in a chunk of its own. */
int stock_get_alone(uint32_t *number, enum memory_kind kind);
/* Gives wholly free chunks back to the kernel; whether there was one. */
bool stock_drop_free_chunks(void);

/* To be refused takes as long as a hundred opens: for callers with another way the answer of a limit is remembered for a while, until
 * something is given back or the limits are forgotten. True, with that answer, where it is fresh and no slot is free. */
bool stock_is_at_limit(int *err, enum memory_kind kind, unsigned class);
void stock_note_limit(int err, enum memory_kind kind, unsigned class);
void stock_forget_limits(void);
bool stock_is_over_budget(size_t n_bytes, enum memory_kind kind);
/* How many slots of the class are mapped. */
uint32_t stock_mapped(enum memory_kind kind, unsigned class);

/* With --enable-checks: what is always true. */
void stock_check(void);

#endif

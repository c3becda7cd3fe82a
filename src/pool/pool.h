/* The pool: slots of whole pages, taken and given back closed and wiped. */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "region/chunk.h"
#include "region/guest.h"
#include "region/ledger.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POOL_MOST_SLOTS = 64 }; /* of a chunk */

/* What is known of a slot, out of its reach. The owner's fields are set by secret/ while it holds the slot. */
struct slot {
        unsigned char *bytes;
        size_t n_bytes;                 /* a multiple of the page size */
        uint32_t chunk;
        uint32_t next_free;
        _Atomic uint32_t owner;         /* number of the record, 0 for none */
        _Atomic uint32_t payload_bytes;
        _Atomic uintptr_t writer;       /* the thread that has it open for writing */
        _Atomic(struct box *) box;      /* what it is sealed as, or is to be; NULL for none */
        _Atomic bool is_recent;         /* was opened since it was looked at last for a slot to take */
        _Atomic bool stays;             /* is not to be taken */
        uint32_t outer;                 /* of a clean call's stack: the stack that the call was made on; 0: a thread's own */
};

static_assert(sizeof(struct slot) <= 64, "a slot's entry is at most a cache line");

/* A chunk and what the pool knows of it. */
struct pool_chunk {
        struct chunk map;
        unsigned char *first; /* slot first_slot; the next ones follow at every stride */
        size_t stride;
        uint32_t first_slot, n_free;
        _Atomic uint32_t is_empty; /* its memory is with the kernel, its addresses are kept */
};

/* Counts for keepmum_stats(). */
struct pool_counts {
        uint64_t slots, free_slots, hidden_slots, unlocked_slots, locked_bytes, lock_budget;
};

/* Begins with nothing: at the first use, and in a child of fork, where the parent's slots become untouchable addresses. 0 or
 * KEEPMUM_ENOMEM. */
int pool_start_anew(void);

/* Takes a closed, zeroed slot of at least n_bytes, in the best memory that the flags accept. 0; KEEPMUM_ELIMIT, _ENOSLOT (no number is left), _ENOMEM, _ENOLOCK, _ENODUMP, _ENOFORK,
 * _ENOGUARD, _ENOHIDDEN. A slot's number is never 0. */
int pool_take(uint32_t *number, size_t n_bytes, unsigned creation_flags);
/* Takes a slot of one page and of this kind for as long as the process lives; best in a chunk of its own, so that it keeps no others. */
int pool_take_for_ever(uint32_t *number, enum memory_kind kind);
/* Gives closed, zeroed slots back, and takes one; nobody else can take one of them in between. */
int pool_trade(const uint32_t *given, size_t n_given, uint32_t *number, size_t n_bytes, unsigned creation_flags);
/* Gives closed, zeroed slots back, and every chunk that is wholly free to the kernel. */
void pool_trim(const uint32_t *given, size_t n_given);
/* Gives a slot back that is open for writing: wipes all of it and closes it. */
void pool_give(uint32_t number);
/* Gives a slot back that was never open for writing: it is closed and zero still. */
void pool_give_untouched(uint32_t number);

/* Gives closed, zeroed slots back, and maps a guest, counted as locked, for which nobody else gets their room; wholly free chunks go back to the
 * kernel where they are in the way. No fork() takes place meanwhile. KEEPMUM_ELIMIT beyond the budget too, else what guest_map() returns. */
int pool_admit(const uint32_t *given, size_t n_given, struct guest *g);
void pool_dismiss(struct guest *g);

extern struct ledger pool_slots, pool_chunks;
extern uint32_t pool_first_slot, pool_first_chunk; /* of this epoch */

static inline struct slot *pool_slot(uint32_t number)
{
        return ledger_at(&pool_slots, number, sizeof(struct slot));
}

/* Whether the number and the slot's own entry are what the pool made them. Inline: on the path of every open. */
static inline bool pool_is_sound(uint32_t number)
{
        const struct slot *s;
        const struct pool_chunk *c;

        if (number < pool_first_slot || number >= ledger_count(&pool_slots))
                return false;
        s = pool_slot(number);
        if (s->chunk < pool_first_chunk || s->chunk >= ledger_count(&pool_chunks))
                return false;
        c = ledger_at(&pool_chunks, s->chunk, sizeof *c);
        return (number - c->first_slot < c->map.n_slots) & (s->bytes == c->first + (number - c->first_slot) * c->stride) &
               (s->n_bytes == c->map.slot_bytes);
}

unsigned pool_promises(const struct slot *s);
bool pool_prefers_hidden(void); /* where the caller has no wish */
/* Whether a slot of n_bytes would be of the same size as this one; and whether this one is of memory that is accepted too. */
bool pool_is_same_size(const struct slot *s, size_t n_bytes);
bool pool_would_serve(const struct slot *s, size_t n_bytes, unsigned creation_flags);
/* Whether there are slots that would serve, in use or not; large ones do not count. */
bool pool_has_serving(size_t n_bytes, unsigned creation_flags);
/* Whether one secret of this size alone is more than may be locked. */
bool pool_is_beyond_limits(size_t n_bytes);
bool pool_is_mapped(const struct slot *s);

int pool_set_lock_budget(size_t n_bytes);
void pool_count(struct pool_counts *counts);
/* Calls visit for every slot that is mapped. Async-signal-safe if visit is. */
void pool_for_each(void (*visit)(struct slot *s));

#endif

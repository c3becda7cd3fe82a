/* Records: one for each handle, with the word that says in what phase its secret is. */
#ifndef SECRET_RECORD_H
#define SECRET_RECORD_H

#include "base/fatal.h"
#include "pool/pool.h"

#include <assert.h>
#include <keepmum.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The word: generation 40 bits | phase 3 | waiters 1 | count of opens 20. */
enum phase {
        PHASE_FREE,   /* no secret; the generation is the next one's */
        PHASE_EMPTY,  /* never written, no slot: a secret of zeroes */
        PHASE_CLOSED,
        PHASE_SEALED, /* encrypted, no slot */
        PHASE_READ,   /* open for reading, count times */
        PHASE_WRITE,  /* open for writing, once */
        PHASE_DYING,  /* destroyed while open: the last close wipes it */
        PHASE_BUSY    /* one thread changes it: this is the record's lock */
};

enum { WORD_MAX_OPENS = (1 << 20) - 1, RECORD_INDEX_BITS = 24, RECORD_GENERATION_BITS = 40 };
#define WORD_WAITERS ((uint64_t)1 << 20)
#define RECORD_GENERATION_MASK (((uint64_t)1 << RECORD_GENERATION_BITS) - 1)

static inline uint64_t word_make(uint64_t generation, enum phase phase, uint64_t n_opens)
{
        return generation << 24 | (uint64_t)phase << 21 | n_opens;
}

static inline uint64_t word_generation(uint64_t word)
{
        return word >> 24;
}

static inline enum phase word_phase(uint64_t word)
{
        return (enum phase)(word >> 21 & 7);
}

static inline uint32_t word_opens(uint64_t word)
{
        return (uint32_t)(word & WORD_MAX_OPENS);
}

/* All but the word is changed only by who holds the record BUSY. */
struct record {
        _Atomic uint64_t word;
        _Atomic uint64_t where; /* record_slot() or record_box(); 0 for neither; of a free record the next free one's number */
        _Atomic uint32_t payload_bytes;
        uint16_t flags;            /* of creation */
        bool is_written;           /* was opened for writing since its creation: its bytes may not be zero */
        bool is_patterned : 1;     /* the unused part of its slot holds the pattern */
        bool has_others_box : 1;   /* the one that it shares was first another secret's: keepmum_clone() */
};

static_assert(sizeof(struct record) == 24, "a million records are to be small");

struct box;
enum { WHERE_IS_BOX = 1, WHERE_IS_HIDDEN = 2, WHERE_BITS = 2 }; /* boxes are aligned to more */

/* The number of its slot; what it is of a record that has none, pool_is_sound() finds out. */
static inline uint32_t record_slot(const struct record *r)
{
        return (uint32_t)(atomic_load_explicit(&r->where, memory_order_relaxed) >> WHERE_BITS);
}

static inline void record_set_slot(struct record *r, uint32_t number)
{
        atomic_store(&r->where, (uint64_t)number << WHERE_BITS);
}

/* Its box; only in phase SEALED. is_hidden: whether it is sealed under the hidden key. */
static inline struct box *record_box(const struct record *r)
{
        uint64_t where = atomic_load(&r->where);

        must((where & WHERE_IS_BOX) != 0, "the records were overwritten");
        return (struct box *)(uintptr_t)(where >> WHERE_BITS << WHERE_BITS);
}

static inline void record_set_box(struct record *r, const struct box *b, bool is_hidden)
{
        atomic_store(&r->where, (uint64_t)(uintptr_t)b | WHERE_IS_BOX | (is_hidden ? WHERE_IS_HIDDEN : 0));
}

int record_start_anew(void);

/* What a BUSY record starts with: no slot, nothing written. */
static inline void record_begin(struct record *r, size_t n_bytes, unsigned creation_flags)
{
        r->flags = (uint16_t)creation_flags;
        r->is_written = r->is_patterned = r->has_others_box = false;
        atomic_store(&r->payload_bytes, (uint32_t)n_bytes);
}

/* A record in phase BUSY for a new secret, and its handle. KEEPMUM_ENOMEM, KEEPMUM_ENOSLOT. */
int record_take(struct record **r, keepmum_secret *handle);
/* Ends a BUSY record: its handle is stale from now on. */
void record_give(struct record *r, keepmum_secret handle);

extern struct ledger record_ledger;
extern uint32_t record_first; /* of this epoch: those below are of before a fork */

static inline uint32_t record_number(keepmum_secret handle)
{
        return (uint32_t)(handle.bits & (((uint32_t)1 << RECORD_INDEX_BITS) - 1));
}

static inline uint64_t record_generation(keepmum_secret handle)
{
        return handle.bits >> RECORD_INDEX_BITS;
}

/* Finds the record of a handle. 0; KEEPMUM_EINVAL for {0}; KEEPMUM_EFORKED for a handle of before the fork; aborts on a number never given out. */
static inline int record_find(struct record **r, keepmum_secret handle)
{
        uint32_t number = record_number(handle);

        if (handle.bits == 0)
                return KEEPMUM_EINVAL;
        must(number != 0 && number < ledger_count(&record_ledger), "a handle that was never given out");
        *r = ledger_at(&record_ledger, number, sizeof(struct record));
        return number < record_first ? KEEPMUM_EFORKED : 0;
}

/* KEEPMUM_ESTALE for a generation that is not the word's; aborts if it was never given out. */
int record_is_stale(keepmum_secret handle, uint64_t word);

/* Whether word is still of this handle's secret, and that secret is not destroyed: 0 or KEEPMUM_ESTALE. Aborts on a handle that was
 * never given out. */
static inline int record_is_live(keepmum_secret handle, uint64_t word)
{
        enum phase phase = word_phase(word);

        if (record_generation(handle) != word_generation(word) || phase == PHASE_FREE)
                return record_is_stale(handle, word);
        return phase == PHASE_DYING ? KEEPMUM_ESTALE : 0;
}

void record_wake(const struct record *r);

/* Puts the record into a new phase and wakes who waits. Only for who holds it BUSY. */
static inline void record_publish(struct record *r, uint64_t word)
{
        if (atomic_exchange(&r->word, word) & WORD_WAITERS)
                record_wake(r);
}

/* Waits while the record is BUSY; returns its word then. */
uint64_t record_wait(struct record *r, uint64_t word);

struct record_counts {
        uint64_t secrets, without_slot, opens;
};

/* How many secrets live, and how many opens stand. */
void record_count(struct record_counts *counts);
/* Tries to make the record of a slot's owner BUSY from CLOSED, and never waits. Async-signal-safe. */
bool record_claim_owner(const struct slot *s, struct record **r, uint64_t *word);

#endif

/* A thread's cache: for each size class a magazine of slots to hand out, and a quarantine of slots just freed.
 *
 * Only its thread touches it, without a lock: handing out takes one of the topmost eight of the magazine at random; a freed slot takes a
 * random place in the quarantine, and what stood there goes to the magazine. Half a magazine at a time is exchanged with the
 * central store (heap/slab.h). Always true: a slot in a cache is not live and all zero. A thread's end parks its cache, full as
 * it is, for the next thread, or empties it if some wait already. */
#ifndef HEAP_CACHE_H
#define HEAP_CACHE_H

#include "heap/slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_SLOTS = 64, CACHE_QUARANTINE_BYTES = 128 * 1024 };

struct cache {
        uint64_t random_state;
        uint32_t until_guarded;    /* allocations until one stands against a guard page */
        uint32_t n_guarded;        /* how often that was, at first */
        uint32_t quarantine_bytes;
        uint8_t store;             /* which of the SLAB_STORES it takes from */
        bool is_used;              /* belongs to a living thread */
        bool is_parked;            /* belongs to nobody, but holds slots */
        struct cache *next;        /* in the list of all */
        uint8_t n[SLAB_CLASSES];         /* in the magazine */
        uint8_t n_waiting[SLAB_CLASSES]; /* in the quarantine */
        uint8_t n_places[SLAB_CLASSES];  /* of the quarantine, all taken: as many as wait; 0 while there are more to take */
        void *magazine[SLAB_CLASSES][CACHE_SLOTS];
        void *quarantine[SLAB_CLASSES][CACHE_SLOTS]; /* see cache_quarantine_max */
};

extern __thread struct cache *cache_here; /* NULL before the first use and while the thread ends */

static inline uint32_t cache_random(struct cache *c)
{
        c->random_state = c->random_state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t)(c->random_state >> 32);
}

/* This thread's cache, made or adopted; NULL if it has none: without memory, or in a thread's last moments. */
struct cache *cache_get(void);
/* In place of one: shared, under a lock. */
struct cache *cache_borrow(void);
void cache_return(void);

/* Fills an empty magazine; false without memory. */
bool cache_refill(struct cache *c, uint32_t class);
/* Makes room in a full one. */
void cache_flush(struct cache *c, uint32_t class);
/* A slot of a class whose n_places is 0: into the next place of the quarantine. False if there is none; n_places then says how many there
 * are, and stays 0 without any. */
bool cache_keep(struct cache *c, uint32_t class, void *slot);
/* Gives all it holds to the central store. */
void cache_empty(struct cache *c);
/* Sets until_guarded anew, at random: about every thousandth, and later, where a thread allocates by the hundred thousand, every eight
 * thousandth: two changes of a page's protection, which other running threads are interrupted for, cost more than 500 allocations. */
void cache_plan_guarded(struct cache *c);

void cache_start(void); /* once, before any other */
uint64_t cache_count(void); /* in use by threads */

/* For fork: take the locks, let them go, or make them anew in the child and empty the caches of the threads that are not there. */
void cache_lock(void);
void cache_unlock(void);
void cache_lock_renew(void);
void cache_forsake_others(void);

/* Slots a magazine and a quarantine hold at most: fewer if they are larger. */
static inline uint32_t cache_magazine_max(uint32_t slot_bytes)
{
        return slot_bytes <= 1024 ? CACHE_SLOTS : 8;
}

static inline uint32_t cache_quarantine_max(uint32_t slot_bytes)
{
        return slot_bytes <= 256 ? CACHE_SLOTS : slot_bytes <= 2048 ? 16 : 4;
}

#endif

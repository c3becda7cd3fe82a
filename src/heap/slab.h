/* Slabs: 64 KiB cut into slots of one size, and the central stores of free slots, for each size class.
 *
 * Always true: nothing about a slot stands in the slab. Each slot has one word out of line, its slack: how many of its bytes were not
 * asked for, at least one; 0 while it is not live. A slot that is not live is in one place only: in its slab's bitmap, or in
 * some thread's cache (heap/cache.h). Every byte of it is zero. */
#ifndef HEAP_SLAB_H
#define HEAP_SLAB_H

#include "heap/layout.h"
#include "heap/range.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLAB_CLASSES = 36, SLAB_STORES = 4 };

typedef _Atomic uint16_t slot_slack;

/* One cache line. A unit that is no slab has n_slots 0. */
struct slab {
        slot_slack *slack;        /* [n_slots] */
        uint32_t inverse;         /* 2^32 / slot_bytes, rounded up */
        uint16_t slot_bytes;
        _Atomic uint16_t n_slots; /* set last, cleared first */
        uint8_t class;
        bool is_listed;           /* in its class's list of slabs that have slots to give */
        uint16_t n_free;          /* in the bitmap */
        uint16_t n_opened;        /* slots from here on were never given out: their memory is not touched */
        uint64_t *bitmap;         /* of the free slots; [n_slots / 64 rounded up] */
        struct slab *next, *previous;
        char *base;
        uint32_t purged; /* a bit for each leaf that was given back to the kernel and not handed out since */
        uint8_t store;   /* which of the SLAB_STORES */
        uint8_t spare[3];
};
static_assert(sizeof(struct slab) == 64, "one cache line");

extern const uint16_t slab_class_bytes[SLAB_CLASSES];

/* The smallest class for a slot of n_bytes, 1 .. HEAP_SMALL_MAX. */
extern const uint8_t slab_class_of_step[HEAP_SMALL_MAX / 16 + 1];
static inline uint32_t slab_class(size_t n_bytes)
{
        return slab_class_of_step[(n_bytes + 15) / 16];
}

static inline struct slab *slab_in(const struct heap_range *r, uintptr_t offset, uint32_t *slot)
{
        struct slab *s = &r->slabs[offset / HEAP_UNIT];
        uint64_t within = offset % HEAP_UNIT, number = within * s->inverse >> 32;

        *slot = (uint32_t)number;
        if (__builtin_expect(number >= atomic_load_explicit(&s->n_slots, memory_order_relaxed) || number * s->slot_bytes != within, 0))
                return NULL;
        return s;
}

/* The slab and slot number of an address that is exactly the start of a slot; NULL for any other. */
static inline struct slab *slab_find(const void *p, uint32_t *slot)
{
        const struct heap_range *r = range_find(p);

        return r == NULL ? NULL : slab_in(r, (uintptr_t)p - r->base, slot);
}

/* The same, but NULL also for a slot outside the first range. */
static inline struct slab *slab_find_first(const void *p, uint32_t *slot)
{
        uintptr_t offset;

        return range_offset(&heap_ranges[0], p, &offset) ? slab_in(&heap_ranges[0], offset, slot) : NULL;
}

/* Moves up to n free slots of a class to slots[], from one of the stores; returns how many, 0 without memory. */
uint32_t slab_take(void **slots, uint32_t n, uint32_t class, uint32_t store_number);
/* Gives slots of one class back, each to the store it came from. Slabs that are empty then, beyond a few, become free runs. */
void slab_give(void *const *slots, uint32_t n, uint32_t class);
/* In a child of fork, all caches empty: gives what other threads had in their hands, slots that are neither live nor in a bitmap. */
void slab_recover_all(void);
/* Makes every empty slab a free run. */
void slab_trim(void);
/* Checks every slot of the slab there, which may be in use: dies if one is damaged. */
void slab_check(void *at);

/* False if the eight bytes below p, the start of a slot or of a run, are a slot's end and damaged: a live one's canary, or a free
 * one's zeroes. Takes no lock; never false while others work. */
bool slab_below_is_sound(const void *p);

/* For fork: take the locks, let them go, or make them anew in the child. */
void slab_lock(void);
void slab_unlock(void);
void slab_lock_renew(void);

#endif

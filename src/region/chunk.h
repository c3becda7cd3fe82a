/* A chunk: slots for secrets, each between two pages that nobody may touch. */
#ifndef REGION_CHUNK_H
#define REGION_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum memory_kind {
        MEMORY_HIDDEN,   /* secret memory */
        MEMORY_LOCKED,   /* locked shared anonymous memory */
        MEMORY_UNLOCKED, /* the same without the lock; only for who accepts that */
        MEMORY_KINDS
};

struct chunk {
        unsigned char *base;       /* of the reservation: a guard page, a slot, a guard page, a slot, ... a guard page */
        size_t slot_bytes;         /* a multiple of the page size */
        uint32_t n_slots;
        enum memory_kind kind;
        unsigned promises;         /* KEEPMUM_IS_LOCKED, _NODUMP, _NOFORK, _GUARDED, _HIDDEN: what each call's result has shown */
};

/* Maps c->n_slots closed, zeroed slots of c->slot_bytes and kind c->kind. With c->base NULL addresses are reserved; else those of an
 * emptied chunk of the same shape are used again. On an error nothing is mapped, and c->base is as before. */
int chunk_map(struct chunk *c);
/* Gives memory and lock of wiped slots back to the kernel; the addresses stay reserved and untouchable. 0, or an error with nothing
 * changed: at the very limit of mappings the kernel refuses even this. */
int chunk_empty(struct chunk *c);

unsigned char *chunk_slot(const struct chunk *c, uint32_t i);

/* Looks, with a slot made for it, whether this machine does what it answers: a closed page is closed, guards are closed, a locked
 * one is locked. 0; KEEPMUM_ENOGUARD, KEEPMUM_ENOLOCK, or what chunk_map() returns. */
int chunk_probe(enum memory_kind kind);

#endif

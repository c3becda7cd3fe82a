/* A chunk: slots for secrets, each between two pages that nobody may touch.
 *
 *   | PROT_NONE | slot 0 | PROT_NONE | slot 1 | ... | PROT_NONE |
 *
 * Always true: each slot is a mapping of its own, so that opening it never splits one (a split costs two to three times a plain
 * call); slots are shared memory and guards are private, so the kernel never merges them; the descriptor of a secret memory file
 * is closed before chunk_map() returns; the book-keeping is elsewhere, so an overrun of a slot faults before it can reach a length
 * or a pointer of ours. Not here: who owns a slot (pool/). */
#include "region/chunk.h"

#include "os/page.h"
#include "os/secretmem.h"

#include <errno.h>
#include <keepmum.h>
#include <stdbool.h>

unsigned char *chunk_slot(const struct chunk *c, uint32_t i)
{
        return c->base + page_bytes() + i * (c->slot_bytes + page_bytes());
}

static size_t total_bytes(const struct chunk *c)
{
        return c->n_slots * (c->slot_bytes + page_bytes()) + page_bytes();
}

/* Closed from birth until no fork can take it along any more: a child made in between by clone() finds it closed. */
static int slot_map(const struct chunk *c, uint32_t i, int fd)
{
        void *at = chunk_slot(c, i);
        size_t n = c->slot_bytes;
        bool is_hidden = c->kind == MEMORY_HIDDEN; /* locked and not dumped from birth */
        int err = is_hidden ? page_map_file(at, n, fd, i * n) : page_map_anonymous(at, n);

        if (err != 0 || (err = page_no_fork(at, n)) != 0 || (!is_hidden && (err = page_no_dump(at, n)) != 0) ||
            (err = page_open_first(at, n)) != 0 || (c->kind == MEMORY_LOCKED && (err = page_lock(at, n)) != 0) ||
            (err = page_prefault(at, n)) != 0)
                return err;
        page_no_huge(at, n);
        return page_close_first(at, n);
}

static int slots_map(struct chunk *c)
{
        int fd = -1, err = 0;

        if (c->kind == MEMORY_HIDDEN && (err = secretmem_create(&fd, c->n_slots * c->slot_bytes)) != 0)
                return err;
        for (uint32_t i = 0; err == 0 && i < c->n_slots; i++)
                err = slot_map(c, i, fd);
        if (fd >= 0)
                secretmem_close(fd);
        return err;
}

static unsigned promises_of(enum memory_kind kind)
{
        unsigned kept = KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED;

        if (kind != MEMORY_UNLOCKED)
                kept |= KEEPMUM_IS_LOCKED;
        if (kind == MEMORY_HIDDEN)
                kept |= KEEPMUM_IS_HIDDEN;
        return kept;
}

int chunk_map(struct chunk *c)
{
        void *fresh = NULL;
        int err, cause;

        if (c->base == NULL) {
                if ((err = page_reserve(&fresh, total_bytes(c))) != 0)
                        return err;
                c->base = fresh;
        }
        if ((err = slots_map(c)) == 0) {
                if (c->promises == 0) /* of a chunk that is mapped again others may read them at this moment */
                        c->promises = promises_of(c->kind);
                return 0;
        }
        cause = errno;
        if (fresh != NULL) {
                page_release(fresh, total_bytes(c));
                c->base = NULL;
        } else if (chunk_empty(c) != 0) { /* at the very limit of mappings: what is there stays, zero and closed, for the next try */
                for (uint32_t i = 0; i < c->n_slots; i++)
                        (void)page_close_first(chunk_slot(c, i), c->slot_bytes);
        }
        errno = cause;
        return err;
}

int chunk_empty(struct chunk *c)
{
        return page_vacate(c->base, total_bytes(c));
}

int chunk_probe(enum memory_kind kind)
{
        struct chunk trial = {.slot_bytes = page_bytes(), .n_slots = 1, .kind = kind};
        unsigned char *slot;
        bool is_closed, is_locked = true;
        int err = chunk_map(&trial);

        if (err != 0)
                return err;
        slot = chunk_slot(&trial, 0);
        is_closed = !page_probe_writable(slot) && !page_probe_writable(slot - 1) && !page_probe_writable(slot + trial.slot_bytes);
        if (kind != MEMORY_UNLOCKED)
                err = page_probe_locked(&is_locked, slot, trial.slot_bytes);
        page_release(trial.base, total_bytes(&trial));
        if (!is_closed)
                return KEEPMUM_ENOGUARD;
        return err != 0 || is_locked ? err : KEEPMUM_ENOLOCK;
}

/* Taking slots from secrets that are closed and were not used lately. */
#ifndef SECRET_EVICT_H
#define SECRET_EVICT_H

#include "secret/key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void evict_start_anew(void);

/* What slot is wanted. */
struct want {
        size_t n_bytes;
        unsigned creation_flags;
        const struct slot *own; /* which the caller has already, and will have to keep; NULL for none */
};

/* Takes a slot from others, after pool_take() was refused for this reason. *is_open: it is writable, else closed; zero in any case. 0;
 * KEEPMUM_ENOSLOT, KEEPMUM_ENOMEM; the reason where there is nothing to take at all. */
int evict_take(uint32_t *number, bool *is_open, const struct want *want, struct key_use *use, int reason);
/* Maps a guest in the room of others, after pool_admit() was refused for this reason. 0; KEEPMUM_ENOSLOT, KEEPMUM_ENOMEM; else the reason. */
int evict_admit(struct guest *g, int reason);
/* Gives one chunk's mappings and lock back, if there is one whose secrets can all be sealed. */
void evict_make_room(void);
void evict_count(uint64_t *n_evictions, uint64_t *n_clean);

#endif

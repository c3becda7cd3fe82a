/* Secrets without a slot: how they lose it, and how they get one again. */
#ifndef SECRET_SEAL_H
#define SECRET_SEAL_H

#include "secret/access.h"
#include "secret/box.h"
#include "secret/evict.h"

/* A slot for a secret, taken from another one where a limit is met. *is_open: it is writable; else closed; zero in any case. 0; KEEPMUM_ENOSLOT where
 * all that would serve are open or must stay; KEEPMUM_ENOMEM also where another secret cannot be sealed; else what pool_take() returns. */
int seal_take_slot(uint32_t *number, bool *is_open, const struct want *want, struct key_use *use);
/* A closed slot for a new secret; 0 where it can do without one until it is opened. Errors as seal_take_slot(). */
int seal_first_slot(uint32_t *number, size_t n_bytes, unsigned creation_flags);

/* Maps a guest, for whom cold secrets are sealed where a limit is met. Who asks holds no record BUSY. 0; errors as seal_take_slot(), or those of
 * guest_map(). */
int seal_admit(struct guest *g, unsigned creation_flags);

/* Makes a slot, which is nobody's, the BUSY record's own, for a payload of n_bytes. */
void seal_settle(struct record *r, keepmum_secret handle, uint32_t slot, size_t n_bytes);

/* Whether there is a key for a BUSY record: none may be, and a hidden one may be missing, where unlocked memory is accepted. */
bool seal_has_key(const struct record *r);
/* Makes sure that a BUSY record with a slot has a box to be sealed into, if it needs one. 0 or KEEPMUM_ENOMEM. */
int seal_prepare(const struct record *r);
/* Seals a BUSY record, prepared, out of its slot, which is left writable, zero, and nobody's. Returns its phase now: SEALED or EMPTY. The caller
 * publishes it, and ends the use of the key. */
enum phase seal_put_away(struct record *r, keepmum_secret handle, bool is_writable, struct key_use *use);

/* Brings a record that was claimed from SEALED or EMPTY into a slot, which is writable then, and has room for room_bytes too. On an error, which
 * are those of seal_take_slot(), it is published as it was. */
int seal_revive(struct record *r, keepmum_secret handle, enum phase from, size_t room_bytes);
/* The same, and what it was sealed as is given up. */
int seal_revive_for_writing(struct record *r, keepmum_secret handle, enum phase from);

/* The last close of a KEEPMUM_SEALED secret, BUSY. */
void seal_close(struct record *r, keepmum_secret handle, bool is_writable);
/* The end of a BUSY record that has no slot. */
void seal_end(struct record *r, keepmum_secret handle, enum phase from);

/* Gives up what a slot's secret was sealed as: its bytes are about to change. */
static inline void seal_forget_box(struct record *r, struct slot *s)
{
        struct box *b = atomic_load_explicit(&s->box, memory_order_relaxed);

        if (b != NULL) {
                atomic_store(&s->box, NULL);
                r->has_others_box = false;
                box_drop(b);
        }
}

#endif

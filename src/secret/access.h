/* Opening and closing, for the rooms of this layer that hold a record BUSY. */
#ifndef SECRET_ACCESS_H
#define SECRET_ACCESS_H

#include "base/size.h"
#include "secret/record.h"

/* Where a secret is. */
struct place {
        struct slot *slot;
        uint32_t number;
        size_t slot_bytes, payload_bytes;
        unsigned char *payload;
};

/* Takes a record that is not open: it is BUSY then. *from: it was CLOSED, SEALED or EMPTY. 0; KEEPMUM_EBUSY while it is open, KEEPMUM_ESTALE,
 * _EFORKED, _EINVAL, _EWIPED. */
int access_claim(struct record **r, keepmum_secret handle, enum phase *from);
/* The same; or counts one more open of a record that is open for reading (*from is READ). */
int access_join_or_claim(struct record **r, keepmum_secret handle, enum phase *from);

/* The place of a BUSY record; aborts if record and slot do not agree. */
void access_find(struct place *p, const struct record *r, keepmum_secret handle);
/* Aborts on a write beside the secret; the slot can be read. */
void access_look_at_pattern(const struct record *r, const struct place *p);
/* Puts a BUSY record whose slot is closed into phase CLOSED. */
void access_publish_closed(struct record *r, keepmum_secret handle);
/* The way back from access_join_or_claim(). */
static inline void access_let_go(struct record *r, keepmum_secret handle, enum phase from)
{
        if (from == PHASE_READ)
                keepmum_close(handle);
        else if (from == PHASE_CLOSED)
                access_publish_closed(r, handle);
        else
                record_publish(r, word_make(record_generation(handle), from, 0));
}

/* What a payload takes at the end of its slot. */
static inline size_t access_room(size_t payload_bytes, unsigned creation_flags)
{
        return creation_flags & KEEPMUM_EXACT_END ? payload_bytes : size_round_up(payload_bytes, 16);
}

/* Between the two a BUSY, closed record's slot is writable, with its pattern looked at. The end publishes it CLOSED. */
void access_begin_write(struct record *r, keepmum_secret handle);
void access_end_write(struct record *r, keepmum_secret handle);

#endif

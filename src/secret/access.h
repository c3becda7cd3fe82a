/* Opening and closing, for the rooms of this layer that hold a record BUSY. */
#ifndef SECRET_ACCESS_H
#define SECRET_ACCESS_H

#include "secret/record.h"

/* Takes a record that is CLOSED: it is BUSY then. 0; KEEPMUM_EBUSY while it is open, KEEPMUM_ESTALE, _EFORKED, _EINVAL, _EWIPED. */
int access_claim(struct record **r, keepmum_secret s);

/* First byte of the payload of n_bytes in a slot. */
unsigned char *access_payload(const struct slot *s, size_t n_bytes, unsigned creation_flags);
/* The slot of a BUSY record; aborts if record and slot do not agree. */
struct slot *access_slot(const struct record *r, keepmum_secret handle);

/* Between the two a BUSY, closed record's slot is writable, with its pattern looked at. */
void access_begin_write(struct record *r, keepmum_secret handle);
void access_end_write(struct record *r, keepmum_secret handle);
/* Wipes the slot of a BUSY record, gives it back, and ends the record. is_writable: whether the slot is open for writing now. */
void access_finish(struct record *r, keepmum_secret handle, bool is_writable);

#endif

/* Boxes: secrets as they are when sealed. Immutable once sealed, counted, in the general heap. */
#ifndef SECRET_BOX_H
#define SECRET_BOX_H

#include "secret/key.h"

#include <keepmum.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BOX_TAG_BYTES = 16 };

struct box {
        _Atomic uint32_t n_holders; /* records, and slots of secrets that were only read since */
        uint32_t key;               /* enum key_kind: what it is sealed under */
        uint64_t counter;           /* of all boxes of this process; 0: blank, not sealed yet */
        keepmum_secret origin;      /* whose it was first */
        unsigned char tag[BOX_TAG_BYTES];
        unsigned char bytes[];
};

/* A blank box with one holder; NULL where there is no memory. */
struct box *box_make(size_t n_bytes);
/* One holder more; returns the box. */
struct box *box_share(struct box *b);
/* One holder less; the last one frees it. NULL is allowed. */
void box_drop(struct box *b);

static inline bool box_is_blank(const struct box *b)
{
        return b->counter == 0;
}

/* Seals bytes into a blank box of their size. */
void box_seal(struct box *b, keepmum_secret origin, const void *bytes, size_t n_bytes, struct key_use *use);
/* Opens a box into bytes; false if it, or anything it is bound to, is not as it was sealed. */
bool box_open(const struct box *b, void *bytes, size_t n_bytes, struct key_use *use);

#endif

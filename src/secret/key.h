/* The sealing keys: made for this process alone, each in a slot of its own, closed unless a box is worked on. */
#ifndef SECRET_KEY_H
#define SECRET_KEY_H

#include "pool/pool.h"

#include <stdbool.h>
#include <stdint.h>

/* What is hidden is sealed under a hidden key; the other one is there where hidden memory is not to be had or not wanted. */
enum key_kind { KEY_HIDDEN, KEY_LOCKED, KEY_KINDS };

enum { KEY_BYTES = 32 };

/* Which keys one piece of work has opened; begins as {0}, and ends with key_close(). */
struct key_use {
        bool is_open[KEY_KINDS];
};

void key_start_anew(void);

/* Makes the key for secrets that are created with these flags, unless there is one. It needs two more pages than its own to be there:
 * less than three are of no use. 0, or what pool_take() returns. */
int key_prepare(unsigned creation_flags);
/* The kind to seal under, once key_prepare() has succeeded. */
enum key_kind key_best(void);
/* The slot of a key, as state and verify look at it; NULL where there is none. */
const struct slot *key_slot(enum key_kind kind);
/* Whether this owner's number stands for a key. */
bool key_is_owner(uint32_t owner);
uint64_t key_count(uint64_t *n_hidden);

/* Opens the key's page, if this work has not done it yet. Others may have it open at the same time. */
const unsigned char *key_open(struct key_use *use, enum key_kind kind);
void key_close(struct key_use *use);

/* For keepmum_wipe_all(): the keys become noise. Never waits; async-signal-safe. */
void key_wipe(void);

#endif

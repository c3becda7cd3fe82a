/* A vault file, read: opened, unlocked, every head authenticated, compared with what was seen before. */
#ifndef VAULT_LOAD_H
#define VAULT_LOAD_H

#include "os/file.h"
#include "vault/header.h"
#include "vault/rollback.h"
#include "vault/walk.h"

struct loaded {
        struct file file;
        struct header header;
        keepmum_secret keys;
        struct chain chain;
        struct entries *entries;
        bool has_torn_tail; /* behind chain.end */
};

struct load_how {
        const struct key_slot_given *given; /* how to unlock: with this, */
        const struct loaded *before;        /* or, if that is NULL, with the keys of a reading that was not further */
        const char *state_dir;
        unsigned flags; /* KEEPMUM_VAULT_ACCEPT_ROLLBACK */
        bool is_writer; /* holds the exclusive lock already */
};

/* Reads a file from its start. *file then belongs to *l; on an error it is closed. *warnings gathers
 * KEEPMUM_VAULT_... */
int load_all(struct loaded *l, unsigned *warnings, struct file *file, const struct load_how *how);

/* Reads what was appended since. KEEPMUM_EROLLEDBACK: what had been read is not there any more. */
int load_more(struct loaded *l, unsigned *warnings, const struct load_how *how);

struct rollback_state load_state(const struct loaded *l);
void load_free(struct loaded *l);

#endif

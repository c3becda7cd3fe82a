/* The rollback state: how far a vault had got when it was last seen here. */
#ifndef VAULT_ROLLBACK_H
#define VAULT_ROLLBACK_H

#include "vault/vault_format.h"

struct rollback_state {
        uint64_t generation; /* 0: never seen */
        uint64_t seq;
        uint8_t tag[VAULT_TAG_BYTES];
};

bool rollback_is_newer(const struct rollback_state *a, const struct rollback_state *b); /* is a further than b? */

/* What state_dir (NULL: nothing) knows of a vault. KEEPMUM_EROLLEDBACK: its file there is not one of ours. */
int rollback_load(struct rollback_state *st, const char *state_dir, const uint8_t vault_id[static VAULT_ID_BYTES]);

/* Replaces what is known, as a whole. Not by something older: rollback_save() leaves the file alone then. */
int rollback_save(const char *state_dir, const uint8_t vault_id[static VAULT_ID_BYTES],
                  const struct rollback_state *st);
int rollback_overwrite(const char *state_dir, const uint8_t vault_id[static VAULT_ID_BYTES],
                       const struct rollback_state *st);

#endif

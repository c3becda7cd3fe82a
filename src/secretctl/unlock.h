/* From a request to an unlocked vault. */
#ifndef SECRETCTL_UNLOCK_H
#define SECRETCTL_UNLOCK_H

#include "secretctl/place.h"

#include <keepmum_vault.h>

/* What opens the vault; each may be {0}. */
struct keys {
        keepmum_secret passphrase, key_file;
};

/* All return the exit code, having said what was wrong. */

/* Reads --key-file and asks for the passphrase if that is wanted. */
int keys_gather(struct keys *k, const struct request *r, const struct place *p, bool is_new);
void keys_forget(struct keys *k);

/* Opens the vault that is there. */
int unlock_with(keepmum_vault **vault, const struct keys *k, const struct request *r, const struct place *p);
/* Begins a new one in memory; unlike the others returns 0 or a KEEPMUM_E..., and says nothing. */
int unlock_new(keepmum_vault **vault, const struct keys *k, const struct place *p);

/* All of it at once, for the commands that need a vault with entries. */
int unlock(keepmum_vault **vault, struct place *p, const struct request *r);

/* Unlocks, and finds the entry that the first operand names. */
int unlock_entry(keepmum_vault **vault, size_t *number, struct place *p, const struct request *r);

/* Closes, saying what is worth knowing. */
void unlock_end(keepmum_vault *vault, const struct place *p);

#endif

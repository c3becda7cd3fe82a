/* Key slots: each holds the vault key, wrapped under a passphrase or a key file. */
#ifndef VAULT_KEY_SLOT_H
#define VAULT_KEY_SLOT_H

#include "vault/vault_format.h"

/* What the user holds; either may be {0}. */
struct key_slot_given {
        keepmum_secret passphrase;
        keepmum_secret key_file;
};

/* All slots of a header, before any work: KEEPMUM_EDAMAGED with the offset in the file, or KEEPMUM_ECOST. */
int key_slot_check_all(const uint8_t slots[static KEY_SLOTS * KEY_SLOT_BYTES]);

/* Unwraps the vault key into keys, from the first slot that fits. KEEPMUM_ELOCKED: nothing given is for any slot;
 * KEEPMUM_EWRONGKEY. */
int key_slot_unlock(keepmum_secret keys, const uint8_t slots[static KEY_SLOTS * KEY_SLOT_BYTES],
                    const uint8_t vault_id[static VAULT_ID_BYTES], const struct key_slot_given *given);

/* Fills a slot, by kind: KEY_SLOT_PASSPHRASE or KEY_SLOT_KEY_FILE. */
int key_slot_make(uint8_t slot[static KEY_SLOT_BYTES], uint8_t kind, const uint8_t vault_id[static VAULT_ID_BYTES],
                  const struct key_slot_given *given, keepmum_secret keys);

#endif

/* The header of a vault file: 4096 bytes that never change in place. */
#ifndef VAULT_HEADER_H
#define VAULT_HEADER_H

#include "vault/key_slot.h"
#include "vault/vault_format.h"

struct header {
        uint64_t generation;
        uint8_t vault_id[VAULT_ID_BYTES];
        uint8_t file_id[VAULT_FILE_ID_BYTES];
        uint8_t mac[HEADER_MAC_BYTES];
};

/* Checks everything that can be checked without a key: KEEPMUM_EDAMAGED with the offset, KEEPMUM_ENEWER,
 * KEEPMUM_ECOST. */
int header_parse(struct header *h, const uint8_t bytes[static HEADER_BYTES]);

/* Unlocks a parsed header: *keys is a new secret with all keys. KEEPMUM_ELOCKED, KEEPMUM_EWRONGKEY,
 * KEEPMUM_EDAMAGED, KEEPMUM_ENOMEM. */
int header_unlock(keepmum_secret *keys, const struct header *h, const uint8_t bytes[static HEADER_BYTES],
                  const struct key_slot_given *given);

/* The same with a vault key that is known already, for the same vault in a new file. KEEPMUM_ELOCKED: that key does
 * not open it. */
int header_unlock_again(keepmum_secret *keys, const struct header *h, const uint8_t bytes[static HEADER_BYTES],
                        keepmum_secret old_keys);

/* A new vault's header and keys. */
int header_make(uint8_t bytes[static HEADER_BYTES], struct header *h, keepmum_secret *keys,
                const struct key_slot_given *given);

#endif

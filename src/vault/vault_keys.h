/* The keys of a vault file, in one secret; open only while somebody works with them. */
#ifndef VAULT_VAULT_KEYS_H
#define VAULT_VAULT_KEYS_H

#include "vault/vault_format.h"

#include <stddef.h>

struct vault_keys {
        uint8_t vault[VAULT_KEY_BYTES];  /* wrapped in the key slots; the others follow from it */
        uint8_t head[VAULT_KEY_BYTES];   /* authenticates the header */
        uint8_t frame[VAULT_KEY_BYTES];  /* authenticates the lengths of records */
        uint8_t name[VAULT_KEY_BYTES];   /* seals heads */
        uint8_t secret[VAULT_KEY_BYTES]; /* seals secrets */
};

int vault_keys_create(keepmum_secret *keys);                     /* a random vault key; the others are to be derived */
int vault_keys_copy(keepmum_secret *out, keepmum_secret keys);   /* the same vault key; likewise */
int vault_keys_derive(keepmum_secret keys, const uint8_t vault_id[static VAULT_ID_BYTES],
                      const uint8_t file_id[static VAULT_FILE_ID_BYTES]);
int vault_keys_open(keepmum_secret keys, const struct vault_keys **k); /* pairs with keepmum_close() */
int vault_keys_open_write(keepmum_secret keys, struct vault_keys **k); /* likewise */

/* Keyed hash of mac_bytes, 16 or 32. What libsodium leaves on the stack and in registers is overwritten by
 * vault_keys_forget(). */
void vault_keys_mac(uint8_t *mac, size_t mac_bytes, const uint8_t *bytes, size_t n_bytes,
                    const uint8_t key[static VAULT_KEY_BYTES]);
void vault_keys_forget(void);

#endif

/* The header: checked field by field before a key is tried, authenticated as a whole after.
 *
 * Always true: reserved bytes are zero; the limits on key derivation hold before any derivation; a header whose tag
 * is wrong gives no keys. Damage is reported with the offset of the field that shows it. */
#include "vault/header.h"

#include "base/bytes.h"
#include "os/random.h"
#include "vault/detail.h"
#include "vault/vault_keys.h"

#include <sodium.h>
#include <string.h>

static int damaged(uint64_t at)
{
        return detail_error(KEEPMUM_EDAMAGED, at);
}

int header_parse(struct header *h, const uint8_t bytes[static HEADER_BYTES])
{
        if (memcmp(bytes, HEADER_MAGIC, HEADER_MAGIC_BYTES) != 0)
                return damaged(0);
        if (bytes_get32(bytes + HEADER_AT_FEATURES) != 0)
                return KEEPMUM_ENEWER;
        if (bytes_get32(bytes + HEADER_AT_SIZE) != HEADER_BYTES)
                return damaged(HEADER_AT_SIZE);
        h->generation = bytes_get64(bytes + HEADER_AT_GENERATION);
        if (h->generation == 0)
                return damaged(HEADER_AT_GENERATION);
        if (!format_is_zero(bytes + HEADER_AT_ZERO_1, HEADER_AT_SLOTS - HEADER_AT_ZERO_1))
                return damaged(HEADER_AT_ZERO_1);
        if (!format_is_zero(bytes + HEADER_AT_ZERO_2, HEADER_AT_MAC - HEADER_AT_ZERO_2))
                return damaged(HEADER_AT_ZERO_2);
        memcpy(h->vault_id, bytes + HEADER_AT_VAULT_ID, sizeof h->vault_id);
        memcpy(h->file_id, bytes + HEADER_AT_FILE_ID, sizeof h->file_id);
        memcpy(h->mac, bytes + HEADER_AT_MAC, sizeof h->mac);
        return key_slot_check_all(bytes + HEADER_AT_SLOTS);
}

static int compute_mac(uint8_t mac[static HEADER_MAC_BYTES], const uint8_t *bytes, keepmum_secret keys)
{
        const struct vault_keys *k;
        int err = vault_keys_open(keys, &k);

        if (err != 0)
                return err;
        vault_keys_mac(mac, HEADER_MAC_BYTES, bytes, HEADER_AT_MAC, k->head);
        vault_keys_forget();
        keepmum_close(keys);
        return 0;
}

/* The subkeys for this header's file, and its tag compared. */
static int authenticate(const struct header *h, const uint8_t *bytes, keepmum_secret keys)
{
        uint8_t mac[HEADER_MAC_BYTES];
        int err = vault_keys_derive(keys, h->vault_id, h->file_id);

        if (err != 0 || (err = compute_mac(mac, bytes, keys)) != 0)
                return err;
        return sodium_memcmp(mac, h->mac, sizeof mac) == 0 ? 0 : damaged(HEADER_AT_MAC);
}

int header_unlock(keepmum_secret *keys, const struct header *h, const uint8_t bytes[static HEADER_BYTES],
                  const struct key_slot_given *given)
{
        keepmum_secret fresh;
        int err = vault_keys_create(&fresh);

        if (err != 0)
                return err;
        if ((err = key_slot_unlock(fresh, bytes + HEADER_AT_SLOTS, h->vault_id, given)) == 0)
                err = authenticate(h, bytes, fresh);
        if (err != 0)
                keepmum_destroy(&fresh);
        else
                *keys = fresh;
        return err;
}

int header_unlock_again(keepmum_secret *keys, const struct header *h, const uint8_t bytes[static HEADER_BYTES],
                        keepmum_secret old_keys)
{
        keepmum_secret fresh;
        int err = vault_keys_copy(&fresh, old_keys);

        if (err != 0)
                return err;
        if ((err = authenticate(h, bytes, fresh)) != 0)
                keepmum_destroy(&fresh);
        else
                *keys = fresh;
        return err == KEEPMUM_EDAMAGED ? detail_error(KEEPMUM_ELOCKED, 0) : err;
}

static int fill_slots(uint8_t *slots, const struct header *h, const struct key_slot_given *given, keepmum_secret keys)
{
        int err = 0;

        if (given->passphrase.bits != 0) {
                err = key_slot_make(slots, KEY_SLOT_PASSPHRASE, h->vault_id, given, keys);
                slots += KEY_SLOT_BYTES;
        }
        if (err == 0 && given->key_file.bits != 0)
                err = key_slot_make(slots, KEY_SLOT_KEY_FILE, h->vault_id, given, keys);
        return err;
}

int header_make(uint8_t bytes[static HEADER_BYTES], struct header *h, keepmum_secret *keys,
                const struct key_slot_given *given)
{
        keepmum_secret fresh;
        int err = vault_keys_create(&fresh);

        if (err != 0)
                return err;
        memset(bytes, 0, HEADER_BYTES);
        memcpy(bytes, HEADER_MAGIC, HEADER_MAGIC_BYTES);
        bytes_put32(bytes + HEADER_AT_SIZE, HEADER_BYTES);
        bytes_put64(bytes + HEADER_AT_GENERATION, 1);
        random_fill(bytes + HEADER_AT_VAULT_ID, VAULT_ID_BYTES + VAULT_FILE_ID_BYTES);
        if ((err = header_parse(h, bytes)) != 0 || (err = fill_slots(bytes + HEADER_AT_SLOTS, h, given, fresh)) != 0 ||
            (err = vault_keys_derive(fresh, h->vault_id, h->file_id)) != 0 ||
            (err = compute_mac(h->mac, bytes, fresh)) != 0) {
                keepmum_destroy(&fresh);
                return err;
        }
        memcpy(bytes + HEADER_AT_MAC, h->mac, sizeof h->mac);
        *keys = fresh;
        return 0;
}

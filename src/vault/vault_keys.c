/* The keys of a vault file: one random vault key, and four subkeys that depend on the file as well.
 *
 * Always true: keys and whatever they are made from stand in pages of a keepmum_secret. libsodium keeps the state of
 * a hash on the stack for the length of a call; the stack below is overwritten afterwards. */
#include "vault/vault_keys.h"

#include "base/copy.h"
#include "base/registers.h"
#include "os/random.h"

#include <sodium.h>
#include <string.h>

#define LABEL_BYTES 16
#define FORGET_BYTES 4096

void vault_keys_forget(void)
{
        sodium_stackzero(FORGET_BYTES);
        registers_wipe();
}

void vault_keys_mac(uint8_t *mac, size_t mac_bytes, const uint8_t *bytes, size_t n_bytes,
                    const uint8_t key[static VAULT_KEY_BYTES])
{
        crypto_generichash(mac, mac_bytes, bytes, n_bytes, key, VAULT_KEY_BYTES);
}

int vault_keys_open(keepmum_secret keys, const struct vault_keys **k)
{
        const void *p;
        int err = keepmum_open_read(keys, &p, NULL);

        if (err == 0)
                *k = p;
        return err;
}

int vault_keys_open_write(keepmum_secret keys, struct vault_keys **k)
{
        void *p;
        int err = keepmum_open_write(keys, &p, NULL);

        if (err == 0)
                *k = p;
        return err;
}

int vault_keys_create(keepmum_secret *keys)
{
        struct vault_keys *k;
        int err = keepmum_create(keys, sizeof *k, 0);

        if (err != 0)
                return err;
        if ((err = vault_keys_open_write(*keys, &k)) != 0) {
                keepmum_destroy(keys);
                return err;
        }
        random_fill(k->vault, sizeof k->vault);
        keepmum_close(*keys);
        return 0;
}

int vault_keys_copy(keepmum_secret *out, keepmum_secret keys)
{
        const struct vault_keys *from;
        struct vault_keys *to;
        int err = vault_keys_create(out);

        if (err != 0)
                return err;
        if ((err = vault_keys_open(keys, &from)) != 0)
                goto destroy;
        if ((err = vault_keys_open_write(*out, &to)) == 0) {
                copy_bytes(to->vault, from->vault, sizeof to->vault);
                keepmum_close(*out);
        }
        keepmum_close(keys);
        if (err == 0)
                return 0;
destroy:
        keepmum_destroy(out);
        return err;
}

static void derive(uint8_t subkey[static VAULT_KEY_BYTES], const struct vault_keys *k, const char *label,
                   const uint8_t *vault_id, const uint8_t *file_id)
{
        uint8_t input[16 + LABEL_BYTES + VAULT_ID_BYTES + VAULT_FILE_ID_BYTES] = "keepmum vault 1 ";

        memcpy(input + 16, label, strlen(label)); /* the rest of the label stays zero */
        memcpy(input + 16 + LABEL_BYTES, vault_id, VAULT_ID_BYTES);
        memcpy(input + 16 + LABEL_BYTES + VAULT_ID_BYTES, file_id, VAULT_FILE_ID_BYTES);
        vault_keys_mac(subkey, VAULT_KEY_BYTES, input, sizeof input, k->vault);
}

int vault_keys_derive(keepmum_secret keys, const uint8_t vault_id[static VAULT_ID_BYTES],
                      const uint8_t file_id[static VAULT_FILE_ID_BYTES])
{
        struct vault_keys *k;
        int err = vault_keys_open_write(keys, &k);

        if (err != 0)
                return err;
        derive(k->head, k, "head", vault_id, file_id);
        derive(k->frame, k, "frame", vault_id, file_id);
        derive(k->name, k, "name", vault_id, file_id);
        derive(k->secret, k, "secret", vault_id, file_id);
        vault_keys_forget();
        keepmum_close(keys);
        return 0;
}

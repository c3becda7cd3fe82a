/* docs/vault-format.md, sections on keys: F is the hash of the key file; F and the slot give the key that wraps the
 * vault key; the vault key and the file's identity give the others. */
#include "outside/known_keys.h"

#include "vault/vault_format.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_BYTES = HEADER_BYTES + FRAME_BYTES, WHICH_BYTES = 16 };

struct known {
        uint8_t file[FIRST_BYTES]; /* the header, and what is clear of the first record */
        uint8_t f[64], kek[VAULT_KEY_BYTES], commitment[KEY_SLOT_COMMITMENT_BYTES], vault[VAULT_KEY_BYTES];
        uint8_t head[VAULT_KEY_BYTES], frame[VAULT_KEY_BYTES], name[VAULT_KEY_BYTES], secret[VAULT_KEY_BYTES];
};

static size_t read_file(const char *path, uint8_t *bytes, size_t max_bytes)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, bytes, max_bytes) : -1;

        if (fd >= 0)
                close(fd);
        return n > 0 ? (size_t)n : 0;
}

static bool unwrap(struct known *k)
{
        const uint8_t *slot = k->file + HEADER_AT_SLOTS, *vault_id = k->file + HEADER_AT_VAULT_ID;
        uint8_t kek_and_commitment[64], aad[VAULT_ID_BYTES + KEY_SLOT_AT_NONCE];
        crypto_generichash_state state;

        crypto_generichash_init(&state, NULL, 0, 64);
        crypto_generichash_update(&state, (const uint8_t *)"keepmum slot 1", 14);
        crypto_generichash_update(&state, vault_id, VAULT_ID_BYTES);
        crypto_generichash_update(&state, slot, KEY_SLOT_AT_COMMITMENT);
        crypto_generichash_update(&state, k->f, sizeof k->f);
        crypto_generichash_final(&state, kek_and_commitment, 64);
        memcpy(k->kek, kek_and_commitment, VAULT_KEY_BYTES);
        memcpy(aad, vault_id, VAULT_ID_BYTES);
        memcpy(aad + VAULT_ID_BYTES, slot, KEY_SLOT_AT_NONCE);
        return slot[KEY_SLOT_AT_KIND] == KEY_SLOT_KEY_FILE &&
               crypto_aead_xchacha20poly1305_ietf_decrypt_detached(k->vault, NULL, slot + KEY_SLOT_AT_WRAPPED,
                                                                   VAULT_KEY_BYTES, slot + KEY_SLOT_AT_TAG, aad,
                                                                   sizeof aad, slot + KEY_SLOT_AT_NONCE, k->kek) == 0;
}

static void derive(uint8_t *key, const struct known *k, const char *which)
{
        uint8_t input[16 + WHICH_BYTES + VAULT_ID_BYTES + VAULT_FILE_ID_BYTES] = "keepmum vault 1 ";

        memcpy(input + 16, which, strlen(which));
        memcpy(input + 16 + WHICH_BYTES, k->file + HEADER_AT_VAULT_ID, VAULT_ID_BYTES);
        memcpy(input + 16 + WHICH_BYTES + VAULT_ID_BYTES, k->file + HEADER_AT_FILE_ID, VAULT_FILE_ID_BYTES);
        crypto_generichash(key, VAULT_KEY_BYTES, input, sizeof input, k->vault, VAULT_KEY_BYTES);
}

static void make_subkey(struct needle *n, const char *label, const uint8_t *key, const uint8_t *nonce)
{
        uint8_t subkey[crypto_core_hchacha20_OUTPUTBYTES];

        crypto_core_hchacha20(subkey, nonce, key, NULL);
        needle_make(n, label, subkey, sizeof subkey);
}

bool known_keys(struct needle keys[static KNOWN_KEYS], const char *vault_path, const char *key_file_path)
{
        uint8_t key_file[4096];
        struct known k;
        size_t n_key_file = read_file(key_file_path, key_file, sizeof key_file);

        if (n_key_file == 0 || read_file(vault_path, k.file, sizeof k.file) != sizeof k.file)
                return false;
        crypto_generichash(k.f, sizeof k.f, key_file, n_key_file, NULL, 0);
        if (!unwrap(&k))
                return false;
        derive(k.head, &k, "head");
        derive(k.frame, &k, "frame");
        derive(k.name, &k, "name");
        derive(k.secret, &k, "secret");
        needle_make(&keys[0], "the hash of the key file", k.f, sizeof k.f);
        needle_make(&keys[1], "the key of the slot", k.kek, sizeof k.kek);
        needle_make(&keys[2], "the vault key", k.vault, sizeof k.vault);
        needle_make(&keys[3], "the header's key", k.head, sizeof k.head);
        needle_make(&keys[4], "the frame key", k.frame, sizeof k.frame);
        needle_make(&keys[5], "the key of names", k.name, sizeof k.name);
        needle_make(&keys[6], "the key of secrets", k.secret, sizeof k.secret);
        make_subkey(&keys[7], "the subkey of the slot", k.kek, k.file + HEADER_AT_SLOTS + KEY_SLOT_AT_NONCE);
        make_subkey(&keys[8], "the subkey of a head", k.name, k.file + HEADER_BYTES + FRAME_AT_HEAD_NONCE);
        make_subkey(&keys[9], "the subkey of a secret", k.secret, k.file + HEADER_BYTES + FRAME_AT_SECRET_NONCE);
        return true;
}

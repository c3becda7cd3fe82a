/* Key slots: what a passphrase or a key file is turned into, and how that opens the vault key.
 *
 * Always true: no slot costs any work before all slots of the header have passed the limits; whatever is derived
 * stands in guarded memory and is gone when the function returns. A slot commits to its key: a wrong passphrase is
 * told from damage by the commitment, before anything is decrypted. Argon2's working memory is libsodium's: plain,
 * not locked (docs/threat-model.md). */
#include "vault/key_slot.h"

#include "base/bytes.h"
#include "os/random.h"
#include "vault/detail.h"
#include "vault/vault_keys.h"

#include <sodium.h>
#include <stdalign.h>
#include <string.h>

#define SLOT_LABEL "keepmum slot 1"

struct slot_scratch {
        alignas(64) crypto_generichash_state state;
        uint8_t from_passphrase[64]; /* S */
        uint8_t from_key_file[64];   /* F */
        uint8_t kek[VAULT_KEY_BYTES];
        uint8_t commitment[KEY_SLOT_COMMITMENT_BYTES];
};

static int damaged(size_t index, size_t at)
{
        return detail_error(KEEPMUM_EDAMAGED, HEADER_AT_SLOTS + index * KEY_SLOT_BYTES + at);
}

static bool asks_argon2id(uint8_t kind)
{
        return kind == KEY_SLOT_PASSPHRASE || kind == KEY_SLOT_PASSPHRASE_AND_KEY_FILE;
}

static int check_cost(const uint8_t *slot, size_t index, uint64_t *total_kib)
{
        uint32_t passes = bytes_get32(slot + KEY_SLOT_AT_PASSES),
                 memory_kib = bytes_get32(slot + KEY_SLOT_AT_MEMORY_KIB);

        if (passes == 0)
                return damaged(index, KEY_SLOT_AT_PASSES);
        if (memory_kib < COST_MIN_MEMORY_KIB)
                return damaged(index, KEY_SLOT_AT_MEMORY_KIB);
        if (passes > COST_MAX_PASSES || memory_kib > COST_MAX_MEMORY_KIB ||
            (uint64_t)passes * memory_kib > COST_MAX_SLOT_KIB)
                return KEEPMUM_ECOST;
        *total_kib += (uint64_t)passes * memory_kib;
        return 0;
}

static int check_slot(const uint8_t *slot, size_t index, uint64_t *total_kib)
{
        uint8_t kind = slot[KEY_SLOT_AT_KIND], kdf = asks_argon2id(kind) ? KEY_SLOT_KDF_ARGON2ID : KEY_SLOT_KDF_NONE;

        if (kind == KEY_SLOT_EMPTY && format_is_zero(slot, KEY_SLOT_BYTES))
                return 0;
        if (kind == KEY_SLOT_EMPTY || kind > KEY_SLOT_RECOVERY_CODE)
                return damaged(index, KEY_SLOT_AT_KIND);
        if (slot[KEY_SLOT_AT_KDF] != kdf)
                return damaged(index, KEY_SLOT_AT_KDF);
        if (!format_is_zero(slot + KEY_SLOT_AT_ZERO_1, 2))
                return damaged(index, KEY_SLOT_AT_ZERO_1);
        if (!format_is_zero(slot + KEY_SLOT_AT_ZERO_2, 4))
                return damaged(index, KEY_SLOT_AT_ZERO_2);
        if (!format_is_zero(slot + KEY_SLOT_AT_ZERO_3, 8))
                return damaged(index, KEY_SLOT_AT_ZERO_3);
        if (kdf == KEY_SLOT_KDF_ARGON2ID)
                return check_cost(slot, index, total_kib);
        return format_is_zero(slot + KEY_SLOT_AT_PASSES, 8) ? 0 : damaged(index, KEY_SLOT_AT_PASSES);
}

int key_slot_check_all(const uint8_t slots[static KEY_SLOTS * KEY_SLOT_BYTES])
{
        uint64_t total_kib = 0;
        unsigned n_costly = 0;

        for (size_t i = 0; i < KEY_SLOTS; i++) {
                int err = check_slot(slots + i * KEY_SLOT_BYTES, i, &total_kib);

                if (err != 0)
                        return err;
                n_costly += asks_argon2id(slots[i * KEY_SLOT_BYTES]);
        }
        return n_costly > COST_MAX_SLOTS || total_kib > COST_MAX_TOTAL_KIB ? KEEPMUM_ECOST : 0;
}

static int stretch_passphrase(struct slot_scratch *s, const uint8_t *slot, keepmum_secret passphrase)
{
        uint32_t memory_kib = bytes_get32(slot + KEY_SLOT_AT_MEMORY_KIB);
        const void *bytes;
        size_t n_bytes;
        int err = keepmum_open_read(passphrase, &bytes, &n_bytes);

        if (err != 0)
                return err;
        if (crypto_pwhash(s->from_passphrase, sizeof s->from_passphrase, bytes, n_bytes, slot + KEY_SLOT_AT_SALT,
                          bytes_get32(slot + KEY_SLOT_AT_PASSES), (size_t)memory_kib << 10,
                          crypto_pwhash_ALG_ARGON2ID13) != 0)
                err = detail_error(KEEPMUM_ENOMEM, memory_kib >> 10);
        vault_keys_forget();
        keepmum_close(passphrase);
        return err;
}

static int hash_key_file(struct slot_scratch *s, keepmum_secret key_file)
{
        const void *bytes;
        size_t n_bytes;
        int err = keepmum_open_read(key_file, &bytes, &n_bytes);

        if (err != 0)
                return err;
        crypto_generichash_init(&s->state, NULL, 0, sizeof s->from_key_file);
        crypto_generichash_update(&s->state, bytes, n_bytes);
        crypto_generichash_final(&s->state, s->from_key_file, sizeof s->from_key_file);
        vault_keys_forget();
        keepmum_close(key_file);
        return 0;
}

/* KEK and commitment of a slot whose clear fields (bytes 0..47) are filled. */
static int derive_kek(struct slot_scratch *s, const uint8_t *slot, const uint8_t *vault_id,
                      const struct key_slot_given *given)
{
        bool has_passphrase = slot[KEY_SLOT_AT_KIND] == KEY_SLOT_PASSPHRASE;
        int err = has_passphrase ? stretch_passphrase(s, slot, given->passphrase) : hash_key_file(s, given->key_file);

        if (err != 0)
                return err;
        if (has_passphrase)
                crypto_generichash_init(&s->state, s->from_passphrase, sizeof s->from_passphrase, 64);
        else
                crypto_generichash_init(&s->state, NULL, 0, 64);
        crypto_generichash_update(&s->state, (const uint8_t *)SLOT_LABEL, sizeof SLOT_LABEL - 1);
        crypto_generichash_update(&s->state, vault_id, VAULT_ID_BYTES);
        crypto_generichash_update(&s->state, slot, KEY_SLOT_AT_COMMITMENT);
        if (!has_passphrase)
                crypto_generichash_update(&s->state, s->from_key_file, sizeof s->from_key_file);
        static_assert(offsetof(struct slot_scratch, commitment) == offsetof(struct slot_scratch, kek) + VAULT_KEY_BYTES,
                      "the hash fills the key and the commitment");
        crypto_generichash_final(&s->state, s->kek, 64);
        vault_keys_forget();
        return 0;
}

struct slot_aad {
        uint8_t vault_id[VAULT_ID_BYTES];
        uint8_t slot[KEY_SLOT_AT_NONCE];
};

static struct slot_aad aad_of(const uint8_t *slot, const uint8_t *vault_id)
{
        struct slot_aad aad;

        memcpy(aad.vault_id, vault_id, sizeof aad.vault_id);
        memcpy(aad.slot, slot, sizeof aad.slot);
        return aad;
}

static int unwrap(struct vault_keys *k, const struct slot_scratch *s, const uint8_t *slot, const uint8_t *vault_id)
{
        struct slot_aad aad = aad_of(slot, vault_id);

        if (sodium_memcmp(s->commitment, slot + KEY_SLOT_AT_COMMITMENT, sizeof s->commitment) != 0)
                return KEEPMUM_EWRONGKEY;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
                    k->vault, NULL, slot + KEY_SLOT_AT_WRAPPED, VAULT_KEY_BYTES, slot + KEY_SLOT_AT_TAG,
                    (const uint8_t *)&aad, sizeof aad, slot + KEY_SLOT_AT_NONCE, s->kek) != 0)
                return KEEPMUM_EDAMAGED;
        return 0;
}

static void wrap(uint8_t *slot, const struct slot_scratch *s, const struct vault_keys *k, const uint8_t *vault_id)
{
        struct slot_aad aad;

        memcpy(slot + KEY_SLOT_AT_COMMITMENT, s->commitment, sizeof s->commitment);
        random_fill(slot + KEY_SLOT_AT_NONCE, VAULT_NONCE_BYTES);
        aad = aad_of(slot, vault_id);
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(slot + KEY_SLOT_AT_WRAPPED, slot + KEY_SLOT_AT_TAG, NULL,
                                                            k->vault, VAULT_KEY_BYTES, (const uint8_t *)&aad,
                                                            sizeof aad, NULL, slot + KEY_SLOT_AT_NONCE, s->kek);
}

/* A scratch of its own for one slot; everything in it is wiped with it. */
static int scratch_open(keepmum_secret *scratch, struct slot_scratch **s)
{
        void *bytes;
        int err = keepmum_create(scratch, sizeof **s, 0);

        if (err != 0)
                return err;
        if ((err = keepmum_open_write(*scratch, &bytes, NULL)) != 0)
                keepmum_destroy(scratch);
        else
                *s = bytes;
        return err;
}

static void scratch_destroy(keepmum_secret *scratch)
{
        vault_keys_forget();
        keepmum_close(*scratch);
        keepmum_destroy(scratch);
}

static int try_slot(keepmum_secret keys, const uint8_t *slot, const uint8_t *vault_id,
                    const struct key_slot_given *given)
{
        keepmum_secret scratch;
        struct slot_scratch *s;
        struct vault_keys *k;
        int err = scratch_open(&scratch, &s);

        if (err != 0)
                return err;
        if ((err = derive_kek(s, slot, vault_id, given)) == 0 && (err = vault_keys_open_write(keys, &k)) == 0) {
                err = unwrap(k, s, slot, vault_id);
                vault_keys_forget();
                keepmum_close(keys);
        }
        scratch_destroy(&scratch);
        return err;
}

int key_slot_unlock(keepmum_secret keys, const uint8_t slots[static KEY_SLOTS * KEY_SLOT_BYTES],
                    const uint8_t vault_id[static VAULT_ID_BYTES], const struct key_slot_given *given)
{
        static const uint8_t kinds[] = {KEY_SLOT_KEY_FILE, KEY_SLOT_PASSPHRASE}; /* what costs nothing first */
        int result = KEEPMUM_ELOCKED;

        for (size_t i = 0; i < 2 * KEY_SLOTS; i++) {
                const uint8_t *slot = slots + i % KEY_SLOTS * KEY_SLOT_BYTES;
                uint8_t kind = kinds[i / KEY_SLOTS];
                bool is_held = (kind == KEY_SLOT_KEY_FILE ? given->key_file : given->passphrase).bits != 0;

                if (!is_held || slot[KEY_SLOT_AT_KIND] != kind)
                        continue;
                result = try_slot(keys, slot, vault_id, given);
                if (result == KEEPMUM_EDAMAGED)
                        return damaged(i % KEY_SLOTS, KEY_SLOT_AT_WRAPPED);
                if (result != KEEPMUM_EWRONGKEY)
                        return result;
        }
        return result;
}

int key_slot_make(uint8_t slot[static KEY_SLOT_BYTES], uint8_t kind, const uint8_t vault_id[static VAULT_ID_BYTES],
                  const struct key_slot_given *given, keepmum_secret keys)
{
        keepmum_secret scratch;
        struct slot_scratch *s;
        const struct vault_keys *k;
        int err = scratch_open(&scratch, &s);

        if (err != 0)
                return err;
        memset(slot, 0, KEY_SLOT_BYTES);
        slot[KEY_SLOT_AT_KIND] = kind;
        if (kind == KEY_SLOT_PASSPHRASE) {
                slot[KEY_SLOT_AT_KDF] = KEY_SLOT_KDF_ARGON2ID;
                bytes_put32(slot + KEY_SLOT_AT_PASSES, crypto_pwhash_argon2id_OPSLIMIT_MODERATE);
                bytes_put32(slot + KEY_SLOT_AT_MEMORY_KIB, crypto_pwhash_argon2id_MEMLIMIT_MODERATE >> 10);
        }
        random_fill(slot + KEY_SLOT_AT_ID, 32); /* slot_id and salt */
        if ((err = derive_kek(s, slot, vault_id, given)) == 0 && (err = vault_keys_open(keys, &k)) == 0) {
                wrap(slot, s, k, vault_id);
                vault_keys_forget();
                keepmum_close(keys);
        }
        scratch_destroy(&scratch);
        return err;
}

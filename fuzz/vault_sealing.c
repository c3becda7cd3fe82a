/* Sealing and opening of test vaults, written from docs/vault-format.md and libsodium alone.
 *
 * Sealed parts are as long as their plaintext and their tags stand apart, so a vault file in clear has the layout of
 * the sealed one. That is what the mutator changes. Nothing here is shared with src/vault but its numbers: what the
 * library accepts and what this file makes are two readings of one page, and fuzz_vault_file.c compares them. Nonces
 * stay as they are in the file: the result depends on the input alone. */
#include "vault_sealing.h"

#include "base/bytes.h"
#include "vault/vault_format.h"

#include <sodium.h>
#include <string.h>

const uint8_t sealing_key_file[64] = "the key file of the vaults that are made for fuzzing, of no othe";
const uint8_t sealing_vault_key[32] = "the vault key of fuzzing, fixed.";

#define seal crypto_aead_xchacha20poly1305_ietf_encrypt_detached
#define unseal crypto_aead_xchacha20poly1305_ietf_decrypt_detached

struct keys {
        uint8_t head[32], frame[32], name[32], secret[32];
};

static void derive(uint8_t key[static 32], const uint8_t *header, const char *label)
{
        uint8_t message[80] = "keepmum vault 1 ";

        memcpy(message + 16, label, strlen(label));
        memcpy(message + 32, header + HEADER_AT_VAULT_ID, 48);
        crypto_generichash(key, 32, message, sizeof message, sealing_vault_key, 32);
}

static struct keys keys_of(const uint8_t *header)
{
        struct keys k;

        derive(k.head, header, "head");
        derive(k.frame, header, "frame");
        derive(k.name, header, "name");
        derive(k.secret, header, "secret");
        return k;
}

/* ---- records ---- */

size_t sealing_record_bytes(const uint8_t *record, size_t n_left)
{
        size_t n, n_secret;

        if (n_left < FRAME_BYTES + HEAD_STEP)
                return 0;
        n = bytes_get32(record);
        n_secret = bytes_get32(record + FRAME_AT_SECRET_BYTES);
        if (n > n_left || n % FRAME_STEP != 0 || n < FRAME_BYTES + HEAD_STEP ||
            n_secret > n - FRAME_BYTES - HEAD_STEP || n_secret % FRAME_STEP != 0)
                return 0;
        return n;
}

uint32_t sealing_secret_bytes(const uint8_t *record)
{
        return bytes_get32(record + FRAME_AT_SECRET_BYTES);
}

size_t sealing_head_bytes(const uint8_t *record)
{
        return bytes_get32(record) - FRAME_BYTES - sealing_secret_bytes(record);
}

struct additional {
        uint8_t head[88], secret[28];
};

/* The head in clear gives the entry's id. */
static void additional_of_secret(struct additional *a, const uint8_t *record)
{
        memcpy(a->secret, record + FRAME_AT_SEQ, 8);
        memcpy(a->secret + 8, record + FRAME_AT_SECRET_BYTES, 4);
        memcpy(a->secret + 12, record + FRAME_BYTES + HEAD_AT_ENTRY_ID, 16);
}

static void additional_of_head(struct additional *a, const uint8_t *record)
{
        memcpy(a->head, record, 32);
        memcpy(a->head + 32, record + FRAME_AT_SECRET_NONCE, 56);
}

static bool record_open(uint8_t *record, const struct keys *k)
{
        uint8_t *head = record + FRAME_BYTES, *secret = head + sealing_head_bytes(record);
        struct additional a;

        additional_of_head(&a, record);
        if (unseal(head, NULL, head, sealing_head_bytes(record), record + FRAME_AT_HEAD_TAG, a.head, sizeof a.head,
                   record + FRAME_AT_HEAD_NONCE, k->name) != 0)
                return false;
        additional_of_secret(&a, record);
        return sealing_secret_bytes(record) == 0 ||
               unseal(secret, NULL, secret, sealing_secret_bytes(record), record + FRAME_AT_SECRET_TAG, a.secret,
                      sizeof a.secret, record + FRAME_AT_SECRET_NONCE, k->secret) == 0;
}

size_t sealing_open(uint8_t *file, size_t n_bytes)
{
        struct keys k = keys_of(file);
        size_t at = HEADER_BYTES, n;

        while ((n = sealing_record_bytes(file + at, n_bytes - at)) != 0 && record_open(file + at, &k))
                at += n;
        return at;
}

/* ---- repairs ---- */

static void repair_text(uint8_t *text, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                if (text[i] < ' ' || text[i] > '~')
                        text[i] = (uint8_t)('a' + text[i] % 26);
}

static void repair_head(uint8_t *head, size_t n_bytes, unsigned repairs)
{
        size_t n_name = bytes_get16(head + HEAD_AT_NAME_LEN), n_attrs = bytes_get32(head + HEAD_AT_ATTR_LEN);
        size_t end, n_field;
        uint8_t *p, *text_end;

        if (n_name > n_bytes - HEAD_AT_NAME || n_attrs > n_bytes - HEAD_AT_NAME - n_name)
                return;
        end = HEAD_AT_NAME + n_name + n_attrs;
        if (repairs & REPAIR_PADDING)
                memset(head + end, 0, n_bytes - end);
        if (!(repairs & REPAIR_TEXT))
                return;
        repair_text(head + HEAD_AT_NAME, n_name);
        text_end = head + end;
        for (p = head + HEAD_AT_NAME + n_name; text_end - p > FIELD_HEADER_BYTES; p += FIELD_HEADER_BYTES + n_field) {
                n_field = bytes_get16(p + 2);
                if (n_field > (size_t)(text_end - p - FIELD_HEADER_BYTES))
                        return;
                repair_text(p + FIELD_HEADER_BYTES, n_field);
        }
}

static void repair_content(uint8_t *content, size_t n_bytes)
{
        size_t n_main = bytes_get32(content), n_rest = bytes_get32(content + 4), room = n_bytes - SECRET_AT_MAIN;

        if (n_main <= room && n_rest <= room - n_main)
                memset(content + SECRET_AT_MAIN + n_main + n_rest, 0, room - n_main - n_rest);
}

/* The put that an entry's secret is in: the last one of the same id before this record. */
static uint64_t secret_seq_of(const uint64_t *seqs, const uint8_t (*ids)[16], size_t n, const uint8_t *head,
                              uint64_t seq)
{
        if (head[HEAD_AT_OP] == HEAD_PUT)
                return seq;
        if (head[HEAD_AT_OP] == HEAD_REMOVE)
                return 0;
        while (n-- > 0)
                if (memcmp(ids[n], head + HEAD_AT_ENTRY_ID, 16) == 0)
                        return seqs[n];
        return bytes_get64(head + HEAD_AT_SECRET_SEQ);
}

/* ---- sealing ---- */

static void record_close(uint8_t *record, const struct keys *k, unsigned repairs)
{
        uint8_t *head = record + FRAME_BYTES, *secret = head + sealing_head_bytes(record), tag[16];
        struct additional a;

        if (repairs & REPAIR_CHECK)
                crypto_generichash(record + FRAME_AT_CHECK, 16, record, 16, k->frame, 32);
        additional_of_secret(&a, record);
        if (sealing_secret_bytes(record) != 0) {
                seal(secret, tag, NULL, secret, sealing_secret_bytes(record), a.secret, sizeof a.secret, NULL,
                     record + FRAME_AT_SECRET_NONCE, k->secret);
                if (repairs & REPAIR_TAGS)
                        memcpy(record + FRAME_AT_SECRET_TAG, tag, sizeof tag);
        }
        additional_of_head(&a, record);
        seal(head, tag, NULL, head, sealing_head_bytes(record), a.head, sizeof a.head, NULL, record + FRAME_AT_HEAD_NONCE,
             k->name);
        if (repairs & REPAIR_TAGS)
                memcpy(record + FRAME_AT_HEAD_TAG, tag, sizeof tag);
}

static void slot_close(uint8_t *slot, const uint8_t *vault_id)
{
        uint8_t f[64], x[64], additional[16 + KEY_SLOT_AT_NONCE];
        crypto_generichash_state state;

        crypto_generichash(f, sizeof f, sealing_key_file, sizeof sealing_key_file, NULL, 0);
        crypto_generichash_init(&state, NULL, 0, sizeof x);
        crypto_generichash_update(&state, (const uint8_t *)"keepmum slot 1", 14);
        crypto_generichash_update(&state, vault_id, 16);
        crypto_generichash_update(&state, slot, KEY_SLOT_AT_COMMITMENT);
        crypto_generichash_update(&state, f, sizeof f);
        crypto_generichash_final(&state, x, sizeof x);
        memcpy(slot + KEY_SLOT_AT_COMMITMENT, x + 32, 32);
        memcpy(additional, vault_id, 16);
        memcpy(additional + 16, slot, KEY_SLOT_AT_NONCE);
        seal(slot + KEY_SLOT_AT_WRAPPED, slot + KEY_SLOT_AT_TAG, NULL, sealing_vault_key, 32, additional,
             sizeof additional, NULL, slot + KEY_SLOT_AT_NONCE, x);
}

static void slots_close(uint8_t *header)
{
        for (size_t i = 0; i < KEY_SLOTS; i++) {
                uint8_t *slot = header + HEADER_AT_SLOTS + i * KEY_SLOT_BYTES;

                if (slot[KEY_SLOT_AT_KIND] == KEY_SLOT_KEY_FILE)
                        slot_close(slot, header + HEADER_AT_VAULT_ID);
        }
}

/* Unrepaired, a fresh record leaves a gap: what follows from its number still fits it. */
static uint64_t next_seq(uint64_t last, uint64_t stored, unsigned repairs)
{
        if (repairs & REPAIR_SEQ)
                return last + 1;
        return stored != 0 ? stored : last + 2;
}

void sealing_close(uint8_t *file, size_t n_bytes, unsigned repairs)
{
        enum { MOST = 256 };
        uint8_t ids[MOST][16], last_tag[16];
        uint64_t seqs[MOST], seq = 0;
        size_t at = HEADER_BYTES, n, n_puts = 0;
        struct keys k = keys_of(file);

        if (repairs & REPAIR_SLOTS)
                slots_close(file);
        if (repairs & REPAIR_HEADER)
                crypto_generichash(file + HEADER_AT_MAC, 32, file, HEADER_AT_MAC, k.head, 32);
        memcpy(last_tag, file + HEADER_AT_MAC, sizeof last_tag);
        for (; (n = sealing_record_bytes(file + at, n_bytes - at)) != 0; at += n) {
                uint8_t *record = file + at, *head = record + FRAME_BYTES;

                seq = next_seq(seq, bytes_get64(record + FRAME_AT_SEQ), repairs);
                bytes_put64(record + FRAME_AT_SEQ, seq);
                if (repairs & REPAIR_CHAIN)
                        memcpy(head, last_tag, sizeof last_tag);
                if (repairs & REPAIR_SECRET_SEQ)
                        bytes_put64(head + HEAD_AT_SECRET_SEQ, secret_seq_of(seqs, ids, n_puts, head, seq));
                if (head[HEAD_AT_OP] == HEAD_PUT && n_puts < MOST) {
                        memcpy(ids[n_puts], head + HEAD_AT_ENTRY_ID, 16);
                        seqs[n_puts++] = seq;
                }
                repair_head(head, sealing_head_bytes(record), repairs);
                if (repairs & REPAIR_CONTENT && sealing_secret_bytes(record) >= SECRET_MIN_BYTES)
                        repair_content(head + sealing_head_bytes(record), sealing_secret_bytes(record));
                record_close(record, &k, repairs);
                memcpy(last_tag, record + FRAME_AT_HEAD_TAG, sizeof last_tag);
        }
}

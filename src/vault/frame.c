/* Records: sealed and opened one at a time, from a copy.
 *
 * Always true: lengths are believed only after their keyed check; a head is used only after its tag; the head binds
 * nonce and tag of the secret, so that the right secret can be known without being opened. A secret is decrypted
 * where it stands. */
#include "vault/frame.h"

#include "base/bytes.h"
#include "os/random.h"
#include "vault/content.h"

#include <sodium.h>
#include <string.h>

#define seal crypto_aead_xchacha20poly1305_ietf_encrypt_detached
#define open_sealed crypto_aead_xchacha20poly1305_ietf_decrypt_detached

struct head_aad {
        uint8_t start[FRAME_AT_HEAD_NONCE];                 /* record bytes 0..31 */
        uint8_t end[FRAME_BYTES - FRAME_AT_SECRET_NONCE];   /* and 72..127 */
};

static struct head_aad head_aad_of(const uint8_t *record)
{
        struct head_aad aad;

        memcpy(aad.start, record, sizeof aad.start);
        memcpy(aad.end, record + FRAME_AT_SECRET_NONCE, sizeof aad.end);
        return aad;
}

struct secret_aad {
        uint8_t seq[8];
        uint8_t secret_bytes[4];
        uint8_t entry_id[VAULT_ID_BYTES];
};

static struct secret_aad secret_aad_of(uint64_t seq, uint32_t secret_bytes, const uint8_t *entry_id)
{
        struct secret_aad aad;

        bytes_put64(aad.seq, seq);
        bytes_put32(aad.secret_bytes, secret_bytes);
        memcpy(aad.entry_id, entry_id, sizeof aad.entry_id);
        return aad;
}

size_t frame_head_bytes(const struct frame *f)
{
        return f->record_bytes - FRAME_BYTES - f->secret_bytes;
}

bool frame_check_is_right(const uint8_t bytes[static FRAME_AT_HEAD_NONCE], const struct vault_keys *k)
{
        uint8_t check[FRAME_CHECK_BYTES];

        vault_keys_mac(check, sizeof check, bytes, FRAME_AT_CHECK, k->frame);
        return sodium_memcmp(check, bytes + FRAME_AT_CHECK, sizeof check) == 0;
}

static bool lengths_are_possible(const struct frame *f)
{
        size_t head_bytes;

        if (f->secret_bytes != 0 && !content_size_is_fit(f->secret_bytes))
                return false;
        if (f->record_bytes < FRAME_MIN_RECORD_BYTES || f->record_bytes - FRAME_MIN_RECORD_BYTES < f->secret_bytes)
                return false;
        head_bytes = frame_head_bytes(f);
        return head_bytes % HEAD_STEP == 0 && head_bytes <= HEAD_MAX_BYTES && f->seq >= 1 && f->seq <= VAULT_MAX_SEQ;
}

bool frame_parse(struct frame *f, const uint8_t bytes[static FRAME_AT_HEAD_NONCE], const struct vault_keys *k)
{
        f->record_bytes = bytes_get32(bytes);
        f->secret_bytes = bytes_get32(bytes + FRAME_AT_SECRET_BYTES);
        f->seq = bytes_get64(bytes + FRAME_AT_SEQ);
        return lengths_are_possible(f) && frame_check_is_right(bytes, k);
}

/* Only a put has a secret, its own; others name an older record, or none. */
static bool head_fits_frame(const struct head *h, const struct frame *f)
{
        if (h->op == HEAD_PUT)
                return f->secret_bytes != 0 && h->secret_seq == f->seq;
        return f->secret_bytes == 0 && h->secret_seq < f->seq;
}

bool frame_open_head(struct head *h, uint8_t *clear, const struct frame *f, const uint8_t *record,
                     const struct vault_keys *k)
{
        struct head_aad aad = head_aad_of(record);
        size_t n_bytes = frame_head_bytes(f);

        if (!format_is_zero(record + FRAME_AT_ZERO, FRAME_BYTES - FRAME_AT_ZERO))
                return false;
        if (f->secret_bytes == 0 &&
            !format_is_zero(record + FRAME_AT_SECRET_NONCE, VAULT_NONCE_BYTES + VAULT_TAG_BYTES))
                return false;
        if (open_sealed(clear, NULL, record + FRAME_BYTES, n_bytes, record + FRAME_AT_HEAD_TAG, (const uint8_t *)&aad,
                        sizeof aad, record + FRAME_AT_HEAD_NONCE, k->name) != 0)
                return false;
        return head_parse(h, clear, n_bytes) && head_fits_frame(h, f);
}

void frame_locate_secret(struct sealed_secret *s, const struct frame *f, const struct head *h, const uint8_t *record,
                         uint64_t at)
{
        s->at = at + f->record_bytes - f->secret_bytes;
        s->seq = f->seq;
        s->n_bytes = f->secret_bytes;
        memcpy(s->entry_id, h->entry_id, sizeof s->entry_id);
        memcpy(s->nonce, record + FRAME_AT_SECRET_NONCE, sizeof s->nonce);
        memcpy(s->tag, record + FRAME_AT_SECRET_TAG, sizeof s->tag);
}

/* libsodium compares the tag and decrypts nothing where the output is NULL. */
static bool open_content(uint8_t *out, const struct sealed_secret *s, const uint8_t *cipher, const struct vault_keys *k)
{
        struct secret_aad aad = secret_aad_of(s->seq, s->n_bytes, s->entry_id);

        return open_sealed(out, NULL, cipher, s->n_bytes, s->tag, (const uint8_t *)&aad, sizeof aad, s->nonce,
                           k->secret) == 0;
}

bool frame_secret_is_right(const struct sealed_secret *s, const uint8_t *cipher, const struct vault_keys *k)
{
        return open_content(NULL, s, cipher, k);
}

bool frame_open_secret(uint8_t *in_place, const struct sealed_secret *s, const struct vault_keys *k)
{
        return open_content(in_place, s, in_place, k);
}

static void seal_secret(uint8_t *record, const struct frame *f, const struct head *h, const uint8_t *content,
                        const struct vault_keys *k)
{
        struct secret_aad aad = secret_aad_of(f->seq, f->secret_bytes, h->entry_id);

        random_fill(record + FRAME_AT_SECRET_NONCE, VAULT_NONCE_BYTES);
        seal(record + f->record_bytes - f->secret_bytes, record + FRAME_AT_SECRET_TAG, NULL, content, f->secret_bytes,
             (const uint8_t *)&aad, sizeof aad, NULL, record + FRAME_AT_SECRET_NONCE, k->secret);
}

/* The secret first: its nonce and tag go into the head's additional data. */
void frame_seal(uint8_t *record, const struct frame *f, const struct head *h, const uint8_t *content,
                const struct vault_keys *k)
{
        size_t head_bytes = frame_head_bytes(f);
        struct head_aad aad;

        memset(record, 0, FRAME_BYTES);
        bytes_put32(record, f->record_bytes);
        bytes_put32(record + FRAME_AT_SECRET_BYTES, f->secret_bytes);
        bytes_put64(record + FRAME_AT_SEQ, f->seq);
        vault_keys_mac(record + FRAME_AT_CHECK, FRAME_CHECK_BYTES, record, FRAME_AT_CHECK, k->frame);
        if (content != NULL)
                seal_secret(record, f, h, content, k);
        random_fill(record + FRAME_AT_HEAD_NONCE, VAULT_NONCE_BYTES);
        aad = head_aad_of(record);
        head_write(h, record + FRAME_BYTES, head_bytes);
        seal(record + FRAME_BYTES, record + FRAME_AT_HEAD_TAG, NULL, record + FRAME_BYTES, head_bytes,
             (const uint8_t *)&aad, sizeof aad, NULL, record + FRAME_AT_HEAD_NONCE, k->name);
}

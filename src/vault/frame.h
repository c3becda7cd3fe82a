/* One record: its frame, which is clear, its sealed head, its sealed secret. */
#ifndef VAULT_FRAME_H
#define VAULT_FRAME_H

#include "vault/head.h"
#include "vault/vault_keys.h"

struct frame {
        uint32_t record_bytes; /* the whole */
        uint32_t secret_bytes; /* of these, the sealed secret at the end; 0: none */
        uint64_t seq;
};

/* Where a sealed secret is and all that its opening needs but the key, as its authenticated head tells. */
struct sealed_secret {
        uint64_t at; /* offset of the ciphertext in the file */
        uint64_t seq;
        uint32_t n_bytes;
        uint8_t entry_id[VAULT_ID_BYTES];
        uint8_t nonce[VAULT_NONCE_BYTES];
        uint8_t tag[VAULT_TAG_BYTES];
};

/* Is the check of the 32 bytes at the start of a record right? */
bool frame_check_is_right(const uint8_t bytes[static FRAME_AT_HEAD_NONCE], const struct vault_keys *k);

/* The same, and its lengths are possible: false otherwise. */
bool frame_parse(struct frame *f, const uint8_t bytes[static FRAME_AT_HEAD_NONCE], const struct vault_keys *k);

size_t frame_head_bytes(const struct frame *f);

/* Authenticates a head and the frame, opens it into clear (frame_head_bytes() long), parses it. The record is a copy
 * that nobody else changes. */
bool frame_open_head(struct head *h, uint8_t *clear, const struct frame *f, const uint8_t *record,
                     const struct vault_keys *k);

void frame_locate_secret(struct sealed_secret *s, const struct frame *f, const struct head *h, const uint8_t *record,
                         uint64_t at);
bool frame_secret_is_right(const struct sealed_secret *s, const uint8_t *cipher, const struct vault_keys *k);
bool frame_open_secret(uint8_t *in_place, const struct sealed_secret *s, const struct vault_keys *k);

/* Writes a whole record: f->record_bytes. content: f->secret_bytes in guarded memory, or NULL for none. */
void frame_seal(uint8_t *record, const struct frame *f, const struct head *h, const uint8_t *content,
                const struct vault_keys *k);

#endif

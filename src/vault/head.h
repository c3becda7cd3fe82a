/* The head of a record, in clear: what it does to which entry, under which name. */
#ifndef VAULT_HEAD_H
#define VAULT_HEAD_H

#include "vault/text.h"
#include "vault/vault_format.h"

struct head {
        uint8_t prev_tag[VAULT_TAG_BYTES];
        uint8_t entry_id[VAULT_ID_BYTES];
        int64_t time_ms;
        uint64_t secret_seq; /* the record that holds the secret; 0 for HEAD_REMOVE */
        uint8_t op;
        struct text texts[1 + HEAD_ATTRS]; /* indexed by enum keepmum_vault_text */
};

/* Parses n_bytes of clear head; texts then point into it. False unless every byte is as the format wants it. */
bool head_parse(struct head *h, const uint8_t *bytes, size_t n_bytes);

size_t head_size(const struct head *h); /* padded */
void head_write(const struct head *h, uint8_t *bytes, size_t n_bytes);

/* Fields: type u8, 0 u8, length u16, bytes. *f: the next one of *n_left bytes at *p, which move on. False: not
 * well-formed. */
struct field {
        uint8_t type;
        struct text text;
};
bool head_next_field(struct field *f, const uint8_t **p, size_t *n_left);

#endif

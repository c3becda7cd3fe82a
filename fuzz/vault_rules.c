/* The rules of records and entries, a second time: from docs/vault-format.md, slowly, over a file in clear. */
#include "vault_rules.h"

#include "vault_sealing.h"

#include "base/bytes.h"
#include "vault/vault_format.h"

#include <stdlib.h>
#include <string.h>

/* A live entry: its last record, and the put that its secret is in. */
struct live {
        const uint8_t *head;
        uint64_t secret_seq;
};

struct live_list {
        struct live *at;
        size_t n;
};

static struct live *find_id(const struct live_list *all, const uint8_t *head)
{
        for (size_t i = 0; i < all->n; i++)
                if (memcmp(all->at[i].head + HEAD_AT_ENTRY_ID, head + HEAD_AT_ENTRY_ID, VAULT_ID_BYTES) == 0)
                        return &all->at[i];
        return NULL;
}

static bool is_name_taken(const struct live_list *all, const struct live *by, const uint8_t *head)
{
        size_t n = bytes_get16(head + HEAD_AT_NAME_LEN);

        for (size_t i = 0; i < all->n; i++)
                if (&all->at[i] != by && bytes_get16(all->at[i].head + HEAD_AT_NAME_LEN) == n &&
                    memcmp(all->at[i].head + HEAD_AT_NAME, head + HEAD_AT_NAME, n) == 0)
                        return true;
        return false;
}

static bool is_zero(const uint8_t *p, size_t n_bytes)
{
        while (n_bytes > 0)
                if (p[--n_bytes] != 0)
                        return false;
        return true;
}

static bool frame_is_right(const uint8_t *record, uint64_t seq)
{
        bool has_secret = sealing_secret_bytes(record) != 0;

        return bytes_get64(record + FRAME_AT_SEQ) == seq &&
               has_secret == (record[FRAME_BYTES + HEAD_AT_OP] == HEAD_PUT) &&
               is_zero(record + FRAME_AT_ZERO, FRAME_BYTES - FRAME_AT_ZERO) &&
               (has_secret || is_zero(record + FRAME_AT_SECRET_NONCE, VAULT_NONCE_BYTES + VAULT_TAG_BYTES));
}

/* What a record does to the list; false where it may not. The list has room for one more. */
static bool apply(struct live_list *all, const uint8_t *head, uint64_t seq)
{
        struct live *old = find_id(all, head);
        uint64_t secret_seq = bytes_get64(head + HEAD_AT_SECRET_SEQ);

        if (head[HEAD_AT_OP] == HEAD_REMOVE) {
                if (old == NULL || secret_seq != 0)
                        return false;
                *old = all->at[--all->n];
                return true;
        }
        if (is_name_taken(all, old, head))
                return false;
        if (head[HEAD_AT_OP] == HEAD_RENAME && (old == NULL || secret_seq != old->secret_seq))
                return false;
        if (head[HEAD_AT_OP] != HEAD_RENAME && (head[HEAD_AT_OP] != HEAD_PUT || secret_seq != seq))
                return false;
        if (old == NULL)
                old = &all->at[all->n++];
        *old = (struct live){head, secret_seq};
        return true;
}

size_t rules_count_live(const uint8_t *clear, size_t n_bytes)
{
        struct live_list all = {.at = calloc(n_bytes / (FRAME_BYTES + HEAD_STEP) + 1, sizeof *all.at)};
        uint64_t seq = 0;
        bool is_right = all.at != NULL;
        size_t n;

        for (size_t at = HEADER_BYTES; is_right && at < n_bytes; at += n) {
                n = sealing_record_bytes(clear + at, n_bytes - at);
                seq++;
                is_right = n != 0 && frame_is_right(clear + at, seq) && apply(&all, clear + at + FRAME_BYTES, seq);
        }
        free(all.at);
        return is_right ? all.n : SIZE_MAX;
}

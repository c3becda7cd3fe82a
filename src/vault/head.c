/* Heads: parsed strictly, written in one way only.
 *
 * Always true: what head_parse() accepts, head_write() turns into the same bytes. Lengths are compared with what is
 * left before they are used. No key is needed here: this is what a fuzzer calls. */
#include "vault/head.h"

#include "base/bytes.h"
#include "base/size.h"

#include <string.h>

bool head_next_field(struct field *f, const uint8_t **p, size_t *n_left)
{
        size_t n_bytes;

        if (*n_left < FIELD_HEADER_BYTES)
                return false;
        n_bytes = bytes_get16(*p + 2);
        if ((*p)[1] != 0 || n_bytes == 0 || n_bytes > *n_left - FIELD_HEADER_BYTES)
                return false;
        f->type = (*p)[0];
        f->text = (struct text){(const char *)*p + FIELD_HEADER_BYTES, n_bytes};
        *p += FIELD_HEADER_BYTES + n_bytes;
        *n_left -= FIELD_HEADER_BYTES + n_bytes;
        return true;
}

static bool parse_attrs(struct head *h, const uint8_t *p, size_t n_left)
{
        struct field f;
        uint8_t last_type = 0;

        while (n_left > 0) {
                if (!head_next_field(&f, &p, &n_left) || f.type <= last_type || f.type > HEAD_ATTRS)
                        return false;
                if (f.text.n_bytes > HEAD_MAX_ATTR_BYTES || !text_is_fit(f.text))
                        return false;
                h->texts[f.type] = f.text;
                last_type = f.type;
        }
        return true;
}

/* A removal says nothing but which entry; everything else has a name and a secret somewhere. */
static bool is_consistent(const struct head *h, size_t attr_len)
{
        size_t name_len = h->texts[KEEPMUM_VAULT_NAME].n_bytes;

        if (h->op == HEAD_REMOVE)
                return name_len == 0 && attr_len == 0 && h->secret_seq == 0;
        return (h->op == HEAD_PUT || h->op == HEAD_RENAME) && name_len >= 1 &&
               name_len <= KEEPMUM_VAULT_MAX_NAME_BYTES && h->secret_seq != 0 &&
               text_is_fit(h->texts[KEEPMUM_VAULT_NAME]);
}

bool head_parse(struct head *h, const uint8_t *bytes, size_t n_bytes)
{
        size_t name_len, attr_len, end;

        if (n_bytes < HEAD_STEP || n_bytes > HEAD_MAX_BYTES || bytes[HEAD_AT_ZERO] != 0)
                return false;
        *h = (struct head){.op = bytes[HEAD_AT_OP], .secret_seq = bytes_get64(bytes + HEAD_AT_SECRET_SEQ)};
        h->time_ms = (int64_t)bytes_get64(bytes + HEAD_AT_TIME);
        memcpy(h->prev_tag, bytes + HEAD_AT_PREV_TAG, sizeof h->prev_tag);
        memcpy(h->entry_id, bytes + HEAD_AT_ENTRY_ID, sizeof h->entry_id);
        name_len = bytes_get16(bytes + HEAD_AT_NAME_LEN);
        attr_len = bytes_get32(bytes + HEAD_AT_ATTR_LEN);
        if (name_len > n_bytes - HEAD_AT_NAME || attr_len > n_bytes - HEAD_AT_NAME - name_len)
                return false;
        end = HEAD_AT_NAME + name_len + attr_len;
        if (size_round_up(end, HEAD_STEP) != n_bytes || !format_is_zero(bytes + end, n_bytes - end))
                return false;
        if (!parse_attrs(h, bytes + HEAD_AT_NAME + name_len, attr_len))
                return false;
        h->texts[KEEPMUM_VAULT_NAME] = (struct text){(const char *)bytes + HEAD_AT_NAME, name_len};
        return is_consistent(h, attr_len);
}

static size_t attrs_size(const struct head *h)
{
        size_t n = 0;

        for (unsigned i = 1; i <= HEAD_ATTRS; i++)
                if (h->texts[i].n_bytes > 0)
                        n += FIELD_HEADER_BYTES + h->texts[i].n_bytes;
        return n;
}

size_t head_size(const struct head *h)
{
        return size_round_up(HEAD_AT_NAME + h->texts[KEEPMUM_VAULT_NAME].n_bytes + attrs_size(h), HEAD_STEP);
}

static uint8_t *write_text(uint8_t *p, struct text t)
{
        if (t.n_bytes > 0)
                memcpy(p, t.bytes, t.n_bytes);
        return p + t.n_bytes;
}

void head_write(const struct head *h, uint8_t *bytes, size_t n_bytes)
{
        uint8_t *p;

        memset(bytes, 0, n_bytes);
        memcpy(bytes + HEAD_AT_PREV_TAG, h->prev_tag, sizeof h->prev_tag);
        memcpy(bytes + HEAD_AT_ENTRY_ID, h->entry_id, sizeof h->entry_id);
        bytes_put64(bytes + HEAD_AT_TIME, (uint64_t)h->time_ms);
        bytes_put64(bytes + HEAD_AT_SECRET_SEQ, h->secret_seq);
        bytes[HEAD_AT_OP] = h->op;
        bytes_put16(bytes + HEAD_AT_NAME_LEN, (uint16_t)h->texts[KEEPMUM_VAULT_NAME].n_bytes);
        bytes_put32(bytes + HEAD_AT_ATTR_LEN, (uint32_t)attrs_size(h));
        p = write_text(bytes + HEAD_AT_NAME, h->texts[KEEPMUM_VAULT_NAME]);
        for (unsigned i = 1; i <= HEAD_ATTRS; i++) {
                if (h->texts[i].n_bytes == 0)
                        continue;
                p[0] = (uint8_t)i;
                bytes_put16(p + 2, (uint16_t)h->texts[i].n_bytes);
                p = write_text(p + FIELD_HEADER_BYTES, h->texts[i]);
        }
}

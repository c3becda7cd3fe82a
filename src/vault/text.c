/* Texts as they come from a user or from a file: refused unless every terminal and every reader agrees on what they
 * are.
 *
 * Always true: a text that passes has no character that moves a cursor, and only one way to be encoded. */
#include "vault/text.h"

#include "vault/vault_format.h"

#include <stdint.h>
#include <string.h>

struct text text_of(const char *s)
{
        return (struct text){s, s == NULL ? 0 : strlen(s)};
}

/* The length of the character at p and its code point; 0 if it is cut short or not in shortest form. */
static size_t decode(uint32_t *code, const uint8_t *p, size_t n_left)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

        if (n == 0 || n > n_left)
                return 0;
        *code = n == 1 ? p[0] : p[0] & (0x7fu >> n);
        for (size_t i = 1; i < n; i++) {
                if (p[i] >> 6 != 2)
                        return 0;
                *code = *code << 6 | (p[i] & 0x3fu);
        }
        return *code < smallest[n] ? 0 : n;
}

static bool is_fit(uint32_t code)
{
        if (code < 0x20 || (code >= 0x7f && code < 0xa0))
                return false;
        return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

bool text_is_fit(struct text t)
{
        const uint8_t *p = (const uint8_t *)t.bytes;
        size_t n, at;

        for (at = 0; at < t.n_bytes; at += n) {
                uint32_t code;

                n = decode(&code, p + at, t.n_bytes - at);
                if (n == 0 || !is_fit(code))
                        return false;
        }
        return true;
}

bool text_is_name(struct text t)
{
        return t.n_bytes >= 1 && t.n_bytes <= KEEPMUM_VAULT_MAX_NAME_BYTES && text_is_fit(t);
}

bool text_is_attribute(struct text t)
{
        return t.n_bytes <= HEAD_MAX_ATTR_BYTES && text_is_fit(t);
}

/* Contents of secrets: sizes in few classes, so that a length tells little; parsed strictly.
 *
 * Always true: the bytes stand in guarded memory, and nothing here copies them. */
#include "vault/content.h"

#include "base/bytes.h"
#include "base/size.h"
#include "vault/head.h"

#include <sodium.h>
#include <string.h>

size_t content_padded(size_t n_bytes)
{
        size_t padded = SECRET_MIN_BYTES;

        if (n_bytes > SECRET_STEP)
                return size_round_up(n_bytes, SECRET_STEP);
        while (padded < n_bytes)
                padded *= 2;
        return padded;
}

bool content_size_is_fit(size_t padded_bytes)
{
        return padded_bytes >= SECRET_MIN_BYTES && padded_bytes <= SECRET_MAX_BYTES &&
               content_padded(padded_bytes) == padded_bytes;
}

/* A custom field is a label, a zero byte, a value. */
static bool is_custom(struct text t)
{
        const char *end = memchr(t.bytes, '\0', t.n_bytes);

        return end != NULL && end != t.bytes && text_is_fit((struct text){t.bytes, (size_t)(end - t.bytes)});
}

static bool fields_are_fit(const uint8_t *p, size_t n_left)
{
        struct field f;
        uint8_t last_type = 0;

        while (n_left > 0) {
                if (!head_next_field(&f, &p, &n_left) || f.type > FIELD_CUSTOM || f.type < last_type)
                        return false;
                if (f.type == FIELD_CUSTOM ? !is_custom(f.text) : f.type == last_type)
                        return false;
                last_type = f.type;
        }
        return true;
}

bool content_parse(size_t *main_bytes, const uint8_t *bytes, size_t padded_bytes)
{
        size_t main_len, rest_len, end;

        if (!content_size_is_fit(padded_bytes))
                return false;
        main_len = bytes_get32(bytes);
        rest_len = bytes_get32(bytes + 4);
        if (main_len > SECRET_MAX_MAIN_BYTES || rest_len > SECRET_MAX_CONTENT_BYTES - main_len)
                return false;
        end = SECRET_AT_MAIN + main_len + rest_len;
        if (content_padded(end) != padded_bytes || !sodium_is_zero(bytes + end, padded_bytes - end))
                return false;
        *main_bytes = main_len;
        return fields_are_fit(bytes + SECRET_AT_MAIN + main_len, rest_len);
}

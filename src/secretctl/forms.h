/* A canary in every form in which copies of it are looked for. */
#ifndef SECRETCTL_FORMS_H
#define SECRETCTL_FORMS_H

#include <keepmum.h>
#include <stddef.h>
#include <stdint.h>

enum { CANARY_MIN_BYTES = 8, CANARY_MAX_BYTES = 64 << 10 };

enum form {
        FORM_RAW,
        FORM_UTF16LE,
        FORM_UTF16BE,
        FORM_HEX,
        FORM_HEX_UPPER,
        FORM_BASE64, /* three of them: its first byte is the first, second, third of three */
        FORM_BASE64_URL = FORM_BASE64 + 3,
        FORMS = FORM_BASE64_URL + 3
};

struct forms {
        keepmum_secret all;
        struct {
                uint32_t at, n_bytes; /* within all; none where the form is the same as one before it */
        } of[FORMS];
        uint32_t longest;
};

/* canary: a secret of CANARY_MIN_BYTES to CANARY_MAX_BYTES, which is not kept. 0 or what keepmum_create() and
 * keepmum_open_read() return. */
int forms_make(struct forms *f, keepmum_secret canary);
void forms_end(struct forms *f);

#endif

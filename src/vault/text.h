/* Which texts a vault takes: UTF-8 without control characters. */
#ifndef VAULT_TEXT_H
#define VAULT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of some buffer; no NUL at the end. */
struct text {
        const char *bytes;
        size_t n_bytes;
};

bool text_is_fit(struct text t);     /* whole, shortest-form UTF-8; no U+0000..001F, U+007F..009F, no surrogates */
bool text_is_name(struct text t);      /* fit, 1 to 1,024 bytes */
bool text_is_attribute(struct text t); /* fit, up to 16 KiB; may be empty */
struct text text_of(const char *s);  /* a string; NULL is the empty text */

#endif

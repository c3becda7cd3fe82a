/* What is sealed as a secret, in clear: main_len u32, rest_len u32, the main secret, its further fields, zeroes. */
#ifndef VAULT_CONTENT_H
#define VAULT_CONTENT_H

#include "vault/vault_format.h"

#include <stdbool.h>

size_t content_padded(size_t n_bytes);          /* the size that n_bytes, its lengths included, are padded to */
bool content_size_is_fit(size_t padded_bytes);  /* a size that content_padded() gives, within the limits */

/* *main_bytes: length of the main secret, which starts at SECRET_AT_MAIN. False unless every byte is as the format
 * wants it. */
bool content_parse(size_t *main_bytes, const uint8_t *bytes, size_t padded_bytes);

#endif

/* What must hold between the records of a vault that was accepted. */
#ifndef FUZZ_VAULT_RULES_H
#define FUZZ_VAULT_RULES_H

#include <stddef.h>
#include <stdint.h>

/* How many entries live after all records of a file in clear (vault_sealing.h); SIZE_MAX where a rule is broken. */
size_t rules_count_live(const uint8_t *clear, size_t n_bytes);

#endif

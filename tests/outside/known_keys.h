/* The keys of a vault, computed from its file and its key file as docs/vault-format.md says, without the library: for
 * those who look for copies of them. */
#ifndef TESTS_OUTSIDE_KNOWN_KEYS_H
#define TESTS_OUTSIDE_KNOWN_KEYS_H

#include "outside/memory_scan.h"

enum { KNOWN_KEYS = 10 };

/* Of a vault whose first key slot is that of the key file; with the keys that XChaCha20 makes for this slot, and for
 * the first record's head and secret. False: this vault is not made so, or the key file is not its own. */
bool known_keys(struct needle keys[static KNOWN_KEYS], const char *vault_path, const char *key_file_path);

#endif

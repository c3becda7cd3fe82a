/* What the vault says no to, in words for a person. */
#ifndef SECRETCTL_VAULT_ERROR_H
#define SECRETCTL_VAULT_ERROR_H

#include "secretctl/place.h"

/* name: the entry it was about, NULL if it was the vault. Returns the exit code. */
int vault_error(const struct place *p, int error, const char *name);

#endif

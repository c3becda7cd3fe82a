/* An entry's attributes, written out: all there is but the secret. */
#ifndef SECRETCTL_ENTRY_H
#define SECRETCTL_ENTRY_H

#include <keepmum_vault.h>

void entry_as_json(const keepmum_vault *vault, size_t number); /* one object, on one line */
void entry_as_text(const keepmum_vault *vault, size_t number); /* for a person; what is empty is left out */

#endif

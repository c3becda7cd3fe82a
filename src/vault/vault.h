/* An open vault. */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "vault/load.h"

struct keepmum_vault {
        char *path;
        char *new_path;        /* where a whole new file is written before it gets its name */
        char *state_dir;       /* NULL: none */
        uint8_t *first_header; /* of a vault that has no file yet; else NULL */
        struct loaded now;
        unsigned warnings;
};

#endif

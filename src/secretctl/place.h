/* Where the vault is, and where is remembered how far it had got. */
#ifndef SECRETCTL_PLACE_H
#define SECRETCTL_PLACE_H

#include "secretctl/arguments.h"

#include <stdbool.h>

struct place {
        char vault[4096];
        char state[4096];   /* directory; "" if there is none to be had */
        bool is_usual;      /* not by --vault or SECRETCTL_VAULT: its directory is ours to make */
        bool has_vault;     /* a file is there */
};

/* Returns the exit code, having said what was wrong. */
int place_find(struct place *p, const struct request *r);
/* Makes the directory of the vault, if it is the usual one; else it must be there. Likewise. */
int place_make(const struct place *p);
/* What the vault functions want: NULL if there is none. */
const char *place_state(const struct place *p);

#endif

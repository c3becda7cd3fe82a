/* Random passwords. */
#ifndef SECRETCTL_PASSWORD_H
#define SECRETCTL_PASSWORD_H

#include "secretctl/arguments.h"

#include <keepmum.h>

/* n_characters random ones, of the set that --characters and --no-symbols say. Returns the exit code, having said
 * what was wrong. */
int password_make(keepmum_secret *out, const struct request *r, int n_characters);

#endif

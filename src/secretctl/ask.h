/* Asking a person, and reading what stands in for one. */
#ifndef SECRETCTL_ASK_H
#define SECRETCTL_ASK_H

#include "secretctl/arguments.h"

#include <keepmum.h>
#include <stdbool.h>

/* All return the exit code, having said what was wrong; *out is a live secret after EXIT_OK only. */

/* The passphrase of the vault: from --passphrase-fd, --askpass, the terminal, or SECRETCTL_ASKPASS, in this order. A
 * new one is asked for twice where it is typed. */
int ask_passphrase(keepmum_secret *out, const struct request *r, const char *vault, bool is_new);

/* The secret of a new entry: from --secret-fd, else typed twice if standard input is a terminal, else standard input.
 * *out is {0} for an empty one. */
int ask_secret(keepmum_secret *out, const struct request *r, const char *name);

/* Whether both would be read from one descriptor, or from a terminal by descriptor. */
int ask_check_descriptors(const struct request *r, bool reads_secret);

/* EXIT_OK if the answer was yes, else EXIT_ABORTED. */
int ask_consent(const char *question);
/* Whether there is a terminal to ask at. */
bool ask_is_possible(void);

#endif

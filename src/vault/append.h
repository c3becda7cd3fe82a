/* Saving: one record at the end of the file, or a whole new file for the first. */
#ifndef VAULT_APPEND_H
#define VAULT_APPEND_H

#include "vault/vault.h"

/* Take the lock of the file that the path leads to, and read what others have appended; cut a torn tail. On an error
 * nothing is held. */
int append_begin(struct keepmum_vault *v);
void append_end(struct keepmum_vault *v);

/* Between the two. Fills h's prev_tag and, for a put, secret_seq. content: for a put, as content.h says, closed;
 * else {0}. On an error nothing was saved. */
int append_record(struct keepmum_vault *v, struct head *h, keepmum_secret content);

#endif

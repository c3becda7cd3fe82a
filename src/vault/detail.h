/* What the last error of a thread was about: keepmum_vault_detail(). */
#ifndef VAULT_DETAIL_H
#define VAULT_DETAIL_H

#include <stdint.h>

enum { DETAIL_STATE = 1 }; /* of an error that is about the state directory and not the vault */

void detail_clear(void);                   /* at the start of each public function */
int detail_error(int err, uint64_t value); /* notes value, returns err */

#endif

/* Which signals this thread takes. */
#ifndef OS_SIGNALS_H
#define OS_SIGNALS_H

#include <stdint.h>

/* Blocks all that can come at any time; *before is what was blocked until now. */
void signals_block(uint64_t *before);
void signals_restore(uint64_t before);

#endif

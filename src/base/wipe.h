/* Overwriting what must not stay. */
#ifndef BASE_WIPE_H
#define BASE_WIPE_H

#include <stddef.h>

/* Overwrites n_bytes with zeroes; the compiler may not leave it out. */
void wipe(void *bytes, size_t n_bytes);

#endif

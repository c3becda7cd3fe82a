/* Copying secret bytes from page to page. */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>

/* Like memmove: the two may overlap. Leaves none of the bytes in vector registers. */
void copy_bytes(void *to, const void *from, size_t n_bytes);

#endif

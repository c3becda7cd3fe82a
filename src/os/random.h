/* Random bytes from the kernel, straight to where they are wanted. */
#ifndef OS_RANDOM_H
#define OS_RANDOM_H

#include <stddef.h>

/* Waits for the kernel's pool to be ready at boot; cannot fail otherwise. */
void random_fill(void *bytes, size_t n_bytes);

#endif

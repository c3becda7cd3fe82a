/* Bytes to and from a descriptor that may be slow, interrupted or non-blocking. */
#ifndef OS_STREAM_H
#define OS_STREAM_H

#include <stddef.h>

/* Reads at least one byte, unless at the end: *n_got is then 0. 0 or KEEPMUM_EIO with errno. */
int stream_read(int fd, void *bytes, size_t *n_got, size_t max_bytes);

/* Writes all. 0 or KEEPMUM_EIO with errno; some bytes may be written. */
int stream_write(int fd, const void *bytes, size_t n_bytes);

#endif

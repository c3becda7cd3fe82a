/* Descriptors that carry a secret to another process: what sort they are, and the calls on those that are not secret memory. */
#ifndef OS_COURIER_H
#define OS_COURIER_H

#include <stddef.h>

enum courier_kind {
        COURIER_HIDDEN, /* secret memory: reached by mapping it, and by nothing else */
        COURIER_PLAIN   /* ordinary memory whose size is sealed: reached by the calls below, never mapped */
};

/* A new plain one of n_bytes of zeroes, which nobody can make longer or shorter. 0; KEEPMUM_ESYSTEM with errno. */
int courier_create(int *fd, size_t n_bytes);

/* Looks at a descriptor of unknown origin, and changes nothing. 0; KEEPMUM_ETAKEN for a plain one that courier_take() took;
 * KEEPMUM_ENOTCOURIER for everything whose size another process could change, that cannot be wiped, or that is not open for reading and
 * writing. */
int courier_identify(enum courier_kind *kind, size_t *n_bytes, int fd);

/* 0 for exactly one caller, of all that hold a plain one; KEEPMUM_ETAKEN for the others; KEEPMUM_EIO where it is taken, but has become one that
 * cannot be wiped. */
int courier_take(int fd);

/* All n_bytes, from offset at of a plain one, or KEEPMUM_EIO with errno. No signal comes of either, whatever its other holders do. */
int courier_read(int fd, void *bytes, size_t n_bytes, size_t at);
int courier_write(int fd, const void *bytes, size_t n_bytes, size_t at);
int courier_wipe(int fd, size_t n_bytes, size_t at);

#endif

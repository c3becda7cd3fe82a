/* A guest: a secret memory file of a moment, mapped between two pages that nobody may touch. */
#ifndef REGION_GUEST_H
#define REGION_GUEST_H

#include <stddef.h>

struct guest {
        int fd;               /* of the file; stays the caller's */
        size_t n_bytes;       /* of the file, rounded up to pages */
        unsigned char *base;  /* of the reservation: a guard page, the file, a guard page */
        unsigned char *bytes;
};

/* Maps all of g->fd, readable and writable, with every page in memory; contents are left as they are. 0; KEEPMUM_ELIMIT, _ENOMEM, _ENOFORK,
 * _ENOGUARD, _ESYSTEM; on an error nothing is mapped. */
int guest_map(struct guest *g);
void guest_unmap(struct guest *g);

#endif

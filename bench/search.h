/* The search for all secrets of keepers.h at once, through the whole memory of another process. */
#ifndef BENCH_SEARCH_H
#define BENCH_SEARCH_H

#include "keepers.h"

#include <sys/types.h>

struct search {
        size_t n_safe;      /* found, and only in locked pages between two that nobody may touch */
        size_t n_elsewhere; /* found in other memory */
        size_t n_nowhere;   /* not found */
        size_t n_mappings;
        uint64_t unread_bytes; /* of ordinary memory: 0, or it was not all */
};

/* Looks for numbers 0 .. n_secrets - 1, at any address: for either half of each, sixteen bytes in a row. 0; -1: not to
 * be looked at. */
int search_process(struct search *s, pid_t pid, size_t n_secrets);

#endif

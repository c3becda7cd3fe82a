/* Many secrets in one process: how many are kept as they should be, and how many mappings they take. */
#ifndef BENCH_CENSUS_H
#define BENCH_CENSUS_H

#include "search.h"

struct census {
        size_t n_made; /* all of them were read back as they were written */
        struct search found;
};

enum { CENSUS_LOCK_BYTES = 8 << 20 };

/* Each returns NULL, or why it could not be measured. */

/* KEEPER_MOST of them, as a user who may lock CENSUS_LOCK_BYTES: this one, or another one if this is root. */
const char *census_take(struct census *c, const struct keeper *k);
/* How many mappings n_secrets more add to those of the first one. */
const char *census_count_mappings(size_t *n_mappings, const struct keeper *k, size_t n_secrets);

#endif

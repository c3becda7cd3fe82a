/* Changes to vault files that still authenticate. */
#ifndef FUZZ_VAULT_MUTATION_H
#define FUZZ_VAULT_MUTATION_H

#include <stddef.h>
#include <stdint.h>

/* An input while it is changed; the bytes have room for max_bytes. */
struct draft {
        uint8_t *bytes;
        size_t n_bytes, max_bytes;
        const uint8_t *other; /* another input, to take records from */
        size_t other_bytes;
        uint64_t random;      /* everything follows from this */
};

/* Changes d->bytes in place; returns how many there are now. */
size_t mutation(struct draft *d);

#endif

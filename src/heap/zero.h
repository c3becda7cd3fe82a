/* Whether memory is still all zero, as every free byte of the heap is, and making it so. */
#ifndef HEAP_ZERO_H
#define HEAP_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef unsigned long long zero_vector __attribute__((vector_size(16), may_alias));

void zero_start(void); /* once, before the first block */

/* at is aligned to 16, n_bytes a multiple of 16. */
bool zero_holds(const void *at, size_t n_bytes);
/* The same at any alignment, of what is before to; true if that is nothing. */
bool zero_holds_between(const char *from, const char *to);

enum { ZERO_SHORT = 256 }; /* up to here in line, by pieces that overlap: few branches, as sizes are mixed */

/* 16 to ZERO_SHORT bytes, a multiple of 16. */
static inline bool zero_holds_short(const void *at, size_t n_bytes)
{
        const zero_vector *v = at;
        size_t last = n_bytes / 16 - 1;
        zero_vector found = v[0] | v[last];

        if (n_bytes <= 64) {
                found |= v[last / 2] | v[(last + 1) / 2];
        } else {
                found |= v[1] | v[2] | v[3] | v[last - 1] | v[last - 2] | v[last - 3];
                if (n_bytes > 128) {
                        found |= v[4] | v[5] | v[6] | v[7];
                        found |= v[last - 4] | v[last - 5] | v[last - 6] | v[last - 7];
                }
        }
        return (found[0] | found[1]) == 0;
}

/* The same length; the last 16 bytes last. The compiler may not leave it out, nor the next one. */
static inline void zero_clear_short(void *at, size_t n_bytes)
{
        zero_vector *v = at;
        size_t last = n_bytes / 16 - 1;

        if (n_bytes <= 64) {
                v[0] = v[last / 2] = v[last * 3 / 4] = (zero_vector){0, 0}; /* none of them the last, but for a length of 16 */
        } else {
                v[0] = v[1] = v[2] = v[3] = v[last - 1] = v[last - 2] = v[last - 3] = (zero_vector){0, 0};
                if (n_bytes > 128) {
                        v[4] = v[5] = v[6] = v[7] = (zero_vector){0, 0};
                        v[last - 4] = v[last - 5] = v[last - 6] = v[last - 7] = (zero_vector){0, 0};
                }
        }
        __atomic_thread_fence(__ATOMIC_RELEASE);
        v[last] = (zero_vector){0, 0};
        __asm__ volatile("" : : "r"(at) : "memory");
}

static inline void zero_clear(void *at, size_t n_bytes)
{
        memset(at, 0, n_bytes);
        __asm__ volatile("" : : "r"(at) : "memory");
}

#endif

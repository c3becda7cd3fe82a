/* Sizes that are rounded. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stddef.h>

/* n rounded up to a multiple of step, a power of two. The caller has bounded n. */
static inline size_t size_round_up(size_t n, size_t step)
{
        return (n + step - 1) & ~(step - 1);
}

#endif

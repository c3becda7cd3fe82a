/* Sizes that are rounded and added without wrapping. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

/* n rounded up to a multiple of step, a power of two. The caller has bounded n. */
static inline size_t size_round_up(size_t n, size_t step)
{
        return (n + step - 1) & ~(step - 1);
}

/* *sum = a + b; false if that does not fit. */
static inline bool size_add(size_t *sum, size_t a, size_t b)
{
        return !__builtin_add_overflow(a, b, sum);
}

#endif

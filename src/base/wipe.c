/* Wiping: memset, and a barrier that makes the compiler believe the zeroes are read.
 *
 * Out of line, so that no caller's optimiser sees that the bytes die. Faster than explicit_bzero and sodium_memzero for
 * short lengths; read back by the test wipe_leaves_only_zeroes. */
#include "base/wipe.h"

#include <string.h>

__attribute__((noinline)) void wipe(void *bytes, size_t n_bytes)
{
        memset(bytes, 0, n_bytes);
        __asm__ volatile("" : : "r"(bytes) : "memory");
}

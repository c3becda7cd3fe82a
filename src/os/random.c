/* getrandom(2): no user-space generator whose state would be one more secret, no descriptor, nothing to fork wrongly. */
#include "os/random.h"

#include "base/fatal.h"
#include "os/cancel.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

void random_fill(void *bytes, size_t n_bytes)
{
        UNCANCELLED;
        char *p = bytes;

        while (n_bytes > 0) {
                ssize_t n = getrandom(p, n_bytes, 0);

                must(n > 0 || errno == EINTR, "getrandom failed");
                if (n > 0) {
                        p += n;
                        n_bytes -= (size_t)n;
                }
        }
}

/* futex(2), private to the process. What it answers does not matter: the caller looks at the word again. */
#include "os/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void futex_wait(const void *word, uint32_t value)
{
        int kept = errno;

        (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
        errno = kept;
}

void futex_wake_all(const void *word)
{
        int kept = errno;

        (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
        errno = kept;
}

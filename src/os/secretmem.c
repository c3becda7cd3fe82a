/* memfd_secret(2), and whether using it would take something from the user.
 *
 * Always true: a descriptor made here is close-on-exec and lives only while a chunk is mapped, or as long as a courier is under way, since
 * root can steal an open one (pidfd_getfd) and read through it. A machine that could hibernate cannot while any secret memory file is mapped, so it is used
 * without being asked only where /sys/power says that hibernation is not to be had; what cannot be read counts as could. */
#include "os/secretmem.h"

#include "os/cancel.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same number on every architecture */
#endif

int secretmem_create(int *fd, size_t n_bytes)
{
        int f;

        if (!process_may_make_file(n_bytes))
                return KEEPMUM_ENOHIDDEN;
        f = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
        if (f < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
                return KEEPMUM_ESYSTEM;
        if (f < 0)
                return KEEPMUM_ENOHIDDEN;
        if (ftruncate(f, (off_t)n_bytes) != 0) {
                secretmem_close(f);
                return KEEPMUM_ENOHIDDEN;
        }
        *fd = f;
        return 0;
}

void secretmem_close(int fd)
{
        UNCANCELLED;
        int kept = errno;

        (void)close(fd); /* Linux frees the number whatever it answers */
        errno = kept;
}

bool secretmem_is_free_of_charge(void)
{
        char text[256];

        if (process_read_text("/sys/power/state", text, sizeof text) && strstr(text, "disk") == NULL)
                return true;
        return process_read_text("/sys/power/disk", text, sizeof text) && strstr(text, "[disabled]") != NULL;
}

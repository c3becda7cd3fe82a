/* open(2), fstat(2), pread(2) and lseek(2) for files that somebody else made.
 *
 * Always true: a place that the kernel's signed offsets cannot name is an error, never a wrapped one. */
#include "os/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <sys/stat.h>
#include <unistd.h>

int reader_open(int *fd, const char *path)
{
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (*fd >= 0)
                return 0;
        if (errno == ENOENT || errno == ESRCH)
                return KEEPMUM_ENOTFOUND;
        return errno == EACCES || errno == EPERM ? KEEPMUM_EDENIED : KEEPMUM_EIO;
}

void reader_close(int fd)
{
        int kept = errno;

        close(fd);
        errno = kept;
}

int reader_look(int fd, bool *is_regular, uint64_t *n_bytes)
{
        struct stat is;

        if (fstat(fd, &is) != 0)
                return KEEPMUM_EIO;
        *is_regular = S_ISREG(is.st_mode);
        *n_bytes = (uint64_t)is.st_size;
        return 0;
}

int reader_at(int fd, uint64_t at, void *bytes, size_t n_bytes, size_t *n_got)
{
        ssize_t n;

        if (at > INT64_MAX) {
                errno = EOVERFLOW;
                return KEEPMUM_EIO;
        }
        do
                n = pread(fd, bytes, n_bytes, (off_t)at);
        while (n < 0 && errno == EINTR);
        *n_got = n > 0 ? (size_t)n : 0;
        return n >= 0 ? 0 : KEEPMUM_EIO;
}

uint64_t reader_next_data(int fd, uint64_t at, uint64_t end)
{
        int kept = errno;
        off_t data = lseek(fd, (off_t)at, SEEK_DATA);
        bool is_hole_to_end = data < 0 && errno == ENXIO;

        errno = kept;
        if (data < 0)
                return is_hole_to_end ? end : at; /* a file system that cannot tell has no holes */
        return (uint64_t)data < end ? (uint64_t)data : end;
}

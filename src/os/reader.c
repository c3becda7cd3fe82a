/* open(2), fstat(2), pread(2) and lseek(2) for files that somebody else made.
 *
 * Always true: a place that the kernel's signed offsets cannot name is an error, never a wrapped one. */
#include "os/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <sys/ioctl.h>
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

/* PAGEMAP_SCAN, Documentation/admin-guide/mm/pagemap.rst; headers before 6.7 lack it. */
struct scan_region {
        uint64_t start, end, categories;
};

struct scan {
        uint64_t size, flags, start, end, walk_end, regions, n_regions, max_pages;
        uint64_t inverted, all_of, any_of, returned;
};

enum { SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4 };

bool reader_next_present(int pagemap_fd, uint64_t *at, uint64_t *stop, uint64_t end)
{
        struct scan_region found = {0};
        struct scan s = {.size = sizeof s, .start = *at, .end = end, .regions = (uintptr_t)&found, .n_regions = 1,
                         .any_of = SCAN_PRESENT | SCAN_SWAPPED, .returned = SCAN_PRESENT | SCAN_SWAPPED};
        int kept = errno, n = ioctl(pagemap_fd, _IOWR('f', 16, struct scan), &s);

        errno = kept;
        if (n < 0 || (n > 0 && (found.start < *at || found.end > end || found.start >= found.end)))
                return false;
        *at = n > 0 ? found.start : end;
        *stop = n > 0 ? found.end : end;
        return true;
}

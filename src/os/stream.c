/* read(2) and write(2) until it is done: interrupted calls are repeated, a full or empty non-blocking descriptor is waited for.
 *
 * Only these two calls touch the bytes, so that a secret goes from its page to the kernel and nowhere else. */
#include "os/stream.h"

#include "os/cancel.h"

#include <errno.h>
#include <keepmum.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

/* After a failed call: wait if waiting helps. False if the error is real. */
static bool wait_for(int fd, short events)
{
        struct pollfd p = {.fd = fd, .events = events};

        if (errno == EINTR)
                return true;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
                return false;
        return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

int stream_read(int fd, void *bytes, size_t *n_got, size_t max_bytes)
{
        UNCANCELLED;

        for (;;) {
                ssize_t n = read(fd, bytes, max_bytes);

                if (n >= 0) {
                        *n_got = (size_t)n;
                        return 0;
                }
                if (!wait_for(fd, POLLIN))
                        return KEEPMUM_EIO;
        }
}

int stream_write(int fd, const void *bytes, size_t n_bytes)
{
        UNCANCELLED;
        const char *p = bytes;

        while (n_bytes > 0) {
                ssize_t n = write(fd, p, n_bytes);

                if (n >= 0) {
                        p += n;
                        n_bytes -= (size_t)n;
                } else if (!wait_for(fd, POLLOUT)) {
                        return KEEPMUM_EIO;
                }
        }
        return 0;
}

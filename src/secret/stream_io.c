/* Secrets from and to descriptors: the kernel copies straight into and out of the secret's own page. */
#include "os/page.h"
#include "os/stream.h"

#include <keepmum.h>

/* Room for max_bytes + 1, so that one byte too many is noticed without another buffer. */
static size_t first_room(size_t max_bytes)
{
        size_t page = page_bytes();

        return max_bytes < page ? max_bytes + 1 : page;
}

static size_t next_room(size_t room, size_t max_bytes)
{
        return room > max_bytes / 2 ? max_bytes + 1 : 2 * room;
}

/* Reads until the room is full or the end is met. */
static int fill(keepmum_secret s, int fd, size_t *n_used, bool *is_at_end)
{
        void *bytes;
        size_t room, n;
        int err = keepmum_open_write(s, &bytes, &room);

        if (err != 0)
                return err;
        while (err == 0 && !*is_at_end && *n_used < room) {
                n = 0;
                err = stream_read(fd, (char *)bytes + *n_used, &n, room - *n_used);
                *is_at_end = err == 0 && n == 0;
                *n_used += n;
        }
        keepmum_close(s);
        return err;
}

static int read_to_end(keepmum_secret s, int fd, size_t *n_used, size_t room, size_t max_bytes)
{
        bool is_at_end = false;
        int err = fill(s, fd, n_used, &is_at_end);

        while (err == 0 && !is_at_end && *n_used <= max_bytes) {
                room = next_room(room, max_bytes);
                if ((err = keepmum_resize(s, room)) == 0)
                        err = fill(s, fd, n_used, &is_at_end);
        }
        if (err != 0)
                return err;
        if (*n_used > max_bytes)
                return KEEPMUM_ETOOBIG;
        return *n_used == 0 ? KEEPMUM_EEMPTY : keepmum_resize(s, *n_used);
}

int keepmum_read_fd(keepmum_secret *out, int fd, size_t max_bytes, unsigned flags)
{
        keepmum_secret s;
        size_t n_used = 0, room;
        int err;

        if (out == NULL || max_bytes == 0)
                return KEEPMUM_EINVAL;
        if (max_bytes >= KEEPMUM_MAX_BYTES)
                return KEEPMUM_ETOOBIG;
        room = first_room(max_bytes);
        if ((err = keepmum_create(&s, room, flags)) != 0)
                return err;
        if ((err = read_to_end(s, fd, &n_used, room, max_bytes)) != 0) {
                keepmum_destroy(&s);
                return err;
        }
        *out = s;
        return 0;
}

int keepmum_write_fd(keepmum_secret s, int fd)
{
        const void *bytes;
        size_t n;
        int err = keepmum_open_read(s, &bytes, &n);

        if (err != 0)
                return err;
        err = stream_write(fd, bytes, n);
        keepmum_close(s);
        return err;
}

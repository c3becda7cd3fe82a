/* Memory files and their seals (memfd_create(2), fcntl(2)).
 *
 * What comes over a socket is whatever a stranger has put there. It is believed once its kind (a regular file of the kernel's own memory),
 * its seals and its mode say that size and bytes stay in reach: secret memory has its size for ever, a memory file by F_SEAL_SHRINK and
 * F_SEAL_GROW. Never F_SEAL_WRITE: such a file could not be wiped.
 *
 * A plain courier is taken by F_SEAL_SEAL, which the kernel lets only one caller add, and after which nobody adds another seal. It is read and
 * written by pread(2) and pwrite(2) and never mapped: who else holds it can punch holes into it at any time, and a hole that cannot be filled
 * is an error of a call, but SIGBUS in a mapping. */
#include "os/courier.h"

#include "os/cancel.h"
#include "os/process.h"
#include "os/secretmem.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

enum {
        SECRETMEM_MAGIC = 0x5345434d, /* of fstatfs(2) */
        TMPFS_MAGIC = 0x01021994,     /* memory files are of the same kind */
        SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW,
        WRITE_SEALS = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
};

/* MFD_NOEXEC_SEAL is EINVAL before Linux 6.3; where it is known, the system may demand it (vm.memfd_noexec). */
static int create(void)
{
        int f = memfd_create("keepmum", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

        return f < 0 && errno == EINVAL ? memfd_create("keepmum", MFD_CLOEXEC | MFD_ALLOW_SEALING) : f;
}

int courier_create(int *fd, size_t n_bytes)
{
        int f;

        if (!process_may_make_file(n_bytes) || (f = create()) < 0)
                return KEEPMUM_ESYSTEM;
        if (ftruncate(f, (off_t)n_bytes) != 0 || fcntl(f, F_ADD_SEALS, SIZE_SEALS) != 0) {
                secretmem_close(f);
                return KEEPMUM_ESYSTEM;
        }
        *fd = f;
        return 0;
}

/* ---- what it is ---- */

static bool seals_are_right(int seals)
{
        return seals >= 0 && (seals & SIZE_SEALS) == SIZE_SEALS && (seals & WRITE_SEALS) == 0;
}

/* O_PATH and what was opened anew for reading have another access mode. */
static bool mode_is_right(int mode)
{
        return mode >= 0 && (mode & O_ACCMODE) == O_RDWR && (mode & (O_PATH | O_APPEND)) == 0;
}

static int identify_plain(int fd, size_t n_bytes)
{
        int seals = fcntl(fd, F_GET_SEALS);

        if (!seals_are_right(seals))
                return KEEPMUM_ENOTCOURIER;
        if (seals & F_SEAL_SEAL)
                return KEEPMUM_ETAKEN;
        return process_may_make_file(n_bytes) ? 0 : KEEPMUM_ESYSTEM; /* else wiping it would raise SIGXFSZ */
}

int courier_identify(enum courier_kind *kind, size_t *n_bytes, int fd)
{
        struct stat file;
        struct statfs system;

        errno = 0;
        if (!mode_is_right(fcntl(fd, F_GETFL)) || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size <= 0 ||
            (uint64_t)file.st_size > SIZE_MAX / 2 || fstatfs(fd, &system) != 0)
                return KEEPMUM_ENOTCOURIER;
        *n_bytes = (size_t)file.st_size;
        *kind = system.f_type == SECRETMEM_MAGIC ? COURIER_HIDDEN : COURIER_PLAIN;
        if (*kind == COURIER_HIDDEN)
                return 0;
        return system.f_type == TMPFS_MAGIC ? identify_plain(fd, *n_bytes) : KEEPMUM_ENOTCOURIER;
}

int courier_take(int fd)
{
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) != 0)
                return errno == EPERM ? KEEPMUM_ETAKEN : KEEPMUM_ENOTCOURIER;
        return seals_are_right(fcntl(fd, F_GET_SEALS)) ? 0 : KEEPMUM_EIO; /* from here on no seal is added */
}

/* ---- its bytes ---- */

int courier_read(int fd, void *bytes, size_t n_bytes, size_t at)
{
        UNCANCELLED;

        for (size_t done = 0; done < n_bytes;) {
                ssize_t n = pread(fd, (char *)bytes + done, n_bytes - done, (off_t)(at + done));

                if (n == 0 || (n < 0 && errno != EINTR))
                        return KEEPMUM_EIO;
                if (n > 0)
                        done += (size_t)n;
        }
        return 0;
}

int courier_write(int fd, const void *bytes, size_t n_bytes, size_t at)
{
        UNCANCELLED;

        for (size_t done = 0; done < n_bytes;) {
                ssize_t n = pwrite(fd, (const char *)bytes + done, n_bytes - done, (off_t)(at + done));

                if (n == 0 || (n < 0 && errno != EINTR))
                        return KEEPMUM_EIO;
                if (n > 0)
                        done += (size_t)n;
        }
        return 0;
}

/* What cannot be overwritten (its other holders can set O_APPEND at any time) is given up, and reads as zeroes. */
int courier_wipe(int fd, size_t n_bytes, size_t at)
{
        UNCANCELLED;
        static const char zeroes[4096];
        int err = 0;

        for (size_t done = 0; done < n_bytes && err == 0; done += sizeof zeroes) {
                size_t left = n_bytes - done;

                err = courier_write(fd, zeroes, left < sizeof zeroes ? left : sizeof zeroes, at + done);
        }
        if (err != 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n_bytes) == 0)
                return 0;
        return err;
}

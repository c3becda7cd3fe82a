/* Files: opening what is safe to open, reading without SIGBUS, locks that belong to the open file.
 *
 * Always true: every descriptor is close-on-exec; a file that others may write, or that stands in a directory that
 * others may write, is refused; a mapping is only read by the kernel on our behalf, so that a file cut short under
 * it is an error and not a signal. docs/vault-format.md says why each call is made. */
#include "os/file.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the last failed call means. */
static int file_error(void)
{
        switch (errno) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
                return KEEPMUM_ENOSPACE;
        case EACCES:
        case EPERM:
        case EROFS:
                return KEEPMUM_EDENIED;
        case ENOENT:
                return KEEPMUM_ENOTFOUND;
        case EEXIST:
                return KEEPMUM_EEXISTS;
        case ELOOP:
                return KEEPMUM_EUNSAFE;
        case ENOMEM:
                return KEEPMUM_ENOMEM;
        default:
                return KEEPMUM_EIO;
        }
}

/* Root is let through: it could do anything anyway. */
static bool is_safe(const struct stat *st)
{
        return (st->st_uid == geteuid() || st->st_uid == 0) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The directory part of a path, to be freed. */
static char *directory_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        if (slash == NULL)
                return strdup(".");
        return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int check_directory_of(const char *path)
{
        char *dir = directory_of(path);
        struct stat st;
        int err;

        if (dir == NULL)
                return KEEPMUM_ENOMEM;
        err = stat(dir, &st) != 0 ? file_error() : is_safe(&st) ? 0 : KEEPMUM_EUNSAFE;
        free(dir);
        return err;
}

static int follow_own_link(char **out, const char *path)
{
        char *real = realpath(path, NULL);
        int err;

        if (real == NULL)
                return errno == ENOENT ? KEEPMUM_EDENIED : file_error(); /* it leads nowhere: nothing is made there */
        if ((err = check_directory_of(real)) != 0) {
                free(real);
                return err;
        }
        *out = real;
        return 0;
}

int file_resolve(char **out, const char *path)
{
        struct stat st = {0};
        int err = check_directory_of(path);

        if (err != 0)
                return err;
        if (lstat(path, &st) != 0 && errno != ENOENT)
                return file_error();
        if (S_ISLNK(st.st_mode))
                return st.st_uid == geteuid() ? follow_own_link(out, path) : KEEPMUM_EUNSAFE;
        *out = strdup(path);
        return *out == NULL ? KEEPMUM_ENOMEM : 0;
}

static int check_regular(int fd)
{
        struct stat st;

        if (fstat(fd, &st) != 0)
                return file_error();
        if (!S_ISREG(st.st_mode)) {
                errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
                return KEEPMUM_EIO;
        }
        return is_safe(&st) ? 0 : KEEPMUM_EUNSAFE;
}

/* O_NONBLOCK: opening a pipe that lies in wait at the path does not hang; it means nothing for regular files. */
static int open_checked(struct file *f, const char *path, int flags)
{
        UNCANCELLED;
        int fd, err, kept;

        do
                fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0600);
        while (fd < 0 && errno == EINTR);
        if (fd < 0)
                return file_error();
        if ((err = check_regular(fd)) != 0) {
                kept = errno;
                close(fd);
                errno = kept;
                return err;
        }
        *f = (struct file){.fd = fd, .is_writable = (flags & O_ACCMODE) == O_RDWR};
        return 0;
}

int file_open_read(struct file *f, const char *path)
{
        return open_checked(f, path, O_RDONLY);
}

int file_open_write(struct file *f, const char *path)
{
        return open_checked(f, path, O_RDWR);
}

int file_create(struct file *f, const char *path)
{
        return open_checked(f, path, O_RDWR | O_CREAT | O_EXCL);
}

int file_size(const struct file *f, uint64_t *n_bytes)
{
        struct stat st;

        if (fstat(f->fd, &st) != 0)
                return file_error();
        *n_bytes = (uint64_t)st.st_size;
        return 0;
}

int file_is_at(const struct file *f, const char *path, bool *is_same)
{
        struct stat here, there;

        if (fstat(f->fd, &here) != 0 || stat(path, &there) != 0)
                return file_error();
        *is_same = here.st_dev == there.st_dev && here.st_ino == there.st_ino;
        return 0;
}

void file_map(struct file *f)
{
        uint64_t n_bytes = 0;
        void *p;

        if (f->map != NULL || file_size(f, &n_bytes) != 0 || n_bytes == 0 || n_bytes > SIZE_MAX)
                return;
        p = mmap(NULL, (size_t)n_bytes, PROT_READ, MAP_SHARED, f->fd, 0);
        if (p == MAP_FAILED)
                return;
        f->map = p;
        f->map_bytes = (size_t)n_bytes;
}

void file_move_map(struct file *to, struct file *from)
{
        to->map = from->map;
        to->map_bytes = from->map_bytes;
        from->map = NULL;
        from->map_bytes = 0;
}

/* The kernel copies, so a page that is not there any more is a short count. What is missing is left to pread(2),
 * which knows why. */
static size_t copy_from_map(const struct file *f, uint64_t at, void *bytes, size_t n_bytes)
{
        struct iovec from, to = {bytes, n_bytes};
        ssize_t n;

        if (f->map == NULL || at > f->map_bytes || n_bytes > f->map_bytes - at)
                return 0;
        from = (struct iovec){(void *)(uintptr_t)(f->map + at), n_bytes};
        n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
        return n < 0 ? 0 : (size_t)n;
}

int file_read(const struct file *f, uint64_t at, void *bytes, size_t n_bytes, size_t *n_got)
{
        UNCANCELLED;
        size_t got = copy_from_map(f, at, bytes, n_bytes);

        while (got < n_bytes) {
                ssize_t n = pread(f->fd, (char *)bytes + got, n_bytes - got, (off_t)(at + got));

                if (n < 0 && errno != EINTR)
                        return file_error();
                if (n == 0)
                        break;
                got += n < 0 ? 0 : (size_t)n;
        }
        *n_got = got;
        return 0;
}

int file_write(const struct file *f, uint64_t at, const void *bytes, size_t n_bytes)
{
        UNCANCELLED;
        size_t done = 0;

        while (done < n_bytes) {
                ssize_t n = pwrite(f->fd, (const char *)bytes + done, n_bytes - done, (off_t)(at + done));

                if (n < 0 && errno != EINTR)
                        return file_error();
                if (n == 0) {
                        errno = ENOSPC;
                        return KEEPMUM_ENOSPACE;
                }
                done += n < 0 ? 0 : (size_t)n;
        }
        return 0;
}

int file_truncate(const struct file *f, uint64_t n_bytes)
{
        while (ftruncate(f->fd, (off_t)n_bytes) != 0)
                if (errno != EINTR)
                        return file_error();
        return 0;
}

/* Never repeated after an error: the kernel may have dropped the pages and would answer success. */
int file_sync(const struct file *f)
{
        UNCANCELLED;

        return fsync(f->fd) != 0 ? file_error() : 0;
}

int file_sync_data(const struct file *f)
{
        UNCANCELLED;

        return fdatasync(f->fd) != 0 ? file_error() : 0;
}

static int set_lock(const struct file *f, int command, short type)
{
        UNCANCELLED;
        struct flock whole = {.l_type = type, .l_whence = SEEK_SET};

        while (fcntl(f->fd, command, &whole) != 0) {
                if (errno == EAGAIN || (errno == EACCES && command == F_OFD_SETLK))
                        return KEEPMUM_EBUSY;
                if (errno != EINTR)
                        return file_error();
        }
        return 0;
}

int file_lock_exclusive(const struct file *f)
{
        return set_lock(f, F_OFD_SETLKW, F_WRLCK);
}

int file_lock_shared(const struct file *f)
{
        return set_lock(f, F_OFD_SETLKW, F_RDLCK);
}

int file_try_lock_shared(const struct file *f)
{
        return set_lock(f, F_OFD_SETLK, F_RDLCK);
}

void file_unlock(const struct file *f)
{
        int kept = errno;

        (void)set_lock(f, F_OFD_SETLK, F_UNLCK);
        errno = kept;
}

/* Closing alone would leave a lock standing while a child of fork has the descriptor too. */
void file_close(struct file *f)
{
        UNCANCELLED;
        int kept = errno;

        if (f->map != NULL)
                munmap((void *)(uintptr_t)f->map, f->map_bytes);
        if (f->is_writable)
                file_unlock(f);
        if (f->fd >= 0)
                close(f->fd);
        *f = FILE_NONE;
        errno = kept;
}

int file_link(const char *path, const char *new_path)
{
        return link(path, new_path) != 0 ? file_error() : 0;
}

int file_rename(const char *path, const char *new_path)
{
        return rename(path, new_path) != 0 ? file_error() : 0;
}

int file_remove(const char *path)
{
        return unlink(path) != 0 && errno != ENOENT ? file_error() : 0;
}

int file_make_directory(const char *path)
{
        char *copy = strdup(path), *p;
        int err = 0;

        if (copy == NULL)
                return KEEPMUM_ENOMEM;
        for (p = copy; err == 0 && *p != '\0';) {
                char kept;

                p += strspn(p, "/");
                p += strcspn(p, "/");
                kept = *p;
                *p = '\0';
                if (mkdir(copy, 0700) != 0 && errno != EEXIST && (errno != EROFS || access(copy, F_OK) != 0))
                        err = file_error();
                *p = kept;
        }
        free(copy);
        return err;
}

int file_lock_directory(const char *path, int *dir_fd)
{
        UNCANCELLED;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;
        int err = 0;

        if (fd < 0)
                return file_error();
        if (fstat(fd, &st) != 0)
                err = file_error();
        else if (!is_safe(&st))
                err = KEEPMUM_EUNSAFE;
        while (err == 0 && flock(fd, LOCK_EX) != 0)
                if (errno != EINTR)
                        err = file_error();
        if (err != 0)
                close(fd);
        else
                *dir_fd = fd;
        return err;
}

void file_unlock_directory(int dir_fd)
{
        UNCANCELLED;
        int kept = errno;

        close(dir_fd);
        errno = kept;
}

int file_sync_directory(const char *path)
{
        UNCANCELLED;
        char *dir = directory_of(path);
        int fd, err;

        if (dir == NULL)
                return KEEPMUM_ENOMEM;
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        free(dir);
        if (fd < 0)
                return file_error();
        err = fsync(fd) != 0 ? file_error() : 0;
        file_unlock_directory(fd);
        return err;
}

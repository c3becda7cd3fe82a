/* Files: the calls that the vault needs, one function each, with the policy inside.
 *
 * Functions return 0 or a negative KEEPMUM_E...; errno keeps the kernel's cause. Interrupted calls are repeated. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file {
        int fd; /* -1: none */
        bool is_writable;
        const uint8_t *map; /* read-only, or NULL; only file_read() may look there */
        size_t map_bytes;
};

#define FILE_NONE ((struct file){.fd = -1})

/* *out: the path to use from here on, to be freed. The directory must be the user's own and writable by nobody else;
 * a symbolic link must be the user's own, and so must what it leads to; one that leads nowhere is KEEPMUM_EDENIED. The file
 * itself may be missing. */
int file_resolve(char **out, const char *path);

/* Opens a regular file that nobody else may write; KEEPMUM_EUNSAFE otherwise. Never follows a symbolic link. */
int file_open_read(struct file *f, const char *path);
int file_open_write(struct file *f, const char *path); /* also for reading */
int file_create(struct file *f, const char *path);     /* for both, mode 0600; KEEPMUM_EEXISTS */
void file_close(struct file *f);                       /* also drops its locks and its mapping */

int file_size(const struct file *f, uint64_t *n_bytes);
int file_is_at(const struct file *f, const char *path,
               bool *is_same); /* is this open file the one the path leads to? */

/* Maps the file as long as it is now. Not having a mapping is no error: file_read() then calls pread(2). */
void file_map(struct file *f);
/* Gives another descriptor of the same file its mapping: making and dropping one costs as much as the file is long. */
void file_move_map(struct file *to, struct file *from);

/* Copies n_bytes from offset at. *n_got is less only where the file ends. Never raises SIGBUS. */
int file_read(const struct file *f, uint64_t at, void *bytes, size_t n_bytes, size_t *n_got);
int file_write(const struct file *f, uint64_t at, const void *bytes, size_t n_bytes); /* all of it, or an error */
int file_truncate(const struct file *f, uint64_t n_bytes);
int file_sync(const struct file *f);
int file_sync_data(const struct file *f);

/* Locks of the open file (F_OFD_...), seen by threads and processes alike. */
int file_lock_exclusive(const struct file *f);
int file_lock_shared(const struct file *f);
int file_try_lock_shared(const struct file *f); /* KEEPMUM_EBUSY instead of waiting */
void file_unlock(const struct file *f);

int file_link(const char *path, const char *new_path); /* KEEPMUM_EEXISTS */
int file_rename(const char *path, const char *new_path);
int file_remove(const char *path); /* 0 also where none is */

int file_make_directory(const char *path);              /* with its parents, 0700; 0 where it is */
int file_lock_directory(const char *path, int *dir_fd); /* waits; KEEPMUM_EUNSAFE as above; close(2) unlocks */
void file_unlock_directory(int dir_fd);
int file_sync_directory(const char *path); /* the directory that the file at path stands in */

#endif

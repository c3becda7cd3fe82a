/* Files by name. */
#ifndef OS_PATH_H
#define OS_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Whether something is there. 0; KEEPMUM_EDENIED or KEEPMUM_EIO where that cannot be told, with errno. */
int path_look(const char *path, bool *is_there);
/* Opens a file for reading; to be closed. 0 or KEEPMUM_EIO with errno. */
int path_open(int *fd, const char *path);
/* Where a symbolic link points to, NUL-terminated, cut if longer; "" where that cannot be told. */
void path_link(const char *path, char *target, size_t target_bytes);

#endif

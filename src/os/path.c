/* What is asked of the file system by name: is it there, open it, where does it point.
 *
 * Always true: nothing is changed. What must hold of a vault before it is trusted is asked by os/file.h. */
#include "os/path.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <sys/stat.h>
#include <unistd.h>

int path_look(const char *path, bool *is_there)
{
        struct stat is;

        *is_there = stat(path, &is) == 0;
        if (*is_there || errno == ENOENT)
                return 0;
        return errno == EACCES ? KEEPMUM_EDENIED : KEEPMUM_EIO;
}

int path_open(int *fd, const char *path)
{
        UNCANCELLED;

        *fd = open(path, O_RDONLY | O_CLOEXEC);
        return *fd >= 0 ? 0 : KEEPMUM_EIO;
}

void path_link(const char *path, char *target, size_t target_bytes)
{
        ssize_t n_bytes = readlink(path, target, target_bytes - 1);

        target[n_bytes > 0 ? n_bytes : 0] = '\0';
}

/* Replays inputs through a fuzz target, with any compiler and without an engine: what `make check` runs, what
 * valgrind and gcov run, and how a kept crash is looked at again.
 *
 * replay FILE|DIRECTORY...
 *
 * Each input stands in a block of exactly its size. Its name goes to standard error before it runs, so that a crash
 * names its input. No input at all is a failure: a corpus that was moved must not be green. */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long n_replayed;

static bool fail(const char *path)
{
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return false;
}

static bool read_whole(int fd, uint8_t *bytes, size_t n_bytes)
{
        size_t done = 0;

        while (done < n_bytes) {
                ssize_t n = read(fd, bytes + done, n_bytes - done);

                if (n <= 0)
                        return false;
                done += (size_t)n;
        }
        return true;
}

static bool replay_file(const char *path, int fd, size_t n_bytes)
{
        uint8_t *bytes = malloc(n_bytes > 0 ? n_bytes : 1);

        if (bytes == NULL || !read_whole(fd, bytes, n_bytes)) {
                free(bytes);
                return fail(path);
        }
        fprintf(stderr, "replay: %s\n", path);
        LLVMFuzzerTestOneInput(bytes, n_bytes);
        n_replayed++;
        free(bytes);
        return true;
}

static bool replay(const char *path);

static int is_visible(const struct dirent *d)
{
        return d->d_name[0] != '.';
}

static bool replay_directory(const char *path)
{
        struct dirent **names;
        int n = scandir(path, &names, is_visible, alphasort);
        bool is_right = n >= 0;

        for (int i = 0; i < n; i++) {
                char *inside;

                if (asprintf(&inside, "%s/%s", path, names[i]->d_name) < 0)
                        abort();
                is_right = replay(inside) && is_right;
                free(inside);
                free(names[i]);
        }
        if (n < 0)
                return fail(path);
        free(names);
        return is_right;
}

static bool replay(const char *path)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool is_right;

        if (fd < 0)
                return fail(path);
        is_right = fstat(fd, &st) == 0;
        if (is_right && S_ISREG(st.st_mode))
                is_right = replay_file(path, fd, (size_t)st.st_size);
        else if (is_right)
                is_right = replay_directory(path);
        close(fd);
        return is_right;
}

int main(int n_words, char **words)
{
        bool is_right = true;

        LLVMFuzzerInitialize(&n_words, &words);
        for (int i = 1; i < n_words; i++)
                is_right = replay(words[i]) && is_right;
        printf("%lu inputs replayed\n", n_replayed);
        return is_right && n_replayed > 0 ? 0 : 1;
}

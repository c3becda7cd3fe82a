/* Core files, made by the kernel in a directory of their own and searched. The directory is gone again when
 * cores_count() returns: signals that would end this process wait until then. */
#include "cores.h"

#include "crashing.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { TIME_LIMIT_S = 30 };

static struct rlimit any_size(void)
{
        struct rlimit limit = {0, 0};

        getrlimit(RLIMIT_CORE, &limit);
        if (geteuid() == 0)
                limit.rlim_max = RLIM_INFINITY;
        limit.rlim_cur = limit.rlim_max;
        return limit;
}

static const char *why_none(void)
{
        char pattern[256] = "|";
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");

        if (f != NULL && fgets(pattern, sizeof pattern, f) == NULL)
                pattern[0] = '|';
        if (f != NULL)
                fclose(f);
        if (strpbrk(pattern, "|/") != NULL)
                return "this machine sends core files elsewhere (/proc/sys/kernel/core_pattern)";
        return any_size().rlim_max == RLIM_INFINITY ? NULL : "core files are limited here (ulimit -H -c)";
}

/* ---- the crash ---- */

static _Noreturn void become(const char *path, const char *directory, int in)
{
        static const char all_there_is[] = "0x7f";
        struct rlimit limit = any_size();
        sigset_t none;
        int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

        sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
            setrlimit(RLIMIT_CORE, &limit) != 0 || write(filter, all_there_is, sizeof all_there_is - 1) < 0 ||
            dup2(in, STDIN_FILENO) < 0 || chdir(directory) != 0)
                _exit(3);
        alarm(TIME_LIMIT_S);
        execl(path, path, (char *)NULL);
        _exit(3);
}

/* In one piece: a pipe holds more. */
static bool crash(const char *path, const char *directory, const struct crashing_input *input)
{
        int p[2], status = 0;
        pid_t pid;

        if (pipe2(p, O_CLOEXEC) != 0 || fflush(NULL) != 0)
                return false;
        if ((pid = fork()) == 0)
                become(path, directory, p[0]);
        bool is_sent = pid > 0 && write(p[1], input, sizeof *input) == sizeof *input;
        close(p[0]);
        close(p[1]);
        return pid > 0 && waitpid(pid, &status, 0) == pid && is_sent && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* ---- the search ---- */

static size_t count_halves(const unsigned char *core, size_t core_bytes, const unsigned char *half)
{
        const unsigned char *at = core, *end = core + core_bytes;
        size_t n = 0;

        while ((at = memmem(at, (size_t)(end - at), half, CRASHING_BYTES / 2)) != NULL) {
                n++;
                at++;
        }
        return n;
}

/* As many as can be put together: a core has the halves of a wide register in two places. */
static size_t count(const unsigned char *core, size_t core_bytes, const unsigned char *what)
{
        size_t first = count_halves(core, core_bytes, what);
        size_t second = count_halves(core, core_bytes, what + CRASHING_BYTES / 2);

        return first < second ? first : second;
}

static const char *search_file(size_t *n_copies, int fd, const struct crashing_input *input)
{
        struct stat s;
        void *core;

        if (fstat(fd, &s) != 0 || s.st_size == 0 ||
            (core = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
                return "the core file cannot be read";
        bool is_whole = count(core, (size_t)s.st_size, input->mark) > 0;
        *n_copies = 0;
        for (size_t i = 0; i < CRASHING_KEYS; i++)
                *n_copies += count(core, (size_t)s.st_size, input->keys[i]);
        munmap(core, (size_t)s.st_size);
        return is_whole ? NULL : "the core file does not hold what is no secret either";
}

/* What is in the directory, and it. */
static const char *search_and_remove(size_t *n_copies, const char *directory, const struct crashing_input *input)
{
        const char *why = "no core file was written";
        DIR *d = opendir(directory);

        for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
                int fd;

                if (e->d_name[0] == '.')
                        continue;
                if ((fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC)) >= 0) {
                        why = search_file(n_copies, fd, input);
                        close(fd);
                }
                unlinkat(dirfd(d), e->d_name, 0);
        }
        if (d != NULL)
                closedir(d);
        rmdir(directory);
        return why;
}

/* ---- the whole ---- */

static bool find_beside_this(char path[static PATH_MAX], const char *name)
{
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
        char *end;

        if (n <= 0)
                return false;
        path[n] = '\0';
        end = strrchr(path, '/') + 1;
        return snprintf(end, (size_t)(path + PATH_MAX - end), "%s", name) < path + PATH_MAX - end &&
               access(path, X_OK) == 0;
}

static const char *crash_and_search(size_t *n_copies, const char *path)
{
        const char *place = getenv("TMPDIR");
        char directory[PATH_MAX];
        struct crashing_input input;

        snprintf(directory, sizeof directory, "%s/keepmum-core.XXXXXX", place != NULL ? place : "/tmp");
        if (mkdtemp(directory) == NULL)
                return "there is no directory to be had for core files (TMPDIR)";
        randombytes_buf(&input, sizeof input);
        bool is_crashed = crash(path, directory, &input);
        const char *why = search_and_remove(n_copies, directory, &input);
        return is_crashed ? why : "its program did not end as it should";
}

const char *cores_count(size_t *n_copies, const char *name)
{
        static const int ending[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE};
        const char *why = why_none();
        char path[PATH_MAX];
        sigset_t all, before;

        if (why != NULL)
                return why;
        if (!find_beside_this(path, name))
                return "its program is not there (make headline)";
        sigemptyset(&all);
        for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
                sigaddset(&all, ending[i]);
        sigprocmask(SIG_BLOCK, &all, &before);
        why = crash_and_search(n_copies, path);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return why;
}

/* Running secretctl. A new session has no controlling terminal, so that /dev/tty is not the tester's. */
#include "tool.h"

#include "forked.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[4096];
static size_t n_files;

static void stop(const char *what)
{
        perror(what);
        exit(99);
}

const char *tool_path(void)
{
        const char *path = getenv("SECRETCTL_BIN");

        if (path == NULL || access(path, X_OK) != 0) {
                fprintf(stderr, "SECRETCTL_BIN must name the program to test\n");
                exit(99);
        }
        return path;
}

static void make_key_file(void)
{
        int fd = open("key", O_WRONLY | O_CREAT | O_EXCL, 0600);

        if (fd < 0 || write(fd, "Kq7vXz2LmP9wRt4YbN6cJd8HsF3gTu5A", 32) != 32 || close(fd) != 0)
                stop("key");
}

int tool_begin(void **state)
{
        const char *base = getenv("TMPDIR");

        (void)state;
        umask(022);
        snprintf(directory, sizeof directory, "%s/secretctl-test.XXXXXX", base != NULL ? base : "/tmp");
        if (mkdtemp(directory) == NULL || chdir(directory) != 0)
                stop(directory);
        setenv("HOME", directory, 1);
        static const char *const unset[] = {"XDG_DATA_HOME", "XDG_STATE_HOME", "SECRETCTL_VAULT", "SECRETCTL_ASKPASS",
                                            "SECRETCTL_PASSPHRASE", "SECRETCTL_PASSWORD", "NO_COLOR"};
        for (size_t i = 0; i < sizeof unset / sizeof unset[0]; i++)
                unsetenv(unset[i]);
        make_key_file();
        return 0;
}

static int remove_one(const char *path, const struct stat *is, int type, struct FTW *at)
{
        (void)is, (void)type, (void)at;
        return remove(path);
}

int tool_end(void **state)
{
        (void)state;
        if (chdir("/") != 0 || nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
                stop(directory);
        return 0;
}

static int count_one(const char *path, const struct stat *is, int type, struct FTW *at)
{
        (void)path, (void)is, (void)at;
        n_files += type != FTW_D;
        return 0;
}

size_t count_files(const char *below)
{
        n_files = 0;
        nftw(below, count_one, 16, FTW_PHYS);
        return n_files;
}

static _Noreturn void become_tool(const char *const words[])
{
        const char *all[32] = {tool_path()};

        for (size_t i = 0; i < 30 && words[i] != NULL; i++)
                all[i + 1] = words[i];
        setsid();
        forked_default_signals();
        execv(all[0], (char *const *)(uintptr_t)all);
        _exit(127);
}

static int status_of(pid_t pid)
{
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        stop("waitpid");
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void grow_from(int fd, char **bytes, size_t *n_bytes)
{
        *bytes = realloc(*bytes, *n_bytes + 65537);
        ssize_t n = *bytes != NULL ? read(fd, *bytes + *n_bytes, 65536) : -1;

        if (n > 0)
                *n_bytes += (size_t)n;
        else
                close(fd);
        (*bytes)[*n_bytes] = '\0';
}

/* Feeds and reads all three pipes at once, until its output ends. */
static void attend(struct run *r, int in, int out, int err, const char *input, size_t n_input)
{
        struct pollfd f[3] = {{.fd = in, .events = POLLOUT}, {.fd = out, .events = POLLIN}, {.fd = err,
                                                                                             .events = POLLIN}};

        while (f[1].fd >= 0 || f[2].fd >= 0) {
                if (poll(f, 3, -1) < 0)
                        continue;
                if (f[0].fd >= 0 && f[0].revents != 0) {
                        ssize_t n = n_input > 0 ? write(in, input, n_input) : -1;

                        if (n <= 0) {
                                close(in);
                                f[0].fd = -1;
                        } else {
                                input += n;
                                n_input -= (size_t)n;
                        }
                }
                for (int i = 1; i <= 2; i++) {
                        size_t *n_bytes = i == 1 ? &r->n_out : &r->n_err, before = *n_bytes;

                        if (f[i].fd < 0 || f[i].revents == 0)
                                continue;
                        grow_from(f[i].fd, i == 1 ? &r->out : &r->err, n_bytes);
                        if (*n_bytes == before)
                                f[i].fd = -1;
                }
        }
        if (f[0].fd >= 0)
                close(in);
}

struct run tool_run_with(const void *input, size_t n_input, const char *const words[])
{
        struct run r = {0};
        int in[2], out[2], err[2];

        signal(SIGPIPE, SIG_IGN);
        if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
                stop("pipe");
        pid_t pid = fork();
        if (pid == 0) {
                dup2(in[0], 0);
                dup2(out[1], 1);
                dup2(err[1], 2);
                become_tool(words);
        }
        close(in[0]);
        close(out[1]);
        close(err[1]);
        attend(&r, in[1], out[0], err[0], input, n_input);
        r.status = status_of(pid);
        return r;
}

void run_free(struct run *r)
{
        free(r->out);
        free(r->err);
        *r = (struct run){0};
}

int tool_status(const char *const words[])
{
        struct run r = tool_run_with(NULL, 0, words);
        int status = r.status;

        run_free(&r);
        return status;
}

int tool_add(const char *name, const char *secret)
{
        struct run r = tool_run_with(secret, strlen(secret), (const char *const[]){"add", TOOL_KEY, name, NULL});
        int status = r.status;

        if (status != 0)
                fprintf(stderr, "add %s: %d: %s", name, status, r.err);
        run_free(&r);
        return status;
}

bool tool_holds(const char *name, const void *bytes, size_t n_bytes)
{
        struct run r = tool_run_with(NULL, 0, (const char *const[]){"get", TOOL_KEY, name, NULL});
        bool holds = r.status == 0 && r.n_out == n_bytes && (n_bytes == 0 || memcmp(r.out, bytes, n_bytes) == 0) &&
                r.n_err == 0;

        if (!holds)
                fprintf(stderr, "get %s: %d, %zu bytes: %s", name, r.status, r.n_out, r.err != NULL ? r.err : "");
        run_free(&r);
        return holds;
}

pid_t tool_start(int input_fd, const char *const words[])
{
        pid_t pid = fork();

        if (pid == 0) {
                int nothing = open("/dev/null", O_WRONLY);

                dup2(input_fd, 0);
                dup2(nothing, 1);
                dup2(nothing, 2);
                become_tool(words);
        }
        return pid;
}

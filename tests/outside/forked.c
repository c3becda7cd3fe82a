/* Children for tests: a death is a result like any other. */
#include "outside/forked.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIME_LIMIT_S = 40 };

void forked_default_signals(void)
{
        sigset_t empty;

        for (int number = 1; number < NSIG; number++)
                signal(number, SIG_DFL); /* of those that cannot be set, it fails */
        sigemptyset(&empty);
        sigprocmask(SIG_SETMASK, &empty, NULL);
}

static void become_bare(int err_fd)
{
        struct rlimit none = {0, 0};

        forked_default_signals();
        setrlimit(RLIMIT_CORE, &none);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(err_fd, STDERR_FILENO);
        alarm(TIME_LIMIT_S);
}

static void collect(int fd, char *text, size_t text_bytes)
{
        size_t used = 0;
        char rest[512];

        for (;;) {
                bool has_room = used < text_bytes - 1;
                ssize_t n = read(fd, has_room ? text + used : rest, has_room ? text_bytes - 1 - used : sizeof rest);

                if (n == 0 || (n < 0 && errno != EINTR))
                        break;
                if (n > 0 && has_room)
                        used += (size_t)n;
        }
        text[used] = '\0';
}

struct ending forked_run(void (*act)(void *arg), void *arg)
{
        struct ending e = {.exit_code = -1};
        int status, words[2];
        pid_t pid;

        fflush(NULL);
        if (pipe2(words, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
                perror("fork");
                exit(99);
        }
        if (pid == 0) {
                become_bare(words[1]);
                close(words[0]);
                close(words[1]);
                act(arg);
                _exit(0);
        }
        close(words[1]);
        collect(words[0], e.said, sizeof e.said);
        close(words[0]);
        while (waitpid(pid, &status, 0) < 0)
                ;
        if (WIFEXITED(status))
                e.exit_code = WEXITSTATUS(status);
        else
                e.signal_number = WTERMSIG(status);
        return e;
}

bool forked_passes(void (*act)(void *arg), void *arg)
{
        struct ending e = forked_run(act, arg);

        if (e.exit_code != 0 || e.said[0] != '\0')
                fprintf(stderr, "child: exit code %d, signal %d, said: %s\n", e.exit_code, e.signal_number, e.said);
        return e.exit_code == 0;
}

_Noreturn void forked_fail(const char *condition, const char *file, int line)
{
        dprintf(STDERR_FILENO, "%s:%d: not so: %s (errno %d)\n", file, line, condition, errno);
        _exit(98);
}

_Noreturn void forked_differs(const char *what, long long got, long long wanted, const char *file, int line)
{
        dprintf(STDERR_FILENO, "%s:%d: %s is %lld, not %lld (errno %d)\n", file, line, what, got, wanted, errno);
        _exit(98);
}

bool forked_become_nobody(size_t memlock_bytes)
{
        enum { NOBODY = 65534 };
        struct rlimit limit = {memlock_bytes, memlock_bytes};

        if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
                return false;
        if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
                               setresuid(NOBODY, NOBODY, NOBODY) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0))
                return false;
        return true;
}

_Noreturn void forked_skip_all(const char *reason)
{
        fprintf(stderr, "skipped: %s\n", reason);
        exit(77);
}

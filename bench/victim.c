/* A process that is looked at, and its two pipes. */
#include "victim.h"

#include "need.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, TIME_LIMIT_S = 60 };

static int tell_fd, wait_fd; /* in the child */

/* Becoming another user undoes it (prctl(2)). */
static void die_with_parent(void)
{
        need(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "PR_SET_PDEATHSIG failed");
}

void victim_start(struct victim *v, void (*act)(void *arg), void *arg)
{
        int told[2], waited[2];

        need(pipe2(told, O_CLOEXEC) == 0 && pipe2(waited, O_CLOEXEC) == 0 && fflush(NULL) == 0, "no pipe");
        need((v->pid = fork()) >= 0, "no child");
        if (v->pid == 0) {
                close(told[0]);
                close(waited[1]);
                tell_fd = told[1];
                wait_fd = waited[0];
                die_with_parent();
                alarm(TIME_LIMIT_S);
                act(arg);
                _exit(0);
        }
        close(told[1]);
        close(waited[0]);
        v->from = told[0];
        v->to = waited[1];
}

int victim_hear(const struct victim *v, void *bytes, size_t n_bytes)
{
        char *p = bytes;

        for (ssize_t n; n_bytes > 0; p += n, n_bytes -= (size_t)n)
                if ((n = read(v->from, p, n_bytes)) <= 0)
                        return -1;
        return 0;
}

void victim_go_on(const struct victim *v)
{
        need(write(v->to, "", 1) == 1, "the other process is gone");
}

void victim_end(struct victim *v)
{
        kill(v->pid, SIGKILL);
        need(waitpid(v->pid, NULL, 0) == v->pid, "waitpid failed");
        close(v->from);
        close(v->to);
}

void victim_tell(const void *bytes, size_t n_bytes)
{
        /* Below PIPE_BUF: in one piece. */
        need(write(tell_fd, bytes, n_bytes) == (ssize_t)n_bytes, "the other process is gone");
}

void victim_wait(void)
{
        char order;

        if (read(wait_fd, &order, 1) != 1)
                _exit(1);
}

void victim_become_user(size_t lock_bytes)
{
        struct rlimit limit = {lock_bytes, lock_bytes};

        need(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "the lock limit cannot be set");
        if (geteuid() != 0)
                return;
        need(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
                     setresuid(NOBODY, NOBODY, NOBODY) == 0,
             "another user cannot be had");
        need(prctl(PR_SET_DUMPABLE, 1) == 0, "PR_SET_DUMPABLE failed"); /* becoming another user took it away */
        die_with_parent();
}

/* The master side of a pseudo-terminal. Everything shown is kept, so that a test can also say what must not be
 * there. */
#include "pty.h"

#include "forked.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pty_start(struct pty *p, const char *const words[], int input)
{
        p->n_seen = p->n_passed = 0;
        p->seen[0] = '\0';
        p->pid = forkpty(&p->master, NULL, NULL, NULL);
        if (p->pid < 0) {
                perror("forkpty");
                exit(99);
        }
        if (p->pid == 0) {
                if (input >= 0)
                        dup2(input, STDIN_FILENO);
                forked_default_signals();
                execv(words[0], (char *const *)(uintptr_t)words);
                _exit(127);
        }
}

void pty_send(struct pty *p, const char *text)
{
        if (write(p->master, text, strlen(text)) != (ssize_t)strlen(text))
                perror("write to the terminal");
}

/* Reads what is there. False at the end: EIO when the last holder of the slave side is gone. */
static bool read_more(struct pty *p, int timeout_ms)
{
        struct pollfd ready = {.fd = p->master, .events = POLLIN};

        if (poll(&ready, 1, timeout_ms) <= 0)
                return true;
        ssize_t n = read(p->master, p->seen + p->n_seen, sizeof p->seen - 1 - p->n_seen);
        if (n <= 0)
                return n < 0 && errno == EINTR;
        p->n_seen += (size_t)n;
        p->seen[p->n_seen] = '\0';
        return true;
}

bool pty_expect(struct pty *p, const char *text, int timeout_ms)
{
        long end = now_ms() + timeout_ms;
        bool more = true;

        for (;;) {
                const char *found = strstr(p->seen + p->n_passed, text);

                if (found != NULL) {
                        p->n_passed = (size_t)(found - p->seen) + strlen(text);
                        return true;
                }
                if (!more || now_ms() >= end)
                        break;
                more = read_more(p, 50);
        }
        fprintf(stderr, "expected \"%s\", but saw:\n%s\n", text, p->seen + p->n_passed);
        return false;
}

bool pty_has_echo(const struct pty *p)
{
        struct termios t;

        return tcgetattr(p->master, &t) == 0 && (t.c_lflag & ECHO) != 0;
}

void pty_answer(struct pty *p, const char *prompt, const char *answer)
{
        if (!pty_expect(p, prompt, 20000))
                return;
        for (int i = 0; i < 200 && pty_has_echo(p); i++)
                usleep(10000);
        pty_send(p, answer);
        pty_send(p, "\r");
}

int pty_end(struct pty *p, int timeout_ms)
{
        long end = now_ms() + timeout_ms;
        int status = -1;
        pid_t ended = 0;

        while (ended == 0 && now_ms() < end) {
                if (!read_more(p, 10))
                        usleep(5000);
                ended = waitpid(p->pid, &status, WNOHANG);
        }
        if (ended == 0) {
                kill(p->pid, SIGKILL);
                waitpid(p->pid, &status, 0);
                status = -1;
        }
        while (ended > 0 && p->n_seen < sizeof p->seen - 1) { /* what it said last */
                size_t before = p->n_seen;

                if (!read_more(p, 0) || p->n_seen == before)
                        break;
        }
        close(p->master);
        if (ended <= 0)
                return -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

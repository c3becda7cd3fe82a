/* A person at a terminal: a program run on a pseudo-terminal of its own, typed at and read. */
#ifndef TESTS_OUTSIDE_PTY_H
#define TESTS_OUTSIDE_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pty {
        int master;
        pid_t pid;
        char seen[1 << 16]; /* all that was shown, NUL-terminated */
        size_t n_seen, n_passed; /* how far pty_expect() has got */
};

/* input: a descriptor for its standard input, -1 for the terminal. */
void pty_start(struct pty *p, const char *const words[], int input);
void pty_send(struct pty *p, const char *text);
/* Waits until text is shown, behind what was expected before. False after timeout_ms, or if the program ends without
 * it. */
bool pty_expect(struct pty *p, const char *text, int timeout_ms);
/* The same, and sees to it that the terminal echoes nothing before it answers. */
void pty_answer(struct pty *p, const char *prompt, const char *answer);
bool pty_has_echo(const struct pty *p);
/* Waits for the end: the exit code, 128 + signal, or -1 after timeout_ms (then it is killed). */
int pty_end(struct pty *p, int timeout_ms);

#endif

/* Running another program and reading what it says. */
#ifndef OS_CHILD_H
#define OS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
        pid_t pid;
        int from_it; /* its standard output */
};

/* Starts a program, looked for in PATH, with one argument and no input. 0 or KEEPMUM_ESYSTEM with errno. */
int child_start(struct child *c, const char *program, const char *argument);
/* Closes its output and waits for its end. True if it exited with 0. */
bool child_end(struct child *c);

#endif

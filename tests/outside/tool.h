/* secretctl as a script runs it: in a home of its own, with pipes for standard input, output and error. */
#ifndef TESTS_OUTSIDE_TOOL_H
#define TESTS_OUTSIDE_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a test directory holds; made by tool_begin(), which also sets HOME and XDG_*_HOME to it and makes it the
 * current one. */
#define TOOL_KEY "--key-file=key"

struct run {
        int status; /* exit code, or 128 + signal */
        char *out, *err;
        size_t n_out, n_err;
};

const char *tool_path(void); /* from SECRETCTL_BIN */

/* For cmocka: a fresh directory around each test. */
int tool_begin(void **state);
int tool_end(void **state);

/* Runs it with words (up to NULL) behind its name, without a controlling terminal. input NULL: nothing to read. The
 * result is to be freed by run_free(). */
struct run tool_run_with(const void *input, size_t n_input, const char *const words[]);
void run_free(struct run *r);

/* The exit code alone. */
int tool_status(const char *const words[]);
#define TOOL(...) tool_status((const char *const[]){__VA_ARGS__, NULL})

/* Adds a text as a secret by the key file; the exit code. */
int tool_add(const char *name, const char *secret);
/* Whether get gives exactly these bytes. */
bool tool_holds(const char *name, const void *bytes, size_t n_bytes);

/* Starts it without waiting; its standard input reads from input_fd, its output is thrown away. */
pid_t tool_start(int input_fd, const char *const words[]);

/* Files below directory, those that are not directories. */
size_t count_files(const char *directory);

#endif

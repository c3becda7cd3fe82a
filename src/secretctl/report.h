/* What the tool says to a person beside its results: all of it on standard error.
 *
 * The rules of talking: `secretctl: what went wrong`, no capital, no full stop; then, where there is something to do
 * about it, `secretctl: hint: what to do`. Names, paths and numbers are said, secrets never. */
#ifndef SECRETCTL_REPORT_H
#define SECRETCTL_REPORT_H

#include <stdbool.h>

#define REPORT_FORMAT __attribute__((format(printf, 1, 2)))

void report(const char *format, ...) REPORT_FORMAT;
void report_hint(const char *format, ...) REPORT_FORMAT;

/* Says what was wrong with the command line; returns EXIT_USAGE. */
int report_usage(const char *format, ...) REPORT_FORMAT;

/* Says "doing: sentence of the error", with the kernel's cause and a hint where there is one; returns the exit code. */
int report_error(int error, const char *doing);

/* A note that work goes on, only if a person is looking; wiped away by the next report_idle(). */
void report_busy(const char *what);
void report_idle(void);

/* Whether something that had to be said could not be. */
bool report_was_lost(void);

#endif

/* Standard output: results, and nothing else. */
#ifndef SECRETCTL_OUTPUT_H
#define SECRETCTL_OUTPUT_H

#include <keepmum.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether there is anything to write to, asked before any work is done. Returns the exit code, having said why. */
int output_begin(void);

/* A secret: its bytes and nothing else; {0} is an empty one. On a terminal with a newline, and escaped where it holds
 * more than text. Returns the exit code, having said why. */
int output_secret(keepmum_secret s);

/* Everything but secrets. Collected, and written when enough is there; a failure is told by output_end(). */
void output_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_text(const char *text);        /* on a terminal escaped */
void output_json_text(const char *text);   /* a JSON string, with its quotes */
void output_json_bool(bool value);

enum output_style { OUTPUT_PLAIN, OUTPUT_HEADING, OUTPUT_GOOD, OUTPUT_BAD };

/* The style of what follows; on a terminal only, and not where NO_COLOR is set. */
void output_style(enum output_style style);

/* Columns of the terminal; 0 where there is none, or it does not tell. */
int output_columns(void);
/* Whether lines can be drawn with the characters made for it: on a terminal of a UTF-8 locale. */
bool output_has_line_characters(void);

/* Writes what is left and closes. Returns the exit code, having said why. */
int output_end(void);

#endif

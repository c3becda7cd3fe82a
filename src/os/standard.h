/* Standard input, output and error, the terminal behind them, and the signals that end a program. */
#ifndef OS_STANDARD_H
#define OS_STANDARD_H

#include <stdbool.h>

/* Fills those of descriptors 0, 1, 2 that are not open, so that no file of ours becomes one of them. Reading or
 * writing them fails as it would have. False if that could not be done. */
bool standard_fill(void);

bool standard_is_terminal(int fd);
/* Columns of the terminal behind a descriptor; 0 where that is not known. */
int standard_columns(int fd);
/* Whether a descriptor is one to write to. */
bool standard_can_write(int fd);
/* The controlling terminal, for asking and answering; to be closed. 0 or KEEPMUM_ENOTTY. */
int standard_open_terminal(int *fd);
/* Keeps a descriptor that the user named from programs that are started. It may not be open: whoever reads it says so. */
void standard_keep(int fd);
/* What close(2) says: some file systems tell of a failed write only here. 0 or KEEPMUM_EIO. */
int standard_close(int fd);

/* A reader that went away and a file that may not grow become errors of write(2); SIGHUP, SIGINT, SIGQUIT and
 * SIGTERM run last_wish, which must be async-signal-safe, and then end the process as they would have. Ignored ones
 * stay ignored. */
void standard_set_signals(void (*last_wish)(void));

#endif

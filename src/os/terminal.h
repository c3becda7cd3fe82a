/* The controlling terminal, without echo and line by character. */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct terminal {
        int fd;
        struct termios before;
};

/* What a character means at this terminal. */
enum terminal_key { TERMINAL_TEXT, TERMINAL_ENTER, TERMINAL_ERASE, TERMINAL_ERASE_WORD, TERMINAL_KILL, TERMINAL_END_OF_FILE };

int terminal_open(struct terminal *t); /* 0; KEEPMUM_ENOTTY */
void terminal_close(struct terminal *t);

/* No echo, no line editing by the kernel, signals as before; what was typed ahead is thrown away. 0; KEEPMUM_EIO with errno, EINTR
 * after a signal. */
int terminal_hide(struct terminal *t);
void terminal_restore(const struct terminal *t);

enum terminal_key terminal_key(const struct terminal *t, unsigned char c);

/* Waits for a character and puts it to *c; nothing else keeps it. 0; KEEPMUM_ECANCELED at the end (hang-up), or when wake_fd becomes readable;
 * KEEPMUM_EIO. */
int terminal_read(const struct terminal *t, unsigned char *c, int wake_fd);

#endif

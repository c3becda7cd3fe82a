/* Signals that would end or stop the process, held back while the terminal is in a mode that must be set back first. */
#ifndef OS_INTERRUPT_H
#define OS_INTERRUPT_H

#include <stdbool.h>

/* Begins to catch them; *wake_fd becomes readable when one came. One caller at a time. 0 or KEEPMUM_ESYSTEM with errno. */
int interrupt_begin(int *wake_fd);
bool interrupt_has_come(void);

enum interrupt {
        INTERRUPT_NONE,
        INTERRUPT_STOPPED, /* the process was stopped, and went on */
        INTERRUPT_CAME     /* a handler of the application ran, and returned */
};

/* Puts the application's handlers back and raises each signal that came again, now as the application has it. */
enum interrupt interrupt_end(void);

#endif

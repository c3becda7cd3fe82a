/* Signals that would end or stop the process, held back while the terminal is in a mode that must be set back first. */
#ifndef OS_INTERRUPT_H
#define OS_INTERRUPT_H

/* Begins to catch them; *wake_fd becomes readable when one came. One caller at a time. 0 or KEEPMUM_ESYSTEM with errno. */
int interrupt_begin(int *wake_fd);
/* The signal that came, 0 if none did. */
int interrupt_pending(void);
/* Puts the application's handlers back. Returns the signal that came, 0 if none did. */
int interrupt_end(void);
/* Raises it again, now as the application has it. Returns if the application's handler does, or after a stop. */
void interrupt_raise(int signal_number);

#endif

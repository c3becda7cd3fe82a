/* A clean call where the machine has them. */
#ifndef SECRETCTL_CLEANLY_H
#define SECRETCTL_CLEANLY_H

/* Runs fn(arg) as keepmum_call_clean() does; where that is not to be had, as an ordinary call after which the registers
 * are cleared. 0 or what keepmum_call_clean() returns; fn has not run then. */
int cleanly(int (*fn)(void *arg), void *arg);

#endif

/* The break: where the process's data segment ends. */
#ifndef OS_BRK_H
#define OS_BRK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Set by who is the process's malloc: then nobody else is expected to move the break behind our back at the same moment. */
extern bool brk_has_one_user;

/* Whether the break may be moved now: sbrk(2) of two threads at once can take the same bytes twice, and other libraries' callers
 * hold no lock that we know. So: with one user, or while the process has one thread. */
bool brk_may_move(void);
uintptr_t brk_top(void); /* 0 if the system has no break */
/* Moves it up or down; it must still stand at top. False if not, or if the kernel refuses: then it has not moved. Keeps errno. */
bool brk_grow(uintptr_t top, size_t n_bytes);
bool brk_shrink(uintptr_t top, size_t n_bytes);

#endif

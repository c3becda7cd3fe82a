/* Sleeping on a number until another thread changes it (futex(2)). */
#ifndef OS_FUTEX_H
#define OS_FUTEX_H

#include <stdint.h>

/* Sleeps while *word is still value; may return early. */
void futex_wait(const void *word, uint32_t value);
void futex_wake_all(const void *word);

#endif

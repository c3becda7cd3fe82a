/* The threads of a process, as /proc shows them. */
#ifndef OS_TASKS_H
#define OS_TASKS_H

#include <stdbool.h>
#include <stdint.h>

/* Calls found for every thread whose stack pointer the kernel tells: only of threads that sleep in a system call, and
 * only to those who may trace the process. pid 0: this process. Threads that come and go meanwhile may be missed. */
void tasks_read(int pid, void (*found)(void *context, int thread, uint64_t stack_pointer), void *context);

/* The letter of /proc/PID/stat: 'R', 'S', 'Z' and so on (proc(5)); '\0' if there is no such process. */
char tasks_state(int pid);

#endif

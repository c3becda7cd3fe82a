/* The last moment of a process that dies of a signal with a core file: what may hold secrets is cleared first. */
#ifndef OS_CRASH_H
#define OS_CRASH_H

/* From now on last_wish, which must be async-signal-safe, runs before such a death. 0; KEEPMUM_ENOTSUP on other CPUs than x86-64 and aarch64;
 * KEEPMUM_ESYSTEM. */
int crash_catch(void (*last_wish)(void));

#endif

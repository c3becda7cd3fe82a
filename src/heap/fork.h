/* The heap around fork(), and its start. */
#ifndef HEAP_FORK_H
#define HEAP_FORK_H

/* Makes the heap ready: once, by whoever comes first; the others wait. */
void heap_start(void);

#endif

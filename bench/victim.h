/* A process that is looked at: a child that does something, tells about it, and waits until it may go on.
 *
 * It never outlives who started it: it dies with its parent, and waiting ends when the other end of the pipe is
 * gone. */
#ifndef BENCH_VICTIM_H
#define BENCH_VICTIM_H

#include <stddef.h>
#include <sys/types.h>

struct victim {
        pid_t pid;
        int from, to; /* what it tells; what it waits for */
};

/* The parent's side. act(arg) runs in the child, which ends when it returns. */
void victim_start(struct victim *v, void (*act)(void *arg), void *arg);
/* 0; else the child has ended before it told n_bytes. */
int victim_hear(const struct victim *v, void *bytes, size_t n_bytes);
void victim_go_on(const struct victim *v);
void victim_end(struct victim *v);

/* The child's side. */
void victim_tell(const void *bytes, size_t n_bytes);
void victim_wait(void);
/* Becomes a user whom this lock limit binds; ends the process where that cannot be. */
void victim_become_user(size_t lock_bytes);

#endif

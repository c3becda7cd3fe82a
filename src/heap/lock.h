/* The heap's locks: a mutex each, all taken around fork() in one order (heap/fork.c).
 *
 * The thread that forks holds them all while other libraries' atfork handlers run; if these allocate, it passes. */
#ifndef HEAP_LOCK_H
#define HEAP_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct heap_lock {
        pthread_mutex_t mutex;
};

#define HEAP_LOCK_INITIAL {PTHREAD_MUTEX_INITIALIZER}

extern __thread bool heap_is_forking; /* this thread holds every lock of the heap */

static inline void heap_lock(struct heap_lock *lock)
{
        if (!heap_is_forking)
                pthread_mutex_lock(&lock->mutex);
}

static inline void heap_unlock(struct heap_lock *lock)
{
        if (!heap_is_forking)
                pthread_mutex_unlock(&lock->mutex);
}

/* For heap/fork.c, which calls these with heap_is_forking false. */
static inline void heap_lock_renew(struct heap_lock *lock)
{
        pthread_mutex_init(&lock->mutex, NULL); /* a call, so that ThreadSanitizer sees it */
}

#endif

/* Cancellation of a thread (pthread_cancel(3)) strikes inside open(2), close(2), read(2), nanosleep(2) and many more. Here it would leave a
 * record BUSY, the pool's lock taken or the terminal without echo for ever, since nobody comes back to undo it. So every function of os/ that
 * makes such a call begins with UNCANCELLED: the thread ends at the next point of its own. */
#ifndef OS_CANCEL_H
#define OS_CANCEL_H

#include <pthread.h>

static inline int cancel_hold(void)
{
        int before;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        return before;
}

static inline void cancel_release(const int *before)
{
        int held;

        (void)pthread_setcancelstate(*before, &held);
}

/* A declaration: until the end of the block. */
#define UNCANCELLED __attribute__((unused, cleanup(cancel_release))) int cancel_state = cancel_hold()

#endif

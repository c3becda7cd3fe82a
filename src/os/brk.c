/* Moving the break, always by libc's sbrk(), so that whoever else in the process uses it goes on seeing the truth. */
#include "os/brk.h"

#include <errno.h>
#include <unistd.h>

#if defined __has_include
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define HAS_ONE_THREAD __libc_single_threaded
#endif
#endif
#ifndef HAS_ONE_THREAD
#define HAS_ONE_THREAD false /* not known */
#endif

bool brk_has_one_user;

bool brk_may_move(void)
{
        return brk_has_one_user || HAS_ONE_THREAD;
}

static uintptr_t move(intptr_t by)
{
        int kept = errno;
        uintptr_t was = (uintptr_t)sbrk(by);

        errno = kept;
        return was == UINTPTR_MAX ? 0 : was;
}

uintptr_t brk_top(void)
{
        return move(0);
}

bool brk_grow(uintptr_t top, size_t n_bytes)
{
        uintptr_t was = n_bytes > INTPTR_MAX ? 0 : move((intptr_t)n_bytes);

        if (was != 0 && was != top && move(0) == was + n_bytes)
                move(-(intptr_t)n_bytes); /* somebody was faster: what we got is not where it is wanted */
        return was == top;
}

bool brk_shrink(uintptr_t top, size_t n_bytes)
{
        return move(0) == top && move(-(intptr_t)n_bytes) != 0;
}

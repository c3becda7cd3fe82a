/* The signal mask of the calling thread, as the kernel has it: a bit for each signal.
 *
 * Left open are the signals with which the CPU and the kernel answer an instruction: blocked, they end the process instead of reaching the
 * application's handler. SIGABRT is blocked, since abort() opens it for itself. libc's own two stay open (thread cancellation,
 * setuid in all threads); their handlers run on the stack they find. rt_sigprocmask(2) itself, for libc's functions around it
 * cost a tenth of it. */
#include "os/signals.h"

#include "base/fatal.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(number) ((uint64_t)1 << ((number) - 1))

enum { LIBC_CANCEL = 32, LIBC_SETXID = 33 }; /* glibc and musl: below SIGRTMIN */

static const uint64_t at_any_time = ~(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGTRAP) | BIT(SIGSYS) |
                                      BIT(LIBC_CANCEL) | BIT(LIBC_SETXID));

void signals_block(uint64_t *before)
{
        must(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &at_any_time, before, sizeof *before) == 0, "rt_sigprocmask failed");
}

void signals_restore(uint64_t before)
{
        must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before) == 0, "rt_sigprocmask failed");
}

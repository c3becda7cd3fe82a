/* How keepmum ends a process: the hook, one sentence, abort.
 *
 * Always true: the sentence is a literal of the source and holds no byte of any secret; nothing returns from here. The signal
 * is set to its default and all others are blocked, so that no handler of the application can jump back into a process whose
 * memory is not what it should be; a thread that is to be cancelled is not, since writev(2) would be where that strikes.
 * docs/misuse.md lists every sentence. */
#include "base/fatal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic(void (*)(const char *)) fatal_hook;
static _Atomic(void (*)(void)) fatal_stop, fatal_end;

void fatal_set_hook(void (*hook)(const char *sentence))
{
        atomic_store(&fatal_hook, hook);
}

void fatal_set_stop(void (*stop)(void))
{
        atomic_store(&fatal_stop, stop);
}

void fatal_set_end(void (*end)(void))
{
        atomic_store(&fatal_end, end);
}

static void write_sentence(const char *sentence)
{
        char name[] = "keepmum: ", end[] = "\n";
        struct iovec parts[] = {
                {name, sizeof name - 1},
                {(void *)(uintptr_t)sentence, strlen(sentence)},
                {end, 1},
        };

        if (writev(STDERR_FILENO, parts, 3) < 0)
                return; /* standard error is closed: the signal still tells */
}

_Noreturn void fatal(const char *sentence)
{
        void (*hook)(const char *) = atomic_exchange(&fatal_hook, NULL); /* once, also if the hook itself ends up here */

        void (*stop)(void) = atomic_load(&fatal_stop), (*end)(void) = atomic_load(&fatal_end);
        sigset_t all;
        int before;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        if (stop != NULL)
                stop();
        if (hook != NULL)
                hook(sentence);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        write_sentence(sentence);
        signal(SIGABRT, SIG_DFL);
        if (end != NULL)
                end();
        abort();
}

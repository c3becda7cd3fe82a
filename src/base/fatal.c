/* How keepmum ends a process: the hook, one sentence, abort.
 *
 * Always true: the sentence is a literal of the source and holds no byte of any secret; nothing returns from here. The signal
 * is set to its default first, so that no handler of the application can jump back into a process whose memory is not what
 * it should be. docs/misuse.md lists every sentence. */
#include "base/fatal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic(void (*)(const char *)) fatal_hook;

void fatal_set_hook(void (*hook)(const char *sentence))
{
        atomic_store(&fatal_hook, hook);
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

        if (hook != NULL)
                hook(sentence);
        write_sentence(sentence);
        signal(SIGABRT, SIG_DFL);
        abort();
}

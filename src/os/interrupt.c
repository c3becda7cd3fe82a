/* Handlers that stand in for the application's while it is asked for a secret, as readpassphrase(3) of the BSDs does.
 *
 * Always true: an ignored signal stays ignored; the handler only notes the signal and wakes the poll(2) of the prompt, whatever thread
 * it runs in; in a child that another thread forked meanwhile the application's handler is put back at once. */
#include "os/interrupt.h"

#include "os/cancel.h"

#include <errno.h>
#include <keepmum.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int caught[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

enum { CAUGHT = sizeof caught / sizeof *caught };

static struct sigaction before[CAUGHT];
static volatile sig_atomic_t has_come[CAUGHT], wake = -1, owner;

static unsigned index_of(int signal_number)
{
        unsigned i = 0;

        while (i < CAUGHT - 1 && caught[i] != signal_number)
                i++;
        return i;
}

static void note(int signal_number)
{
        UNCANCELLED;
        int kept = errno;
        uint64_t one = 1;

        if (getpid() != owner) {
                sigaction(signal_number, &before[index_of(signal_number)], NULL);
                raise(signal_number);
        } else {
                has_come[index_of(signal_number)] = 1;
                if (write(wake, &one, sizeof one) < 0)
                        errno = kept; /* the counter is full: it is readable anyway */
        }
        errno = kept;
}

int interrupt_begin(int *wake_fd)
{
        struct sigaction act = {.sa_handler = note};
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0)
                return KEEPMUM_ESYSTEM;
        sigemptyset(&act.sa_mask);
        for (unsigned i = 0; i < CAUGHT; i++)
                has_come[i] = 0;
        owner = getpid();
        wake = *wake_fd = fd;
        for (unsigned i = 0; i < CAUGHT; i++) {
                sigaction(caught[i], NULL, &before[i]);
                if (before[i].sa_handler != SIG_IGN)
                        sigaction(caught[i], &act, NULL);
        }
        return 0;
}

bool interrupt_has_come(void)
{
        for (unsigned i = 0; i < CAUGHT; i++)
                if (has_come[i])
                        return true;
        return false;
}

static bool stops(unsigned i)
{
        return (caught[i] == SIGTSTP || caught[i] == SIGTTIN || caught[i] == SIGTTOU) && before[i].sa_handler == SIG_DFL;
}

enum interrupt interrupt_end(void)
{
        UNCANCELLED;
        enum interrupt result = INTERRUPT_NONE;

        for (unsigned i = 0; i < CAUGHT; i++)
                sigaction(caught[i], &before[i], NULL);
        close(wake);
        wake = -1;
        for (unsigned i = 0; i < CAUGHT; i++) {
                if (!has_come[i])
                        continue;
                if (!stops(i))
                        result = INTERRUPT_CAME;
                else if (result == INTERRUPT_NONE)
                        result = INTERRUPT_STOPPED;
                kill(getpid(), caught[i]);
        }
        return result;
}

/* Handlers that stand in for the application's while it is asked for a secret, as readpassphrase(3) of the BSDs does.
 *
 * Always true: an ignored signal stays ignored; the handler only notes the signal and wakes the poll(2) of the prompt, whatever thread
 * it runs in; in a child that another thread forked meanwhile the application's handler is put back at once. */
#include "os/interrupt.h"

#include <errno.h>
#include <keepmum.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int caught[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

enum { CAUGHT = sizeof caught / sizeof *caught };

static struct sigaction before[CAUGHT];
static volatile sig_atomic_t pending, wake = -1, owner;

static void put_back(int signal_number)
{
        for (unsigned i = 0; i < CAUGHT; i++)
                if (caught[i] == signal_number)
                        sigaction(signal_number, &before[i], NULL);
}

static void note(int signal_number)
{
        int kept = errno;
        uint64_t one = 1;

        if (getpid() != owner) {
                put_back(signal_number);
                raise(signal_number);
        } else {
                pending = signal_number;
                if (write(wake, &one, sizeof one) < 0)
                        pending = signal_number; /* the counter is full: it is readable anyway */
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
        pending = 0;
        owner = getpid();
        wake = *wake_fd = fd;
        for (unsigned i = 0; i < CAUGHT; i++) {
                sigaction(caught[i], NULL, &before[i]);
                if (before[i].sa_handler != SIG_IGN)
                        sigaction(caught[i], &act, NULL);
        }
        return 0;
}

int interrupt_pending(void)
{
        return pending;
}

int interrupt_end(void)
{
        for (unsigned i = 0; i < CAUGHT; i++)
                sigaction(caught[i], &before[i], NULL);
        close(wake);
        wake = -1;
        return pending;
}

void interrupt_raise(int signal_number)
{
        kill(getpid(), signal_number);
}

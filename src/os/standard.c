/* Descriptors 0, 1 and 2, and the signals that end a program.
 *
 * Always true after standard_fill(): whatever the program opens is above 2, so that a message can never land in the
 * vault and the vault can never be read as input. A hole is filled with /dev/null opened the wrong way round: input
 * that only writes, output that only reads. To use it is then the error it would have been, never a silent success. */
#include "os/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool standard_fill(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                /* The lowest free descriptor is this one, since those below are open. */
                if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
                        return false;
        }
        return true;
}

bool standard_is_terminal(int fd)
{
        return isatty(fd) == 1;
}

int standard_columns(int fd)
{
        int kept = errno;
        struct winsize size = {0};
        bool is_known = ioctl(fd, TIOCGWINSZ, &size) == 0;

        errno = kept;
        return is_known ? size.ws_col : 0;
}

bool standard_can_write(int fd)
{
        int flags = fcntl(fd, F_GETFL);

        return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

int standard_open_terminal(int *fd)
{
        *fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        return *fd >= 0 ? 0 : KEEPMUM_ENOTTY;
}

void standard_keep(int fd)
{
        int kept = errno;

        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        errno = kept;
}

int standard_close(int fd)
{
        return close(fd) == 0 ? 0 : KEEPMUM_EIO;
}

static void (*ending_wish)(void);

/* SA_RESETHAND has set the default back; the signal raised here is delivered when the handler returns. */
static void end_after_wish(int signal_number)
{
        ending_wish();
        raise(signal_number);
}

void standard_set_signals(void (*last_wish)(void))
{
        static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        struct sigaction ignore = {.sa_handler = SIG_IGN}, had;
        struct sigaction end = {.sa_handler = end_after_wish, .sa_flags = (int)SA_RESETHAND};

        sigaction(SIGPIPE, &ignore, NULL);
        sigaction(SIGXFSZ, &ignore, NULL);
        ending_wish = last_wish;
        for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++)
                if (sigaction(ending[i], NULL, &had) == 0 && had.sa_handler != SIG_IGN)
                        sigaction(ending[i], &end, NULL);
}

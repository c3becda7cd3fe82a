/* termios on /dev/tty. The mode is set back by who set it: see secret/prompt.c. */
#include "os/terminal.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

int terminal_open(struct terminal *t)
{
        UNCANCELLED;

        t->fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (t->fd < 0)
                return KEEPMUM_ENOTTY;
        if (tcgetattr(t->fd, &t->before) == 0)
                return 0;
        terminal_close(t);
        return KEEPMUM_ENOTTY;
}

void terminal_close(struct terminal *t)
{
        UNCANCELLED;
        int kept = errno;

        close(t->fd);
        errno = kept;
}

int terminal_hide(struct terminal *t)
{
        struct termios hidden = t->before;

        hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ICANON);
        hidden.c_cc[VMIN] = 1;
        hidden.c_cc[VTIME] = 0;
        return tcsetattr(t->fd, TCSAFLUSH, &hidden) == 0 ? 0 : KEEPMUM_EIO;
}

void terminal_restore(const struct terminal *t)
{
        int kept = errno;
        sigset_t from_background, before;

        /* A blocked SIGTTOU lets a process in the background do it too (POSIX, tcsetattr). */
        sigemptyset(&from_background);
        sigaddset(&from_background, SIGTTOU);
        pthread_sigmask(SIG_BLOCK, &from_background, &before);
        while (tcsetattr(t->fd, TCSAFLUSH, &t->before) != 0 && errno == EINTR)
                ;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        errno = kept;
}

static bool is_key(const struct terminal *t, unsigned char c, unsigned which)
{
        return t->before.c_cc[which] != _POSIX_VDISABLE && t->before.c_cc[which] == c;
}

enum terminal_key terminal_key(const struct terminal *t, unsigned char c)
{
        if (c == '\n' || c == '\r' || is_key(t, c, VEOL))
                return TERMINAL_ENTER;
        if (c == '\b' || c == 0x7f || is_key(t, c, VERASE))
                return TERMINAL_ERASE;
        if (is_key(t, c, VWERASE))
                return TERMINAL_ERASE_WORD;
        if (is_key(t, c, VKILL))
                return TERMINAL_KILL;
        return is_key(t, c, VEOF) ? TERMINAL_END_OF_FILE : TERMINAL_TEXT;
}

int terminal_read(const struct terminal *t, unsigned char *c, int wake_fd)
{
        UNCANCELLED;
        struct pollfd p[] = {{.fd = t->fd, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};

        for (;;) {
                ssize_t n;

                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return KEEPMUM_EIO;
                if (p[1].revents != 0)
                        return KEEPMUM_ECANCELED;
                if (p[0].revents == 0)
                        continue;
                n = read(t->fd, c, 1);
                if (n > 0)
                        return 0;
                if (n == 0)
                        return KEEPMUM_ECANCELED;
                if (errno != EINTR && errno != EAGAIN)
                        return KEEPMUM_EIO;
        }
}

/* Gives a secret to one program of one user: reads it from standard input, waits at a unix socket for that user, and sends a courier.
 *
 *      give SOCKET UID <secret        and, as user UID:  take SOCKET UID-OF-GIVE >where-it-is-needed
 *
 * Who is at the other end is asked of the kernel (SO_PEERCRED): whoever is another user is turned away, and the wait goes on.
 *
 * NOT protected: where the secret came from, and what that user does with it.
 *
 *      cc give.c $(pkg-config --cflags --libs keepmum) */
#define _GNU_SOURCE 1
#include "descriptor.h"

#include <keepmum.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_BYTES = 65536 };

static _Noreturn void fail(const char *what, const char *why)
{
        fprintf(stderr, "give: %s: %s\n", what, why);
        exit(1);
}

static uid_t user_of(const char *word)
{
        char *end;
        unsigned long uid = strtoul(word, &end, 10);

        if (*word < '0' || *word > '9' || *end != '\0' || uid != (uid_t)uid)
                fail(word, "not the number of a user");
        return (uid_t)uid;
}

static int listen_at(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof address.sun_path)
                fail(path, "too long for a socket");
        strcpy(address.sun_path, path);
        if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
            chmod(path, 0666) != 0 || listen(listener, 1) != 0) /* anybody may knock: the kernel says who it is */
                fail(path, strerror(errno));
        return listener;
}

/* Waits for that user. */
static int accept_from(int listener, uid_t wanted)
{
        for (;;) {
                struct ucred peer = {0};
                socklen_t n_bytes = sizeof peer;
                int s = accept(listener, NULL, NULL);

                if (s < 0 && errno == EINTR)
                        continue;
                if (s < 0 || getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &n_bytes) != 0)
                        fail("accepting", strerror(errno));
                if (peer.uid == wanted)
                        return s;
                fprintf(stderr, "give: turned away process %ld of user %lu\n", (long)peer.pid, (unsigned long)peer.uid);
                close(s);
        }
}

int main(int n_words, char **words)
{
        keepmum_secret secret;
        int err, fd, listener, socket;

        if (n_words != 3) {
                fprintf(stderr, "usage: give SOCKET UID <secret\n");
                return 2;
        }
        if ((err = keepmum_harden_process(0)) != 0)
                fail("hardening", keepmum_error_text(err));
        if ((err = keepmum_read_fd(&secret, STDIN_FILENO, MOST_BYTES, KEEPMUM_ACCEPT_UNLOCKED)) != 0)
                fail("reading the secret", keepmum_error_text(err));
        listener = listen_at(words[1]);
        socket = accept_from(listener, user_of(words[2]));
        unlink(words[1]);
        if ((err = keepmum_share_fd(secret, &fd)) != 0) /* only now: a courier that waits is one that can be lost */
                fail("sharing the secret", keepmum_error_text(err));
        if (descriptor_send(socket, fd) != 0)
                fail("sending the descriptor", strerror(errno));
        close(fd);
        keepmum_destroy(&secret);
        return 0;
}

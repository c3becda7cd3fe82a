/* Takes a secret from one program of one user, which runs `give` at a unix socket, and writes it to standard output.
 *
 *      take SOCKET UID >where-it-is-needed        UID: the user whom the secret may come from
 *
 * What is received is a secret of this process's own, locked and guarded. Who sent it is asked of the kernel (SO_PEERCRED) first: a courier from
 * somebody else would be a secret that somebody else knows.
 *
 * NOT protected: what is written to standard output.
 *
 *      cc take.c $(pkg-config --cflags --libs keepmum) */
#define _GNU_SOURCE 1
#include "descriptor.h"

#include <keepmum.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static _Noreturn void fail(const char *what, const char *why)
{
        fprintf(stderr, "take: %s: %s\n", what, why);
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

static int connect_to(const char *path, uid_t wanted)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct ucred peer = {0};
        socklen_t n_bytes = sizeof peer;
        int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof address.sun_path)
                fail(path, "too long for a socket");
        strcpy(address.sun_path, path);
        if (s < 0 || connect(s, (const struct sockaddr *)&address, sizeof address) != 0)
                fail(path, strerror(errno));
        if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &n_bytes) != 0)
                fail("asking who is there", strerror(errno));
        if (peer.uid != wanted)
                fail(path, "another user is there");
        return s;
}

int main(int n_words, char **words)
{
        keepmum_secret secret;
        int err, fd;

        if (n_words != 3) {
                fprintf(stderr, "usage: take SOCKET UID >where-it-is-needed\n");
                return 2;
        }
        if ((err = keepmum_harden_process(0)) != 0)
                fail("hardening", keepmum_error_text(err));
        if (descriptor_receive(connect_to(words[1], user_of(words[2])), &fd) != 0)
                fail("receiving a descriptor", errno != 0 ? strerror(errno) : "none came: turned away");
        if ((err = keepmum_receive_fd(&secret, fd, 0)) != 0) {
                close(fd); /* an error leaves it open */
                fail("receiving the secret", keepmum_error_text(err));
        }
        if ((err = keepmum_write_fd(secret, STDOUT_FILENO)) != 0)
                fail("writing the secret", keepmum_error_text(err));
        keepmum_destroy(&secret);
        return 0;
}

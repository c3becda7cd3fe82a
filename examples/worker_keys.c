/* A daemon that forks workers and gives each of them one key.
 *
 * A child of fork() has none of its parent's secrets: their pages are not there, and their handles answer KEEPMUM_EFORKED. So the workers are
 * forked first, and each key goes to its worker as a courier descriptor over the worker's own socket. What the others have is looked at from
 * both sides: the workers try the daemon's handles, and the daemon tries every worker's signature with every key.
 *
 * NOT protected: what goes through the courier on a machine without memfd_secret() can reach swap, since these keys accept that.
 *
 *      cc worker_keys.c $(pkg-config --cflags --libs keepmum) -lsodium */
#define _GNU_SOURCE 1
#include "descriptor.h"

#include <keepmum.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3 };

static const char order[] = "sign this, to show which key you have";

static _Noreturn void fail(const char *what, const char *why)
{
        fprintf(stderr, "worker_keys: %s: %s\n", what, why);
        exit(1);
}

/* ---- using a key ---- */

/* What runs in a clean call: when it is over, nothing of the key is left on a stack or in a register. */
struct signing {
        unsigned char tag[crypto_auth_BYTES];
        const unsigned char *key;
};

static int sign_now(void *arg)
{
        struct signing *s = arg;

        return crypto_auth(s->tag, (const unsigned char *)order, sizeof order, s->key);
}

static void sign(unsigned char tag[crypto_auth_BYTES], keepmum_secret key)
{
        struct signing s = {{0}, NULL};
        const void *bytes;
        size_t n_bytes;
        int err, result = -1;

        if ((err = keepmum_open_read(key, &bytes, &n_bytes)) != 0)
                fail("opening a key", keepmum_error_text(err));
        s.key = bytes;
        if (n_bytes == crypto_auth_KEYBYTES) {
                err = keepmum_call_clean(&result, sign_now, &s, 0);
                if (err == KEEPMUM_ENOTSUP) { /* on this CPU there are no clean calls */
                        result = sign_now(&s);
                        err = 0;
                }
        }
        keepmum_close(key);
        if (err != 0)
                fail("signing", keepmum_error_text(err));
        if (result != 0)
                fail("signing", "not a key for that");
        memcpy(tag, s.tag, sizeof s.tag);
}

/* ---- a worker ---- */

static _Noreturn void work(int number, int socket, const keepmum_secret daemons_keys[WORKERS])
{
        unsigned char tag[crypto_auth_BYTES];
        const void *bytes;
        keepmum_secret key;
        int err, fd;

        for (int i = 0; i < WORKERS; i++)
                if ((err = keepmum_open_read(daemons_keys[i], &bytes, NULL)) != KEEPMUM_EFORKED)
                        fail("a worker that opens the daemon's key", keepmum_error_text(err));
        if (descriptor_receive(socket, &fd) != 0)
                fail("receiving a descriptor", errno != 0 ? strerror(errno) : "the daemon sent none");
        if ((err = keepmum_receive_fd(&key, fd, 0)) != 0) /* from here on the key is here, and nowhere on the way */
                fail("receiving the key", keepmum_error_text(err));
        sign(tag, key);
        keepmum_destroy(&key);
        if (write(socket, tag, sizeof tag) != (ssize_t)sizeof tag)
                fail("answering", strerror(errno));
        printf("worker %d: the daemon's keys are out of reach; got one of its own and signed with it\n", number);
        fflush(stdout);
        _exit(0);
}

/* ---- the daemon ---- */

/* KEEPMUM_ACCEPT_UNLOCKED: on a machine without memfd_secret() the courier is of memory that can reach swap. Leave it out and sharing is an
 * error there (KEEPMUM_ENOLOCK) instead. */
static void make_keys(keepmum_secret keys[WORKERS])
{
        int err;

        for (int i = 0; i < WORKERS; i++)
                if ((err = keepmum_create(&keys[i], crypto_auth_KEYBYTES, KEEPMUM_ACCEPT_UNLOCKED)) != 0 || (err = keepmum_fill_random(keys[i])) != 0)
                        fail("making a key", keepmum_error_text(err));
}

static void give(keepmum_secret key, int socket)
{
        int err, fd;

        if ((err = keepmum_share_fd(key, &fd)) != 0)
                fail("sharing a key", keepmum_error_text(err));
        if (descriptor_send(socket, fd) != 0)
                fail("sending a descriptor", strerror(errno));
        close(fd); /* at once: whoever is forked while it is open has the courier too */
}

/* Whose key made the signature that came over this socket: its number, WORKERS for nobody's. */
static int find_signer(int socket, const keepmum_secret keys[WORKERS])
{
        unsigned char got[crypto_auth_BYTES], wanted[crypto_auth_BYTES];
        int found = WORKERS;

        if (recv(socket, got, sizeof got, MSG_WAITALL) != (ssize_t)sizeof got)
                fail("waiting for a worker", "it ended without an answer");
        for (int i = 0; i < WORKERS; i++) {
                sign(wanted, keys[i]);
                if (sodium_memcmp(got, wanted, sizeof got) == 0)
                        found = i;
        }
        return found;
}

int main(void)
{
        keepmum_secret keys[WORKERS];
        int sockets[WORKERS], ends[2], err, status;

        if (sodium_init() < 0)
                fail("libsodium", "cannot start");
        if ((err = keepmum_harden_process(0)) != 0) /* nobody looks into this process, nor into /proc/PID/fd */
                fail("hardening", keepmum_error_text(err));
        make_keys(keys);
        for (int i = 0; i < WORKERS; i++) {
                pid_t child;

                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || (child = fork()) < 0)
                        fail("starting a worker", strerror(errno));
                if (child == 0) {
                        for (int k = 0; k < i; k++)
                                close(sockets[k]); /* the other workers' ends: their keys come over these */
                        close(ends[0]);
                        work(i, ends[1], keys);
                }
                close(ends[1]);
                sockets[i] = ends[0];
        }
        for (int i = 0; i < WORKERS; i++)
                give(keys[i], sockets[i]);
        for (int i = 0; i < WORKERS; i++) {
                int signer = find_signer(sockets[i], keys);

                printf("daemon: worker %d signed with key %d\n", i, signer);
                if (signer != i)
                        fail("a worker", "has a key that is not its own");
        }
        for (int i = 0; i < WORKERS; i++) {
                keepmum_destroy(&keys[i]);
                if (wait(&status) < 0 || status != 0)
                        fail("a worker", "did not end well");
        }
        return 0;
}

/* The part of both TLS servers that has nothing to do with the key: connections, deadlines and the end.
 *
 * A client may send anything or nothing: it gets five seconds and one line, and is heard out by OpenSSL alone. One
 * is served after the other, so that a slow one makes the others wait; a real server has more to do here. There are
 * no session tickets: their key would be one more secret that OpenSSL keeps. The keys of each connection are
 * OpenSSL's too, until its SSL is freed. */
#define _GNU_SOURCE
#include "tls_serve.h"

#include "openssl_key.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_MS = 5000, WAITING_CLIENTS = 16 };

static const char line[] = "keepmum: hello over TLS 1.3\n";

static volatile sig_atomic_t is_ending;
static sigset_t mask_while_waiting;

static bool read_number(long *number, const char *text, long largest)
{
        char *end;

        errno = 0;
        *number = strtol(text, &end, 10);
        return errno == 0 && end != text && *end == '\0' && *number >= 0 && *number <= largest;
}

bool tls_read_arguments(struct tls_arguments *a, int argc, char **argv)
{
        long port = 0;

        *a = (struct tls_arguments){.n_connections = -1};
        if ((argc != 4 && argc != 6) || !read_number(&port, argv[3], 65535) ||
            (argc == 6 && (strcmp(argv[4], "--connections") != 0 || !read_number(&a->n_connections, argv[5], LONG_MAX)))) {
                fprintf(stderr, "usage: %s CERTIFICATE KEY PORT [--connections N]\n", argc > 0 ? argv[0] : "server");
                return false;
        }
        a->certificate_path = argv[1];
        a->key_path = argv[2];
        a->port = (unsigned short)port;
        return true;
}

SSL_CTX *tls_make_context(const char *certificate_path)
{
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());

        if (context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
            SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_use_certificate_chain_file(context, certificate_path) == 1)
                return context;
        fprintf(stderr, "%s: %s\n", certificate_path, openssl_why());
        SSL_CTX_free(context);
        return NULL;
}

/* ---- waiting: the two signals come through here and nowhere else ---- */

static void on_end(int number)
{
        (void)number;
        is_ending = 1;
}

static bool catch_ends(void)
{
        struct sigaction action = {.sa_handler = on_end};
        sigset_t ends;

        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        return sigprocmask(SIG_BLOCK, &ends, &mask_while_waiting) == 0 && sigdelset(&mask_while_waiting, SIGTERM) == 0 &&
               sigdelset(&mask_while_waiting, SIGINT) == 0 && sigaction(SIGTERM, &action, NULL) == 0 &&
               sigaction(SIGINT, &action, NULL) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

static long long now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* False at the deadline (-1: none), at an error, and when the server is to end. */
static bool wait_for(int fd, short events, long long deadline)
{
        struct pollfd p = {.fd = fd, .events = events};

        while (!is_ending) {
                long long left = deadline < 0 ? 0 : deadline - now_ms();
                struct timespec t = {left / 1000, left % 1000 * 1000000};

                if (left < 0)
                        return false;
                int n = ppoll(&p, 1, deadline < 0 ? NULL : &t, &mask_while_waiting);
                if (n > 0)
                        return true;
                if (n < 0 && errno != EINTR)
                        return false;
        }
        return false;
}

/* Whether what OpenSSL has not done yet, for want of bytes or of room, may be tried again. */
static bool may_go_on(SSL *ssl, int result, long long deadline)
{
        switch (SSL_get_error(ssl, result)) {
        case SSL_ERROR_WANT_READ:
                return wait_for(SSL_get_fd(ssl), POLLIN, deadline);
        case SSL_ERROR_WANT_WRITE:
                return wait_for(SSL_get_fd(ssl), POLLOUT, deadline);
        default:
                return false;
        }
}

/* ---- a client ---- */

static bool greet(SSL *ssl, long long deadline)
{
        int n;

        while ((n = SSL_accept(ssl)) != 1)
                if (!may_go_on(ssl, n, deadline))
                        return false;
        while ((n = SSL_write(ssl, line, sizeof line - 1)) <= 0)
                if (!may_go_on(ssl, n, deadline))
                        return false;
        while ((n = SSL_shutdown(ssl)) < 0)
                if (!may_go_on(ssl, n, deadline))
                        return false;
        return true;
}

/* What the client still sends is read and dropped: a socket closed before would reset the connection, and take the line with it. */
static void hear_out(SSL *ssl, long long deadline)
{
        char dropped[512];
        int n;

        do
                n = SSL_read(ssl, dropped, sizeof dropped);
        while (now_ms() < deadline && (n > 0 || may_go_on(ssl, n, deadline)));
}

static void serve_client(SSL_CTX *context, int fd)
{
        long long deadline = now_ms() + CLIENT_MS;
        SSL *ssl = SSL_new(context);

        ERR_clear_error();
        if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && greet(ssl, deadline))
                hear_out(ssl, deadline);
        else
                fprintf(stderr, "a client was not served: %s\n",
                        ERR_peek_error() != 0 ? openssl_why() : now_ms() < deadline ? "it went away" : "it took too long");
        SSL_free(ssl);
        close(fd);
}

/* ---- all of them ---- */

int tls_listen(unsigned short port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t n_bytes = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

        if (catch_ends() && fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
            bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, WAITING_CLIENTS) == 0 &&
            getsockname(fd, (struct sockaddr *)&address, &n_bytes) == 0) {
                printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
                if (fflush(stdout) == 0)
                        return fd;
        }
        fprintf(stderr, "listening on port %u: %s\n", port, strerror(errno));
        if (fd >= 0)
                close(fd);
        return -1;
}

int tls_serve(SSL_CTX *context, int listener, long n_connections)
{
        while (n_connections != 0 && wait_for(listener, POLLIN, -1)) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
                        continue; /* it is gone again */
                if (fd < 0)
                        break;
                serve_client(context, fd);
                n_connections -= n_connections > 0;
        }
        if (n_connections == 0 || is_ending)
                return 0;
        fprintf(stderr, "no more clients: %s\n", strerror(errno));
        return 1;
}

/* A small TLS 1.3 server on the loopback address: one line to each client. */
#ifndef TLS_SERVE_H
#define TLS_SERVE_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct tls_arguments {
        const char *certificate_path, *key_path;
        unsigned short port; /* 0: any free one */
        long n_connections;  /* -1: until SIGTERM or SIGINT */
};

/* CERTIFICATE KEY PORT [--connections N]; says how it is used if that is not what there is. */
bool tls_read_arguments(struct tls_arguments *a, int argc, char **argv);

/* TLS 1.3 alone, the certificate loaded, without its key. NULL when it has said what went wrong. */
SSL_CTX *tls_make_context(const char *certificate_path);

/* A listening socket, -1 when it has said what went wrong. From here on SIGTERM and SIGINT end tls_serve(). */
int tls_listen(unsigned short port);

/* Serves one client after the other. The exit status. */
int tls_serve(SSL_CTX *context, int listener, long n_connections);

#endif

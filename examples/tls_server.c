/* A TLS 1.3 server whose private key comes to OpenSSL through a secret.
 *
 *      tls_server CERTIFICATE KEY PORT [--connections N]       (PORT 0: any free one, which it names)
 *
 * Shown: the key file is read into a secret, OpenSSL parses it there, within a clean call and on a heap that zeroes
 * what is freed, and the secret is destroyed. So the file's text is nowhere any more, and nothing is left of the
 * parsing.
 *
 * NOT protected, and no way of loading changes it: OpenSSL keeps its own copy of the private key, in ordinary
 * memory, for as long as the EVP_PKEY lives, which is as long as this server does. An overread, or whoever may read
 * this process's memory, finds it there; swap may get it. What helps is that the process is hardened (no core file,
 * no other process of the same user looks in). The better way is not to have the key in the process that talks to
 * strangers: tls_worker_server.c.
 *
 *      cc tls_server.c tls_serve.c openssl_key.c $(pkg-config --cflags --libs keepmum libssl libcrypto) */
#include "openssl_key.h"
#include "tls_serve.h"

#include <keepmum.h>
#include <openssl/ssl.h>
#include <stdio.h>

struct loading {
        keepmum_secret pem;
        EVP_PKEY *key;
};

static int load(void *arg)
{
        struct loading *l = arg;
        int err;

        l->key = openssl_parse_key(l->pem, &err);
        return err;
}

static bool use_key(SSL_CTX *context, const char *path)
{
        struct loading l = {.key = NULL};
        int err, result = 0;
        bool is_used;

        if (!openssl_read_key_file(&l.pem, path))
                return false;
        err = keepmum_call_clean(&result, load, &l, 0);
        keepmum_destroy(&l.pem);
        if (err != 0 || result != 0) {
                fprintf(stderr, "%s: %s\n", path, keepmum_error_text(err != 0 ? err : result));
                return false;
        }
        if (l.key == NULL) {
                fprintf(stderr, "%s: not a private key in PEM, without a passphrase\n", path);
                return false;
        }
        is_used = SSL_CTX_use_PrivateKey(context, l.key) == 1; /* looks whether it is the certificate's, too */
        if (!is_used)
                fprintf(stderr, "%s: %s\n", path, openssl_why());
        EVP_PKEY_free(l.key); /* the context has a share of it */
        return is_used;
}

int main(int argc, char **argv)
{
        struct tls_arguments a;
        SSL_CTX *context;
        int err, listener, status = 1;

        if (!openssl_use_wiping_heap()) {
                fputs("tls_server: OpenSSL has allocated before\n", stderr);
                return 1;
        }
        if (!tls_read_arguments(&a, argc, argv))
                return 2;
        err = keepmum_harden_process(0);
        if (err != 0) {
                fprintf(stderr, "tls_server: %s\n", keepmum_error_text(err));
                return 1;
        }
        context = tls_make_context(a.certificate_path);
        if (context == NULL)
                return 1;
        if (use_key(context, a.key_path) && (listener = tls_listen(a.port)) >= 0) {
                fputs("tls_server: OpenSSL keeps its own copy of the private key, in ordinary memory, while the EVP_PKEY lives\n", stderr);
                status = tls_serve(context, listener, a.n_connections);
        }
        SSL_CTX_free(context); /* and with it the key: zeroed */
        return status;
}

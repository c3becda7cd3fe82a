/* The server of tls_server.c without the private key: that is in a process of its own, which signs for this one.
 *
 *      tls_worker_server CERTIFICATE KEY PORT [--connections N]       (KEY: P-256; PORT 0: any free one, which it names)
 *
 *      clients <--- TLS ---> front (this file) <--- what is to be signed, signatures ---> worker (signing_worker.c) <--- key file
 *
 * Shown: the worker is forked first and reads the key file; this process, the front, never has a byte of it. OpenSSL
 * gets the certificate's public half as its key, and a provider (signing_provider.c) that asks the worker. Then the
 * front gives up what it does not need any more: as root it becomes the user nobody. If the worker dies, handshakes
 * fail and the front lives on.
 *
 * NOT protected: the keys of the connections, which are in the front; what the worker signs for a front that was
 * taken over (see there: proofs of this server only, while it lasts); and the key file, if the front was not started
 * as root: then it still may open it.
 *
 *      cc tls_worker_server.c tls_serve.c openssl_key.c signing_worker.c signing_provider.c \
 *              $(pkg-config --cflags --libs keepmum libssl libcrypto) */
#define _GNU_SOURCE
#include "openssl_key.h"
#include "signing_provider.h"
#include "signing_worker.h"
#include "tls_serve.h"

#include <errno.h>
#include <grp.h>
#include <keepmum.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what, const char *why)
{
        fprintf(stderr, "tls_worker_server: %s: %s\n", what, why);
        return 1;
}

/* Also hardened, after the change of user, which would undo it. */
static int give_up_rights(void)
{
        const struct passwd *nobody = NULL;
        int err;

        if (geteuid() != 0) {
                fputs("tls_worker_server: not started as root: the front keeps the right to open the key file\n", stderr);
        } else {
                nobody = getpwnam("nobody");
                if (nobody == NULL)
                        return fail("the user nobody", "not found");
                if (setgroups(0, NULL) != 0 || setresgid(nobody->pw_gid, nobody->pw_gid, nobody->pw_gid) != 0 ||
                    setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
                        return fail("the user nobody", strerror(errno));
        }
        err = keepmum_harden_process(KEEPMUM_NO_NEW_PRIVS);
        return err == 0 ? 0 : fail("the process is not hardened", keepmum_error_text(err));
}

static int use_worker(SSL_CTX *context, struct signing_worker *w)
{
        EVP_PKEY *key = signing_provider_key(SSL_CTX_get0_certificate(context), w);
        int status = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 ? 0 : fail("the worker's key", openssl_why());

        EVP_PKEY_free(key); /* the context has a share of it */
        return status;
}

static int serve(const struct tls_arguments *a, struct signing_worker *w)
{
        SSL_CTX *context = tls_make_context(a->certificate_path);
        int listener, status = 1;

        if (context == NULL)
                return 1;
        if (use_worker(context, w) == 0 && (listener = tls_listen(a->port)) >= 0 && give_up_rights() == 0) {
                fprintf(stderr, "tls_worker_server: the private key is in process %ld alone\n", (long)w->pid);
                status = tls_serve(context, listener, a->n_connections);
        }
        SSL_CTX_free(context);
        return status;
}

int main(int argc, char **argv)
{
        struct signing_worker w;
        struct tls_arguments a;
        int status;

        if (!openssl_use_wiping_heap())
                return fail("OpenSSL", "it has allocated before");
        if (!tls_read_arguments(&a, argc, argv))
                return 2;
        if (!signing_worker_start(&w, a.certificate_path, a.key_path))
                return 1;
        status = serve(&a, &w);
        return signing_worker_end(&w) ? status : fail("the worker", "it has not ended well");
}

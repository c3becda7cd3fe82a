/* The worker: a process that has a P-256 private key in keepmum, and nothing to do with strangers.
 *
 * The key file is read into a secret and turned, in a clean call, into the short form (DER) in a second secret; the
 * first is destroyed. For each signature, in one clean call: the secret is opened, OpenSSL makes its EVP_PKEY of it,
 * the secret is closed, OpenSSL signs, and everything of OpenSSL's is freed, on a heap that zeroes it. Between two
 * signatures the key stands in the closed secret and nowhere else.
 *
 * It signs what a TLS 1.3 server has to sign and refuses everything else: who has taken over the front can prove to
 * be this server for as long as it has the socket, but gets no signature under a certificate, a token or another
 * protocol, and never the key.
 *
 * NOT protected: while a signature is computed, OpenSSL's copies are in ordinary memory (in no core file; the
 * process is hardened). OpenSSL's random generator, which the nonces come from, is there always. The worker keeps
 * the rights it was started with. */
#define _GNU_SOURCE
#include "signing_worker.h"

#include "openssl_key.h"

#include <errno.h>
#include <keepmum.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_SECONDS = 5, NUMBER_BYTES = offsetof(struct signing_answer, signature), NOT_DONE = 1 };

static bool fail(const char *what, const char *why)
{
        fprintf(stderr, "signing worker: %s: %s\n", what, why);
        return false;
}

/* ---- in the worker: the key, once ---- */

struct preparing {
        keepmum_secret pem, der;
        X509 *certificate;
        const char *why;
};

static int store_as_der(struct preparing *p, EVP_PKEY *key)
{
        int n_bytes = i2d_PrivateKey(key, NULL), err;
        void *bytes;
        unsigned char *at;

        if (n_bytes <= 0)
                return NOT_DONE;
        err = keepmum_create(&p->der, (size_t)n_bytes, 0);
        if (err == 0)
                err = keepmum_open_write(p->der, &bytes, NULL);
        if (err != 0)
                return err;
        at = bytes;
        n_bytes = i2d_PrivateKey(key, &at);
        keepmum_close(p->der);
        return n_bytes > 0 ? 0 : NOT_DONE;
}

static int prepare(void *arg)
{
        struct preparing *p = arg;
        char group[64];
        int err;
        EVP_PKEY *key = openssl_parse_key(p->pem, &err);

        if (err != 0)
                return err;
        if (key == NULL || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0)
                p->why = "not a P-256 key in PEM, without a passphrase";
        else if (X509_check_private_key(p->certificate, key) != 1)
                p->why = "not the certificate's key";
        else
                err = store_as_der(p, key);
        EVP_PKEY_free(key);
        return p->why != NULL ? NOT_DONE : err;
}

static X509 *read_certificate(const char *path)
{
        FILE *f = fopen(path, "re");
        X509 *certificate = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

        if (f == NULL)
                fail(path, strerror(errno));
        else if (certificate == NULL)
                fail(path, "not a certificate in PEM");
        if (f != NULL)
                fclose(f); /* only read from */
        return certificate;
}

static bool read_key(keepmum_secret *der, const char *certificate_path, const char *key_path)
{
        struct preparing p = {.certificate = read_certificate(certificate_path)};
        int err, result = 0;

        if (p.certificate == NULL || !openssl_read_key_file(&p.pem, key_path))
                return false;
        err = keepmum_call_clean(&result, prepare, &p, 0);
        keepmum_destroy(&p.pem);
        X509_free(p.certificate);
        if (err != 0 || result < 0)
                return fail(key_path, keepmum_error_text(err != 0 ? err : result));
        if (result != 0)
                return fail(key_path, p.why != NULL ? p.why : openssl_why());
        *der = p.der;
        return true;
}

/* ---- in the worker: a signature ---- */

struct signing {
        keepmum_secret key;
        const struct signing_request *request;
        size_t n_message, n_signature;
        unsigned char *signature;
};

static int sign(void *arg)
{
        struct signing *s = arg;
        const unsigned char *at;
        const void *bytes;
        size_t n_bytes, n_made = SIGNING_SIGNATURE_BYTES;
        int err = keepmum_open_read(s->key, &bytes, &n_bytes);

        if (err != 0)
                return err;
        at = bytes;
        EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)n_bytes);
        keepmum_close(s->key); /* OpenSSL has its own copy now: open no longer than that takes */
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        if (key != NULL && context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
            EVP_DigestSign(context, s->signature, &n_made, s->request->message, s->n_message) == 1)
                s->n_signature = n_made;
        EVP_MD_CTX_free(context);
        EVP_PKEY_free(key);
        return s->n_signature > 0 ? 0 : NOT_DONE;
}

static bool is_allowed(const struct signing_request *r, size_t n_message)
{
        return (n_message == SIGNING_PREFIX_BYTES + 32 || n_message == SIGNING_PREFIX_BYTES + 48) &&
               memcmp(r->message, SIGNING_PREFIX, SIGNING_PREFIX_BYTES) == 0;
}

/* n_bytes of the request, or as many as it had where that is more. Returns the length of the signature, 0 for none. */
static size_t answer_one(keepmum_secret key, const struct signing_request *r, size_t n_bytes, struct signing_answer *answer)
{
        struct signing s = {.key = key, .request = r, .n_message = n_bytes - NUMBER_BYTES, .signature = answer->signature};
        int err, result = 0;

        if (n_bytes < NUMBER_BYTES || n_bytes > sizeof *r || !is_allowed(r, s.n_message)) {
                fail("refused", "no proof of a TLS 1.3 server");
                return 0;
        }
        err = keepmum_call_clean(&result, sign, &s, 0);
        if (err != 0 || result < 0)
                fail("no signature", keepmum_error_text(err != 0 ? err : result));
        else if (result != 0)
                fail("no signature", openssl_why());
        return s.n_signature;
}

static int answer_all(keepmum_secret key, int socket)
{
        for (;;) {
                struct signing_request request = {.number = 0};
                struct signing_answer answer;
                ssize_t n_bytes = recv(socket, &request, sizeof request, MSG_TRUNC);
                size_t n_signature;

                if (n_bytes < 0 && errno == EINTR)
                        continue;
                if (n_bytes <= 0)
                        return n_bytes == 0 ? 0 : 1; /* the front is gone */
                n_signature = answer_one(key, &request, (size_t)n_bytes, &answer);
                answer.number = request.number;
                if (send(socket, &answer, NUMBER_BYTES + n_signature, MSG_NOSIGNAL) < 0)
                        return 1;
        }
}

static void on_end(int number)
{
        (void)number;
        keepmum_wipe_all(); /* the one call of keepmum that a handler may make */
        _exit(0);
}

static int work(const char *certificate_path, const char *key_path, int socket)
{
        struct sigaction action = {.sa_handler = on_end};
        int err = keepmum_harden_process(KEEPMUM_NO_NEW_PRIVS), status;
        keepmum_secret key;

        if (err != 0)
                return fail("the process is not hardened", keepmum_error_text(err)), 1;
        if (sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGINT, &action, NULL) != 0)
                return fail("signals", strerror(errno)), 1;
        if (!read_key(&key, certificate_path, key_path) ||
            send(socket, &(struct signing_answer){.number = 0}, NUMBER_BYTES, MSG_NOSIGNAL) < 0) /* ready */
                return 1;
        status = answer_all(key, socket);
        keepmum_destroy(&key);
        return status;
}

/* ---- in the front ---- */

/* The bytes of an answer; 0 when there is none, which has been said. */
static size_t receive(struct signing_worker *w, struct signing_answer *answer)
{
        ssize_t n_bytes;

        do
                n_bytes = recv(w->socket, answer, sizeof *answer, 0);
        while (n_bytes < 0 && errno == EINTR);
        if (n_bytes < 0)
                fail("no answer", errno == EAGAIN ? "it takes too long" : strerror(errno));
        else if (n_bytes < NUMBER_BYTES)
                fail("no answer", "it has ended");
        return n_bytes < NUMBER_BYTES ? 0 : (size_t)n_bytes;
}

bool signing_worker_start(struct signing_worker *w, const char *certificate_path, const char *key_path)
{
        struct timeval patience = {.tv_sec = ANSWER_SECONDS};
        struct signing_answer ready;
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                return fail("no socket", strerror(errno));
        *w = (struct signing_worker){.socket = ends[0], .pid = fork()};
        if (w->pid == 0) {
                close(ends[0]);
                _exit(work(certificate_path, key_path, ends[1]));
        }
        close(ends[1]);
        if (w->pid < 0 || setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
                fail("not started", strerror(errno));
        else if (receive(w, &ready) > 0 && setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0)
                return true;
        signing_worker_end(w);
        return false;
}

size_t signing_worker_sign(struct signing_worker *w, unsigned char signature[static SIGNING_SIGNATURE_BYTES], const void *message,
                           size_t n_message)
{
        struct signing_request request = {.number = ++w->n_requests};
        struct signing_answer answer;
        size_t n_bytes;

        if (n_message > sizeof request.message)
                return fail("no signature", "more than it signs"), 0;
        memcpy(request.message, message, n_message);
        if (send(w->socket, &request, NUMBER_BYTES + n_message, MSG_NOSIGNAL) < 0)
                return fail("no signature", strerror(errno)), 0;
        do
                n_bytes = receive(w, &answer);
        while (n_bytes > 0 && answer.number != request.number);
        if (n_bytes <= NUMBER_BYTES)
                return 0;
        memcpy(signature, answer.signature, n_bytes - NUMBER_BYTES);
        return n_bytes - NUMBER_BYTES;
}

bool signing_worker_end(struct signing_worker *w)
{
        int status = 1;

        close(w->socket);
        if (w->pid > 0)
                while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
                        ;
        w->pid = -1;
        return status == 0;
}

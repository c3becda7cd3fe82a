/* A front that was taken over, for check_examples: what the signing worker of examples/ refuses, what it signs, and what its other end does when
 * it is stopped or dead. Compiled with examples/signing_worker.c. Prints what it has seen, in words. */
#include "signing_worker.h"

#include "openssl_key.h"

#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HASH_BYTES = 32, PROOF_BYTES = SIGNING_PREFIX_BYTES + HASH_BYTES, HUGE_BYTES = 100000 };

_Static_assert(SIGNING_PREFIX_BYTES == 64 + 33 + 1, "RFC 8446, 4.4.3");

static unsigned char huge[HUGE_BYTES], proof[SIGNING_MESSAGE_BYTES + 1];
static struct signing_worker w;

static void want(int is_so, const char *what)
{
        if (!is_so) {
                fprintf(stderr, "hostile front: not so: %s\n", what);
                exit(1);
        }
        puts(what);
}

/* The answer to a raw packet: its length, number included. */
static ssize_t ask(const void *bytes, size_t n_bytes)
{
        struct signing_answer answer;

        if (send(w.socket, bytes, n_bytes, MSG_NOSIGNAL) != (ssize_t)n_bytes)
                return -1;
        return recv(w.socket, &answer, sizeof answer, 0);
}

static int is_refused(const void *message, size_t n_message)
{
        struct signing_request r = {.number = 7};

        memcpy(r.message, message, n_message);
        return ask(&r, offsetof(struct signing_request, message) + n_message) == offsetof(struct signing_answer, signature);
}

static int is_signed(EVP_PKEY *public, size_t n_message)
{
        unsigned char signature[SIGNING_SIGNATURE_BYTES];
        size_t n = signing_worker_sign(&w, signature, proof, n_message);
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        int is_good = n > 0 && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, public) == 1 &&
                      EVP_DigestVerify(c, signature, n, proof, n_message) == 1;

        EVP_MD_CTX_free(c);
        return is_good;
}

static void refuses(void)
{
        unsigned char other[PROOF_BYTES];

        want(is_refused("", 0), "refused: nothing");
        want(ask(huge, 1) == offsetof(struct signing_answer, signature), "refused: one byte");
        want(ask(huge, HUGE_BYTES) == offsetof(struct signing_answer, signature), "refused: 100,000 bytes");
        want(is_refused(huge, HASH_BYTES), "refused: a bare digest");
        want(is_refused(proof, PROOF_BYTES - 1) && is_refused(proof, PROOF_BYTES + 1), "refused: a byte less, a byte more");
        memcpy(other, proof, sizeof other);
        memcpy(other + 64, "TLS 1.3, client", 15);
        want(is_refused(other, sizeof other), "refused: the proof of a client");
        memcpy(huge, proof, sizeof proof);
        want(ask(huge, sizeof(struct signing_request) + 1) == offsetof(struct signing_answer, signature), "refused: one byte too many");
}

int main(int argc, char **argv)
{
        unsigned char signature[SIGNING_SIGNATURE_BYTES];
        FILE *f = argc == 3 ? fopen(argv[1], "re") : NULL;
        X509 *certificate;

        if (!openssl_use_wiping_heap() || f == NULL || (certificate = PEM_read_X509(f, NULL, NULL, NULL)) == NULL)
                return 2;
        fclose(f);
        memcpy(proof, SIGNING_PREFIX, SIGNING_PREFIX_BYTES);
        want(signing_worker_start(&w, argv[1], argv[2]), "started");
        refuses();
        EVP_PKEY *public = X509_get0_pubkey(certificate);
        want(is_signed(public, PROOF_BYTES) && is_signed(public, PROOF_BYTES + 16), "signed: proofs of this server");
        want(kill(w.pid, SIGSTOP) == 0 && signing_worker_sign(&w, signature, proof, PROOF_BYTES) == 0, "no answer while it is stopped");
        want(kill(w.pid, SIGCONT) == 0, "it goes on");
        proof[PROOF_BYTES - 1] ^= 1;
        want(is_signed(public, PROOF_BYTES), "the late answer is not taken for the next one");
        want(kill(w.pid, SIGKILL) == 0 && signing_worker_sign(&w, signature, proof, PROOF_BYTES) == 0 &&
                     signing_worker_sign(&w, signature, proof, PROOF_BYTES) == 0, "no answer, and no end, when it is dead");
        want(!signing_worker_end(&w), "its end is seen");
        X509_free(certificate);
        return 0;
}

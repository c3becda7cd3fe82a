/* A process that holds a P-256 private key and signs with it, and its other end. */
#ifndef SIGNING_WORKER_H
#define SIGNING_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a TLS 1.3 server signs (RFC 8446, 4.4.3): these bytes, then the hash of the handshake so far, 32 or 48 bytes. */
#define SIGNING_PREFIX                                                  \
        "                                "                              \
        "                                "                              \
        "TLS 1.3, server CertificateVerify"

enum {
        SIGNING_PREFIX_BYTES = sizeof SIGNING_PREFIX, /* its final zero counts */
        SIGNING_MESSAGE_BYTES = SIGNING_PREFIX_BYTES + 48,
        SIGNING_SIGNATURE_BYTES = 72 /* ECDSA on P-256, in DER, at most */
};

/* One packet each on a SOCK_SEQPACKET pair, cut to what is used of the last member. */
struct signing_request {
        uint32_t number; /* an answer that comes too late is known by it */
        unsigned char message[SIGNING_MESSAGE_BYTES];
};

struct signing_answer {
        uint32_t number;
        unsigned char signature[SIGNING_SIGNATURE_BYTES]; /* nothing of it: refused */
};

struct signing_worker {
        pid_t pid;
        int socket;
        uint32_t n_requests;
};

/* Forks the worker, which reads the key file: this process never does. To be called before it has threads or secrets. False when what went
 * wrong has been said. */
bool signing_worker_start(struct signing_worker *w, const char *certificate_path, const char *key_path);

/* The signature's length, or 0 when what went wrong has been said. */
size_t signing_worker_sign(struct signing_worker *w, unsigned char signature[static SIGNING_SIGNATURE_BYTES], const void *message,
                           size_t n_message);

/* The worker ends when its socket does. Whether it ended well. */
bool signing_worker_end(struct signing_worker *w);

#endif

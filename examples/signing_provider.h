/* An OpenSSL key whose private half is in a signing worker. */
#ifndef SIGNING_PROVIDER_H
#define SIGNING_PROVIDER_H

#include "signing_worker.h"

#include <openssl/x509.h>

/* The certificate's public half, to be given to OpenSSL as a private key. w must stay where it is, and serves one such key in a process. NULL:
 * openssl_why() knows. */
EVP_PKEY *signing_provider_key(X509 *certificate, struct signing_worker *w);

#endif

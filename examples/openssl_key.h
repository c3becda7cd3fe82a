/* OpenSSL on keepmum's heap, and a private key from a secret into OpenSSL. */
#ifndef OPENSSL_KEY_H
#define OPENSSL_KEY_H

#include <keepmum.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* Gives OpenSSL an allocator that zeroes what it frees. Before any other call of OpenSSL; false if there was one. */
bool openssl_use_wiping_heap(void);

/* Reads a file into a secret. Says what went wrong, and returns false, if it cannot. */
bool openssl_read_key_file(keepmum_secret *out, const char *path);

/* Parses a PEM private key that is not encrypted. To be called within a clean call. NULL: openssl_why() knows, or *err is a KEEPMUM_E... */
EVP_PKEY *openssl_parse_key(keepmum_secret pem, int *err);

/* OpenSSL's first error, in words. */
const char *openssl_why(void);

#endif

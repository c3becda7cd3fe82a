/* What both TLS servers need to bring a private key from a secret into OpenSSL.
 *
 * OpenSSL copies a key while it parses it - buffers, big numbers, its own form of the key - and not all of that is
 * cleared when it is freed. With keepmum's heap as its allocator everything is: what OpenSSL has freed is zero. What
 * it has not freed yet is in ordinary memory. What it had on the stack and in registers goes with the clean call
 * around it. */
#include "openssl_key.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum_heap.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FILE_BYTES = 1 << 16 };

static void *allocate(size_t n_bytes, const char *file, int line)
{
        (void)file, (void)line;
        return keepmum_heap_malloc(n_bytes);
}

static void release(void *block, const char *file, int line)
{
        (void)file, (void)line;
        keepmum_heap_free(block);
}

/* OpenSSL frees by a size of 0; where the block moves, the old one is zeroed. */
static void *resize(void *block, size_t n_bytes, const char *file, int line)
{
        if (n_bytes != 0)
                return keepmum_heap_realloc(block, n_bytes);
        release(block, file, line);
        return NULL;
}

bool openssl_use_wiping_heap(void)
{
        return CRYPTO_set_mem_functions(allocate, resize, release) == 1;
}

const char *openssl_why(void)
{
        unsigned long error = ERR_peek_error();
        const char *reason = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

        return reason != NULL ? reason : "OpenSSL does not say why";
}

bool openssl_read_key_file(keepmum_secret *out, const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC), err;

        if (fd < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                return false;
        }
        err = keepmum_read_fd(out, fd, MOST_FILE_BYTES, 0);
        if (err != 0)
                fprintf(stderr, "%s: %s\n", path, err == KEEPMUM_EIO ? strerror(errno) : keepmum_error_text(err));
        close(fd);
        return err == 0;
}

/* Without this OpenSSL would ask at the terminal for the passphrase of an encrypted key, into memory of its own. */
static int refuse_passphrase(char *buffer, int n_bytes, int is_writing, void *arg)
{
        (void)buffer, (void)n_bytes, (void)is_writing, (void)arg;
        return -1;
}

EVP_PKEY *openssl_parse_key(keepmum_secret pem, int *err)
{
        EVP_PKEY *key = NULL;
        const void *bytes;
        size_t n_bytes;
        BIO *in;

        *err = keepmum_open_read(pem, &bytes, &n_bytes);
        if (*err != 0)
                return NULL;
        in = BIO_new_mem_buf(bytes, (int)n_bytes); /* reads where the bytes stand */
        if (in != NULL)
                key = PEM_read_bio_PrivateKey(in, NULL, refuse_passphrase, NULL);
        BIO_free(in);
        keepmum_close(pem);
        return key;
}

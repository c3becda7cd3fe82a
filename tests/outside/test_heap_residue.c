/* Why the heap zeroes what is freed: a program that signs with a private key, in OpenSSL or libgcrypt on the heap, and frees the key
 * as their manuals say, has no byte of it in its memory any more; one that has the C library's malloc keeps copies.
 *
 * The program is this one, run again with the library and the heap it shall use. The key comes on standard input and is random. What
 * the functions left on the dead stack is not the heap's matter: the program wipes it. */
#include "outside/traced.h"

#include "unit/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <keepmum_heap.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { KEY_BYTES = 32, DEAD_STACK_BYTES = 512 * 1024 };

/* ---- the program that signs ---- */

static bool has_keepmum;

static void *allocate(size_t n_bytes)
{
        return has_keepmum ? keepmum_heap_malloc(n_bytes) : malloc(n_bytes);
}

static void *resize(void *p, size_t n_bytes)
{
        return has_keepmum ? keepmum_heap_realloc(p, n_bytes) : realloc(p, n_bytes);
}

static void release(void *p)
{
        if (has_keepmum)
                keepmum_heap_free(p);
        else
                free(p);
}

static void *allocate_at(size_t n_bytes, const char *file, int line)
{
        (void)file;
        (void)line;
        return allocate(n_bytes);
}

static void release_at(void *p, const char *file, int line)
{
        (void)file;
        (void)line;
        release(p);
}

static void *resize_at(void *p, size_t n_bytes, const char *file, int line)
{
        (void)file;
        (void)line;
        if (n_bytes != 0 || p == NULL)
                return resize(p, n_bytes);
        release(p);
        return NULL;
}

static int is_secure(const void *p)
{
        (void)p;
        return 0;
}

static void demand(bool is_so)
{
        if (!is_so)
                _exit(93);
}

/* The key also goes out as PEM and comes in again. */
static void sign_by_openssl(const unsigned char *secret)
{
        EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, KEY_BYTES), *read_back;
        BIO *pem = BIO_new(BIO_s_mem());
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        unsigned char signature[64];
        size_t n = sizeof signature;

        demand(PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1);
        demand((read_back = PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL)) != NULL);
        demand(EVP_DigestSignInit(c, NULL, NULL, NULL, read_back) == 1);
        demand(EVP_DigestSign(c, signature, &n, (const unsigned char *)"text", 4) == 1);
        EVP_MD_CTX_free(c);
        BIO_free(pem);
        EVP_PKEY_free(read_back);
        EVP_PKEY_free(key);
}

static void sign_by_gcrypt(const unsigned char *secret)
{
        gcry_sexp_t key, data, signature;
        size_t n;
        char *text;

        demand(gcry_sexp_build(&key, NULL, "(private-key (ecc (curve Ed25519) (flags eddsa) (d %b)))", KEY_BYTES, secret) == 0);
        demand(gcry_sexp_build(&data, NULL, "(data (flags eddsa) (hash-algo sha512) (value %s))", "text") == 0);
        demand(gcry_pk_sign(&signature, data, key) == 0);
        n = gcry_sexp_sprint(key, GCRYSEXP_FMT_ADVANCED, NULL, 0);
        demand((text = gcry_malloc(n)) != NULL && gcry_sexp_sprint(key, GCRYSEXP_FMT_ADVANCED, text, n) != 0);
        gcry_free(text);
        gcry_sexp_release(signature);
        gcry_sexp_release(data);
        gcry_sexp_release(key);
}

static __attribute__((noinline)) void read_and_sign(void (*sign)(const unsigned char *secret))
{
        unsigned char secret[KEY_BYTES];

        demand(read(STDIN_FILENO, secret, sizeof secret) == sizeof secret);
        sign(secret);
        OPENSSL_cleanse(secret, sizeof secret);
}

static __attribute__((noinline)) void wipe_dead_stack(void)
{
        volatile char frame[DEAD_STACK_BYTES];

        OPENSSL_cleanse((void *)(uintptr_t)frame, sizeof frame);
}

_Noreturn static void sign_and_end(bool is_openssl)
{
        demand(CRYPTO_set_mem_functions(allocate_at, resize_at, release_at) == 1);
        gcry_set_allocation_handler(allocate, allocate, is_secure, resize, release);
        demand(gcry_check_version(NULL) != NULL && gcry_control(GCRYCTL_DISABLE_SECMEM, 0) == 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
        read_and_sign(is_openssl ? sign_by_openssl : sign_by_gcrypt);
        wipe_dead_stack();
        if (has_keepmum)
                keepmum_heap_check();
        _exit(0);
}

/* ---- the one that looks ---- */

static size_t copies_left(const char *heap, const char *library)
{
        const char *const words[] = {"/proc/self/exe", heap, library, NULL};
        unsigned char secret[KEY_BYTES];
        struct findings f = {0};
        struct needle key;
        struct traced t;
        int in[2];

        assert_int_equal(getrandom(secret, sizeof secret, 0), sizeof secret);
        needle_make(&key, "the private key", secret, sizeof secret);
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(write(in[1], secret, sizeof secret), sizeof secret);
        traced_start(&t, words, &(struct traced_way){.in = in[0], .out = -1, .err = -1});
        close(in[0]);
        close(in[1]);
        traced_to_exit(&t);
        traced_scan(&f, &key, 1, &t, false);
        assert_int_equal(traced_end(&t), 0);
        assert_int_equal(f.unread_bytes, 0);
        if ((f.n_copies == 0) != (strcmp(heap, "keepmum") == 0))
                findings_show(&f, heap);
        return f.n_copies;
}

static void a_key_freed_by_gcrypt_is_gone_from_the_heap(void **state)
{
        (void)state;
        assert_true(copies_left("libc", "gcrypt") > 0); /* it would be seen */
        assert_int_equal(copies_left("keepmum", "gcrypt"), 0);
}

static void a_key_freed_by_openssl_is_gone_from_the_heap(void **state)
{
        (void)state;
        assert_true(copies_left("libc", "openssl") > 0);
        assert_int_equal(copies_left("keepmum", "openssl"), 0);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_freed_by_gcrypt_is_gone_from_the_heap),
        cmocka_unit_test(a_key_freed_by_openssl_is_gone_from_the_heap),
};

int main(int n_words, char **words)
{
        if (n_words == 3) {
                has_keepmum = strcmp(words[1], "keepmum") == 0;
                sign_and_end(strcmp(words[2], "openssl") == 0);
        }
        if (!traced_is_possible())
                return 77;
        alarm(120);
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

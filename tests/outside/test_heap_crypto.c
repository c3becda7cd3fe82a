/* The heap under two large libraries that let an application choose their memory: OpenSSL and libgcrypt do all their work on it, with
 * known answers and against each other; the heap is sound after each, and what they took comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

#include <gcrypt.h>
#include <keepmum_heap.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define n_of(array) (sizeof(array) / sizeof *(array))

/* ---- their memory ---- */

struct account {
        atomic_long n_taken, n_given;
};

static struct account of_openssl, of_gcrypt;

static long n_live(const struct account *a)
{
        return a->n_taken - a->n_given;
}

static void *take(struct account *a, size_t n_bytes)
{
        void *p = keepmum_heap_malloc(n_bytes);

        a->n_taken += p != NULL;
        return p;
}

static void give(struct account *a, void *p)
{
        a->n_given += p != NULL;
        keepmum_heap_free(p);
}

static void *take_for_openssl(size_t n_bytes, const char *file, int line)
{
        (void)file;
        (void)line;
        return take(&of_openssl, n_bytes);
}

static void give_for_openssl(void *p, const char *file, int line)
{
        (void)file;
        (void)line;
        give(&of_openssl, p);
}

/* OpenSSL means by a size of 0 what glibc does. */
static void *resize_for_openssl(void *p, size_t n_bytes, const char *file, int line)
{
        if (p == NULL)
                return take_for_openssl(n_bytes, file, line);
        if (n_bytes == 0) {
                give_for_openssl(p, file, line);
                return NULL;
        }
        return keepmum_heap_realloc(p, n_bytes);
}

static void *take_for_gcrypt(size_t n_bytes)
{
        return take(&of_gcrypt, n_bytes);
}

static void give_for_gcrypt(void *p)
{
        give(&of_gcrypt, p);
}

static int is_secure(const void *p)
{
        (void)p;
        return 0;
}

static void *resize_for_gcrypt(void *p, size_t n_bytes)
{
        return keepmum_heap_realloc(p, n_bytes);
}

static int start(void **state)
{
        (void)state;
        if (CRYPTO_set_mem_functions(take_for_openssl, resize_for_openssl, give_for_openssl) != 1)
                return -1;
        gcry_set_allocation_handler(take_for_gcrypt, take_for_gcrypt, is_secure, resize_for_gcrypt, give_for_gcrypt);
        if (gcry_check_version(NULL) == NULL || gcry_control(GCRYCTL_DISABLE_SECMEM, 0) != 0)
                return -1;
        return gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0) == 0 ? 0 : -1;
}

/* ---- known answers ---- */

struct bytes {
        size_t n;
        unsigned char at[128];
};

static struct bytes of_hex(const char *hex)
{
        struct bytes b = {0};
        unsigned byte;

        for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
                b.at[b.n++] = (unsigned char)byte;
        return b;
}

/* McGrew and Viega's test case 16 of GCM */
#define GCM_KEY "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define GCM_NONCE "cafebabefacedbaddecaf888"
#define GCM_MORE "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_PLAIN \
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define GCM_SEALED \
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" \
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
#define GCM_TAG "76fc6ece0f4e1768cddf8853bb2d551b"
/* RFC 4231, test case 2 */
#define HMAC_KEY "Jefe"
#define HMAC_TEXT "what do ya want for nothing?"
#define HMAC_SHA256 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
/* RFC 8032, 7.1, test 2 */
#define ED_SECRET "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define ED_PUBLIC "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define ED_TEXT "72"
#define ED_SIGNATURE \
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" \
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

static void assert_hex(const void *bytes, size_t n_bytes, const char *hex)
{
        struct bytes b = of_hex(hex);

        assert_int_equal(n_bytes, b.n);
        assert_memory_equal(bytes, b.at, b.n);
}

/* ---- OpenSSL ---- */

static void openssl_encrypts(void)
{
        struct bytes key = of_hex(GCM_KEY), nonce = of_hex(GCM_NONCE), more = of_hex(GCM_MORE);
        struct bytes plain = of_hex(GCM_PLAIN);
        unsigned char sealed[128], opened[128], tag[16];
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        int n = 0, end = 0;

        assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key.at, nonce.at), 1);
        assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, more.at, (int)more.n), 1);
        assert_int_equal(EVP_EncryptUpdate(c, sealed, &n, plain.at, (int)plain.n), 1);
        assert_int_equal(EVP_EncryptFinal_ex(c, sealed + n, &end), 1);
        assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, sizeof tag, tag), 1);
        assert_hex(sealed, (size_t)n, GCM_SEALED);
        assert_hex(tag, sizeof tag, GCM_TAG);
        assert_int_equal(EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key.at, nonce.at), 1);
        assert_int_equal(EVP_DecryptUpdate(c, NULL, &n, more.at, (int)more.n), 1);
        assert_int_equal(EVP_DecryptUpdate(c, opened, &n, sealed, (int)plain.n), 1);
        tag[3] ^= 1;
        assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, sizeof tag, tag), 1);
        assert_true(EVP_DecryptFinal_ex(c, opened + n, &end) <= 0);
        assert_memory_equal(opened, plain.at, plain.n);
        EVP_CIPHER_CTX_free(c);
}

static void openssl_authenticates(void)
{
        const unsigned char *text = (const unsigned char *)HMAC_TEXT;
        unsigned char code[EVP_MAX_MD_SIZE];
        unsigned n = 0;

        assert_non_null(HMAC(EVP_sha256(), HMAC_KEY, sizeof HMAC_KEY - 1, text, sizeof HMAC_TEXT - 1, code, &n));
        assert_hex(code, n, HMAC_SHA256);
}

static void openssl_signs_with(EVP_PKEY *key, const EVP_MD *digest, const struct bytes *text, unsigned char *signature,
                               size_t *n)
{
        EVP_MD_CTX *c = EVP_MD_CTX_new();

        assert_int_equal(EVP_DigestSignInit(c, NULL, digest, NULL, key), 1);
        assert_int_equal(EVP_DigestSign(c, signature, n, text->at, text->n), 1);
        EVP_MD_CTX_free(c);
}

static bool openssl_verifies(EVP_PKEY *key, const EVP_MD *digest, const struct bytes *text,
                             const unsigned char *signature, size_t n)
{
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        int is_right;

        assert_int_equal(EVP_DigestVerifyInit(c, NULL, digest, NULL, key), 1);
        is_right = EVP_DigestVerify(c, signature, n, text->at, text->n);
        EVP_MD_CTX_free(c);
        return is_right == 1;
}

static void openssl_signs_by_curve(void)
{
        struct bytes secret = of_hex(ED_SECRET), text = of_hex(ED_TEXT);
        EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret.at, secret.n);
        unsigned char signature[64];
        size_t n = sizeof signature;

        openssl_signs_with(key, NULL, &text, signature, &n);
        assert_hex(signature, n, ED_SIGNATURE);
        assert_true(openssl_verifies(key, NULL, &text, signature, n));
        signature[60] ^= 4;
        assert_false(openssl_verifies(key, NULL, &text, signature, n));
        EVP_PKEY_free(key);
}

/* Also through PEM, which allocates much. */
static void openssl_signs_by_rsa(void)
{
        struct bytes text = of_hex(GCM_PLAIN);
        EVP_PKEY *key = EVP_RSA_gen(2048), *read_back;
        BIO *pem = BIO_new(BIO_s_mem());
        unsigned char signature[256], words[] = "words";
        size_t n = sizeof signature;

        assert_non_null(key);
        openssl_signs_with(key, EVP_sha256(), &text, signature, &n);
        assert_int_equal(PEM_write_bio_PrivateKey(pem, key, EVP_aes_128_cbc(), words, 5, NULL, NULL), 1);
        EVP_PKEY_free(key);
        assert_non_null(read_back = PEM_read_bio_PrivateKey(pem, NULL, NULL, words));
        assert_true(openssl_verifies(read_back, EVP_sha256(), &text, signature, n));
        text.at[7] ^= 1;
        assert_false(openssl_verifies(read_back, EVP_sha256(), &text, signature, n));
        EVP_PKEY_free(read_back);
        BIO_free(pem);
}

static void openssl_certifies(void)
{
        EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
        X509 *certificate = X509_new(), *read_back;
        X509_NAME *name = X509_get_subject_name(certificate);
        unsigned char *der = NULL;
        const unsigned char *at, heap[] = "heap";
        int n;

        assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7), 1);
        assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400));
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, heap, -1, -1, 0), 1);
        assert_int_equal(X509_set_issuer_name(certificate, name), 1);
        assert_int_equal(X509_set_pubkey(certificate, key), 1);
        assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
        assert_true((n = i2d_X509(certificate, &der)) > 0);
        at = der;
        assert_non_null(read_back = d2i_X509(NULL, &at, n));
        assert_int_equal(X509_verify(read_back, key), 1);
        assert_int_equal(X509_verify(read_back, other), 0);
        OPENSSL_free(der);
        X509_free(read_back);
        X509_free(certificate);
        EVP_PKEY_free(key);
        EVP_PKEY_free(other);
}

/* ---- libgcrypt ---- */

static void gcrypt_encrypts(void)
{
        struct bytes key = of_hex(GCM_KEY), nonce = of_hex(GCM_NONCE), more = of_hex(GCM_MORE);
        struct bytes data = of_hex(GCM_PLAIN);
        unsigned char tag[16];
        gcry_cipher_hd_t c;

        assert_int_equal(gcry_cipher_open(&c, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, 0), 0);
        assert_int_equal(gcry_cipher_setkey(c, key.at, key.n), 0);
        assert_int_equal(gcry_cipher_setiv(c, nonce.at, nonce.n), 0);
        assert_int_equal(gcry_cipher_authenticate(c, more.at, more.n), 0);
        assert_int_equal(gcry_cipher_encrypt(c, data.at, data.n, NULL, 0), 0);
        assert_int_equal(gcry_cipher_gettag(c, tag, sizeof tag), 0);
        assert_hex(data.at, data.n, GCM_SEALED);
        assert_hex(tag, sizeof tag, GCM_TAG);
        gcry_cipher_close(c);
}

static void gcrypt_digests(void)
{
        unsigned char digest[32];
        gcry_md_hd_t md;

        gcry_md_hash_buffer(GCRY_MD_SHA256, digest, "abc", 3);
        assert_hex(digest, sizeof digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_int_equal(gcry_md_open(&md, GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC), 0);
        assert_int_equal(gcry_md_setkey(md, HMAC_KEY, sizeof HMAC_KEY - 1), 0);
        gcry_md_write(md, HMAC_TEXT, sizeof HMAC_TEXT - 1);
        assert_hex(gcry_md_read(md, GCRY_MD_SHA256), 32, HMAC_SHA256);
        gcry_md_close(md);
}

static void take_part(gcry_sexp_t whole, const char *name, unsigned char *bytes, size_t n_bytes)
{
        gcry_sexp_t part = gcry_sexp_find_token(whole, name, 0);
        size_t n = 0;
        const char *data = gcry_sexp_nth_data(part, 1, &n);

        assert_int_equal(n, n_bytes);
        memcpy(bytes, data, n);
        gcry_sexp_release(part);
}

/* OpenSSL takes libgcrypt's signature. */
static void gcrypt_signs_by_curve(void)
{
        struct bytes secret = of_hex(ED_SECRET), public = of_hex(ED_PUBLIC), text = of_hex(ED_TEXT);
        gcry_sexp_t key, data, signature;
        unsigned char bytes[64];
        EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public.at, public.n);

        assert_int_equal(gcry_sexp_build(&key, NULL, "(private-key (ecc (curve Ed25519) (flags eddsa) (q %b) (d %b)))",
                                         (int)public.n, public.at, (int)secret.n, secret.at), 0);
        assert_int_equal(gcry_sexp_build(&data, NULL, "(data (flags eddsa) (hash-algo sha512) (value %b))",
                                         (int)text.n, text.at), 0);
        assert_int_equal(gcry_pk_sign(&signature, data, key), 0);
        assert_int_equal(gcry_pk_verify(signature, data, key), 0);
        take_part(signature, "r", bytes, 32);
        take_part(signature, "s", bytes + 32, 32);
        assert_hex(bytes, sizeof bytes, ED_SIGNATURE);
        assert_true(openssl_verifies(theirs, NULL, &text, bytes, sizeof bytes));
        EVP_PKEY_free(theirs);
        gcry_sexp_release(signature);
        gcry_sexp_release(data);
        gcry_sexp_release(key);
}

static void gcrypt_signs_by_rsa(void)
{
        gcry_sexp_t wish, key, data, other, signature;
        unsigned char digest[32];

        gcry_md_hash_buffer(GCRY_MD_SHA256, digest, HMAC_TEXT, sizeof HMAC_TEXT - 1);
        assert_int_equal(gcry_sexp_build(&wish, NULL, "(genkey (rsa (nbits 4:2048) (transient-key)))"), 0);
        assert_int_equal(gcry_pk_genkey(&key, wish), 0);
        assert_int_equal(gcry_sexp_build(&data, NULL, "(data (flags pkcs1) (hash sha256 %b))", 32, digest), 0);
        assert_int_equal(gcry_pk_sign(&signature, data, key), 0);
        assert_int_equal(gcry_pk_verify(signature, data, key), 0);
        digest[5] ^= 1;
        assert_int_equal(gcry_sexp_build(&other, NULL, "(data (flags pkcs1) (hash sha256 %b))", 32, digest), 0);
        assert_int_equal(gcry_err_code(gcry_pk_verify(signature, other, key)), GPG_ERR_BAD_SIGNATURE);
        gcry_sexp_release(other);
        gcry_sexp_release(signature);
        gcry_sexp_release(data);
        gcry_sexp_release(key);
        gcry_sexp_release(wish);
}

/* base ^ exponent mod modulus, by both libraries, of 8 sizes up to 4096 bits. */
static void gcrypt_reckons_as_openssl_does(void)
{
        unsigned char bytes[3][512], ours[512], theirs[512];

        for (size_t n = 64; n <= sizeof ours; n += 64) {
                gcry_mpi_t m[3], result = gcry_mpi_new(0);
                BIGNUM *b[3], *expected = BN_new();
                BN_CTX *c = BN_CTX_new();
                size_t n_written = 0;

                gcry_create_nonce(bytes, sizeof bytes);
                bytes[2][0] |= 0x80;
                bytes[2][n - 1] |= 1;
                for (size_t i = 0; i < 3; i++) {
                        assert_int_equal(gcry_mpi_scan(&m[i], GCRYMPI_FMT_USG, bytes[i], n, NULL), 0);
                        assert_non_null(b[i] = BN_bin2bn(bytes[i], (int)n, NULL));
                }
                gcry_mpi_powm(result, m[0], m[1], m[2]);
                assert_int_equal(BN_mod_exp(expected, b[0], b[1], b[2], c), 1);
                assert_int_equal(gcry_mpi_print(GCRYMPI_FMT_USG, ours, sizeof ours, &n_written, result), 0);
                assert_int_equal(n_written, BN_bn2bin(expected, theirs));
                assert_memory_equal(ours, theirs, n_written);
                for (size_t i = 0; i < 3; i++) {
                        gcry_mpi_release(m[i]);
                        BN_free(b[i]);
                }
                gcry_mpi_release(result);
                BN_free(expected);
                BN_CTX_free(c);
        }
}

/* ---- the tests ---- */

/* What was taken comes back. The first time much is kept for good. */
static void do_often(void (*act)(void), const struct account *mine)
{
        long n_before = 0, n_taken = mine->n_taken;

        for (int i = 0; i < 4; i++) {
                act();
                OPENSSL_thread_stop(); /* else its list of errors, refused signatures, holds memory */
                if (i == 1)
                        n_before = n_live(mine);
        }
        assert_int_equal(n_live(mine), n_before);
        assert_true(mine->n_taken > n_taken);
        keepmum_heap_check();
}

#define OFTEN(act, mine)                        \
        static void act##_on_the_heap(void **state) \
        {                                       \
                (void)state;                    \
                do_often(act, mine);            \
        }

OFTEN(openssl_encrypts, &of_openssl)
OFTEN(openssl_authenticates, &of_openssl)
OFTEN(openssl_signs_by_curve, &of_openssl)
OFTEN(openssl_signs_by_rsa, &of_openssl)
OFTEN(openssl_certifies, &of_openssl)
OFTEN(gcrypt_encrypts, &of_gcrypt)
OFTEN(gcrypt_digests, &of_gcrypt)
OFTEN(gcrypt_signs_by_curve, &of_gcrypt)
OFTEN(gcrypt_signs_by_rsa, &of_gcrypt)
OFTEN(gcrypt_reckons_as_openssl_does, &of_gcrypt)

/* The last test: OpenSSL can end itself, libgcrypt cannot. */
static void openssl_gives_everything_back(void **state)
{
        (void)state;
        assert_true(of_openssl.n_taken > 10000);
        assert_true(of_gcrypt.n_taken > 10000);
        OPENSSL_cleanup();
        assert_int_equal(n_live(&of_openssl), 0);
        keepmum_heap_check();
        keepmum_heap_trim();
        keepmum_heap_check();
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_encrypts_on_the_heap),
        cmocka_unit_test(openssl_authenticates_on_the_heap),
        cmocka_unit_test(openssl_signs_by_curve_on_the_heap),
        cmocka_unit_test(openssl_signs_by_rsa_on_the_heap),
        cmocka_unit_test(openssl_certifies_on_the_heap),
        cmocka_unit_test(gcrypt_encrypts_on_the_heap),
        cmocka_unit_test(gcrypt_digests_on_the_heap),
        cmocka_unit_test(gcrypt_signs_by_curve_on_the_heap),
        cmocka_unit_test(gcrypt_signs_by_rsa_on_the_heap),
        cmocka_unit_test(gcrypt_reckons_as_openssl_does_on_the_heap),
        cmocka_unit_test(openssl_gives_everything_back),
};

int main(void)
{
        alarm(200);
        return cmocka_run_group_tests(tests, start, NULL) != 0 ? 1 : 0;
}

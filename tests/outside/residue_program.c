/* A program that uses a key once the way its arguments say, and stops; then it aborts. What is left of the key in it is looked for by
 * test_residue. Built twice: bound lazily, and bound at once.
 *
 * The key comes on standard input, from the kernel straight into guarded memory: a secret's page, or sodium_malloc()'s. There the kernel
 * overwrites it before the stop, so that every copy there is has been left behind, and registers stand as they were left. OpenSSL gets a free() that wipes, as the manual of
 * CRYPTO_set_mem_functions lets an application do. */
#include "outside/residue_ops.h"

#include <fcntl.h>
#include <keepmum.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 64, OUT_BYTES = 512, STORM_US = 100, ALTERNATE_BYTES = 64 << 10 };

static unsigned char out[OUT_BYTES], message[MESSAGE_BYTES];

struct key {
        unsigned char *bytes;
        size_t n_bytes;
};

/* ---- what is done; 0 where it was ---- */

static int sodium_sign(const struct key *k)
{
        return crypto_sign_detached(out, NULL, message, sizeof message, k->bytes);
}

static int sodium_secretbox(const struct key *k)
{
        return crypto_secretbox_easy(out, message, sizeof message, message, k->bytes);
}

static int sodium_pwhash(const struct key *k)
{
        return crypto_pwhash(out, 32, (const char *)k->bytes, k->n_bytes, message, 1, 1 << 20, crypto_pwhash_ALG_ARGON2ID13);
}

static int sodium_hmac(const struct key *k)
{
        return crypto_auth_hmacsha256(out, message, sizeof message, k->bytes);
}

static int openssl_gcm(const struct key *k)
{
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        int n, is_done = EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, k->bytes, message) == 1 &&
                         EVP_EncryptUpdate(c, out, &n, message, sizeof message) == 1 && EVP_EncryptFinal_ex(c, out + n, &n) == 1;

        EVP_CIPHER_CTX_free(c);
        return !is_done;
}

static int openssl_hmac(const struct key *k)
{
        unsigned n;

        return HMAC(EVP_sha256(), k->bytes, (int)k->n_bytes, message, sizeof message, out, &n) == NULL;
}

static int sign_by_openssl(EVP_PKEY *key, const EVP_MD *digest)
{
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        size_t n = sizeof out;
        int is_done = EVP_DigestSignInit(c, NULL, digest, NULL, key) == 1 && EVP_DigestSign(c, out, &n, message, sizeof message) == 1;

        EVP_MD_CTX_free(c);
        EVP_PKEY_free(key);
        return !is_done;
}

static int openssl_ed25519(const struct key *k)
{
        return sign_by_openssl(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k->bytes, k->n_bytes), NULL);
}

static int openssl_rsa(const struct key *k)
{
        const unsigned char *at = k->bytes; /* moved by d2i */

        return sign_by_openssl(d2i_AutoPrivateKey(NULL, &at, (long)k->n_bytes), EVP_sha256());
}

static int glue(const struct key *k)
{
        unsigned char mine[RESIDUE_KEY_BYTES];

        memcpy(mine, k->bytes, sizeof mine);
        return crypto_auth_hmacsha256(out, message, sizeof message, mine);
}

/* Vector registers that little else uses. */
static int registers(const struct key *k)
{
#if defined __x86_64__
        __asm__ volatile("movdqu (%0), %%xmm9\n\tmovdqu 16(%0), %%xmm14" : : "r"(k->bytes) : "xmm9", "xmm14");
        if (__builtin_cpu_supports("avx512vl"))
                __asm__ volatile("vmovdqu64 (%0), %%ymm19\n\tvmovdqu64 (%0), %%ymm27" : : "r"(k->bytes));
#elif defined __aarch64__
        __asm__ volatile("ldr q19, [%0]\n\tldr q27, [%0, 16]" : : "r"(k->bytes) : "v19", "v27");
#endif
        return 0;
}

static int stdio(const struct key *k)
{
        FILE *f = fopen("/dev/null", "w");
        int err = f == NULL || fwrite(k->bytes, 1, k->n_bytes, f) != k->n_bytes;

        return err != 0 || fclose(f) != 0;
}

static int (*const ops[])(const struct key *k) = {
#define OP(name, title) [OP_##name] = name,
        RESIDUE_OPS(OP)
#undef OP
};

static int (*op)(const struct key *k);

static int do_op(void *key)
{
        return op(key);
}

/* ---- OpenSSL's memory ---- */

static void *wiping_malloc(size_t n, const char *file, int line)
{
        size_t *p = n != 0 ? malloc(n + 16) : NULL;

        (void)file;
        (void)line;
        if (p == NULL)
                return NULL;
        *p = n;
        return p + 2;
}

static void wiping_free(void *p, const char *file, int line)
{
        (void)file;
        (void)line;
        if (p == NULL)
                return;
        explicit_bzero(p, ((size_t *)p)[-2]);
        free((size_t *)p - 2);
}

static void *wiping_realloc(void *p, size_t n, const char *file, int line)
{
        void *other = wiping_malloc(n, file, line);

        if (p != NULL && other != NULL)
                memcpy(other, p, ((size_t *)p)[-2] < n ? ((size_t *)p)[-2] : n);
        if (other != NULL || n == 0)
                wiping_free(p, file, line);
        return other;
}

/* ---- signals ---- */

static volatile sig_atomic_t n_caught;

static void on_signal(int number)
{
        (void)number;
        n_caught = n_caught + 1;
}

static void start_signals(enum residue_signals signals)
{
        struct itimerval storm = {{0, STORM_US}, {0, STORM_US}}, once = {{0, 0}, {0, 5000}};
        struct sigaction action = {.sa_handler = on_signal};
        stack_t alternate = {.ss_size = ALTERNATE_BYTES};

        if (signals == STORM_ON_ALTERNATE_STACK) {
                alternate.ss_sp = malloc(ALTERNATE_BYTES);
                sigaltstack(&alternate, NULL);
                action.sa_flags = SA_ONSTACK;
        }
        sigaction(SIGALRM, &action, NULL);
        sigaction(SIGUSR1, &action, NULL);
        if (signals != NO_SIGNAL)
                setitimer(ITIMER_REAL, signals == ONE_SIGNAL ? &once : &storm, NULL);
}

static double now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- the whole ---- */

/* Once, or again and again while signals come. */
static void use(struct key *k, enum residue_way way, enum residue_signals signals)
{
        double end = now_ms() + (signals == NO_SIGNAL ? 0 : 12);
        int failed = 0;

        start_signals(signals);
        do {
                if (way == IN_CLEAN_CALL) {
                        if (keepmum_call_clean(&failed, do_op, k, 0) != 0)
                                exit(3);
                } else {
                        failed = do_op(k);
                }
                if (failed)
                        exit(4);
        } while (now_ms() < end);
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
}

/* The kernel writes the zeroes: what stands in registers stays there. */
static void let_the_kernel_wipe(struct key *k)
{
        int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

        if (read(fd, k->bytes, k->n_bytes) != (ssize_t)k->n_bytes)
                exit(6);
}

static void use_secret(enum residue_way way, enum residue_signals signals)
{
        keepmum_secret s;
        struct key k;
        void *bytes;

        if (keepmum_read_fd(&s, STDIN_FILENO, RESIDUE_MAX_BYTES, 0) != 0 || keepmum_open_write(s, &bytes, &k.n_bytes) != 0)
                exit(5);
        k.bytes = bytes;
        use(&k, way, signals);
        let_the_kernel_wipe(&k);
}

static void use_sodium_memory(enum residue_way way, enum residue_signals signals)
{
        struct key k = {.bytes = sodium_malloc(RESIDUE_MAX_BYTES)};
        ssize_t n;

        while ((n = read(STDIN_FILENO, k.bytes + k.n_bytes, RESIDUE_MAX_BYTES - k.n_bytes)) > 0)
                k.n_bytes += (size_t)n;
        use(&k, way, signals);
        let_the_kernel_wipe(&k);
}

int main(int argc, char **argv)
{
        struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
        enum residue_way way;

        if (argc != 4 || sodium_init() < 0 || CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) != 1)
                return 2;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_DUMPABLE, 1);
        if (setrlimit(RLIMIT_CORE, &unlimited) != 0)
                return 2;
        op = ops[atoi(argv[1])];
        way = (enum residue_way)atoi(argv[2]);
        if (way == IN_PLAIN_CALL_OF_SODIUM)
                use_sodium_memory(way, (enum residue_signals)atoi(argv[3]));
        else
                use_secret(way, (enum residue_signals)atoi(argv[3]));
        raise(SIGSTOP);
        abort();
}

/* Signs with an Ed25519 key that is held in keepmum; libsodium does the arithmetic.
 *
 *      sign_ed25519 generate KEYFILE               makes a key, prints its public half
 *      sign_ed25519 sign KEYFILE <MESSAGE          prints the signature
 *      sign_ed25519 verify PUBLIC SIGNATURE <MESSAGE
 *
 * Shown: a key that only ever stands in a secret, from the kernel's random bytes or the file to the signature. It is
 * open for the one call that reads it, and what libsodium leaves on its stack and in registers goes with the clean
 * call. The file holds the seed alone: libsodium's own 64 bytes hold the public half too, and a signature made with
 * a public half that belongs to another seed gives the key away.
 *
 * NOT protected: the key file. It is plain, and as well kept as its directory, its disk and the kernel's page cache.
 * The message and the signature are public here.
 *
 *      cc sign_ed25519.c $(pkg-config --cflags --libs keepmum) -lsodium */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_MESSAGE_BYTES = 1 << 20 };

static unsigned char message[MOST_MESSAGE_BYTES + 1]; /* one more, to see what is too long */

static int fail(const char *what, const char *why)
{
        fprintf(stderr, "sign_ed25519: %s: %s\n", what, why);
        return 1;
}

/* keepmum's errors have a sentence; where the kernel had a say, errno says more. */
static int fail_keepmum(const char *what, int err)
{
        return fail(what, err == KEEPMUM_EIO || err == KEEPMUM_ESYSTEM ? strerror(errno) : keepmum_error_text(err));
}

/* ---- work on the key, each as one clean call: 0 or a KEEPMUM_E... ---- */

struct work {
        keepmum_secret seed, key; /* key: libsodium's form of it, both halves */
        unsigned char public[crypto_sign_PUBLICKEYBYTES], signature[crypto_sign_BYTES];
        size_t n_message;
};

/* From the seed, whose size was looked at before. */
static int expand(void *arg)
{
        struct work *w = arg;
        const void *seed;
        void *key;
        int err = keepmum_open_read(w->seed, &seed, NULL);

        if (err != 0)
                return err;
        err = keepmum_open_write(w->key, &key, NULL);
        if (err == 0) {
                crypto_sign_seed_keypair(w->public, key, seed);
                keepmum_close(w->key);
        }
        keepmum_close(w->seed);
        return err;
}

static int sign(void *arg)
{
        struct work *w = arg;
        const void *key;
        int err = keepmum_open_read(w->key, &key, NULL);

        if (err != 0)
                return err;
        crypto_sign_detached(w->signature, NULL, message, w->n_message, key);
        keepmum_close(w->key);
        return 0;
}

static int call_clean(int (*fn)(void *), struct work *w)
{
        int result = 0, err = keepmum_call_clean(&result, fn, w, 0);

        return err != 0 ? err : result;
}

/* Makes w->key and w->public from w->seed. */
static int make_key(struct work *w)
{
        int err = keepmum_create(&w->key, crypto_sign_SECRETKEYBYTES, 0);

        return err == 0 ? call_clean(expand, w) : err;
}

/* ---- the commands ---- */

static void print_hex(const unsigned char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                printf("%02x", bytes[i]);
        putchar('\n');
}

static int finish_output(void)
{
        return fflush(stdout) == 0 ? 0 : fail("standard output", strerror(errno));
}

/* The message is public: stdio may have copies of it. */
static int read_message(size_t *n_bytes)
{
        *n_bytes = fread(message, 1, sizeof message, stdin);
        if (ferror(stdin))
                return fail("the message", strerror(errno));
        return *n_bytes <= MOST_MESSAGE_BYTES ? 0 : fail("the message", "longer than 1 MiB");
}

/* A new file of the user's own, or none: never over another key, and nothing is left of a half-written one. */
static int write_key_file(keepmum_secret seed, const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err;

        if (fd < 0)
                return fail(path, strerror(errno));
        err = keepmum_write_fd(seed, fd);
        if (err == 0 && fsync(fd) != 0)
                err = KEEPMUM_EIO;
        if (err != 0) {
                fail_keepmum(path, err);
                unlink(path);
        }
        close(fd);
        return err != 0;
}

static int generate(char **args)
{
        struct work w = {.n_message = 0};
        int err = keepmum_create(&w.seed, crypto_sign_SEEDBYTES, 0);

        if (err == 0)
                err = keepmum_fill_random(w.seed);
        if (err == 0)
                err = make_key(&w);
        if (err != 0)
                return fail_keepmum("no new key", err);
        if (write_key_file(w.seed, args[0]) != 0)
                return 1;
        print_hex(w.public, sizeof w.public);
        return finish_output();
}

static int read_key_file(keepmum_secret *seed, const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC), err;
        size_t n_bytes = 0;

        if (fd < 0)
                return fail(path, strerror(errno));
        err = keepmum_read_fd(seed, fd, crypto_sign_SEEDBYTES, 0);
        close(fd);
        if (err == 0)
                err = keepmum_size(*seed, &n_bytes);
        if (err != 0 && err != KEEPMUM_ETOOBIG)
                return fail_keepmum(path, err);
        return err == 0 && n_bytes == crypto_sign_SEEDBYTES ? 0 : fail(path, "not a key of 32 bytes");
}

static int print_signature(char **args)
{
        struct work w = {.n_message = 0};
        int err;

        if (read_message(&w.n_message) != 0 || read_key_file(&w.seed, args[0]) != 0)
                return 1;
        err = make_key(&w);
        keepmum_destroy(&w.seed); /* not needed any more: what is not there cannot be read */
        if (err == 0)
                err = call_clean(sign, &w);
        keepmum_destroy(&w.key);
        if (err != 0)
                return fail_keepmum("no signature", err);
        /* A signature that a failing processor got wrong can give the key away: it is not let out. */
        if (crypto_sign_verify_detached(w.signature, message, w.n_message, w.public) != 0)
                return fail("the signature", "computed wrongly");
        print_hex(w.signature, sizeof w.signature);
        return finish_output();
}

static bool read_hex(unsigned char *bytes, size_t n_bytes, const char *text)
{
        return strlen(text) == 2 * n_bytes && sodium_hex2bin(bytes, n_bytes, text, 2 * n_bytes, NULL, NULL, NULL) == 0;
}

static int verify(char **args)
{
        struct work w = {.n_message = 0};

        if (!read_hex(w.public, sizeof w.public, args[0]))
                return fail("the public key", "not 64 hexadecimal digits");
        if (!read_hex(w.signature, sizeof w.signature, args[1]))
                return fail("the signature", "not 128 hexadecimal digits");
        if (read_message(&w.n_message) != 0)
                return 1;
        if (crypto_sign_verify_detached(w.signature, message, w.n_message, w.public) != 0)
                return fail("the signature", "not of this key for this message");
        puts("good");
        return finish_output();
}

static int run(int argc, char **argv)
{
        int err = keepmum_harden_process(0); /* before there is a key: no core, no ptrace by the same user */

        if (err != 0)
                return fail_keepmum("the process is not hardened", err);
        if (sodium_init() < 0)
                return fail("libsodium", "it does not start");
        if (argc == 3 && strcmp(argv[1], "generate") == 0)
                return generate(argv + 2);
        if (argc == 3 && strcmp(argv[1], "sign") == 0)
                return print_signature(argv + 2);
        if (argc == 4 && strcmp(argv[1], "verify") == 0)
                return verify(argv + 2);
        fputs("usage: sign_ed25519 generate KEYFILE | sign KEYFILE <MESSAGE | verify PUBLIC SIGNATURE <MESSAGE\n", stderr);
        return 2;
}

int main(int argc, char **argv)
{
        int status = run(argc, argv);

        keepmum_wipe_all(); /* whatever was left, on whatever way it came here */
        return status;
}

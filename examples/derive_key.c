/* Asks for a passphrase, derives a key from it with Argon2id, and keeps a file under that key; libsodium does the
 * arithmetic.
 *
 *      derive_key seal FILE <CONTENTS       asks twice, writes FILE
 *      derive_key open FILE >CONTENTS       asks, writes the contents out, all of them or none
 *
 * Shown: the passphrase is typed straight into a secret, the key is derived into another, and the contents stand in
 * a third: each is open only for the call that needs it, and destroyed right after it. The work on them is done in
 * clean calls.
 *
 *      FILE = salt (16) | nonce (24) | contents, encrypted (XChaCha20-Poly1305) | tag (16)
 *
 * The salt is no secret. It is beside the contents because the same passphrase must give the same key when they are
 * opened again, and another key in another file.
 *
 * NOT protected: Argon2id's working memory, 256 MiB that libsodium asks the kernel for and gives back at once. It is
 * computed from the passphrase, not locked, and may reach swap. The contents' length shows. What the terminal and
 * the pipes keep is the kernel's.
 *
 *      cc derive_key.c $(pkg-config --cflags --libs keepmum) -lsodium */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
        SALT_BYTES = crypto_pwhash_SALTBYTES,
        NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
        TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
        KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
        MOST_CONTENTS_BYTES = 1 << 16,
        FIRST_BYTES = SALT_BYTES + NONCE_BYTES,
        MOST_PASSPHRASE_BYTES = 1024,
        COULD_NOT_DERIVE = 1, /* beside the KEEPMUM_E..., which are negative */
        DOES_NOT_OPEN = 2
};

/* The file as it is, then its length. */
struct sealed {
        unsigned char salt[SALT_BYTES], nonce[NONCE_BYTES];
        unsigned char bytes[MOST_CONTENTS_BYTES + TAG_BYTES];
        size_t n_bytes; /* of bytes, tag included */
};

struct work {
        keepmum_secret passphrase, key, contents;
        struct sealed *sealed;
};

_Static_assert(offsetof(struct sealed, bytes) == FIRST_BYTES, "nothing stands between them");

static int fail(const char *what, const char *why)
{
        fprintf(stderr, "derive_key: %s: %s\n", what, why);
        return 1;
}

/* keepmum's errors have a sentence; where the kernel had a say, errno says more. */
static int fail_keepmum(const char *what, int err)
{
        return fail(what, err == KEEPMUM_EIO || err == KEEPMUM_ESYSTEM ? strerror(errno) : keepmum_error_text(err));
}

/* ---- what touches a secret's bytes, each as one clean call ---- */

static int derive(void *arg)
{
        struct work *w = arg;
        const void *passphrase;
        size_t n_passphrase;
        void *key;
        int err = keepmum_open_read(w->passphrase, &passphrase, &n_passphrase);

        if (err != 0)
                return err;
        err = keepmum_open_write(w->key, &key, NULL);
        if (err == 0) {
                if (crypto_pwhash(key, KEY_BYTES, passphrase, n_passphrase, w->sealed->salt, crypto_pwhash_OPSLIMIT_MODERATE,
                                  crypto_pwhash_MEMLIMIT_MODERATE, crypto_pwhash_ALG_ARGON2ID13) != 0)
                        err = COULD_NOT_DERIVE;
                keepmum_close(w->key);
        }
        keepmum_close(w->passphrase);
        return err;
}

static int encrypt(void *arg)
{
        struct work *w = arg;
        struct sealed *to = w->sealed;
        const void *key, *contents;
        unsigned long long n_made;
        size_t n_contents;
        int err = keepmum_open_read(w->key, &key, NULL);

        if (err != 0)
                return err;
        err = keepmum_open_read(w->contents, &contents, &n_contents);
        if (err == 0) {
                crypto_aead_xchacha20poly1305_ietf_encrypt(to->bytes, &n_made, contents, n_contents, NULL, 0, NULL, to->nonce, key);
                to->n_bytes = (size_t)n_made;
                keepmum_close(w->contents);
        }
        keepmum_close(w->key);
        return err;
}

static int decrypt(void *arg)
{
        struct work *w = arg;
        const struct sealed *from = w->sealed;
        const void *key;
        void *contents;
        int err = keepmum_open_read(w->key, &key, NULL);

        if (err != 0)
                return err;
        err = keepmum_open_write(w->contents, &contents, NULL);
        if (err == 0) {
                if (crypto_aead_xchacha20poly1305_ietf_decrypt(contents, NULL, NULL, from->bytes, from->n_bytes, NULL, 0, from->nonce,
                                                               key) != 0)
                        err = DOES_NOT_OPEN;
                keepmum_close(w->contents);
        }
        keepmum_close(w->key);
        return err;
}

static int call_clean(int (*fn)(void *), struct work *w)
{
        int result = 0, err = keepmum_call_clean(&result, fn, w, 0);

        return err != 0 ? err : result;
}

/* ---- asking ---- */

static int ask(keepmum_secret *out, const char *prompt)
{
        int err = keepmum_prompt(out, prompt, MOST_PASSPHRASE_BYTES, 0);

        return err == 0 ? 0 : fail_keepmum("no passphrase", err);
}

static int ask_twice(keepmum_secret *out)
{
        keepmum_secret again;
        bool equal = false;
        int err;

        if (ask(out, "Passphrase: ") != 0 || ask(&again, "The same again: ") != 0)
                return 1;
        err = keepmum_equal(*out, again, &equal);
        keepmum_destroy(&again);
        if (err != 0)
                return fail_keepmum("no passphrase", err);
        return equal ? 0 : fail("no passphrase", "the two are different");
}

/* Makes the key, and ends the passphrase. */
static int make_key(struct work *w)
{
        int err = keepmum_create(&w->key, KEY_BYTES, 0);

        if (err == 0)
                err = call_clean(derive, w);
        keepmum_destroy(&w->passphrase);
        if (err == COULD_NOT_DERIVE)
                return fail("no key", "Argon2id needs 256 MiB of memory");
        return err == 0 ? 0 : fail_keepmum("no key", err);
}

/* ---- the file: nothing in it is plain ---- */

static bool write_all(int fd, const unsigned char *bytes, size_t n_bytes)
{
        while (n_bytes > 0) {
                ssize_t n = write(fd, bytes, n_bytes);

                if (n < 0 && errno != EINTR)
                        return false;
                bytes += n > 0 ? n : 0;
                n_bytes -= n > 0 ? (size_t)n : 0;
        }
        return fsync(fd) == 0;
}

/* A new file, or none: nothing is written over, and nothing is left of a half-written one. */
static int write_file(const struct sealed *s, const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), status = 0;

        if (fd < 0)
                return fail(path, strerror(errno));
        if (!write_all(fd, (const unsigned char *)s, FIRST_BYTES + s->n_bytes)) {
                status = fail(path, strerror(errno));
                unlink(path);
        }
        close(fd);
        return status;
}

static int read_file(struct sealed *s, const char *path)
{
        FILE *f = fopen(path, "re");
        size_t n_bytes;
        bool is_whole;

        if (f == NULL)
                return fail(path, strerror(errno));
        n_bytes = fread(s, 1, FIRST_BYTES + sizeof s->bytes, f);
        is_whole = n_bytes > FIRST_BYTES + TAG_BYTES && fgetc(f) == EOF && !ferror(f);
        fclose(f); /* only read from */
        s->n_bytes = is_whole ? n_bytes - FIRST_BYTES : 0;
        return is_whole ? 0 : fail(path, "not a file that derive_key has sealed");
}

/* ---- the commands ---- */

static int seal(struct sealed *s, const char *path)
{
        struct work w = {.sealed = s};
        int err = keepmum_read_fd(&w.contents, STDIN_FILENO, MOST_CONTENTS_BYTES, 0);

        if (err != 0)
                return fail_keepmum("the contents", err);
        randombytes_buf(s->salt, SALT_BYTES);
        randombytes_buf(s->nonce, NONCE_BYTES);
        if (ask_twice(&w.passphrase) != 0 || make_key(&w) != 0)
                return 1;
        err = call_clean(encrypt, &w);
        keepmum_destroy(&w.key);
        keepmum_destroy(&w.contents);
        return err == 0 ? write_file(s, path) : fail_keepmum(path, err);
}

static int open_sealed(struct sealed *s, const char *path)
{
        struct work w = {.sealed = s};
        int err;

        if (read_file(s, path) != 0 || ask(&w.passphrase, "Passphrase: ") != 0 || make_key(&w) != 0)
                return 1;
        err = keepmum_create(&w.contents, s->n_bytes - TAG_BYTES, 0);
        if (err == 0)
                err = call_clean(decrypt, &w);
        keepmum_destroy(&w.key);
        if (err == 0)
                err = keepmum_write_fd(w.contents, STDOUT_FILENO);
        keepmum_destroy(&w.contents);
        if (err == DOES_NOT_OPEN)
                return fail(path, "wrong passphrase, or the file was changed");
        return err == 0 ? 0 : fail_keepmum(path, err);
}

static int run(int argc, char **argv)
{
        static struct sealed sealed;
        int err = keepmum_harden_process(0); /* before anything is typed: no core, no ptrace by the same user */

        if (err != 0)
                return fail_keepmum("the process is not hardened", err);
        if (sodium_init() < 0)
                return fail("libsodium", "it does not start");
        if (argc == 3 && strcmp(argv[1], "seal") == 0)
                return seal(&sealed, argv[2]);
        if (argc == 3 && strcmp(argv[1], "open") == 0)
                return open_sealed(&sealed, argv[2]);
        fputs("usage: derive_key seal FILE <CONTENTS | open FILE >CONTENTS\n", stderr);
        return 2;
}

int main(int argc, char **argv)
{
        int status = run(argc, argv);

        keepmum_wipe_all(); /* whatever was left, on whatever way it came here */
        return status;
}

/* What the tests of the vault share: a directory of their own, a key file instead of a passphrase, files as bytes. */
#ifndef VAULT_TESTING_H
#define VAULT_TESTING_H

#include <errno.h>
#include <fcntl.h>
#include <keepmum_vault.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NONE ((keepmum_secret){0})

struct place {
        char dir[64], vault[80], state[80], other[80];
        keepmum_secret key_file, wrong;
};

struct bytes {
        unsigned char *p;
        size_t n;
};

static inline keepmum_secret secret_of(const char *text)
{
        keepmum_secret s;
        char copy[256];

        strcpy(copy, text);
        assert_int_equal(keepmum_take(&s, copy, strlen(text), 0), 0);
        return s;
}

static inline void remove_tree(const char *dir)
{
        char command[128];

        snprintf(command, sizeof command, "rm -rf '%s'", dir);
        assert_int_equal(system(command), 0);
}

static inline int place_make(void **state)
{
        static struct place p;
        const char *tmp = getenv("VAULT_TEST_DIR");

        snprintf(p.dir, sizeof p.dir, "%s/keepmum-vault-XXXXXX", tmp != NULL ? tmp : "/tmp");
        assert_non_null(mkdtemp(p.dir));
        snprintf(p.vault, sizeof p.vault, "%s/v", p.dir);
        snprintf(p.other, sizeof p.other, "%s/other", p.dir);
        snprintf(p.state, sizeof p.state, "%s/state", p.dir);
        p.key_file = secret_of("0123456789 contents of a key file 0123456789");
        p.wrong = secret_of("0123456789 contents of another file 0123456789");
        *state = &p;
        return 0;
}

static inline int place_remove(void **state)
{
        struct place *p = *state;

        keepmum_destroy(&p->key_file);
        keepmum_destroy(&p->wrong);
        remove_tree(p->dir);
        return 0;
}

static inline void expect_secret(keepmum_vault *v, const char *name, const char *text)
{
        const void *bytes;
        size_t n_bytes;
        keepmum_secret s;

        assert_int_equal(keepmum_vault_get(v, name, &s), 0);
        assert_int_equal(keepmum_open_read(s, &bytes, &n_bytes), 0);
        assert_int_equal(n_bytes, strlen(text));
        assert_memory_equal(bytes, text, n_bytes);
        keepmum_close(s);
        keepmum_destroy(&s);
}

static inline int add(keepmum_vault *v, const char *name, const char *text)
{
        keepmum_secret s = *text == '\0' ? NONE : secret_of(text);
        int err = keepmum_vault_add(v, name, s, NULL, NULL, NULL);

        if (s.bits != 0)
                keepmum_destroy(&s);
        return err;
}

static inline keepmum_vault *begin(const struct place *p)
{
        keepmum_vault *v;

        assert_int_equal(keepmum_vault_create(&v, p->vault, NULL, NONE, p->key_file), 0);
        return v;
}

static inline int try_open(keepmum_vault **v, const struct place *p)
{
        return keepmum_vault_open(v, p->vault, NULL, NONE, p->key_file, 0);
}

static inline keepmum_vault *reopen(const struct place *p)
{
        keepmum_vault *v;

        assert_int_equal(try_open(&v, p), 0);
        return v;
}

static inline struct bytes slurp(const char *path)
{
        struct stat st;
        struct bytes b;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        b.n = (size_t)st.st_size;
        b.p = malloc(b.n + 1);
        assert_non_null(b.p);
        assert_int_equal(read(fd, b.p, b.n), (ssize_t)b.n);
        close(fd);
        return b;
}

/* In place: the same inode, as a crash or a thief with a hex editor would leave it. */
static inline void spill(const char *path, const void *bytes, size_t n_bytes)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n_bytes), (ssize_t)n_bytes);
        close(fd);
}

/* The child makes its own key: handles of the parent are not for it. */
static inline pid_t child_that_runs(int (*fn)(const struct place *p, int number), const struct place *p, int number)
{
        pid_t child = fork();

        if (child == 0) {
                struct place here = *p;

                here.key_file = secret_of("0123456789 contents of a key file 0123456789");
                _exit(fn(&here, number));
        }
        assert_true(child > 0);
        return child;
}

#define test(f) cmocka_unit_test_setup_teardown(f, place_make, place_remove)

#endif

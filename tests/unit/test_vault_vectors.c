/* The vaults of tests/vectors, which were made from docs/vault-format.md without this library: it must find in them
 * what their texts say, and go on writing in them. TEST_VECTORS names their directory. */
#include "vault_testing.h"

#ifndef TEST_VECTORS
#define TEST_VECTORS "tests/vectors"
#endif

/* The checkout may be writable by a group: a private copy. */
static void fetch(const struct place *p, const char *name)
{
        const char *dir = getenv("TEST_VECTORS");
        char path[512];
        struct bytes b;

        snprintf(path, sizeof path, "%s/%s.vault", dir != NULL ? dir : TEST_VECTORS, name);
        b = slurp(path);
        spill(p->vault, b.p, b.n);
        free(b.p);
}

static struct bytes text_of_vector(const char *name)
{
        const char *dir = getenv("TEST_VECTORS");
        char path[512];
        struct bytes b;

        snprintf(path, sizeof path, "%s/%s.txt", dir != NULL ? dir : TEST_VECTORS, name);
        b = slurp(path);
        b.p[b.n] = '\0';
        return b;
}

static void expect_hex(keepmum_vault *v, const char *name, const char *hex)
{
        const unsigned char *bytes;
        const void *opened;
        size_t n_bytes;
        keepmum_secret s;
        char two[3];

        if (strcmp(hex, "empty") == 0) {
                assert_int_equal(keepmum_vault_get(v, name, &s), KEEPMUM_EEMPTY);
                return;
        }
        assert_int_equal(keepmum_vault_get(v, name, &s), 0);
        assert_int_equal(keepmum_open_read(s, &opened, &n_bytes), 0);
        bytes = opened;
        assert_int_equal(strlen(hex), 2 * n_bytes);
        for (size_t i = 0; i < n_bytes; i++) {
                snprintf(two, sizeof two, "%02x", bytes[i]);
                assert_memory_equal(two, hex + 2 * i, 2);
        }
        keepmum_close(s);
        keepmum_destroy(&s);
}

/* One line of the text: entry, name, user, url, tags, added, changed, secret. */
static void expect_entry(keepmum_vault *v, size_t number, char *line)
{
        char *fields[8] = {strtok(line, "\t")};
        int64_t added = 0, changed = 0;

        for (int i = 1; i < 8; i++)
                assert_non_null(fields[i] = strtok(NULL, "\t"));
        for (unsigned i = 0; i < 4; i++) {
                const char *want = i > 0 && strcmp(fields[1 + i], "-") == 0 ? "" : fields[1 + i];

                assert_string_equal(keepmum_vault_text(v, number, (enum keepmum_vault_text)i), want);
        }
        keepmum_vault_times(v, number, &added, &changed);
        assert_int_equal(added, strtoll(fields[5], NULL, 10));
        assert_int_equal(changed, strtoll(fields[6], NULL, 10));
        expect_hex(v, fields[1], fields[7]);
}

static void expect_entries(keepmum_vault *v, const char *name)
{
        struct bytes text = text_of_vector(name);
        char *next, *line = (char *)text.p;
        size_t n = 0;

        for (; line != NULL && *line != '\0'; line = next) {
                next = strchr(line, '\n');
                if (next != NULL)
                        *next++ = '\0';
                if (strncmp(line, "entry\t", 6) == 0)
                        expect_entry(v, n++, line);
        }
        assert_true(n > 0);
        assert_int_equal(keepmum_vault_count(v), n);
        free(text.p);
}

static keepmum_secret secret_named(const char *vector, const char *name)
{
        struct bytes text = text_of_vector(vector);
        char label[32], *at;
        keepmum_secret s;

        snprintf(label, sizeof label, "\n%s\t", name);
        assert_non_null(at = strstr((char *)text.p, label));
        at += strlen(label);
        *strchr(at, '\n') = '\0';
        s = secret_of(at);
        free(text.p);
        return s;
}

static void vault_reads_and_continues_the_vector_with_a_key_file(void **state)
{
        const struct place *p = *state;
        keepmum_secret key_file = secret_named("key_file", "key_file"),
                       passphrase = secret_named("key_file", "passphrase");
        keepmum_vault *v;

        fetch(p, "key_file");
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, key_file, 0), 0);
        assert_int_equal(keepmum_vault_warnings(v), 0);
        expect_entries(v, "key_file");
        assert_int_equal(add(v, "one more", "secret"), 0);
        assert_int_equal(keepmum_vault_remove(v, "one more"), 0);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, key_file, 0), 0);
        expect_entries(v, "key_file");
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, p->wrong, 0), KEEPMUM_EWRONGKEY);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, passphrase, NONE, 0),
                         KEEPMUM_ELOCKED); /* slots of kind 3 are not tried */
        keepmum_destroy(&key_file);
        keepmum_destroy(&passphrase);
}

static void vault_reads_the_vector_with_a_passphrase(void **state)
{
        const struct place *p = *state;
        keepmum_secret passphrase = secret_named("passphrase", "passphrase");
        keepmum_vault *v;

        fetch(p, "passphrase");
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, passphrase, NONE, 0), 0);
        expect_entries(v, "passphrase");
        keepmum_vault_close(v);
        keepmum_destroy(&passphrase);
}

static void vault_reads_the_vector_with_a_torn_tail(void **state)
{
        const struct place *p = *state;
        keepmum_secret key_file = secret_named("torn", "key_file");
        keepmum_vault *v;

        fetch(p, "torn");
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, key_file, 0), 0);
        assert_int_equal(keepmum_vault_warnings(v), KEEPMUM_VAULT_TORN_TAIL);
        expect_entries(v, "torn");
        keepmum_vault_close(v);
        keepmum_destroy(&key_file);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_reads_and_continues_the_vector_with_a_key_file),
                test(vault_reads_the_vector_with_a_passphrase),
                test(vault_reads_the_vector_with_a_torn_tail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

/* Looking at this process's own memory: after a vault has been made, written, read and closed, no readable page
 * holds eight bytes in a row of a secret, of the passphrase or of a key. The needles are kept masked, so that the
 * test does not find itself. */
#include "vault_testing.h"

#include "vault/vault.h"
#include "vault/vault_keys.h"

#include <sys/mman.h>

#if defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_OTHER_MEMORY 1
#endif
#elif defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define HAS_OTHER_MEMORY 1
#endif
#ifndef HAS_OTHER_MEMORY
#define HAS_OTHER_MEMORY 0 /* sanitizers move locals off the stack and keep freed memory: nothing to learn there */
#endif

#define MASK 0x5ac3a53c96f00f69u

enum { MAX_NEEDLES = 64, BUFFER_BYTES = 1 << 20 };

static uint64_t needles[MAX_NEEDLES];
static size_t n_needles;
static unsigned char *buffer;

static void remember(const unsigned char *bytes, size_t n_bytes)
{
        for (size_t at = 0; at + 8 <= n_bytes; at += 8) {
                uint64_t word;

                memcpy(&word, bytes + at, 8);
                assert_true(n_needles < MAX_NEEDLES);
                needles[n_needles++] = word ^ MASK;
        }
}

static size_t count_in(const unsigned char *bytes, size_t n_bytes)
{
        size_t n = 0;

        for (size_t at = 0; at + 8 <= n_bytes; at++) {
                uint64_t word;

                memcpy(&word, bytes + at, 8);
                word ^= MASK;
                for (size_t i = 0; i < n_needles; i++)
                        n += word == needles[i];
        }
        return n;
}

/* Copies of any needle in what this process may read; *where names the last mapping that has one. */
static size_t count_copies(char *where, size_t where_bytes)
{
        FILE *maps = fopen("/proc/self/maps", "re");
        int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
        size_t n_found = 0;
        char line[512];

        assert_true(maps != NULL && mem >= 0);
        while (fgets(line, sizeof line, maps) != NULL) {
                unsigned long from, to;
                char may_read;

                assert_int_equal(sscanf(line, "%lx-%lx %c", &from, &to, &may_read), 3);
                if (may_read != 'r' || (from <= (unsigned long)buffer && (unsigned long)buffer < to))
                        continue;
                for (; from < to; from += BUFFER_BYTES - 8) {
                        size_t n_wanted = to - from < BUFFER_BYTES ? to - from : BUFFER_BYTES;
                        ssize_t n = pread(mem, buffer, n_wanted, (off_t)from);
                        size_t n_here = n < 0 ? 0 : count_in(buffer, (size_t)n);

                        if (n_here > 0)
                                snprintf(where, where_bytes, "%s", line);
                        n_found += n_here;
                        if (n_wanted < BUFFER_BYTES)
                                break;
                }
        }
        fclose(maps);
        close(mem);
        return n_found;
}

static void expect_no_copy(void)
{
        char where[512] = "";
        size_t n = count_copies(where, sizeof where);

        if (n > 0)
                fail_msg("%zu copies, the last in %s", n, where);
}

/* Random bytes that nobody but this secret and the needles know. */
static keepmum_secret unknown_secret(size_t n_bytes)
{
        const void *bytes;
        keepmum_secret s;

        assert_int_equal(keepmum_create(&s, n_bytes, 0), 0);
        assert_int_equal(keepmum_fill_random(s), 0);
        assert_int_equal(keepmum_open_read(s, &bytes, NULL), 0);
        remember(bytes, n_bytes);
        keepmum_close(s);
        return s;
}

static void remember_keys(const keepmum_vault *v)
{
        const struct vault_keys *k;

        assert_int_equal(vault_keys_open(v->now.keys, &k), 0);
        remember((const unsigned char *)k, sizeof *k);
        keepmum_close(v->now.keys);
}

static void use_a_vault(const struct place *p, keepmum_secret passphrase, keepmum_secret key_file,
                        keepmum_secret secret)
{
        keepmum_secret out;
        keepmum_vault *v;
        bool is_equal = false;

        assert_int_equal(keepmum_vault_create(&v, p->vault, p->state, passphrase, key_file), 0);
        remember_keys(v);
        assert_int_equal(keepmum_vault_add(v, "a", secret, NULL, NULL, NULL), 0);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, p->state, passphrase, NONE, 0), 0);
        expect_no_copy(); /* while it is open, too */
        assert_int_equal(keepmum_vault_get(v, "a", &out), 0);
        assert_int_equal(keepmum_equal(out, secret, &is_equal), 0);
        assert_true(is_equal);
        keepmum_destroy(&out);
        assert_int_equal(keepmum_vault_rename(v, "a", "b"), 0);
        assert_int_equal(keepmum_vault_get(v, "b", &out), 0);
        keepmum_destroy(&out);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, p->state, NONE, key_file, 0), 0);
        keepmum_vault_close(v);
}

static void vault_leaves_no_copy_of_a_secret_or_a_key(void **state)
{
        const struct place *p = *state;
        keepmum_secret passphrase = unknown_secret(24), key_file = unknown_secret(64), secret = unknown_secret(48);

        expect_no_copy();
        use_a_vault(p, passphrase, key_file, secret);
        expect_no_copy();
        keepmum_destroy(&passphrase);
        keepmum_destroy(&key_file);
        keepmum_destroy(&secret);
        expect_no_copy();
}

/* The looking itself must be able to find something. */
static void residue_of_a_careless_copy_is_found(void **state)
{
        keepmum_secret s = unknown_secret(16);
        const void *bytes;
        unsigned char *copy = malloc(16);
        char where[512];

        (void)state;
        assert_int_equal(keepmum_open_read(s, &bytes, NULL), 0);
        memcpy(copy, bytes, 16);
        __asm__ volatile("" : : "r"(copy) : "memory"); /* a compiler may leave out a copy that nobody reads */
        keepmum_close(s);
        assert_true(count_copies(where, sizeof where) >= 2);
        memset(copy, 0, 16);
        __asm__ volatile("" : : "r"(copy) : "memory");
        free(copy);
        keepmum_destroy(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(residue_of_a_careless_copy_is_found),
                test(vault_leaves_no_copy_of_a_secret_or_a_key),
        };

        if (HAS_OTHER_MEMORY)
                return 77;
        buffer = mmap(NULL, BUFFER_BYTES + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (buffer == MAP_FAILED)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

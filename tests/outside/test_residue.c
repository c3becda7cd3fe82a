/* The residue table, docs/residue.md: what is left of a key, in the process and in its core, after it was used in a plain call and in a clean
 * one. Each row uses a key of its own, which comes from here by a pipe; residue_program does the work, bound lazily and at once, without
 * signals and with them.
 *
 * The column of clean calls is what is promised: it must be as the page says, or this fails. The other columns are the control. With the
 * argument "table" the rows of the page are printed. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/memory_scan.h"
#include "outside/residue_ops.h"
#include "outside/sandbox.h"
#include "outside/traced.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { BINDINGS = 2, MOST_LINE = 512 };

static const char *const titles[] = {
#define TITLE(name, title) [OP_##name] = title,
        RESIDUE_OPS(TITLE)
#undef TITLE
};

static const char *const programs[BINDINGS] = {"tests/outside/residue_lazy", "tests/outside/residue_now"};
static char program_paths[BINDINGS][4096];
static char directory[] = "/tmp/keepmum-residue.XXXXXX";

/* ---- the keys, and what to look for ---- */

static struct {
        unsigned char bytes[RESIDUE_MAX_BYTES];
        size_t n_bytes;
        struct needle needles[NEEDLES_AT_ONCE];
        size_t n_needles;
} key;

static void look_also_for(const char *label, const void *bytes, size_t n_bytes)
{
        if (key.n_needles == NEEDLES_AT_ONCE)
                abort();
        needle_make(&key.needles[key.n_needles++], label, bytes, n_bytes < NEEDLE_MAX_BYTES ? n_bytes : NEEDLE_MAX_BYTES);
}

static void reverse(unsigned char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes / 2; i++) {
                unsigned char c = bytes[i];

                bytes[i] = bytes[n_bytes - 1 - i];
                bytes[n_bytes - 1 - i] = c;
        }
}

static void look_for_both_ways(const char *label, unsigned char *bytes, size_t n_bytes)
{
        look_also_for(label, bytes, n_bytes);
        reverse(bytes, n_bytes);
        look_also_for(label, bytes, n_bytes);
}

static void make_random_key(void)
{
        key.n_bytes = RESIDUE_KEY_BYTES;
        randombytes_buf(key.bytes, key.n_bytes);
        look_also_for("key", key.bytes, key.n_bytes);
}

/* The seed, and what is made of it: the scalar and the prefix. */
static void look_for_ed25519(void)
{
        unsigned char hash[64];

        crypto_hash_sha512(hash, key.bytes, RESIDUE_KEY_BYTES);
        look_also_for("prefix", hash + 32, 32);
        look_also_for("hash of the seed", hash, 32);
        hash[0] &= 248;
        hash[31] = (unsigned char)((hash[31] & 63) | 64);
        look_also_for("scalar", hash + 8, 24); /* 16 bytes of it are those of the hash */
}

static void look_for_hmac(void)
{
        unsigned char pad[RESIDUE_KEY_BYTES];

        for (unsigned outer = 0; outer < 2; outer++) {
                for (size_t i = 0; i < sizeof pad; i++)
                        pad[i] = key.bytes[i] ^ (outer ? 0x5c : 0x36);
                look_also_for(outer ? "outer pad" : "inner pad", pad, sizeof pad);
        }
}

/* The key that secretbox makes of the key and the nonce, here sixteen zeroes of it. */
static void look_for_secretbox(void)
{
        unsigned char zero[16] = {0}, subkey[32];

        crypto_core_hsalsa20(subkey, zero, key.bytes, NULL);
        look_also_for("subkey", subkey, sizeof subkey);
}

/* Round keys as libsodium expands them (where it can), and the key of GHASH. */
static void look_for_gcm(void)
{
        crypto_aead_aes256gcm_state state;
        unsigned char zero[16] = {0}, h[32];
        EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
        int n;

        if (crypto_aead_aes256gcm_is_available() && crypto_aead_aes256gcm_beforenm(&state, key.bytes) == 0) {
                look_also_for("round keys", (unsigned char *)&state + 32, 104);
                look_also_for("round keys", (unsigned char *)&state + 136, 104);
        }
        if (EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, key.bytes, NULL) != 1 || EVP_EncryptUpdate(c, h, &n, zero, sizeof zero) != 1)
                abort();
        EVP_CIPHER_CTX_free(c);
        look_for_both_ways("GHASH key", h, 16);
}

static void make_rsa_key(void)
{
        static const char *const parts[] = {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
                                            OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
        EVP_PKEY *k = EVP_RSA_gen(2048);
        unsigned char *at = key.bytes, number[512];
        int n = i2d_PrivateKey(k, NULL);

        if (n <= 0 || (size_t)n > sizeof key.bytes || i2d_PrivateKey(k, &at) != n)
                abort();
        key.n_bytes = (size_t)n;
        for (size_t i = 0; i < n_of(parts); i++) {
                BIGNUM *part = NULL;

                if (EVP_PKEY_get_bn_param(k, parts[i], &part) != 1)
                        abort();
                n = BN_bn2bin(part, number);
                look_for_both_ways(parts[i], number, (size_t)n);
                BN_clear_free(part);
        }
        EVP_PKEY_free(k);
}

static void make_key(enum residue_op op)
{
        unsigned char public_key[32];

        key.n_needles = 0;
        if (op == OP_openssl_rsa) {
                make_rsa_key();
                return;
        }
        make_random_key();
        if (op == OP_sodium_sign || op == OP_openssl_ed25519)
                look_for_ed25519();
        if (op == OP_sodium_hmac || op == OP_openssl_hmac || op == OP_glue)
                look_for_hmac();
        if (op == OP_openssl_gcm)
                look_for_gcm();
        if (op == OP_sodium_secretbox)
                look_for_secretbox();
        if (op == OP_sodium_sign) { /* its secret key is the seed and the public key, which is none */
                unsigned char seed[32];

                memcpy(seed, key.bytes, 32);
                crypto_sign_seed_keypair(public_key, key.bytes, seed);
                key.n_bytes = 64;
        }
}

/* ---- one use ---- */

/* What is left: whole copies, and pieces of at least eight bytes. */
struct residue {
        size_t whole, pieces, core_whole, core_pieces;
};

static size_t pieces_of(const struct findings *f)
{
        return f->n_copies - f->of[FORM_WHOLE];
}

static void scan_core(struct findings *f)
{
        DIR *d = opendir(directory);
        struct dirent *e;

        while ((e = readdir(d)) != NULL) {
                char path[512];
                int fd;

                if (strncmp(e->d_name, "core", 4) != 0)
                        continue;
                snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
                if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
                        scan_file(f, key.needles, key.n_needles, fd, "core");
                        close(fd);
                }
                unlink(path);
        }
        closedir(d);
}

static _Noreturn void become(int key_fd, unsigned binding, enum residue_op op, enum residue_way way, enum residue_signals signals)
{
        static const struct sandbox_rule none_hidden = {SYS_memfd_secret, -1, 0, ENOSYS}; /* to be looked at from outside */
        char words[3][16];

        snprintf(words[0], sizeof words[0], "%d", (int)op);
        snprintf(words[1], sizeof words[1], "%d", (int)way);
        snprintf(words[2], sizeof words[2], "%d", (int)signals);
        dup2(key_fd, STDIN_FILENO);
        sandbox_answer(&none_hidden, 1);
        if (chdir(directory) == 0)
                execl(program_paths[binding], "residue", words[0], words[1], words[2], (char *)NULL);
        _exit(95);
}

static int open_in_proc(pid_t pid, const char *name)
{
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
        return open(path, O_RDONLY | O_CLOEXEC);
}

static void scan_stopped(struct findings *f, pid_t pid)
{
        int mem = open_in_proc(pid, "mem"), smaps = open_in_proc(pid, "smaps");

        assert_true(mem >= 0 && smaps >= 0);
        scan_process(f, key.needles, key.n_needles, mem, smaps, false);
        close(mem);
        close(smaps);
}

static struct residue residue_of(unsigned binding, enum residue_op op, enum residue_way way, enum residue_signals signals)
{
        struct findings memory = {0}, core = {0};
        int p[2], status;
        pid_t pid;

        assert_ok(pipe2(p, O_CLOEXEC));
        fflush(NULL);
        pid = fork();
        if (pid == 0)
                become(p[0], binding, op, way, signals);
        close(p[0]);
        assert_int_equal(write(p[1], key.bytes, key.n_bytes), key.n_bytes);
        close(p[1]);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        if (!WIFSTOPPED(status))
                print_error("the program ended with %#x before it stopped\n", (unsigned)status);
        assert_true(WIFSTOPPED(status));
        scan_stopped(&memory, pid);
        kill(pid, SIGCONT);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        scan_core(&core);
        assert_true(core.read_bytes > 10000 && memory.read_bytes > 1000000 && memory.hidden_bytes == 0);
        if (way == IN_CLEAN_CALL && op != OP_stdio && memory.n_copies + core.n_copies > 0) {
                findings_show(&memory, "memory");
                findings_show(&core, "core");
        }
        return (struct residue){memory.of[FORM_WHOLE], pieces_of(&memory), core.of[FORM_WHOLE], pieces_of(&core)};
}

/* ---- a row ---- */

static size_t larger(size_t a, size_t b)
{
        return a > b ? a : b;
}

static void take_most(struct residue *most, const struct residue *r)
{
        most->whole = larger(most->whole, r->whole);
        most->pieces = larger(most->pieces, r->pieces);
        most->core_whole = larger(most->core_whole, r->core_whole);
        most->core_pieces = larger(most->core_pieces, r->core_pieces);
}

enum column { PLAIN, PLAIN_WITH_SIGNALS, SODIUM_MEMORY, CLEAN, COLUMNS };

static enum column column_of(enum residue_way way, enum residue_signals signals)
{
        if (way == IN_PLAIN_CALL)
                return signals == NO_SIGNAL ? PLAIN : PLAIN_WITH_SIGNALS;
        return way == IN_CLEAN_CALL ? CLEAN : SODIUM_MEMORY;
}

static struct residue row[COLUMNS];
static size_t n_left_by_plain_calls;

/* Every way of one operation; the most that was found in each column. */
static void fill_row(enum residue_op op)
{
        memset(row, 0, sizeof row);
        make_key(op);
        for (unsigned binding = 0; binding < BINDINGS; binding++)
                for (unsigned way = 0; way < RESIDUE_WAYS; way++)
                        for (unsigned signals = 0; signals < RESIDUE_SIGNALS; signals++) {
                                struct residue r;

                                if (way == IN_PLAIN_CALL_OF_SODIUM && (signals == ONE_SIGNAL || signals == SIGNAL_STORM))
                                        continue;
                                r = residue_of(binding, op, way, signals);
                                take_most(&row[column_of(way, signals)], &r);
                        }
        for (unsigned c = 0; c < CLEAN; c++)
                n_left_by_plain_calls += row[c].whole + row[c].pieces + row[c].core_whole + row[c].core_pieces;
}

/* "1 + 5, 2 + 6" */
static void print_cell(char *text, size_t text_bytes, const struct residue *r)
{
        snprintf(text, text_bytes, "%zu + %zu, %zu + %zu", r->whole, r->pieces, r->core_whole, r->core_pieces);
}

static void print_row(enum residue_op op)
{
        printf("| %s |", titles[op]);
        for (unsigned c = 0; c < COLUMNS; c++) {
                char cell[64];

                print_cell(cell, sizeof cell, &row[c]);
                printf(" %s |", cell);
        }
        printf("\n");
}

/* ---- the page ---- */

static FILE *open_page(void)
{
        const char *source = getenv("srcdir");
        char path[4096];

        snprintf(path, sizeof path, "%s/docs/residue.md", source != NULL ? source : ".");
        return fopen(path, "r");
}

/* The last cell of the operation's row. */
static bool read_page(char cell[static MOST_LINE], enum residue_op op)
{
        FILE *f = open_page();
        char line[MOST_LINE], wanted[MOST_LINE];
        bool is_found = false;

        assert_non_null(f);
        snprintf(wanted, sizeof wanted, "| %s | ", titles[op]);
        while (!is_found && fgets(line, sizeof line, f) != NULL) {
                char *at = line + strlen(wanted);

                if (strncmp(line, wanted, strlen(wanted)) != 0)
                        continue;
                for (unsigned c = 0; c < CLEAN; c++)
                        at = strstr(at, " | ") != NULL ? strstr(at, " | ") + 3 : at;
                snprintf(cell, MOST_LINE, "%.*s", (int)(strstr(at, " |") != NULL ? strstr(at, " |") - at : 0), at);
                is_found = true;
        }
        fclose(f);
        return is_found;
}

static void a_clean_call_leaves_what_the_page_says(void **state)
{
        enum residue_op op = (enum residue_op)(uintptr_t)*state;
        char cell[64], wanted[MOST_LINE];

        fill_row(op);
        print_cell(cell, sizeof cell, &row[CLEAN]);
        assert_true(read_page(wanted, op));
        if (op != OP_stdio) { /* what is promised, whatever the page says */
                assert_string_equal(cell, "0 + 0, 0 + 0");
                assert_string_equal(wanted, cell);
        } else {
                assert_true(row[CLEAN].whole + row[CLEAN].pieces > 0);
                assert_string_not_equal(wanted, "0 + 0, 0 + 0");
        }
}

static void plain_calls_leave_much(void **state)
{
        (void)state;
        assert_true(n_left_by_plain_calls >= RESIDUE_N_OPS);
}

/* ---- the whole ---- */

static void find_programs(void)
{
        for (unsigned i = 0; i < BINDINGS; i++)
                if (realpath(programs[i], program_paths[i]) == NULL)
                        forked_skip_all("residue_program is not there");
}

static bool cores_are_written_here(void)
{
        char pattern[256] = "";
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
        struct rlimit limit;
        bool is_here = f != NULL && fgets(pattern, sizeof pattern, f) != NULL && strncmp(pattern, "core", 4) == 0 && strchr(pattern, '/') == NULL;

        if (f != NULL)
                fclose(f);
        return is_here && getrlimit(RLIMIT_CORE, &limit) == 0 && (limit.rlim_max == RLIM_INFINITY || geteuid() == 0);
}

int main(int argc, char **argv)
{
        struct CMUnitTest tests[RESIDUE_N_OPS + 1];
        int n_failed = 0;

        if (IS_SANITIZED || !traced_is_possible())
                return 77;
        if (!cores_are_written_here())
                forked_skip_all("the machine sends core files elsewhere, or forbids them");
        find_programs();
        if (sodium_init() < 0 || mkdtemp(directory) == NULL)
                return 99;
        if (argc == 2 && strcmp(argv[1], "table") == 0) {
                for (unsigned op = 0; op < RESIDUE_N_OPS; op++) {
                        fill_row(op);
                        print_row(op);
                }
        } else {
                for (unsigned op = 0; op < RESIDUE_N_OPS; op++)
                        tests[op] = (struct CMUnitTest){titles[op], a_clean_call_leaves_what_the_page_says, NULL, NULL, (void *)(uintptr_t)op};
                tests[RESIDUE_N_OPS] = (struct CMUnitTest)cmocka_unit_test(plain_calls_leave_much);
                n_failed = cmocka_run_group_tests(tests, NULL, NULL);
        }
        rmdir(directory);
        return n_failed != 0 ? 1 : 0;
}

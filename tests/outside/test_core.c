/* Core files: a program that keeps a key in the library and aborts leaves no copy of it behind; one that keeps it in malloc does. The
 * key comes by a pipe from the kernel straight into the secret's page; what a caller's own registers keep is not the library's. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { KEY_BYTES = 32 };

static volatile unsigned seed; /* fresh in each run */
static char directory[] = "/tmp/keepmum-core.XXXXXX";

/* ---- the program that ends ---- */

enum keeping { IN_MALLOC, CLOSED, OPEN, OPEN_FOR_WRITING, DESTROYED, MISUSED };

static void use(enum keeping how, keepmum_secret s)
{
        const void *bytes;
        void *writable;

        if (how == OPEN)
                expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        if (how == OPEN_FOR_WRITING)
                expect_int(keepmum_open_write(s, &writable, NULL), 0);
        if (how == DESTROYED)
                keepmum_destroy(&s);
        if (how == MISUSED)
                keepmum_close(s);
}

/* The key comes on standard input. */
static void dump(enum keeping how, unsigned flags)
{
        struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
        FILE *filter = fopen("/proc/self/coredump_filter", "w");
        keepmum_secret s;

        if (setrlimit(RLIMIT_CORE, &unlimited) != 0 || filter == NULL)
                _exit(96);
        fprintf(filter, "0x7f"); /* all there is to dump */
        fclose(filter);
        prctl(PR_SET_DUMPABLE, 1);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        if (how == IN_MALLOC) {
                char *key = malloc(KEY_BYTES);

                for (ssize_t i = 0; i < KEY_BYTES && read(STDIN_FILENO, key + i, 1) == 1; i++)
                        ;
        } else {
                expect_int(keepmum_read_fd(&s, STDIN_FILENO, 1000, flags), 0);
                use(how, s);
        }
        abort();
}

/* ---- the search ---- */

static unsigned char *core;
static size_t core_bytes;

static bool read_core(void)
{
        DIR *d = opendir(directory);
        struct dirent *e;
        bool is_read = false;

        while ((e = readdir(d)) != NULL) {
                char path[512];
                FILE *f;

                if (strncmp(e->d_name, "core", 4) != 0)
                        continue;
                snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
                f = fopen(path, "r");
                fseek(f, 0, SEEK_END);
                core_bytes = (size_t)ftell(f);
                rewind(f);
                core = realloc(core, core_bytes + 1);
                is_read = core_bytes > 0 && fread(core, 1, core_bytes, f) == core_bytes;
                fclose(f);
                unlink(path);
        }
        closedir(d);
        return is_read;
}

static size_t count(const void *what, size_t n_bytes)
{
        const unsigned char *at = core;
        size_t n = 0;

        while ((at = memmem(at, core_bytes - (size_t)(at - core), what, n_bytes)) != NULL) {
                n++;
                at++;
        }
        return n;
}

static void to_hex(const unsigned char *key, char *text, const char *digits)
{
        for (size_t i = 0; i < KEY_BYTES; i++) {
                text[2 * i] = digits[key[i] >> 4];
                text[2 * i + 1] = digits[key[i] & 15];
        }
}

static void to_base64(const unsigned char *key, char *text)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i + 3 <= KEY_BYTES; i += 3) {
                unsigned v = (unsigned)key[i] << 16 | (unsigned)key[i + 1] << 8 | key[i + 2];

                for (size_t k = 0; k < 4; k++)
                        text[i / 3 * 4 + k] = digits[v >> (18 - 6 * k) & 63];
        }
}

/* Copies of the whole key, of its quarters, and of its texts. */
static size_t traces(void)
{
        unsigned char key[KEY_BYTES];
        char text[2 * KEY_BYTES + 1] = {0};
        size_t n;

        for (size_t i = 0; i < KEY_BYTES; i++)
                key[i] = byte_of(seed, i);
        n = count(key, KEY_BYTES);
        for (size_t i = 0; i < KEY_BYTES; i += 8)
                n += count(key + i, 8);
        to_hex(key, text, "0123456789abcdef");
        n += count(text, KEY_BYTES / 2);
        to_hex(key, text, "0123456789ABCDEF");
        n += count(text, KEY_BYTES / 2);
        to_base64(key, text);
        n += count(text, KEY_BYTES / 2);
        return n;
}

/* Ends a program so; the number of traces in its core, -1 if there was none. */
static long traces_after(enum keeping how, unsigned flags)
{
        int p[2], status;
        pid_t pid;

        assert_ok(pipe(p));
        pid = fork();
        if (pid == 0) { /* a program of its own: this one has looked for keys before */
                char words[2][16];

                snprintf(words[0], sizeof words[0], "%d", (int)how);
                snprintf(words[1], sizeof words[1], "%u", flags);
                dup2(p[0], STDIN_FILENO);
                close(p[0]);
                close(p[1]);
                if (chdir(directory) == 0)
                        execl("/proc/self/exe", "dump", words[0], words[1], (char *)NULL);
                _exit(95);
        }
        signal(SIGPIPE, SIG_IGN);
        close(p[0]);
        for (size_t i = 0; i < KEY_BYTES; i++) {
                unsigned char c = byte_of(seed, i);

                if (write(p[1], &c, 1) != 1)
                        break;
        }
        close(p[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        return read_core() ? (long)traces() : -1;
}

static void a_key_in_malloc_is_found(void **state)
{
        (void)state;
        assert_true(traces_after(IN_MALLOC, 0) >= 5);
}

static void assert_no_trace(enum keeping how)
{
        assert_int_equal(traces_after(how, 0), 0);
        assert_int_equal(traces_after(how, KEEPMUM_NOT_HIDDEN), 0);
}

static void a_closed_key_leaves_no_trace(void **state)
{
        (void)state;
        assert_no_trace(CLOSED);
}

static void an_open_key_leaves_no_trace(void **state)
{
        (void)state;
        assert_no_trace(OPEN);
        assert_no_trace(OPEN_FOR_WRITING);
}

static void a_destroyed_key_leaves_no_trace(void **state)
{
        (void)state;
        assert_no_trace(DESTROYED);
}

static void a_misuse_leaves_no_trace(void **state)
{
        (void)state;
        assert_no_trace(MISUSED);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_in_malloc_is_found),
        cmocka_unit_test(a_closed_key_leaves_no_trace),
        cmocka_unit_test(an_open_key_leaves_no_trace),
        cmocka_unit_test(a_destroyed_key_leaves_no_trace),
        cmocka_unit_test(a_misuse_leaves_no_trace),
};

int main(int argc, char **argv)
{
        char pattern[256] = "";
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
        struct rlimit limit;
        int n_failed;

        if (argc == 3) {
                dump((enum keeping)atoi(argv[1]), (unsigned)atoi(argv[2]));
                return 94;
        }
        if (IS_SANITIZED)
                forked_skip_all("a sanitizer writes no core file");
        if (f == NULL || fgets(pattern, sizeof pattern, f) == NULL || pattern[0] == '|' || strchr(pattern, '/') != NULL ||
            strncmp(pattern, "core", 4) != 0)
                forked_skip_all("the machine sends core files elsewhere (/proc/sys/kernel/core_pattern)");
        fclose(f);
        if (getrlimit(RLIMIT_CORE, &limit) != 0 || (limit.rlim_max == 0 && geteuid() != 0))
                forked_skip_all("core files are forbidden here (ulimit -H -c)");
        if (mkdtemp(directory) == NULL)
                forked_skip_all("no directory for core files");
        seed = (unsigned)getpid() * 3 + 1;
        n_failed = cmocka_run_group_tests(tests, NULL, NULL);
        rmdir(directory);
        return n_failed != 0 ? 1 : 0;
}

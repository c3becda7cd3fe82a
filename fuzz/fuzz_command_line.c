/* The command line of secretctl, run through the tool's own main() in this process.
 *
 * An input is text: each line is one command line, words stand between single spaces, a tab is a space within a
 * word. What is run must not reach anything but a scratch directory, which is the current directory and HOME:
 * standard input and output are /dev/null, there is no terminal, and a line is only parsed, not run, if it names a
 * path with a slash, a program, a descriptor above 2 or another process. A key file `k` stands in the directory, so
 * that `--vault v --key-file k` makes vaults and opens them. Looked at: the parser's result points into the words
 * and is within the options' bounds; the exit code is one of the table; no secret is left alive; what was added is
 * there; a word that was refused as a passphrase is wiped. */
#include "target.h"

#include "secretctl/arguments.h"
#include "secretctl/commands.h"
#include "secretctl/exit_code.h"

#include <fcntl.h>
#include <ftw.h>
#include <keepmum.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* secretctl's main(), which the build calls so. */
int secretctl_main(int n_words, char **words);
/* ASan's reports go to the real standard error; not there without it. */
void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

enum { MOST_WORDS = 24, MOST_LINES = 12, SAFE_FD = 600 };

static char directory[PATH_MAX];
static int real_directory; /* of the engine, which opens its files by relative paths */
/* Reading smaps takes milliseconds: one such line in 16 is run. A replayed input has its own. */
static unsigned n_inspected;

/* ---- the scratch directory ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        if (at->level > 0)
                expect(remove(path) == 0);
        return 0;
}

static void empty_directory(void)
{
        expect(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void end(void)
{
        empty_directory();
        rmdir(directory);
}

static void fill_directory(void)
{
        static const char key[] = "a key file for the vaults of the command line's fuzzing, 64 bytes";
        int fd;

        empty_directory();
        fd = open("k", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        expect(fd >= 0 && write(fd, key, sizeof key - 1) == (ssize_t)(sizeof key - 1) && close(fd) == 0);
        fd = open("short", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        expect(fd >= 0 && write(fd, key, 31) == 31 && close(fd) == 0);
}

/* Nobody may be asked for anything. */
static void leave_terminal(void)
{
        int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return;
        if (setsid() < 0 && getsid(0) != getpid())
                ioctl(fd, TIOCNOTTY);
        close(fd);
}

void target_begin(void)
{
        static const char *const unset[] = {"XDG_DATA_HOME",        "XDG_STATE_HOME",     "SECRETCTL_VAULT",
                                            "SECRETCTL_PASSPHRASE", "SECRETCTL_PASSWORD", "SECRETCTL_ASKPASS"};
        const char *base = getenv("FUZZ_SCRATCH");

        if (base == NULL)
                base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(directory, sizeof directory, "%s/keepmum-fuzz-line.XXXXXX", base);
        expect(mkdtemp(directory) != NULL);
        expect(setenv("HOME", directory, 1) == 0);
        for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
                unsetenv(unset[i]);
        leave_terminal();
        expect((real_directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0);
        expect(atexit(end) == 0);
}

/* ---- words ---- */

struct line {
        char *words[MOST_WORDS + 1], *kept[MOST_WORDS]; /* as the tool gets them, and as they were */
        int n_words;
};

/* Each word in a block of exactly its size. */
static char *copy_of(const uint8_t *bytes, size_t n_bytes)
{
        char *word = malloc(n_bytes + 1);

        expect(word != NULL);
        memcpy(word, bytes, n_bytes);
        word[n_bytes] = '\0';
        for (char *p = word; *p != '\0'; p++)
                if (*p == '\t')
                        *p = ' ';
        return word;
}

static void add_word(struct line *l, const uint8_t *bytes, size_t n_bytes)
{
        if (l->n_words == MOST_WORDS)
                return;
        l->kept[l->n_words] = copy_of(bytes, n_bytes);
        l->words[l->n_words++] = copy_of(bytes, n_bytes);
}

/* Takes the next line off the input. */
static void take_line(struct line *l, struct input *in)
{
        const uint8_t *stop = memchr(in->bytes, '\n', in->n_left), *space;
        size_t n = stop != NULL ? (size_t)(stop - in->bytes) : in->n_left;
        const uint8_t *p = in->bytes, *line_end = p + n;

        *l = (struct line){0};
        add_word(l, (const uint8_t *)"secretctl", 9);
        while (p < line_end) {
                space = memchr(p, ' ', (size_t)(line_end - p));
                space = space != NULL ? space : line_end;
                add_word(l, p, (size_t)(space - p));
                p = space < line_end ? space + 1 : space;
        }
        in->bytes += n + (stop != NULL);
        in->n_left -= n + (stop != NULL);
}

static void free_line(struct line *l)
{
        for (int i = 0; i < l->n_words; i++) {
                free(l->words[i]);
                free(l->kept[i]);
        }
}

static struct line again(const struct line *l)
{
        struct line copy = {0};

        for (int i = 0; i < l->n_words; i++)
                add_word(&copy, (const uint8_t *)l->kept[i], strlen(l->kept[i]));
        return copy;
}

/* ---- running ---- */

static void to_null(int fd, int flags)
{
        int null = open("/dev/null", flags | O_CLOEXEC);

        expect(null >= 0 && dup2(null, fd) == fd);
        close(null);
}

static const int handled[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ};
enum { HANDLED = sizeof handled / sizeof *handled };

/* What the tool does to its process is put back for the engine. */
static int run_main(struct line *l)
{
        struct sigaction actions[HANDLED];
        int real[3], status;

        for (int fd = 0; fd < 3; fd++)
                real[fd] = fcntl(fd, F_DUPFD_CLOEXEC, SAFE_FD);
        if (__sanitizer_set_report_fd != NULL && real[2] >= 0)
                __sanitizer_set_report_fd((void *)(uintptr_t)real[2]);
        to_null(0, O_RDONLY);
        to_null(1, O_WRONLY);
        to_null(2, O_WRONLY);
        for (size_t i = 0; i < HANDLED; i++)
                sigaction(handled[i], NULL, &actions[i]);
        status = secretctl_main(l->n_words, l->words);
        for (size_t i = 0; i < HANDLED; i++)
                sigaction(handled[i], &actions[i], NULL);
        for (int fd = 0; fd < 3; fd++) {
                close(fd);
                if (real[fd] >= 0)
                        expect(dup2(real[fd], fd) == fd && close(real[fd]) == 0);
        }
        if (__sanitizer_set_report_fd != NULL)
                __sanitizer_set_report_fd((void *)2);
        return status;
}

static bool reaches_out(const char *path)
{
        return path != NULL && strchr(path, '/') != NULL;
}

static bool is_harmless(const struct request *r)
{
        if (was_given(r, OPTION_ASKPASS) || r->number[OPTION_PASSPHRASE_FD] > 2 || r->number[OPTION_SECRET_FD] > 2 ||
            r->number[OPTION_CANARY_FD] > 2)
                return false;
        if (reaches_out(r->text[OPTION_VAULT]) || reaches_out(r->text[OPTION_KEY_FILE]))
                return false;
        if (r->command != NULL && strcmp(r->command, "inspect") == 0)
                return r->n_operands == 0 && n_inspected++ % 16 == 0;
        if (r->command != NULL && strcmp(r->command, "audit") == 0)
                return r->n_operands != 1 || (!reaches_out(r->operand[0]) && strspn(r->operand[0], "0123456789") == 0);
        return true;
}

static uint64_t live_secrets(void)
{
        uint64_t v[KEEPMUM_STATS];

        expect(keepmum_stats(v, KEEPMUM_STATS) == 0);
        expect(v[KEEPMUM_STAT_OPENS] == 0);
        return v[KEEPMUM_STAT_SECRETS];
}

/* What add said it has saved, get finds. */
static void check_added(const struct request *r)
{
        const char *words[8] = {"secretctl", "get", "--key-file", r->text[OPTION_KEY_FILE]};
        struct line l = {.n_words = 0};
        size_t n = 4;

        if (was_given(r, OPTION_VAULT)) {
                words[n++] = "--vault";
                words[n++] = r->text[OPTION_VAULT];
        }
        words[n++] = "--";
        words[n++] = r->operand[0];
        for (size_t i = 0; i < n; i++)
                add_word(&l, (const uint8_t *)words[i], strlen(words[i]));
        expect(run_main(&l) == EXIT_OK);
        free_line(&l);
}

static bool is_adding(const struct request *r)
{
        return r->command != NULL && strcmp(r->command, "add") == 0 && was_given(r, OPTION_KEY_FILE) &&
               !was_given(r, OPTION_HELP) && !was_given(r, OPTION_VERSION);
}

/* ---- the parser ---- */

static bool is_in_words(const struct line *l, const char *p)
{
        for (int i = 1; i < l->n_words; i++)
                if (p >= l->words[i] && p <= l->words[i] + strlen(l->kept[i]))
                        return true;
        return false;
}

static void check_request(const struct line *l, const struct request *r)
{
        expect(r->given >> OPTIONS == 0);
        expect(r->command == NULL || is_in_words(l, r->command));
        expect(r->n_operands >= 0 && r->n_operands < l->n_words && (r->command != NULL || r->n_operands == 0));
        for (int i = 0; i < r->n_operands && i < 2; i++)
                expect(is_in_words(l, r->operand[i]));
        for (unsigned id = 0; id < OPTIONS; id++) {
                bool has_text = was_given(r, id) && options[id].kind == TAKES_TEXT;

                expect((r->text[id] != NULL) == has_text && (!has_text || is_in_words(l, r->text[id])));
                expect(r->number[id] == options[id].usual || was_given(r, id));
                if (was_given(r, id) && options[id].kind == TAKES_NUMBER)
                        expect(r->number[id] >= options[id].smallest && r->number[id] <= options[id].largest);
        }
}

/* What stands behind --passphrase= or in the word after --passphrase is gone, if this is the first word that can be
 * wrong. */
static void check_wiped(const struct line *l)
{
        static const char option[] = "--passphrase";
        size_t n = sizeof option - 1;
        int i = 1;

        while (i < l->n_words && l->kept[i][0] != '-')
                i++;
        if (i == l->n_words || strncmp(l->kept[i], option, n) != 0)
                return;
        if (l->kept[i][n] == '=')
                expect(l->words[i][n + 1] == '\0');
        else if (l->kept[i][n] == '\0' && i + 1 < l->n_words)
                expect(l->words[i + 1][0] == '\0');
}

/* ---- the whole ---- */

/* The parser tells the user what is wrong, on standard error. */
static int parse_silently(struct request *r, struct line *l)
{
        int real = fcntl(2, F_DUPFD_CLOEXEC, SAFE_FD), status;

        if (__sanitizer_set_report_fd != NULL && real >= 0)
                __sanitizer_set_report_fd((void *)(uintptr_t)real);
        to_null(2, O_WRONLY);
        status = arguments_read(r, l->n_words, l->words);
        if (real >= 0)
                expect(dup2(real, 2) == 2 && close(real) == 0);
        if (__sanitizer_set_report_fd != NULL)
                __sanitizer_set_report_fd((void *)2);
        return status;
}

static void do_line(struct line *l)
{
        struct line parsed = again(l);
        struct request r;
        int status = parse_silently(&r, &parsed);

        expect(status == EXIT_OK || status == EXIT_USAGE);
        if (status == EXIT_OK)
                check_request(&parsed, &r);
        else
                check_wiped(&parsed);
        if (status != EXIT_OK || is_harmless(&r)) {
                int main_status = run_main(l);

                expect(main_status >= EXIT_OK && main_status <= EXIT_FOUND);
                expect(status == EXIT_OK || main_status == status);
                expect(live_secrets() == 0);
                if (main_status == EXIT_OK && is_adding(&r))
                        check_added(&r);
        }
        free_line(&parsed);
}

void target_run(const uint8_t *bytes, size_t n_bytes)
{
        struct input in = {bytes, n_bytes};
        struct line l;

        expect(chdir(directory) == 0);
        fill_directory();
        for (int n = 0; n < MOST_LINES && in.n_left > 0; n++) {
                take_line(&l, &in);
                do_line(&l);
                free_line(&l);
        }
        expect(fchdir(real_directory) == 0);
}

/* secretctl leaves nothing behind: stopped just before its end, neither its memory nor its registers hold a copy of
 * the secret, the passphrase or the contents of the key file, whatever it did and however it ended. And while it
 * works, they stand in locked pages that no core file gets.
 *
 * Everything is done twice: as it is, and without hidden memory (memfd_secret), for of that nobody can see whether it
 * was wiped. That the scanner finds what is there is seen by test_memory_scan, by the names of entries, and by what it
 * finds in the middle of the work. */
#include "cmocka_main.h"
#include "outside/known_keys.h"
#include "outside/traced.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECRET "Vx8#qLw2Zr7&Tn5Kd9@Hb3Mf6^Jc4Ys1Gp0"
#define PASSPHRASE "uR5-eZ2_kN8+aW4.hC7=oX1~iB6:tD3;mQ9"
#define WRONG "zT6,wG1|pS9(jF4{lV8}yE2)rK5[xA7]nU3"
#define KEY "Kq7vXz2LmP9wRt4YbN6cJd8HsF3gTu5A" /* by tool_begin() */
#define VAULT ".local/share/secretctl/vault"
#define NAME "name-that-is-no-secret"

enum { SECRET_BYTES = sizeof SECRET - 1, MOST_WORDS = 8, LARGE_BYTES = 20000 };

struct way {
        bool forbids_hidden;
};

static const struct way usual = {false}, plain = {true};

enum { THE_SECRET, THE_KEY, NEEDLES_OF_KEY_FILE, THE_PASSPHRASE = NEEDLES_OF_KEY_FILE, THE_WRONG, NEEDLES };

static struct needle needles[NEEDLES];

static const struct way *way_of(void **state)
{
        return *state;
}

/* ---- one run ---- */

struct one {
        struct traced t;
        int out; /* the end of its standard output that can be read */
};

static void write_file(const char *path, const char *bytes, size_t n_bytes)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_int_equal(write(fd, bytes, n_bytes), n_bytes);
        close(fd);
}

/* input: a file's name. words end with NULL, without the program itself. */
static void start(struct one *o, const struct way *way, struct pty *terminal, const char *input,
                  const char *const words[])
{
        const char *all[MOST_WORDS + 1] = {tool_path()};
        int in = input != NULL ? open(input, O_RDONLY | O_CLOEXEC) : -1;
        int err = open("err", O_RDWR | O_CREAT | O_CLOEXEC, 0600), out[2];

        for (size_t i = 0; i < MOST_WORDS && words[i] != NULL; i++)
                all[i + 1] = words[i];
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        traced_start(&o->t, all,
                     &(struct traced_way){.in = in,
                                          .out = out[1],
                                          .err = err,
                                          .terminal = terminal,
                                          .forbids_hidden = way->forbids_hidden});
        o->out = out[0];
        close(out[1]);
        close(err);
        if (in >= 0)
                close(in);
}

static size_t count_left(const struct one *o, const struct needle *all, size_t n_all)
{
        struct findings f = {0};

        traced_scan(&f, all, n_all, &o->t, false);
        assert_true(f.read_bytes > 1 << 20);
        assert_int_equal(f.unread_bytes, 0);
        traced_scan_registers(&f, all, n_all, &o->t);
        traced_scan_words(&f, all, n_all, &o->t);
        if (f.n_copies > 0)
                findings_show(&f, "left at the end");
        return f.n_copies;
}

/* What it wrote on standard output, when it has come to its exit. */
static size_t read_output(const struct one *o, char *bytes, size_t max_bytes)
{
        size_t n_bytes = 0;
        ssize_t n;

        fcntl(o->out, F_SETFL, O_NONBLOCK);
        while (n_bytes < max_bytes && (n = read(o->out, bytes + n_bytes, max_bytes - n_bytes)) > 0)
                n_bytes += (size_t)n;
        return n_bytes;
}

/* Lets it come to its end; true if that was as expected and nothing was left. */
static bool leaves_nothing(struct one *o, int expected, const char *what)
{
        traced_to_exit(&o->t);
        size_t n_left = count_left(o, needles, NEEDLES);
        int status = traced_end(&o->t);
        close(o->out);
        if (n_left > 0 || status != expected)
                print_error("secretctl %s: %zu copies, exit code %d, not %d\n", what, n_left, status, expected);
        return n_left == 0 && status == expected;
}

/* ---- with a key file ---- */

static const struct step {
        const char *words[MOST_WORDS];
        const char *input;
        int status;
} steps[] = {
        {{"add", TOOL_KEY, NAME, NULL}, "s", 0}, /* makes the vault */
        {{"add", TOOL_KEY, NAME, NULL}, "s", 7},
        {{"add", TOOL_KEY, "other", "--user=me", NULL}, "s", 0},
        {{"add", TOOL_KEY, "large", NULL}, "large", 0},
        {{"get", TOOL_KEY, NAME, NULL}, NULL, 0},
        {{"get", TOOL_KEY, "nobody", NULL}, NULL, 6},
        {{"get", "--key-file=wrong", NAME, NULL}, NULL, 5},
        {{"get", TOOL_KEY, "large", NULL}, NULL, 0},
        {{"show", TOOL_KEY, NAME, NULL}, NULL, 0},
        {{"list", TOOL_KEY, NULL}, NULL, 0},
        {{"list", TOOL_KEY, "--json", NULL}, NULL, 0},
        {{"rename", TOOL_KEY, NAME, "another", NULL}, NULL, 0},
        {{"remove", TOOL_KEY, "--yes", "another", NULL}, NULL, 0},
};

static void write_inputs(void)
{
        char large[LARGE_BYTES];

        for (size_t i = 0; i < sizeof large; i++)
                large[i] = SECRET[i % SECRET_BYTES];
        write_file("s", SECRET, SECRET_BYTES);
        write_file("large", large, sizeof large);
        write_file("wrong", WRONG, sizeof WRONG - 1);
}

static void the_verbs_leave_nothing(void **state)
{
        size_t n_failed = 0;

        write_inputs();
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
                struct one o;

                start(&o, way_of(state), NULL, steps[i].input, steps[i].words);
                n_failed += !leaves_nothing(&o, steps[i].status, steps[i].words[0]);
        }
        assert_int_equal(n_failed, 0);
}

static void get_leaves_nothing_and_gives_the_secret(void **state)
{
        char bytes[SECRET_BYTES + 1];
        struct one o;

        assert_int_equal(tool_add(NAME, SECRET), 0);
        start(&o, way_of(state), NULL, NULL, (const char *const[]){"get", TOOL_KEY, NAME, NULL});
        traced_to_exit(&o.t);
        assert_int_equal(read_output(&o, bytes, sizeof bytes), SECRET_BYTES);
        assert_memory_equal(bytes, SECRET, SECRET_BYTES);
        assert_true(leaves_nothing(&o, 0, "get"));
}

static void a_generated_password_is_not_left(void **state)
{
        char password[64];
        struct needle n;
        struct one o;

        start(&o, way_of(state), NULL, NULL, (const char *const[]){"generate", "--length=40", NULL});
        traced_to_exit(&o.t);
        assert_int_equal(read_output(&o, password, sizeof password), 40);
        needle_make(&n, "the password", password, 40);
        assert_int_equal(count_left(&o, &n, 1), 0);
        assert_true(leaves_nothing(&o, 0, "generate"));
}

/* Names are no secrets: they show that the scanner sees what a verb had in its hands. */
static void a_name_that_was_listed_is_found(void **state)
{
        struct findings f = {0};
        struct needle n;
        struct one o;

        needle_make(&n, "the name", NAME, sizeof NAME - 1);
        assert_int_equal(tool_add(NAME, SECRET), 0);
        start(&o, way_of(state), NULL, NULL, (const char *const[]){"list", TOOL_KEY, NULL});
        traced_to_exit(&o.t);
        traced_scan(&f, &n, 1, &o.t, false);
        assert_true(f.of[FORM_WHOLE] > 0);
        assert_true(f.n_outside > 0);
        assert_true(leaves_nothing(&o, 0, "list"));
}

static void a_damaged_secret_leaves_nothing(void **state)
{
        struct one o;
        char last;

        assert_int_equal(tool_add(NAME, SECRET), 0);
        int fd = open(VAULT, O_RDWR);
        off_t end = lseek(fd, -1, SEEK_END);
        assert_int_equal(pread(fd, &last, 1, end), 1);
        last ^= 1;
        assert_int_equal(pwrite(fd, &last, 1, end), 1);
        close(fd);
        start(&o, way_of(state), NULL, NULL, (const char *const[]){"get", TOOL_KEY, NAME, NULL});
        assert_true(leaves_nothing(&o, 9, "get"));
}

/* Where somebody typed it by mistake. */
static void a_passphrase_or_secret_on_the_command_line_is_wiped_there(void **state)
{
        static const char *const lines[][5] = {
                {"get", "--passphrase=" PASSPHRASE, NAME, NULL},
                {"get", "--passphrase", PASSPHRASE, NAME, NULL},
                {"add", NAME, SECRET, NULL},
        };

        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
                struct one o;

                start(&o, way_of(state), NULL, NULL, lines[i]);
                assert_true(leaves_nothing(&o, 2, lines[i][0]));
        }
}

/* ---- ended from outside ---- */

/* The secret is open then, and registers go to the stack with the signal. */
static void ended_by_a_signal_as_it_writes_the_secret_it_leaves_nothing(void **state)
{
        struct one o;

        assert_int_equal(tool_add(NAME, SECRET), 0);
        start(&o, way_of(state), NULL, NULL, (const char *const[]){"get", TOOL_KEY, NAME, NULL});
        do
                assert_true(traced_to_next_call(&o.t));
        while (!o.t.call.is_begun || o.t.call.number != SYS_write || o.t.call.first_argument != STDOUT_FILENO);
        assert_int_equal(kill(o.t.pid, SIGTERM), 0);
        assert_true(leaves_nothing(&o, 128 + SIGTERM, "get"));
}

static struct pty terminal;

/* Types the text when the terminal is hidden; goes on until all of it was read. */
static void type_slowly(struct one *o, const char *text)
{
        size_t n_read = 0;
        bool is_typed = false;

        while (n_read < strlen(text)) {
                assert_true(traced_to_next_call(&o->t));
                if (!is_typed && !pty_has_echo(&terminal)) {
                        pty_send(&terminal, text);
                        is_typed = true;
                }
                n_read += is_typed && !o->t.call.is_begun && o->t.call.number == SYS_read && o->t.call.result == 1;
        }
}

static void interrupted_as_the_passphrase_is_typed_it_leaves_nothing(void **state)
{
        struct one o;

        start(&o, way_of(state), &terminal, NULL, (const char *const[]){"add", NAME, NULL});
        type_slowly(&o, PASSPHRASE);
        pty_send(&terminal, "\003");
        assert_true(leaves_nothing(&o, 128 + SIGINT, "add"));
        close(terminal.master);
}

/* ---- with a passphrase ---- */

static bool typed_run_leaves_nothing(const struct way *way, const char *verb, const char *const answers[], int expected)
{
        struct one o;

        start(&o, way, &terminal, NULL, (const char *const[]){verb, NAME, NULL});
        traced_run(&o.t);
        for (size_t i = 0; answers[i] != NULL; i += 2)
                pty_answer(&terminal, answers[i], answers[i + 1]);
        bool is_fine = leaves_nothing(&o, expected, verb);
        close(terminal.master);
        return is_fine;
}

/* A key derivation each, of 0.7 s: no more of them than are needed. */
static void what_is_typed_is_not_left(void **state)
{
        static const char *const new_vault[] = {"passphrase for", PASSPHRASE, "again:", PASSPHRASE,
                                                "secret for",     SECRET,     "again:", SECRET,     NULL};
        static const char *const right[] = {"passphrase for", PASSPHRASE, NULL};
        static const char *const wrong[] = {"passphrase for", WRONG, NULL};

        assert_true(typed_run_leaves_nothing(way_of(state), "add", new_vault, 0));
        assert_true(typed_run_leaves_nothing(way_of(state), "get", right, 0));
        assert_true(typed_run_leaves_nothing(way_of(state), "get", wrong, 5));
}

/* ---- while it works ---- */

/* Looks at all that can have changed, before each system call; and at everything at the end. */
static void watch(const struct way *way, const struct needle *sought, size_t n_sought, const char *input,
                  const char *const words[], int expected)
{
        struct findings f = {0};
        struct one o;
        long most_locked_kb = 0, n_calls = 0;

        start(&o, way, NULL, input, words);
        for (; traced_to_next_call(&o.t); n_calls++) {
                if (!o.t.call.is_begun)
                        continue;
                long kb = traced_locked_kb(&o.t);

                most_locked_kb = kb > most_locked_kb ? kb : most_locked_kb;
                traced_scan(&f, sought, n_sought, &o.t, true);
        }
        if (f.n_outside > 0)
                findings_show(&f, words[0]);
        assert_int_equal(f.n_outside, 0);
        assert_true(n_calls > 50);
        assert_true(most_locked_kb > 0);
        if (way->forbids_hidden)
                assert_true(f.of[FORM_WHOLE] > 0 && f.hidden_bytes == 0);
        assert_int_equal(count_left(&o, sought, n_sought), 0);
        assert_true(leaves_nothing(&o, expected, words[0]));
}

static void at_each_call_copies_stand_only_in_locked_pages_of_no_core(void **state)
{
        write_inputs();
        watch(way_of(state), needles, NEEDLES_OF_KEY_FILE, "s", (const char *const[]){"add", TOOL_KEY, NAME, NULL}, 0);
        watch(way_of(state), needles, NEEDLES_OF_KEY_FILE, NULL, (const char *const[]){"get", TOOL_KEY, NAME, NULL}, 0);
}

static void neither_do_the_keys_of_the_vault_stand_elsewhere(void **state)
{
        static struct needle keys[KNOWN_KEYS];

        write_inputs();
        assert_int_equal(tool_add(NAME, SECRET), 0);
        assert_true(known_keys(keys, VAULT, "key"));
        watch(way_of(state), keys, KNOWN_KEYS, NULL, (const char *const[]){"get", TOOL_KEY, NAME, NULL}, 0);
        watch(way_of(state), keys, KNOWN_KEYS, "s", (const char *const[]){"add", TOOL_KEY, "other", NULL}, 0);
}

/* An audit of this program, which holds the canary: the tool has it in all forms, and reads pages that hold it. */
static void an_audit_holds_the_canary_in_locked_pages_only(void **state)
{
        char number[16];

        write_inputs();
        snprintf(number, sizeof number, "%d", (int)getpid());
        watch(way_of(state), needles, 1, "s", (const char *const[]){"audit", "--canary-fd=0", number, NULL}, 14);
}

#define BOTH(test)                                                            \
        {#test, test, tool_begin, tool_end, (void *)(uintptr_t)&usual},       \
        {#test " (without hidden memory)", test, tool_begin, tool_end, (void *)(uintptr_t)&plain}

static const struct CMUnitTest tests[] = {
        BOTH(the_verbs_leave_nothing),
        BOTH(get_leaves_nothing_and_gives_the_secret),
        BOTH(a_generated_password_is_not_left),
        BOTH(a_name_that_was_listed_is_found),
        BOTH(a_damaged_secret_leaves_nothing),
        BOTH(a_passphrase_or_secret_on_the_command_line_is_wiped_there),
        BOTH(ended_by_a_signal_as_it_writes_the_secret_it_leaves_nothing),
        BOTH(interrupted_as_the_passphrase_is_typed_it_leaves_nothing),
        BOTH(what_is_typed_is_not_left),
        BOTH(at_each_call_copies_stand_only_in_locked_pages_of_no_core),
        BOTH(neither_do_the_keys_of_the_vault_stand_elsewhere),
        BOTH(an_audit_holds_the_canary_in_locked_pages_only),
};

int main(void)
{
        tool_path();
        if (!traced_is_possible())
                return 77;
        needle_make(&needles[THE_SECRET], "the secret", SECRET, SECRET_BYTES);
        needle_make(&needles[THE_PASSPHRASE], "the passphrase", PASSPHRASE, sizeof PASSPHRASE - 1);
        needle_make(&needles[THE_WRONG], "the wrong passphrase", WRONG, sizeof WRONG - 1);
        needle_make(&needles[THE_KEY], "the key file", KEY, sizeof KEY - 1);
        alarm(600);
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

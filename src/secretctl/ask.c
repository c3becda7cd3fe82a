/* Asking. A typed line goes from the terminal into its guarded page (keepmum_prompt), a stream from its descriptor
 * (keepmum_read_fd): there is no buffer in between.
 *
 * A passphrase read from a program or a descriptor loses one newline at its end, since it cannot be told from the
 * one that echo(1) adds. A secret loses nothing: what is stored is what was given. */
#include "secretctl/ask.h"

#include "os/child.h"
#include "os/standard.h"
#include "os/stream.h"
#include "secretctl/exit_code.h"
#include "secretctl/report.h"
#include "secretctl/shown.h"

#include <keepmum_vault.h>
#include <stdio.h>
#include <stdlib.h>

enum { STANDARD_INPUT = 0, LONGEST_TYPED = 4096, LONGEST_PROMPT = 4300 };

/* Asks by one of the ways below; arg is what that way needs. */
typedef int asker(keepmum_secret *out, const char *prompt, const char *arg);

static int ask_at_terminal(keepmum_secret *out, const char *prompt, const char *arg)
{
        (void)arg;
        return keepmum_prompt(out, prompt, LONGEST_TYPED, 0);
}

/* Takes one newline off the end. On an error the secret is destroyed. */
static int drop_newline(keepmum_secret *s)
{
        const void *bytes;
        size_t n_bytes;
        int err = keepmum_open_read(*s, &bytes, &n_bytes);

        if (err == 0) {
                bool has_newline = ((const char *)bytes)[n_bytes - 1] == '\n';

                keepmum_close(*s);
                if (has_newline)
                        err = n_bytes == 1 ? KEEPMUM_EEMPTY : keepmum_resize(*s, n_bytes - 1);
        }
        if (err != 0)
                keepmum_destroy(s);
        return err;
}

static int ask_by_program(keepmum_secret *out, const char *prompt, const char *program)
{
        struct child c;
        int err = child_start(&c, program, prompt);

        if (err != 0)
                return err;
        err = keepmum_read_fd(out, c.from_it, LONGEST_TYPED, 0);
        if (!child_end(&c) && (err == 0 || err == KEEPMUM_EEMPTY)) { /* else it died of our not reading on */
                if (err == 0)
                        keepmum_destroy(out);
                return KEEPMUM_ECANCELED;
        }
        return err == 0 ? drop_newline(out) : err;
}

/* Twice, until both are known to be the same. */
static int ask_twice(keepmum_secret *out, asker *ask, const char *prompt, const char *arg, bool *same)
{
        keepmum_secret again;
        int err = ask(out, prompt, arg);

        *same = true;
        if (err != 0)
                return err;
        err = ask(&again, "the same again: ", arg);
        if (err == KEEPMUM_EEMPTY) {
                *same = false;
                err = 0;
        } else if (err == 0) {
                err = keepmum_equal(*out, again, same);
                keepmum_destroy(&again);
        }
        if (err != 0 || !*same)
                keepmum_destroy(out);
        return err;
}

static int say_differs(const char *what)
{
        report("the two are not the same: nothing was saved");
        report_hint("repeat the command, and type the same %s twice", what);
        return EXIT_OTHER;
}

/* A passphrase that could not be had leaves the vault locked; that never looks like anything else. */
static int say_no_passphrase(int err, const char *by)
{
        char doing[LONGEST_PROMPT];

        if (err == KEEPMUM_ECANCELED)
                return report_error(err, by);
        if (err == KEEPMUM_ENOTTY) {
                report("the vault is locked: there is no terminal to ask for the passphrase at");
                report_hint("use --passphrase-fd N, --askpass PROGRAM or --key-file PATH");
                return EXIT_LOCKED;
        }
        if (err == KEEPMUM_EEMPTY) {
                report("the vault is locked: an empty passphrase opens nothing");
                return EXIT_LOCKED;
        }
        snprintf(doing, sizeof doing, "the vault is locked: %s", by);
        int status = report_error(err, doing);
        return status == EXIT_OTHER || status == EXIT_USAGE ? EXIT_LOCKED : status;
}

static int ask_typed_passphrase(keepmum_secret *out, asker *ask, const char *prompt, const char *arg, bool is_new)
{
        bool same = true;
        int err = is_new ? ask_twice(out, ask, prompt, arg, &same) : ask(out, prompt, arg);

        if (err == KEEPMUM_ENOTTY && ask == ask_at_terminal && (arg = getenv("SECRETCTL_ASKPASS")) != NULL &&
            arg[0] != '\0')
                return ask_typed_passphrase(out, ask_by_program, prompt, arg, is_new);
        if (err == 0 && same)
                return EXIT_OK;
        if (err == 0)
                return say_differs("passphrase");
        return say_no_passphrase(err, arg != NULL ? arg : "asking for the passphrase");
}

static int read_passphrase(keepmum_secret *out, int fd)
{
        int err = keepmum_read_fd(out, fd, LONGEST_TYPED, 0);

        if (err == 0)
                err = drop_newline(out);
        return err == 0 ? EXIT_OK : say_no_passphrase(err, "reading --passphrase-fd");
}

int ask_passphrase(keepmum_secret *out, const struct request *r, const char *vault, bool is_new)
{
        char prompt[LONGEST_PROMPT], shown[LONGEST_PROMPT - 32];

        if (was_given(r, OPTION_PASSPHRASE_FD))
                return read_passphrase(out, r->number[OPTION_PASSPHRASE_FD]);
        shown_escape(shown, sizeof shown, vault);
        snprintf(prompt, sizeof prompt, "%s for %s: ", is_new ? "new passphrase" : "passphrase", shown);
        if (was_given(r, OPTION_ASKPASS))
                return ask_typed_passphrase(out, ask_by_program, prompt, r->text[OPTION_ASKPASS], is_new);
        return ask_typed_passphrase(out, ask_at_terminal, prompt, NULL, is_new);
}

static int read_secret(keepmum_secret *out, int fd)
{
        int err = keepmum_read_fd(out, fd, KEEPMUM_VAULT_MAX_SECRET_BYTES, 0);

        if (err == KEEPMUM_EEMPTY) {
                *out = (keepmum_secret){0};
                return EXIT_OK;
        }
        if (err == KEEPMUM_ETOOBIG) {
                report("the secret is longer than %zu bytes", KEEPMUM_VAULT_MAX_SECRET_BYTES);
                return EXIT_USAGE;
        }
        return err == 0 ? EXIT_OK : report_error(err, "cannot read the secret");
}

static int type_secret(keepmum_secret *out, const char *name)
{
        char prompt[LONGEST_PROMPT], shown[LONGEST_PROMPT - 32];
        bool same;

        shown_escape(shown, sizeof shown, name);
        snprintf(prompt, sizeof prompt, "secret for %s: ", shown);
        int err = ask_twice(out, ask_at_terminal, prompt, NULL, &same);
        if (err == KEEPMUM_EEMPTY) {
                report("no secret was typed: nothing was saved");
                report_hint("an empty secret is stored with standard input from /dev/null");
                return EXIT_ABORTED;
        }
        if (err != 0)
                return report_error(err, "cannot ask for the secret");
        return same ? EXIT_OK : say_differs("secret");
}

int ask_secret(keepmum_secret *out, const struct request *r, const char *name)
{
        if (was_given(r, OPTION_SECRET_FD))
                return read_secret(out, r->number[OPTION_SECRET_FD]);
        return standard_is_terminal(STANDARD_INPUT) ? type_secret(out, name) : read_secret(out, STANDARD_INPUT);
}

static int check_not_terminal(const struct request *r, enum option_id id)
{
        if (!was_given(r, id) || !standard_is_terminal(r->number[id]))
                return EXIT_OK;
        report_usage("--%s %d is a terminal: what is typed there would be seen", options[id].name, r->number[id]);
        report_hint("leave the option out to be asked without echo");
        return EXIT_USAGE;
}

int ask_check_descriptors(const struct request *r, bool reads_secret)
{
        int secret_fd = was_given(r, OPTION_SECRET_FD) ? r->number[OPTION_SECRET_FD] : STANDARD_INPUT;
        int status = check_not_terminal(r, OPTION_PASSPHRASE_FD);

        if (was_given(r, OPTION_PASSPHRASE_FD))
                standard_keep(r->number[OPTION_PASSPHRASE_FD]);
        if (was_given(r, OPTION_SECRET_FD))
                standard_keep(r->number[OPTION_SECRET_FD]);
        if (status == EXIT_OK)
                status = check_not_terminal(r, OPTION_SECRET_FD);
        if (status != EXIT_OK || !reads_secret || !was_given(r, OPTION_PASSPHRASE_FD) ||
            r->number[OPTION_PASSPHRASE_FD] != secret_fd)
                return status;
        report_usage("the passphrase and the secret cannot both come from descriptor %d", secret_fd);
        report_hint("give one of them another descriptor: --secret-fd 3 3<FILE");
        return EXIT_USAGE;
}

bool ask_is_possible(void)
{
        int fd;

        return standard_open_terminal(&fd) == 0 && standard_close(fd) == 0;
}

/* The first letter of a line. */
static char read_answer(int fd)
{
        char first = '\0', c;
        size_t n_got = 1;

        for (bool is_first = true; stream_read(fd, &c, &n_got, 1) == 0 && n_got == 1 && c != '\n'; is_first = false)
                if (is_first)
                        first = c;
        return n_got == 1 ? first : '\0';
}

int ask_consent(const char *question)
{
        char shown[LONGEST_PROMPT];
        int fd, err = standard_open_terminal(&fd);
        char answer = '\0';

        if (err != 0)
                return report_error(err, "cannot ask");
        size_t n_bytes = shown_escape(shown, sizeof shown, question);
        if (stream_write(fd, shown, n_bytes) == 0 && stream_write(fd, " [y/N] ", 7) == 0)
                answer = read_answer(fd);
        standard_close(fd);
        if (answer == 'y' || answer == 'Y')
                return EXIT_OK;
        report("aborted: nothing was changed");
        return EXIT_ABORTED;
}

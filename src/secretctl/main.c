/* secretctl: a password holder at the terminal and in scripts, on top of keepmum.
 *
 * The order matters: the process is hardened before it has read anything; then descriptors 0 to 2 are made sure of,
 * then the signals; only then is the command line looked at. At the end nothing secret is left: each command
 * destroys what it made, on every path, and output that could not be written turns success into an error. */
#include "base/registers.h"
#include "os/standard.h"
#include "secretctl/commands.h"
#include "secretctl/exit_code.h"
#include "secretctl/output.h"
#include "secretctl/report.h"

#include <keepmum.h>
#include <stdlib.h>

static int say_no_command(const struct request *r)
{
        if (r->command == NULL)
                report_usage("no command is given");
        else
                report_usage("there is no command %s", r->command);
        report_hint("secretctl help lists the commands; begin with: secretctl add NAME");
        return EXIT_USAGE;
}

static int say_operands(const struct command *c, int n_operands)
{
        if (c->run == command_add && n_operands > c->max_operands) {
                report_usage("a secret is never taken from the command line: every user of this machine can read "
                             "it there");
                report_hint("leave it out to be asked, or give it on standard input or with --secret-fd N");
        } else {
                report_usage("%s %s", c->name, n_operands < c->min_operands ? "wants more words" : "takes fewer words");
                report_hint("usage: secretctl %s %s", c->name, c->operands);
        }
        return EXIT_USAGE;
}

static int check_options(const struct command *c, const struct request *r)
{
        unsigned wrong = r->given & ~(c->options | OPTION_BIT(OPTION_HELP));

        for (unsigned id = 0; id < OPTIONS; id++) {
                if (!(wrong & OPTION_BIT(id)))
                        continue;
                report_usage("%s takes no --%s", c->name, options[id].name);
                report_hint("secretctl help %s lists its options", c->name);
                return EXIT_USAGE;
        }
        return EXIT_OK;
}

/* Only its being there is looked at: a passphrase in the environment is read by every child and in
 * /proc/PID/environ. */
static int check_environment(const struct command *c)
{
        static const char *const refused[] = {"SECRETCTL_PASSPHRASE", "SECRETCTL_PASSWORD"};

        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
                if (getenv(refused[i]) == NULL || !(c->options & OPTION_BIT(OPTION_PASSPHRASE_FD)))
                        continue;
                report_usage("a passphrase is never taken from the environment: %s is set", refused[i]);
                report_hint("unset it, and use --passphrase-fd N or --askpass PROGRAM; a passphrase that stood "
                            "there is better changed");
                return EXIT_USAGE;
        }
        return EXIT_OK;
}

static int run_command(const struct command *c, const struct request *r)
{
        int status = check_options(c, r);

        if (status != EXIT_OK)
                return status;
        if (was_given(r, OPTION_HELP))
                return help_of_command(c);
        if (r->n_operands < c->min_operands || r->n_operands > c->max_operands)
                return say_operands(c, r->n_operands);
        if ((status = check_environment(c)) == EXIT_OK && c->has_output)
                status = output_begin();
        return status == EXIT_OK ? c->run(r) : status;
}

static int run(int n_words, char **words)
{
        struct request r;
        int status = arguments_read(&r, n_words, words);

        if (status != EXIT_OK)
                return status;
        const struct command *c = r.command != NULL ? command_find(r.command) : NULL;
        if (c == NULL && r.command == NULL && was_given(&r, OPTION_HELP))
                return help_of_all();
        if (was_given(&r, OPTION_VERSION)) {
                output_format("secretctl %s\n", keepmum_version());
                return EXIT_OK;
        }
        return c != NULL ? run_command(c, &r) : say_no_command(&r);
}

/* Nothing was to be said on standard output: that it is closed does not matter then. */
static int finish(int status)
{
        int end = output_end();

        if (status == EXIT_OK)
                status = end;
        return status == EXIT_OK && report_was_lost() ? EXIT_OTHER : status;
}

int main(int n_words, char **words)
{
        int err = keepmum_harden_process(KEEPMUM_NO_NEW_PRIVS), status;

        if (!standard_fill())
                return EXIT_OTHER;
        standard_set_signals(keepmum_wipe_all);
        if (err != 0)
                return report_error(err, "cannot harden the process");
        status = run(n_words, words);
        registers_wipe(); /* libc looks for the ends of strings in vector registers, argv's too */
        return finish(status);
}

/* secretctl help: the tables of commands, options and exit codes, as they are. */
#include "secretctl/commands.h"
#include "secretctl/exit_code.h"
#include "secretctl/output.h"
#include "secretctl/report.h"

#include <stdio.h>
#include <string.h>

static void help_of_option(const struct option *o)
{
        bool may = o->kind == MAY_TAKE_NUMBER;
        const char *before = o->kind == TAKES_NOTHING ? "" : may ? "[=" : " ";
        char spelling[64];

        snprintf(spelling, sizeof spelling, "--%s%s%s%s", o->name, before, o->argument, may ? "]" : "");
        output_format("  %-22s %s\n", spelling, o->help);
}

static void help_of_options(unsigned which)
{
        for (unsigned id = 0; id < OPTIONS; id++)
                if (which & OPTION_BIT(id))
                        help_of_option(&options[id]);
}

int help_of_all(void)
{
        output_format("usage: secretctl COMMAND [OPTION ...] [NAME ...]\n\ncommands:\n");
        for (size_t i = 0; i < n_commands; i++)
                output_format("  %-10s %s\n", commands[i].name, commands[i].help);
        output_format("\noptions:\n");
        help_of_options(OPTION_BIT(OPTION_HELP) | OPTION_BIT(OPTION_VERSION));
        output_format("\nsecretctl help COMMAND lists the options of a command, ");
        output_format("secretctl help exit-codes the exit codes.\nBegin with: secretctl add NAME\n");
        return EXIT_OK;
}

int help_of_command(const struct command *c)
{
        output_format("usage: secretctl %s%s%s%s\n\n%s\n", c->name, c->options != 0 ? " [OPTION ...]" : "",
                      c->operands[0] != '\0' ? " " : "", c->operands, c->help);
        output_format("\noptions:\n");
        help_of_options(c->options | OPTION_BIT(OPTION_HELP));
        return EXIT_OK;
}

static int help_of_exit_codes(void)
{
#define EXIT_CODE_LINE(value, name, meaning) output_format("%2d  %s\n", value, meaning);
        EXIT_CODES(EXIT_CODE_LINE)
#undef EXIT_CODE_LINE
        return EXIT_OK;
}

int command_help(const struct request *r)
{
        if (r->n_operands == 0)
                return help_of_all();
        if (strcmp(r->operand[0], "exit-codes") == 0)
                return help_of_exit_codes();
        const struct command *c = command_find(r->operand[0]);
        if (c != NULL)
                return help_of_command(c);
        report_usage("there is no command %s", r->operand[0]);
        report_hint("secretctl help lists the commands");
        return EXIT_USAGE;
}

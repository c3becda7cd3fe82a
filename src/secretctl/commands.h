/* The subcommands: one table that is dispatch and help. */
#ifndef SECRETCTL_COMMANDS_H
#define SECRETCTL_COMMANDS_H

#include "secretctl/arguments.h"

#include <stddef.h>

struct command {
        const char *name;
        int (*run)(const struct request *r); /* returns the exit code, having said why */
        const char *operands;                /* as help shows them */
        int min_operands, max_operands;
        unsigned options;                    /* OPTION_BIT() of those it takes */
        bool has_output;                     /* it is about what it writes to standard output */
        const char *help;
};

/* In the order of help; n_commands of them. */
extern const struct command commands[];
extern const size_t n_commands;

/* NULL if there is none of that name. */
const struct command *command_find(const char *name);

int command_add(const struct request *r);
int command_get(const struct request *r);
int command_list(const struct request *r);
int command_show(const struct request *r);
int command_rename(const struct request *r);
int command_remove(const struct request *r);
int command_generate(const struct request *r);
int command_inspect(const struct request *r);
int command_audit(const struct request *r);
int command_help(const struct request *r);

/* What --help says: of all commands, or of one. */
int help_of_all(void);
int help_of_command(const struct command *c);

#endif

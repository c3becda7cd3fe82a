/* The table of subcommands. A new one is a row here, a function in a file of its own, and a section in secretctl(1). */
#include "secretctl/commands.h"

#include <string.h>

#define UNLOCKING                                                                                                    \
        (OPTION_BIT(OPTION_VAULT) | OPTION_BIT(OPTION_KEY_FILE) | OPTION_BIT(OPTION_PASSPHRASE_FD) |                 \
         OPTION_BIT(OPTION_ASKPASS) | OPTION_BIT(OPTION_ACCEPT_ROLLBACK))
#define SHAPE (OPTION_BIT(OPTION_CHARACTERS) | OPTION_BIT(OPTION_NO_SYMBOLS))
#define ATTRIBUTES (OPTION_BIT(OPTION_USER) | OPTION_BIT(OPTION_URL) | OPTION_BIT(OPTION_TAGS))

const struct command commands[] = {
        {"add", command_add, "NAME", 1, 1,
         UNLOCKING | ATTRIBUTES | SHAPE | OPTION_BIT(OPTION_SECRET_FD) | OPTION_BIT(OPTION_GENERATE), false,
         "store a new secret; the first one makes the vault"},
        {"get", command_get, "NAME", 1, 1, UNLOCKING, true, "write a secret to standard output"},
        {"list", command_list, "", 0, 0, UNLOCKING | OPTION_BIT(OPTION_JSON), true, "list the names of all entries"},
        {"show", command_show, "NAME", 1, 1, UNLOCKING | OPTION_BIT(OPTION_JSON), true,
         "show user, URL, tags and times of an entry, not its secret"},
        {"rename", command_rename, "OLD NEW", 2, 2, UNLOCKING, false, "give an entry another name"},
        {"remove", command_remove, "NAME", 1, 1, UNLOCKING | OPTION_BIT(OPTION_YES), false, "remove an entry"},
        {"generate", command_generate, "", 0, 0, SHAPE | OPTION_BIT(OPTION_LENGTH), true,
         "write a random password to standard output"},
        {"inspect", command_inspect, "[PID]", 0, 1, OPTION_BIT(OPTION_JSON), true,
         "draw the memory of a process: what is locked, and what could leak"},
        {"audit", command_audit, "PID|CORE", 1, 1, OPTION_BIT(OPTION_CANARY_FD) | OPTION_BIT(OPTION_JSON), true,
         "count copies of a canary in a process or a core file"},
        {"help", command_help, "[COMMAND | exit-codes]", 0, 1, 0, true,
         "explain the commands, one command, or the exit codes"},
};

const size_t n_commands = sizeof commands / sizeof commands[0];

const struct command *command_find(const char *name)
{
        for (size_t i = 0; i < n_commands; i++)
                if (strcmp(name, commands[i].name) == 0)
                        return &commands[i];
        return NULL;
}

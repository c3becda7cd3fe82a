/* The command line, understood. */
#ifndef SECRETCTL_ARGUMENTS_H
#define SECRETCTL_ARGUMENTS_H

#include <stdbool.h>

enum option_id {
        OPTION_VAULT,
        OPTION_KEY_FILE,
        OPTION_PASSPHRASE_FD,
        OPTION_ASKPASS,
        OPTION_ACCEPT_ROLLBACK,
        OPTION_USER,
        OPTION_URL,
        OPTION_TAGS,
        OPTION_SECRET_FD,
        OPTION_GENERATE,
        OPTION_LENGTH,
        OPTION_CHARACTERS,
        OPTION_NO_SYMBOLS,
        OPTION_CANARY_FD,
        OPTION_JSON,
        OPTION_YES,
        OPTION_HELP,
        OPTION_VERSION,
        OPTIONS
};

#define OPTION_BIT(id) (1u << (id))

enum option_kind { TAKES_NOTHING, TAKES_TEXT, TAKES_NUMBER, MAY_TAKE_NUMBER };

struct option {
        const char *name;
        enum option_kind kind;
        const char *argument; /* as help shows it, "" if it takes none */
        int smallest, largest, usual; /* of a number; usual where none is given */
        const char *help;
};

extern const struct option options[OPTIONS];

/* What was asked for: the command is the first word that is no option. */
struct request {
        const char *command;   /* NULL if there is none */
        const char *operand[2];
        int n_operands;        /* may be more than are kept */
        unsigned given;        /* OPTION_BIT() of each option there was */
        const char *text[OPTIONS];
        int number[OPTIONS];   /* the usual one if not given */
};

/* Reads all words. Returns the exit code, having said what was wrong. */
int arguments_read(struct request *r, int n_words, char **words);

static inline bool was_given(const struct request *r, enum option_id id)
{
        return (r->given & OPTION_BIT(id)) != 0;
}

#endif

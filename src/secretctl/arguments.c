/* The command line: options anywhere, before or behind the command, `--name VALUE` or `--name=VALUE`, `--` ends
 * them.
 *
 * Options are spelt whole: an abbreviation in a script would change its meaning with the next option, and
 * --passphrase must never be taken for the beginning of --passphrase-fd. A passphrase or secret on the command line
 * is refused with a sentence, and wiped there, for any user of the machine can read command lines. */
#include "secretctl/arguments.h"

#include "base/wipe.h"
#include "secretctl/exit_code.h"
#include "secretctl/report.h"

#include <limits.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>

const struct option options[OPTIONS] = {
        [OPTION_VAULT] = {"vault", TAKES_TEXT, "PATH", 0, 0, 0, "use this vault file"},
        [OPTION_KEY_FILE] = {"key-file", TAKES_TEXT, "PATH", 0, 0, 0, "unlock with the contents of a file"},
        [OPTION_PASSPHRASE_FD] = {"passphrase-fd", TAKES_NUMBER, "N", 0, INT_MAX, -1,
                                  "read the passphrase from descriptor N"},
        [OPTION_ASKPASS] = {"askpass", TAKES_TEXT, "PROGRAM", 0, 0, 0, "ask for the passphrase by a program"},
        [OPTION_ACCEPT_ROLLBACK] = {"accept-rollback", TAKES_NOTHING, "", 0, 0, 0,
                                    "accept an older vault, after restoring a backup"},
        [OPTION_USER] = {"user", TAKES_TEXT, "USER", 0, 0, 0, "the user name that goes with the secret"},
        [OPTION_URL] = {"url", TAKES_TEXT, "URL", 0, 0, 0, "where the secret is used"},
        [OPTION_TAGS] = {"tags", TAKES_TEXT, "TAG,...", 0, 0, 0, "words to find it by, separated by commas"},
        [OPTION_SECRET_FD] = {"secret-fd", TAKES_NUMBER, "N", 0, INT_MAX, -1, "read the secret from descriptor N"},
        [OPTION_GENERATE] = {"generate", MAY_TAKE_NUMBER, "N", 1, 4096, 20,
                             "store a random password of N characters (20)"},
        [OPTION_LENGTH] = {"length", TAKES_NUMBER, "N", 1, 4096, 20, "this many characters (20)"},
        [OPTION_CHARACTERS] = {"characters", TAKES_TEXT, "SET", 0, 0, 0, "of these characters"},
        [OPTION_NO_SYMBOLS] = {"no-symbols", TAKES_NOTHING, "", 0, 0, 0, "of letters and digits only"},
        [OPTION_CANARY_FD] = {"canary-fd", TAKES_NUMBER, "N", 0, INT_MAX, -1, "read the canary from descriptor N"},
        [OPTION_JSON] = {"json", TAKES_NOTHING, "", 0, 0, 0, "write JSON"},
        [OPTION_YES] = {"yes", TAKES_NOTHING, "", 0, 0, 0, "do not ask"},
        [OPTION_HELP] = {"help", TAKES_NOTHING, "", 0, 0, 0, "explain, and do nothing"},
        [OPTION_VERSION] = {"version", TAKES_NOTHING, "", 0, 0, 0, "tell the version"},
};

/* Reading stops at the first word that is wrong. */
struct reading {
        struct request *r;
        char **words;
        int n_words, at;
};

static bool is_word(const char *name, size_t n_bytes, const char *word)
{
        return strlen(word) == n_bytes && memcmp(name, word, n_bytes) == 0;
}

static int refuse_passphrase(const struct reading *a, char *value)
{
        if (value == NULL && a->at < a->n_words)
                value = a->words[a->at];
        if (value != NULL)
                wipe(value, strlen(value));
        report("a passphrase or secret is never taken from the command line: every user of this machine can read "
               "it there");
        report_hint("leave it out to be asked, or use --passphrase-fd N, --secret-fd N or --askpass PROGRAM; "
                    "a real one that stood there is better changed");
        return EXIT_USAGE;
}

static bool is_passphrase_option(const char *name, size_t n_bytes)
{
        static const char *const refused[] = {"passphrase", "password", "pass", "passwd", "secret"};

        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
                if (is_word(name, n_bytes, refused[i]))
                        return true;
        return false;
}

static int read_number(struct request *r, enum option_id id, const char *text)
{
        const struct option *o = &options[id];
        char *end;
        long n = strtol(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < o->smallest || n > o->largest)
                return report_usage("--%s wants a number from %d to %d", o->name, o->smallest, o->largest);
        r->number[id] = (int)n;
        return EXIT_OK;
}

/* value: what stands behind the equals sign, NULL if there is none. */
static int read_value(struct reading *a, enum option_id id, const char *value)
{
        const struct option *o = &options[id];

        if (o->kind == TAKES_NOTHING)
                return value == NULL ? EXIT_OK : report_usage("--%s takes no value", o->name);
        if (o->kind == MAY_TAKE_NUMBER && value == NULL)
                return EXIT_OK;
        if (value == NULL && a->at == a->n_words)
                return report_usage("--%s wants a value: --%s %s", o->name, o->name, o->argument);
        if (value == NULL)
                value = a->words[a->at++];
        if (o->kind != TAKES_TEXT) {
                int status = read_number(a->r, id, value);

                if (status != EXIT_OK) /* somebody may have meant --passphrase: what is no number is not kept, nor said */
                        wipe((void *)(uintptr_t)value, strlen(value));
                return status;
        }
        a->r->text[id] = value;
        return EXIT_OK;
}

static int read_option(struct reading *a, char *word)
{
        char *name = word + 2, *equals = strchr(name, '=');
        size_t n_bytes = equals != NULL ? (size_t)(equals - name) : strlen(name);

        if (is_passphrase_option(name, n_bytes))
                return refuse_passphrase(a, equals != NULL ? equals + 1 : NULL);
        for (unsigned id = 0; id < OPTIONS; id++) {
                if (!is_word(name, n_bytes, options[id].name))
                        continue;
                a->r->given |= OPTION_BIT(id);
                return read_value(a, id, equals != NULL ? equals + 1 : NULL);
        }
        report_usage("there is no option --%.*s", (int)n_bytes, name);
        report_hint("secretctl help COMMAND lists the options of a command");
        return EXIT_USAGE;
}

static int read_operand(struct request *r, char *word)
{
        if (r->command == NULL) {
                r->command = word;
        } else if (r->n_operands++ < 2) {
                r->operand[r->n_operands - 1] = word;
        }
        /* The place where somebody might put the secret: it is about to be refused. */
        if (r->n_operands > 1 && strcmp(r->command, "add") == 0)
                wipe(word, strlen(word));
        return EXIT_OK;
}

static int read_short(struct request *r, const char *word)
{
        if (strcmp(word, "-h") != 0) {
                report_usage("there is no option %s", word);
                report_hint("a name that begins with a hyphen stands behind --");
                return EXIT_USAGE;
        }
        r->given |= OPTION_BIT(OPTION_HELP);
        return EXIT_OK;
}

int arguments_read(struct request *r, int n_words, char **words)
{
        struct reading a = {r, words, n_words, 1};
        bool options_ended = false;
        int status = EXIT_OK;

        *r = (struct request){0};
        for (int id = 0; id < OPTIONS; id++)
                r->number[id] = options[id].usual;
        while (a.at < n_words && status == EXIT_OK) {
                char *word = words[a.at++];

                if (!options_ended && strcmp(word, "--") == 0)
                        options_ended = true;
                else if (options_ended || word[0] != '-' || word[1] == '\0')
                        status = read_operand(r, word);
                else
                        status = word[1] == '-' ? read_option(&a, word) : read_short(r, word);
        }
        return status;
}

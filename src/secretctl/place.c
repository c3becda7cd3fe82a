/* Where things are, by the XDG base directory specification:
 *
 *   the vault           --vault, else SECRETCTL_VAULT, else $XDG_DATA_HOME/secretctl/vault (~/.local/share)
 *   the rollback state  $XDG_STATE_HOME/secretctl (~/.local/state)
 *
 * As it says, a base directory that is not absolute is ignored. Directories are made only where they are ours, for
 * the user alone; that of a vault named by --vault must be there, or a slip of the pen would make a second vault. */
#include "secretctl/place.h"

#include "base/error.h"
#include "os/file.h"
#include "os/path.h"
#include "secretctl/exit_code.h"
#include "secretctl/report.h"

#include <keepmum.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *value_of(const char *variable)
{
        const char *value = getenv(variable);

        return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *absolute_value_of(const char *variable)
{
        const char *value = value_of(variable);

        return value != NULL && value[0] == '/' ? value : NULL;
}

/* $variable/rest, else $HOME/below_home/rest; false if neither is known or it is too long. */
static bool find_below(char path[static 4096], const char *variable, const char *below_home, const char *rest)
{
        const char *base = absolute_value_of(variable), *home = absolute_value_of("HOME");
        int n_bytes = -1;

        if (base != NULL)
                n_bytes = snprintf(path, 4096, "%s/%s", base, rest);
        else if (home != NULL)
                n_bytes = snprintf(path, 4096, "%s/%s/%s", home, below_home, rest);
        if (n_bytes >= 0 && n_bytes < 4096)
                return true;
        path[0] = '\0';
        return false;
}

static int find_vault(struct place *p, const struct request *r)
{
        const char *named = was_given(r, OPTION_VAULT) ? r->text[OPTION_VAULT] : value_of("SECRETCTL_VAULT");

        p->is_usual = named == NULL;
        if (named == NULL) {
                if (find_below(p->vault, "XDG_DATA_HOME", ".local/share", "secretctl/vault"))
                        return EXIT_OK;
                report("there is no place for the vault: neither XDG_DATA_HOME nor HOME names a directory");
                report_hint("name the vault with --vault PATH");
                return EXIT_OTHER;
        }
        if (named[0] == '\0' || strlen(named) >= sizeof p->vault)
                return report_usage("the path of the vault is %s", named[0] == '\0' ? "empty" : "too long");
        strcpy(p->vault, named);
        return EXIT_OK;
}

int place_find(struct place *p, const struct request *r)
{
        char doing[4200];
        int status = find_vault(p, r), err;

        if (status != EXIT_OK)
                return status;
        find_below(p->state, "XDG_STATE_HOME", ".local/state", "secretctl");
        if ((err = path_look(p->vault, &p->has_vault)) == 0)
                return EXIT_OK;
        snprintf(doing, sizeof doing, "cannot look at the vault %s", p->vault);
        return report_error(err, doing);
}

static int say_no_directory(const char *directory)
{
        report("there is no directory %s for the vault", directory);
        report_hint("make it with: mkdir -p -m 700 %s", directory);
        return EXIT_NOT_FOUND;
}

int place_make(const struct place *p)
{
        char directory[sizeof p->vault], doing[4200], *slash;
        bool is_there;
        int err;

        strcpy(directory, p->vault);
        if ((slash = strrchr(directory, '/')) == NULL || slash == directory)
                return EXIT_OK; /* in the current or the root directory */
        *slash = '\0';
        if (!p->is_usual)
                return path_look(directory, &is_there) == 0 && !is_there ? say_no_directory(directory) : EXIT_OK;
        if ((err = file_make_directory(directory)) == 0)
                return EXIT_OK;
        snprintf(doing, sizeof doing, "cannot make the directory %s", directory);
        report_error(err, doing);
        report_hint("name another place with --vault PATH");
        return error_exit_code(err);
}

const char *place_state(const struct place *p)
{
        return p->state[0] != '\0' ? p->state : NULL;
}

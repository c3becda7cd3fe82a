/* Each error of the vault: what, where, and what to do about it.
 *
 * Always true: the exit code is that of the table in keepmum.h, and nothing was saved where an error is said. */
#include "secretctl/vault_error.h"

#include "base/error.h"
#include "secretctl/report.h"

#include <errno.h>
#include <keepmum_vault.h>
#include <stdio.h>
#include <string.h>

static void say_not_found(const struct place *p, const char *name)
{
        if (name != NULL) {
                report("no entry is named %s", name);
                report_hint("secretctl list shows the names");
        } else {
                report("there is no vault at %s", p->vault);
                report_hint("secretctl add NAME makes it; --vault PATH names another");
        }
}

static void say_exists(const char *name)
{
        report("an entry named %s exists already", name != NULL ? name : "so");
        report_hint("choose another name, or rename or remove the old entry first");
}

static void say_out_of_memory(const struct place *p)
{
        unsigned long long wanted = keepmum_vault_detail();

        if (wanted != 0)
                report("out of memory: unlocking %s takes %llu MiB", p->vault, wanted);
        else
                report("out of memory: %s", p->vault);
        report_hint("end other programs, or raise the memory limit of this one (ulimit -v, a container's limit)");
}

static void say_damaged(const struct place *p, const char *name)
{
        unsigned long long offset = keepmum_vault_detail();

        if (name != NULL)
                report("the vault %s is damaged at offset %llu, in entry %s: nothing was changed", p->vault, offset,
                       name);
        else
                report("the vault %s is damaged at offset %llu: nothing was changed", p->vault, offset);
        report_hint("keep the file, restore a backup over a copy of it, and give --accept-rollback once");
}

static void say_text_refused(void)
{
        report("user, URL and tags must be UTF-8 without control characters, up to 16 KiB each");
        report_hint("what holds other bytes can be stored as a secret");
}

/* The directory of the rollback state, and not the vault. */
static void say_state_refused(const struct place *p, int error)
{
        report("%s, which remembers how far the vault had got: %s", p->state,
               error == KEEPMUM_EIO ? strerror(errno) : keepmum_error_text(error));
        report_hint("it must be a directory that belongs to you and that nobody else may write: chmod 700 it");
}

static bool is_about_state(int error)
{
        return keepmum_vault_detail() == 1 && (error == KEEPMUM_EUNSAFE || error == KEEPMUM_EDENIED || error == KEEPMUM_EIO);
}

/* Where the sentence of the table says all but where. */
static void say_with_hint(const struct place *p, int error, const char *hint)
{
        if (error == KEEPMUM_EIO || error == KEEPMUM_ESYSTEM)
                report("%s: %s", p->vault, strerror(errno));
        else if (error == KEEPMUM_EBADNAME)
                report("%s", keepmum_error_text(error));
        else
                report("%s: %s", p->vault, keepmum_error_text(error));
        report_hint("%s", hint);
}

static const char *hint_of(int error)
{
        static const struct {
                int error;
                const char *hint;
        } hints[] = {
                {KEEPMUM_EDENIED, "the file and its directory must belong to the user who runs secretctl"},
                {KEEPMUM_EUNSAFE, "chmod 600 the vault and chmod 700 its directory; both must belong to you"},
                {KEEPMUM_ENEWER, "install the newer version; nothing was changed"},
                {KEEPMUM_ELOCKED, "this vault has no slot for the kind of key given: try the passphrase, or "
                                  "--key-file PATH"},
                {KEEPMUM_EWRONGKEY, "a passphrase counts as typed, with case and spaces, a key file byte by byte"},
                {KEEPMUM_ECOST, "this file was not made by secretctl as it is: do not give it your passphrase "
                                "elsewhere"},
                {KEEPMUM_EROLLEDBACK, "if you restored a backup on purpose, give --accept-rollback once"},
                {KEEPMUM_ENOSPACE, "make room on the file system (or raise ulimit -f) and repeat the command"},
                {KEEPMUM_EBUSY, "another command is writing: repeat this one"},
                {KEEPMUM_EIO, "nothing was saved; the vault must be a file, on a disk that works"},
                {KEEPMUM_ETOOBIG, "user, URL and tags may have 16 KiB each, a secret 1 MiB, a vault 1 GiB"},
                {KEEPMUM_EBADNAME, "names may hold spaces and slashes, but no line ends"},
        };

        for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
                if (hints[i].error == error)
                        return hints[i].hint;
        return NULL;
}

int vault_error(const struct place *p, int error, const char *name)
{
        if (error == KEEPMUM_ENOTFOUND)
                say_not_found(p, name);
        else if (error == KEEPMUM_EEXISTS)
                say_exists(name);
        else if (error == KEEPMUM_ENOMEM)
                say_out_of_memory(p);
        else if (error == KEEPMUM_EDAMAGED)
                say_damaged(p, name);
        else if (error == KEEPMUM_EINVAL && name != NULL)
                say_text_refused();
        else if (is_about_state(error))
                say_state_refused(p, error);
        else if (hint_of(error) != NULL)
                say_with_hint(p, error, hint_of(error));
        else
                return report_error(error, p->vault);
        return error_exit_code(error);
}

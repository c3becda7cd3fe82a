/* Unlocking. The passphrase and the key file live in secrets of their own, from being asked for until the vault is
 * open, and no longer. A key file takes the place of the passphrase: who names one is not asked, unless the
 * passphrase too is given by descriptor or program. */
#include "secretctl/unlock.h"

#include "os/path.h"
#include "os/standard.h"
#include "secretctl/ask.h"
#include "secretctl/exit_code.h"
#include "secretctl/report.h"
#include "secretctl/vault_error.h"

#include <stdio.h>

enum { LARGEST_KEY_FILE = 64 << 10 };

static int say_no_key_file(int err, const char *path)
{
        char doing[4200];
        int status;

        if (err == KEEPMUM_EEMPTY) {
                report("the key file %s is shorter than %d bytes", path, KEEPMUM_VAULT_MIN_KEY_FILE_BYTES);
                report_hint("make one with: head -c 64 /dev/urandom >FILE; chmod 600 FILE");
                return EXIT_USAGE;
        }
        if (err == KEEPMUM_ETOOBIG) {
                report("the key file %s is longer than %d bytes", path, LARGEST_KEY_FILE);
                return EXIT_USAGE;
        }
        snprintf(doing, sizeof doing, "the vault is locked: cannot read the key file %s", path);
        status = report_error(err, doing);
        return status == EXIT_OTHER ? EXIT_LOCKED : status;
}

static int read_key_file(keepmum_secret *out, const char *path)
{
        size_t n_bytes;
        int fd, err = path_open(&fd, path);

        if (err == 0) {
                err = keepmum_read_fd(out, fd, LARGEST_KEY_FILE, 0);
                standard_close(fd);
                if (err == 0 && (err = keepmum_size(*out, &n_bytes)) == 0 && n_bytes < KEEPMUM_VAULT_MIN_KEY_FILE_BYTES)
                        err = KEEPMUM_EEMPTY;
        }
        if (err == 0)
                return EXIT_OK;
        keepmum_destroy(out);
        return say_no_key_file(err, path);
}

int keys_gather(struct keys *k, const struct request *r, const struct place *p, bool is_new)
{
        bool by_stream = was_given(r, OPTION_PASSPHRASE_FD) || was_given(r, OPTION_ASKPASS);
        int status = EXIT_OK;

        *k = (struct keys){0};
        if (was_given(r, OPTION_KEY_FILE))
                status = read_key_file(&k->key_file, r->text[OPTION_KEY_FILE]);
        if (status == EXIT_OK && (by_stream || !was_given(r, OPTION_KEY_FILE)))
                status = ask_passphrase(&k->passphrase, r, p->vault, is_new);
        if (status != EXIT_OK)
                keys_forget(k);
        return status;
}

void keys_forget(struct keys *k)
{
        keepmum_destroy(&k->passphrase);
        keepmum_destroy(&k->key_file);
}

/* Only a passphrase takes long enough to be told. */
static void tell_busy(const struct keys *k, const char *what)
{
        if (k->passphrase.bits != 0)
                report_busy(what);
}

static void tell_idle(const struct keys *k)
{
        if (k->passphrase.bits != 0)
                report_idle();
}

int unlock_with(keepmum_vault **vault, const struct keys *k, const struct request *r, const struct place *p)
{
        unsigned flags = was_given(r, OPTION_ACCEPT_ROLLBACK) ? KEEPMUM_VAULT_ACCEPT_ROLLBACK : 0;

        tell_busy(k, "unlocking");
        int err = keepmum_vault_open(vault, p->vault, place_state(p), k->passphrase, k->key_file, flags);
        tell_idle(k);
        return err == 0 ? EXIT_OK : vault_error(p, err, NULL);
}

int unlock_new(keepmum_vault **vault, const struct keys *k, const struct place *p)
{
        tell_busy(k, "making the vault");
        int err = keepmum_vault_create(vault, p->vault, place_state(p), k->passphrase, k->key_file);
        tell_idle(k);
        return err;
}

int unlock(keepmum_vault **vault, struct place *p, const struct request *r)
{
        struct keys k;
        int status = ask_check_descriptors(r, false);

        if (status != EXIT_OK || (status = place_find(p, r)) != EXIT_OK)
                return status;
        if (!p->has_vault)
                return vault_error(p, KEEPMUM_ENOTFOUND, NULL);
        if ((status = keys_gather(&k, r, p, false)) != EXIT_OK)
                return status;
        status = unlock_with(vault, &k, r, p);
        keys_forget(&k);
        return status;
}

int unlock_entry(keepmum_vault **vault, size_t *number, struct place *p, const struct request *r)
{
        int err, status = unlock(vault, p, r);

        if (status != EXIT_OK || (err = keepmum_vault_find(*vault, r->operand[0], number)) == 0)
                return status;
        status = vault_error(p, err == KEEPMUM_EINVAL ? KEEPMUM_ENOTFOUND : err, r->operand[0]);
        unlock_end(*vault, p);
        return status;
}

void unlock_end(keepmum_vault *vault, const struct place *p)
{
        unsigned warnings = keepmum_vault_warnings(vault);

        if (warnings & KEEPMUM_VAULT_TORN_TAIL)
                report("%s: an unfinished entry at its end, of an interrupted command, is ignored", p->vault);
        if (warnings & KEEPMUM_VAULT_STATE_NOT_SAVED) {
                report("how far the vault had got could not be remembered: an older copy put in its place would "
                       "not be seen");
                report_hint("the directory must be writable: %s", p->state);
        }
        keepmum_vault_close(vault);
}

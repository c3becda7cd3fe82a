/* secretctl add: a new entry. Where there is no vault it is made, whole, together with its first entry.
 *
 * What can be known to be wrong is said before anybody is asked for anything: first the command line, then the name,
 * then the passphrase, and only then the secret. */
#include "secretctl/ask.h"
#include "secretctl/commands.h"
#include "secretctl/exit_code.h"
#include "secretctl/password.h"
#include "secretctl/report.h"
#include "secretctl/unlock.h"
#include "secretctl/vault_error.h"
#include "vault/text.h"

/* Asked here too, since the vault would say it only after all questions. */
static bool are_attributes(const struct request *r)
{
        return text_is_attribute(text_of(r->text[OPTION_USER])) && text_is_attribute(text_of(r->text[OPTION_URL])) &&
               text_is_attribute(text_of(r->text[OPTION_TAGS]));
}

static int check_request(const struct request *r, const struct place *p)
{
        bool is_generated = was_given(r, OPTION_GENERATE);

        if (!is_generated && (was_given(r, OPTION_CHARACTERS) || was_given(r, OPTION_NO_SYMBOLS)))
                return report_usage("--characters and --no-symbols are for --generate");
        if (is_generated && was_given(r, OPTION_SECRET_FD))
                return report_usage("--generate and --secret-fd exclude each other");
        if (!text_is_name(text_of(r->operand[0])))
                return vault_error(p, KEEPMUM_EBADNAME, NULL);
        if (!are_attributes(r))
                return vault_error(p, KEEPMUM_EINVAL, r->operand[0]);
        return ask_check_descriptors(r, !is_generated);
}

static int obtain_secret(keepmum_secret *secret, const struct request *r)
{
        if (was_given(r, OPTION_GENERATE))
                return password_make(secret, r, r->number[OPTION_GENERATE]);
        return ask_secret(secret, r, r->operand[0]);
}

static int save(keepmum_vault *vault, const struct request *r, keepmum_secret secret)
{
        return keepmum_vault_add(vault, r->operand[0], secret, r->text[OPTION_USER], r->text[OPTION_URL],
                                 r->text[OPTION_TAGS]);
}

/* To the vault that is there. */
static int add_to_vault(const struct keys *k, const struct request *r, const struct place *p, keepmum_secret *secret)
{
        keepmum_vault *vault;
        size_t number;
        int status = unlock_with(&vault, k, r, p);

        if (status != EXIT_OK)
                return status;
        if (keepmum_vault_find(vault, r->operand[0], &number) == 0)
                status = vault_error(p, KEEPMUM_EEXISTS, r->operand[0]);
        if (status == EXIT_OK && secret->bits == 0)
                status = obtain_secret(secret, r);
        if (status == EXIT_OK) {
                int err = save(vault, r, *secret);
                status = err == 0 ? EXIT_OK : vault_error(p, err, r->operand[0]);
        }
        unlock_end(vault, p);
        return status;
}

/* As the first entry. KEEPMUM_EEXISTS: somebody else made the vault meanwhile, and the entry goes there. */
static int add_as_first(const struct keys *k, const struct request *r, const struct place *p, keepmum_secret *secret)
{
        keepmum_vault *vault;
        int err = unlock_new(&vault, k, p), status = EXIT_OK;

        if (err == 0) {
                if ((status = obtain_secret(secret, r)) == EXIT_OK && (err = save(vault, r, *secret)) != 0)
                        status = err == KEEPMUM_EEXISTS ? EXIT_OK : vault_error(p, err, r->operand[0]);
                unlock_end(vault, p);
        } else if (err != KEEPMUM_EEXISTS) {
                status = vault_error(p, err, NULL);
        }
        return err == KEEPMUM_EEXISTS ? add_to_vault(k, r, p, secret) : status;
}

int command_add(const struct request *r)
{
        struct place place;
        struct keys keys;
        keepmum_secret secret = {0};
        int status = place_find(&place, r);

        if (status != EXIT_OK || (status = check_request(r, &place)) != EXIT_OK)
                return status;
        if (!place.has_vault && (status = place_make(&place)) != EXIT_OK)
                return status;
        if ((status = keys_gather(&keys, r, &place, !place.has_vault)) != EXIT_OK)
                return status;
        status = place.has_vault ? add_to_vault(&keys, r, &place, &secret) : add_as_first(&keys, r, &place, &secret);
        keepmum_destroy(&secret);
        keys_forget(&keys);
        return status;
}

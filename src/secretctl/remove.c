/* secretctl remove: an entry goes, after a question. Without --yes and without a terminal nothing is removed: a
 * script must say that it means it. */
#include "secretctl/ask.h"
#include "secretctl/commands.h"
#include "secretctl/exit_code.h"
#include "secretctl/report.h"
#include "secretctl/unlock.h"
#include "secretctl/vault_error.h"

#include <stdio.h>

static int consent(const struct request *r)
{
        char question[KEEPMUM_VAULT_MAX_NAME_BYTES + 32];

        if (was_given(r, OPTION_YES))
                return EXIT_OK;
        snprintf(question, sizeof question, "remove %s for good?", r->operand[0]);
        return ask_consent(question);
}

int command_remove(const struct request *r)
{
        struct place place;
        keepmum_vault *vault;
        size_t number;
        int err, status;

        if (!was_given(r, OPTION_YES) && !ask_is_possible()) {
                report_usage("there is no terminal to ask whether %s shall be removed", r->operand[0]);
                report_hint("give --yes to remove it without a question");
                return EXIT_USAGE;
        }
        if ((status = unlock_entry(&vault, &number, &place, r)) != EXIT_OK)
                return status;
        if ((status = consent(r)) == EXIT_OK && (err = keepmum_vault_remove(vault, r->operand[0])) != 0)
                status = vault_error(&place, err, r->operand[0]);
        unlock_end(vault, &place);
        return status;
}

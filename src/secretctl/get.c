/* secretctl get: a secret on standard output, and nothing else. */
#include "secretctl/commands.h"
#include "secretctl/output.h"
#include "secretctl/unlock.h"
#include "secretctl/vault_error.h"

int command_get(const struct request *r)
{
        struct place place;
        keepmum_vault *vault;
        keepmum_secret secret = {0};
        size_t number;
        int status = unlock_entry(&vault, &number, &place, r);

        if (status != 0)
                return status;
        int err = keepmum_vault_get(vault, r->operand[0], &secret);
        if (err == 0 || err == KEEPMUM_EEMPTY)
                status = output_secret(secret); /* {0} where the stored secret has no bytes */
        else
                status = vault_error(&place, err, r->operand[0]);
        keepmum_destroy(&secret);
        unlock_end(vault, &place);
        return status;
}

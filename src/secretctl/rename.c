/* secretctl rename: another name for an entry; its secret is not touched. */
#include "secretctl/commands.h"
#include "secretctl/unlock.h"
#include "secretctl/vault_error.h"

int command_rename(const struct request *r)
{
        struct place place;
        keepmum_vault *vault;
        int status = unlock(&vault, &place, r), err;

        if (status != 0)
                return status;
        if ((err = keepmum_vault_rename(vault, r->operand[0], r->operand[1])) != 0)
                status = vault_error(&place, err, err == KEEPMUM_EEXISTS ? r->operand[1] : r->operand[0]);
        unlock_end(vault, &place);
        return status;
}

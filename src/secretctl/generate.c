/* secretctl generate: a random password on standard output. It needs no vault, and stores nothing. */
#include "secretctl/commands.h"
#include "secretctl/output.h"
#include "secretctl/password.h"

int command_generate(const struct request *r)
{
        keepmum_secret password = {0};
        int status = password_make(&password, r, r->number[OPTION_LENGTH]);

        if (status == 0)
                status = output_secret(password);
        keepmum_destroy(&password);
        return status;
}

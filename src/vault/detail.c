/* One number beside an error: the offset of damage, or the MiB that were not to be had. A thread has its own. */
#include "vault/detail.h"

#include <keepmum_vault.h>

static _Thread_local uint64_t last;

void detail_clear(void)
{
        last = 0;
}

int detail_error(int err, uint64_t value)
{
        last = value;
        return err;
}

uint64_t keepmum_vault_detail(void)
{
        return last;
}

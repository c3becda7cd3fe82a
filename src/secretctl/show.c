/* secretctl show: what is known of an entry, but for its secret, which is not even decrypted. */
#include "secretctl/commands.h"
#include "secretctl/entry.h"
#include "secretctl/output.h"
#include "secretctl/unlock.h"

int command_show(const struct request *r)
{
        struct place place;
        keepmum_vault *vault;
        size_t number;
        int status = unlock_entry(&vault, &number, &place, r);

        if (status != 0)
                return status;
        if (was_given(r, OPTION_JSON)) {
                entry_as_json(vault, number);
                output_format("\n");
        } else {
                entry_as_text(vault, number);
        }
        unlock_end(vault, &place);
        return status;
}

/* secretctl list: the names, one a line, in the order of their bytes; with --json all there is but the secrets. */
#include "secretctl/commands.h"
#include "secretctl/entry.h"
#include "secretctl/output.h"
#include "secretctl/unlock.h"

static void list_as_json(const keepmum_vault *vault, size_t n_entries)
{
        output_format("[");
        for (size_t i = 0; i < n_entries; i++) {
                output_format(i == 0 ? "\n  " : ",\n  ");
                entry_as_json(vault, i);
        }
        output_format(n_entries == 0 ? "]\n" : "\n]\n");
}

int command_list(const struct request *r)
{
        struct place place;
        keepmum_vault *vault;
        int status = unlock(&vault, &place, r);

        if (status != 0)
                return status;
        if (was_given(r, OPTION_JSON))
                list_as_json(vault, keepmum_vault_count(vault));
        for (size_t i = 0; !was_given(r, OPTION_JSON) && i < keepmum_vault_count(vault); i++) {
                output_text(keepmum_vault_text(vault, i, KEEPMUM_VAULT_NAME));
                output_format("\n");
        }
        unlock_end(vault, &place);
        return status;
}

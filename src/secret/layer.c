/* The library as a whole: its start, its end by keepmum_wipe_all(), and what the application sets for all of it. */
#include "secret/layer.h"

#include "base/fatal.h"
#include "os/page.h"
#include "os/process.h"
#include "pool/pool.h"
#include "secret/pattern.h"
#include "secret/prompt.h"
#include "secret/record.h"

#include <errno.h>

static int start(void)
{
        int err = record_start_anew();

        if (err != 0)
                return err;
        pattern_start();
        prompt_start_anew();
        pool_start_anew();
        return 0;
}

int layer_start(void)
{
        return epoch_start(start);
}

const char *keepmum_version(void)
{
        return KEEPMUM_VERSION;
}

void keepmum_on_fatal(void (*hook)(const char *sentence))
{
        fatal_set_hook(hook);
}

int keepmum_set_lock_budget(size_t n_bytes)
{
        int err = layer_enter();

        return err != 0 ? err : pool_set_lock_budget(n_bytes);
}

int keepmum_harden_process(unsigned flags)
{
        int err;

        if (flags & ~(KEEPMUM_NO_NEW_PRIVS | KEEPMUM_LOCK_PROCESS))
                return KEEPMUM_EINVAL;
        if ((err = process_forbid_dump()) != 0 || (err = process_forbid_core()) != 0)
                return err;
        if (flags & KEEPMUM_NO_NEW_PRIVS && (err = process_forbid_new_privs()) != 0)
                return err;
        return flags & KEEPMUM_LOCK_PROCESS ? process_lock_all() : 0;
}

/* Overwritten with noise, not zeroes, by getrandom(2): where another thread closes the page at this very moment that is EFAULT
 * and a second try, never a fault. A slot in the middle of a change, or open, is left accessible: the thread at work there looks at
 * the flag before and after it publishes its change, and cleans up itself. */
static void slot_wipe(struct slot *s)
{
        size_t n = pool_slot_bytes(s);
        enum phase phase;

        page_scramble(s->bytes, n);
        phase = record_phase_of_owner(s);
        if (phase == PHASE_CLOSED || phase == PHASE_FREE)
                page_close(s->bytes, n);
}

void keepmum_wipe_all(void)
{
        int kept = errno;

        if (epoch_set_wiped() && epoch_is_started())
                pool_for_each(slot_wipe);
        errno = kept;
}

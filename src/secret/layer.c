/* The library as a whole: its start, its end by keepmum_wipe_all(), and what the application sets for all of it. */
#include "secret/layer.h"

#include "base/fatal.h"
#include "os/cancel.h"
#include "os/crash.h"
#include "os/page.h"
#include "os/process.h"
#include "pool/pool.h"
#include "secret/evict.h"
#include "secret/key.h"
#include "secret/pattern.h"
#include "secret/prompt.h"
#include "secret/record.h"
#include "secret/stack.h"

#include <errno.h>

static int start(void)
{
        int err = record_start_anew();

        if (err != 0)
                return err;
        pattern_start();
        key_start_anew();
        evict_start_anew();
        prompt_start_anew();
        stack_start_anew();
        return pool_start_anew();
}

/* libsodium reads random numbers where it starts. */
int layer_start(void)
{
        UNCANCELLED;

        return epoch_start(start);
}

const char *keepmum_version(void)
{
        return KEEPMUM_VERSION;
}

void keepmum_on_fatal(void (*hook)(const char *sentence))
{
        fatal_set_stop(epoch_set_wiped);
        fatal_set_hook(hook);
}

int keepmum_set_lock_budget(size_t n_bytes)
{
        int err = layer_enter();

        return err != 0 ? err : pool_set_lock_budget(n_bytes);
}

static int forbid_cores(void)
{
        int err = process_forbid_dump();

        return err != 0 ? err : process_forbid_core();
}

int keepmum_harden_process(unsigned flags)
{
        int err;

        if (flags & ~(KEEPMUM_NO_NEW_PRIVS | KEEPMUM_LOCK_PROCESS | KEEPMUM_WIPE_ON_CRASH))
                return KEEPMUM_EINVAL;
        err = flags & KEEPMUM_WIPE_ON_CRASH ? crash_catch(keepmum_wipe_all) : forbid_cores();
        if (err != 0)
                return err;
        if (flags & KEEPMUM_NO_NEW_PRIVS && (err = process_forbid_new_privs()) != 0)
                return err;
        return flags & KEEPMUM_LOCK_PROCESS ? process_lock_all() : 0;
}

/* Overwritten with noise, not zeroes, by getrandom(2): where another thread closes the page at this very moment that is EFAULT
 * and a second try, never a fault. Closed again only if nobody is at work there (the claim never waits); a slot in the middle of
 * a change, or open, is left accessible: the thread that has it looks at the flag and wipes it when it is done. */
static void slot_wipe(struct slot *s)
{
        uint32_t owner = atomic_load(&s->owner);
        size_t n = s->n_bytes;
        struct record *r;
        uint64_t word;

        if (owner == 0 || key_is_owner(owner))
                return; /* zero and closed; or wiped already */
        page_scramble(s->bytes, n);
        if (record_claim_owner(s, &r, &word)) {
                page_close(s->bytes, n);
                record_publish(r, word);
        }
}

void keepmum_wipe_all(void)
{
        int kept = errno;

        epoch_set_wiped();
        if (epoch_is_started()) {
                key_wipe(); /* first: then all that is sealed is gone at once */
                pool_for_each(slot_wipe);
        }
        errno = kept;
}

/* The start of the library, once in a process and anew in each child. */
#ifndef SECRET_LAYER_H
#define SECRET_LAYER_H

#include "region/epoch.h"

#include <keepmum.h>

int layer_start(void);

/* What every function that may fail asks first: 0, KEEPMUM_EWIPED, or why the library cannot start. */
static inline int layer_enter(void)
{
        if (!epoch_is_started()) {
                int err = layer_start();

                if (err != 0)
                        return err;
        }
        return epoch_is_wiped() ? KEEPMUM_EWIPED : 0;
}

/* Whether creation flags are known ones that do not contradict each other. */
static inline bool layer_allows_flags(unsigned flags)
{
        const unsigned known = KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED | KEEPMUM_STAY | KEEPMUM_EXACT_END | KEEPMUM_SEALED;
        const unsigned hidden_or_not = KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN, sealed_or_not = KEEPMUM_SEALED | KEEPMUM_STAY;

        return (flags & ~known) == 0 && (flags & hidden_or_not) != hidden_or_not && (flags & sealed_or_not) != sealed_or_not;
}

#endif

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

#endif

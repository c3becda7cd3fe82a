/* Work on secret bytes that leaves nothing on the stack and in registers. */
#include "secretctl/cleanly.h"

#include "base/registers.h"

#include <keepmum.h>

int cleanly(int (*fn)(void *arg), void *arg)
{
        int result, err = keepmum_call_clean(&result, fn, arg, 0);

        if (err != KEEPMUM_ENOTSUP)
                return err;
        fn(arg);
        registers_wipe();
        return 0;
}

/* The start of the layers, once in a process, and anew in each child of fork.
 *
 * A child is recognised by one word in a MADV_WIPEONFORK page, not by pthread_atfork(), which _Fork() and clone() skip. All that
 * must not outlive a fork (the stage, the wiped flag) stands in that page and is zero in the child by itself; the rooms above
 * put their own state back in the start() they give. docs/design.md, "Fork". */
#include "region/epoch.h"

#include "os/futex.h"
#include "os/page.h"

#include <stddef.h>
#include <unistd.h>

_Atomic(struct epoch *) epoch_page;
static _Atomic pid_t wiped_before_start; /* the process in which keepmum_wipe_all() came before any secret */

/* Two threads may both make a page; the first one counts. */
static int page_get(struct epoch **page)
{
        void *mine;
        struct epoch *first = NULL;
        int err;

        if ((*page = atomic_load(&epoch_page)) != NULL)
                return 0;
        if ((err = page_map_table(&mine, page_bytes())) != 0)
                return err;
        ((struct epoch *)mine)->is_wiped = atomic_load(&wiped_before_start) == getpid();
        if ((err = page_wipe_on_fork(mine, page_bytes())) == 0 && atomic_compare_exchange_strong(&epoch_page, &first, mine)) {
                *page = mine;
                return 0;
        }
        page_release((char *)mine - page_bytes(), 3 * page_bytes());
        *page = first;
        return err;
}

int epoch_start(int (*start)(void))
{
        struct epoch *e;
        int err = page_get(&e);

        while (err == 0) {
                uint32_t stage = EPOCH_NONE;

                if (atomic_compare_exchange_strong(&e->stage, &stage, EPOCH_STARTING)) {
                        err = start();
                        atomic_store(&e->stage, err == 0 ? EPOCH_STARTED : EPOCH_NONE);
                        futex_wake_all(&e->stage);
                        return err;
                }
                if (stage == EPOCH_STARTED)
                        return 0;
                futex_wait(&e->stage, EPOCH_STARTING);
        }
        return err;
}

void epoch_set_wiped(void)
{
        struct epoch *e;

        atomic_store(&wiped_before_start, getpid());
        if ((e = atomic_load(&epoch_page)) != NULL)
                atomic_store(&e->is_wiped, 1);
}

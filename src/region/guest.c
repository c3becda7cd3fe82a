/* A guest: a secret memory file that stands in this process for a moment, while a secret goes into it or out of it.
 *
 *   | PROT_NONE | the file | PROT_NONE |
 *
 * Always true: like a slot it is locked and not dumped from birth, and closed until no fork can take it along; each of its pages was found
 * before anybody touches it, so that a shortage is an error and not SIGBUS. Not here: whether there is room for it (pool/). */
#include "region/guest.h"

#include "os/page.h"

#include <errno.h>
#include <keepmum.h>
#include <stdbool.h>

/* By reading, since it may hold a secret already. What is readable in shared memory is writable too, and secret memory never shrinks. */
static bool has_all_pages(const struct guest *g)
{
        for (size_t i = 0; i < g->n_bytes; i += page_bytes())
                if (!page_probe_readable(g->bytes + i))
                        return false;
        return true;
}

static int map_file(const struct guest *g)
{
        int err;

        if ((err = page_map_file(g->bytes, g->n_bytes, g->fd, 0)) != 0 || (err = page_no_fork(g->bytes, g->n_bytes)) != 0 ||
            (err = page_open_first(g->bytes, g->n_bytes)) != 0)
                return err;
        if (has_all_pages(g))
                return 0;
        errno = ENOMEM;
        return KEEPMUM_ENOMEM;
}

int guest_map(struct guest *g)
{
        void *base;
        int cause, err = page_reserve(&base, g->n_bytes + 2 * page_bytes());

        if (err != 0)
                return err;
        g->base = base;
        g->bytes = g->base + page_bytes();
        if ((err = map_file(g)) != 0) {
                cause = errno;
                guest_unmap(g);
                errno = cause;
        }
        return err;
}

/* At the very limit of mappings the whole may be refused, since its guards have become one with their neighbours: the file alone, a mapping
 * of its own, never is. */
void guest_unmap(struct guest *g)
{
        if (!page_unmap(g->base, g->n_bytes + 2 * page_bytes())) {
                page_release(g->bytes, g->n_bytes);
                page_release(g->base, page_bytes());
                page_release(g->bytes + g->n_bytes, page_bytes());
        }
        g->base = g->bytes = NULL;
}

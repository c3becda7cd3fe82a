/* Pieces are cut from stretches of 256 KiB, of which the kernel gives a page when it is first written. */
#include "heap/books.h"

#include "base/size.h"
#include "heap/lock.h"
#include "os/page.h"

#include <errno.h>
#include <stdatomic.h>

enum { STRETCH = 256 * 1024 };

static struct heap_lock lock = HEAP_LOCK_INITIAL;
static char *next;
static size_t left; /* bytes from next that may be handed out */
static _Atomic uint64_t mapped_bytes;

void *books_map(size_t n_bytes)
{
        int kept = errno;
        void *table;

        if (page_map_table(&table, n_bytes) != 0) {
                errno = kept;
                return NULL;
        }
        atomic_fetch_add_explicit(&mapped_bytes, n_bytes, memory_order_relaxed);
        return table;
}

void *books_take(size_t n_bytes)
{
        void *piece = NULL;

        n_bytes = size_round_up(n_bytes, 64);
        heap_lock(&lock);
        if (left < n_bytes) {
                char *stretch = books_map(STRETCH);

                if (stretch == NULL)
                        goto out;
                next = stretch;
                left = STRETCH - BOOKS_MAX;
        }
        piece = next;
        next += n_bytes;
        left -= n_bytes;
out:
        heap_unlock(&lock);
        return piece;
}

uint64_t books_bytes(void)
{
        return atomic_load_explicit(&mapped_bytes, memory_order_relaxed);
}

void books_lock(void)
{
        heap_lock(&lock);
}

void books_unlock(void)
{
        heap_unlock(&lock);
}

void books_lock_renew(void)
{
        heap_lock_renew(&lock);
}

/* What is known of large blocks: a hash table by address, out of line, and the lock of all that concerns them.
 *
 * An entry may move whenever the lock is let go: it is then found anew by its address. Who has made an entry BUSY or LEAVING under
 * the lock owns what it describes until the state changes again, and works on it without the lock, with a copy. */
#ifndef HEAP_LARGE_TABLE_H
#define HEAP_LARGE_TABLE_H

#include "heap/lock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum large_state {
        LARGE_LIVE,
        LARGE_READY,       /* open, zero, never handed out at this address since it was closed */
        LARGE_QUARANTINED, /* closed, holds no memory */
        LARGE_BUSY,
        LARGE_LEAVING      /* being unmapped: from here on the kernel may give its addresses to somebody else */
};

struct large {
        uintptr_t at;       /* the payload's first byte; 0 where no entry is */
        uintptr_t base;     /* of its mapping, the untouchable pages included */
        size_t total_bytes;
        size_t open_bytes;  /* from at on, whole pages; all else is closed */
        size_t n_bytes;     /* LIVE: what was asked for */
        size_t warm_bytes;  /* READY: memory it holds, about */
        enum large_state state;
};

extern struct heap_lock large_table_lock;

/* The lock is held for all of these. */
struct large *large_table_find(uintptr_t at); /* NULL */
/* Makes or finds the entry for this address and fills it; NULL without memory, which cannot be if it was there. */
struct large *large_table_put(const struct large *d);
void large_table_remove(uintptr_t at);
bool large_table_covers(uintptr_t address); /* slow: looks at every entry */
void large_table_each(void (*visit)(const struct large *d));
size_t large_table_bytes(void);

#endif

/* Large blocks: handing out, taking back, growing and shrinking.
 *
 * Always true: who changes a block has made its entry BUSY under the lock first, so of two racing frees one dies; a mapping is
 * untouchable but for its open part, which is the payload and less than a page of slack. What is freed is cleared by memset where its
 * memory stays (heap/large_cache.h), else by dropping the memory. */
#include "heap/large.h"

#include "base/fatal.h"
#include "base/size.h"
#include "heap/canary.h"
#include "heap/large_cache.h"
#include "heap/large_table.h"
#include "heap/tools.h"
#include "heap/zero.h"
#include "os/page.h"

#include <errno.h>
#include <string.h>

static size_t n_live, live_bytes;

/* ---- slack ---- */

static bool slack_is_sound(const struct large *d)
{
        const char *end = (const char *)d->at + d->open_bytes;
        size_t slack = d->open_bytes - d->n_bytes;

        return slack == 0 || (canary_is_sound((const void *)d->at, d->open_bytes, slack) &&
                              (slack <= 16 || zero_holds_between(end - slack + 8, end - 8)));
}

/* ---- live blocks ---- */

/* Ends the process unless p is a live block; false if it is nowhere in a large one. The lock is held, but not at the end, as the
 * program's hook may allocate. */
static bool find_live(struct large **entry, const void *p, enum heap_act act)
{
        bool was_block;

        *entry = large_table_find((uintptr_t)p);
        if (*entry == NULL && !large_table_covers((uintptr_t)p))
                return false;
        if (*entry != NULL && (*entry)->state == LARGE_LIVE)
                return true;
        was_block = *entry != NULL && (*entry)->state != LARGE_READY;
        heap_unlock(&large_table_lock);
        if (was_block)
                heap_die_freed(act);
        heap_die_no_block(act);
}

static void count_live(size_t n_blocks, size_t n_bytes)
{
        n_live += n_blocks;
        live_bytes += n_bytes;
        large_cache_note_live(live_bytes);
}

/* Makes a live block the caller's, out of reach of any other call. */
static bool claim(struct large *d, const void *p, enum heap_act act)
{
        struct large *entry;
        bool is_found;

        heap_lock(&large_table_lock);
        is_found = find_live(&entry, p, act);
        if (is_found) {
                *d = *entry;
                entry->state = LARGE_BUSY;
                count_live((size_t)-1, -d->open_bytes);
        }
        heap_unlock(&large_table_lock);
        return is_found;
}

/* Makes it a live block of n_bytes. Its slack is zero. */
static void *issue(struct large *d, size_t n_bytes)
{
        bool is_known;

        if (n_bytes < d->open_bytes)
                canary_set((void *)d->at, d->open_bytes, d->open_bytes - n_bytes);
        tools_allocated((void *)d->at, n_bytes, d->open_bytes);
        d->n_bytes = n_bytes;
        d->state = LARGE_LIVE;
        heap_lock(&large_table_lock);
        is_known = large_table_put(d) != NULL; /* it was there, BUSY */
        count_live(1, d->open_bytes);
        heap_unlock(&large_table_lock);
        must(is_known, HEAP_DAMAGED);
        large_cache_limit();
        return (void *)d->at;
}

/* No canary where the payload fills its pages: the untouchable page right behind is better. */
static size_t bytes_for(size_t n_bytes)
{
        return size_round_up(n_bytes == 0 ? 1 : n_bytes, page_bytes());
}

/* ---- moving memory ---- */

enum { LEAST_READY = 256 * 1024 };

static size_t least(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* After page_move(): the addresses that the memory left. */
static void leave(struct large *d)
{
        if (page_mend((void *)d->at, d->open_bytes))
                large_cache_give_place(d);
        else
                large_cache_forget(d, d->at, d->open_bytes);
}

/* The memory moves to a place of open_bytes; false: it is as it was. */
static bool move(struct large *to, const struct large *from, size_t open_bytes, size_t alignment)
{
        if (!large_cache_take_place(to, open_bytes, alignment))
                return false;
        if (page_move((void *)to->at, open_bytes, (void *)from->at, from->open_bytes)) {
                to->open_bytes = open_bytes;
                return true;
        }
        if (page_mend((void *)to->at, open_bytes))
                (void)large_cache_drop(to);
        else
                large_cache_forget(to, to->at, open_bytes);
        return false;
}

/* ---- allocate ---- */

/* The end of a ready block becomes d; the rest stays ready, if it is worth it. */
static bool cut(struct large *d, struct large *from, size_t open_bytes, size_t alignment)
{
        struct large end = *from;

        end.at += from->open_bytes - open_bytes;
        end.open_bytes = open_bytes;
        if (!move(d, &end, open_bytes, alignment)) {
                (void)large_cache_drop(from);
                return false;
        }
        if (!page_mend((void *)end.at, open_bytes)) {
                large_cache_forget(from, end.at, open_bytes);
                return true;
        }
        from->open_bytes -= open_bytes;
        from->warm_bytes -= least(from->warm_bytes, open_bytes);
        if (from->open_bytes < LEAST_READY)
                (void)large_cache_drop(from);
        else
                large_cache_give_ready(from);
        return true;
}

/* Memory of a ready block that does not fit: moving it is cheaper than having the kernel find and clear other. */
static bool take_memory(struct large *d, size_t open_bytes, size_t alignment)
{
        struct large from;

        if (!large_cache_take_largest(&from))
                return false;
        if (from.open_bytes > open_bytes)
                return cut(d, &from, open_bytes, alignment);
        if (!move(d, &from, open_bytes, alignment)) {
                (void)large_cache_drop(&from);
                return false;
        }
        leave(&from);
        return true;
}

static void *allocate(size_t n_bytes, size_t alignment)
{
        size_t open_bytes = bytes_for(n_bytes);
        struct large d;

        if (!large_cache_take_ready(&d, open_bytes, alignment) && !take_memory(&d, open_bytes, alignment)) {
                if (!large_cache_take_place(&d, open_bytes, alignment))
                        return NULL;
                if (page_set_write((void *)d.at, open_bytes) != 0) {
                        (void)large_cache_drop(&d);
                        return NULL;
                }
                d.open_bytes = open_bytes;
        }
        return issue(&d, n_bytes);
}

/* What waits may be what is missing: of memory, or of addresses. */
void *large_allocate(size_t n_bytes, size_t alignment)
{
        int kept = errno;
        void *block = allocate(n_bytes, alignment);

        if (block == NULL && large_cache_empty() > 0)
                block = allocate(n_bytes, alignment);
        errno = block != NULL ? kept : ENOMEM;
        return block;
}

/* ---- free ---- */

enum { CHUNK_PAGES = 64, BATCH_CHUNKS = 16, BATCH_PAGES = BATCH_CHUNKS * CHUNK_PAGES };

static void clear_by_dropping(char *at, size_t n_bytes)
{
        if (n_bytes > 0 && !page_discard(at, n_bytes))
                zero_clear(at, n_bytes); /* locked by the program */
}

static bool are_all_resident(const unsigned char *residents, size_t n)
{
        unsigned char all = 1;

        for (size_t i = 0; i < n; i++)
                all &= residents[i];
        return all != 0;
}

/* Notes of one batch, at most, which chunks are in memory as a whole, and returns their bytes. Where that cannot be known, all. */
static size_t find_warm(bool *is_warm, char *at, size_t n_bytes)
{
        unsigned char residents[BATCH_PAGES];
        size_t page = page_bytes(), chunk = CHUNK_PAGES * page, warm = 0;

        if (!page_find_residents(residents, at, n_bytes))
                memset(residents, 1, sizeof residents);
        for (size_t i = 0; i < n_bytes; i += chunk) {
                size_t n = least(chunk, n_bytes - i);

                is_warm[i / chunk] = are_all_resident(residents + i / page, n / page);
                warm += is_warm[i / chunk] ? n : 0;
        }
        return warm;
}

/* Clears all; returns the bytes whose memory stays: that of warm chunks. Of the others some pages may be swapped out, and most were
 * perhaps never touched. 0, and nothing is cleared, if less than a quarter of the first batch is warm: keeping is not worth it. */
static size_t clear(char *at, size_t n_bytes)
{
        size_t chunk = CHUNK_PAGES * page_bytes(), batch = BATCH_CHUNKS * chunk, warm = 0, cleared = 0;
        bool is_warm[BATCH_CHUNKS];

        for (size_t i = 0; i < n_bytes; i += chunk) {
                size_t n = least(batch, n_bytes - i);

                if (i % batch == 0 && find_warm(is_warm, at + i, n) < n / 4 && i == 0)
                        return 0;
                if (!is_warm[i % batch / chunk])
                        continue;
                n = least(chunk, n);
                clear_by_dropping(at + cleared, i - cleared);
                zero_clear(at + i, n);
                cleared = i + n;
                warm += n;
        }
        clear_by_dropping(at + cleared, n_bytes - cleared);
        return warm;
}

static void retire(struct large *d)
{
        size_t warm = clear((char *)d->at, d->open_bytes);
        struct large to;

        if (warm > 0 && move(&to, d, d->open_bytes, 1)) {
                leave(d);
                to.warm_bytes = warm;
                large_cache_give_ready(&to);
        } else if (page_empty((void *)d->at, d->open_bytes)) {
                large_cache_give_place(d);
        } else {
                (void)large_cache_drop(d);
        }
}

bool large_free(void *p)
{
        int kept = errno;
        struct large d;

        if (!claim(&d, p, HEAP_ACT_FREE))
                return false;
        tools_look(p, d.open_bytes);
        must(slack_is_sound(&d), HEAP_OVERRUN);
        tools_freed(p, d.open_bytes);
        tools_look(p, d.open_bytes); /* closed, a use faults; open again, the addresses are others' */
        if (d.open_bytes > LARGE_READY_BYTES)
                (void)large_cache_drop(&d);
        else
                retire(&d);
        errno = kept;
        return true;
}

/* ---- resize ---- */

static bool grow(struct large *d, size_t open_bytes)
{
        struct large to;

        if (!move(&to, d, open_bytes, 1))
                return false;
        leave(d);
        *d = to;
        return true;
}

/* From the new end on all is zero afterwards; if the kernel refuses to close the pages, they stay, as slack. */
static void shrink(struct large *d, size_t n_bytes, size_t open_bytes)
{
        if (open_bytes < d->open_bytes && page_empty((void *)(d->at + open_bytes), d->open_bytes - open_bytes))
                d->open_bytes = open_bytes;
        zero_clear((char *)d->at + n_bytes, d->open_bytes - n_bytes);
}

void *large_resize(void *p, size_t n_bytes)
{
        int kept = errno;
        size_t open_bytes = bytes_for(n_bytes), n_before;
        struct large d;
        bool is_done = true;

        if (!claim(&d, p, HEAP_ACT_REALLOC))
                heap_die_no_block(HEAP_ACT_REALLOC);
        tools_look(p, d.open_bytes);
        must(slack_is_sound(&d), HEAP_OVERRUN);
        n_before = d.n_bytes;
        tools_freed(p, d.open_bytes);
        tools_look(p, d.open_bytes);
        zero_clear((char *)p + n_before, d.open_bytes - n_before);
        if (open_bytes > d.open_bytes)
                is_done = grow(&d, open_bytes);
        else
                shrink(&d, n_bytes < n_before ? n_bytes : n_before, open_bytes);
        p = issue(&d, is_done ? n_bytes : n_before);
        errno = is_done ? kept : ENOMEM;
        return is_done ? p : NULL;
}

/* ---- looking ---- */

bool large_size(const void *p, size_t *n_bytes, enum heap_act act)
{
        struct large *entry;
        bool is_found;

        heap_lock(&large_table_lock);
        is_found = find_live(&entry, p, act);
        if (is_found)
                *n_bytes = entry->n_bytes;
        heap_unlock(&large_table_lock);
        return is_found;
}

static void check_if_live(const struct large *d)
{
        if (d->state != LARGE_LIVE || tools_watch() || slack_is_sound(d))
                return;
        heap_unlock(&large_table_lock);
        fatal(HEAP_OVERRUN);
}

void large_check(void)
{
        heap_lock(&large_table_lock);
        large_table_each(check_if_live);
        heap_unlock(&large_table_lock);
}

size_t large_trim(void)
{
        int kept = errno;
        size_t n_bytes = large_cache_empty();

        errno = kept;
        return n_bytes;
}

void large_count(struct large_counts *counts)
{
        heap_lock(&large_table_lock);
        *counts = (struct large_counts){.n_live = n_live, .live_bytes = live_bytes, .table_bytes = large_table_bytes()};
        large_cache_count(&counts->n_cached, &counts->cached_bytes);
        heap_unlock(&large_table_lock);
}

void large_lock(void)
{
        heap_lock(&large_table_lock);
}

void large_unlock(void)
{
        heap_unlock(&large_table_lock);
}

void large_lock_renew(void)
{
        heap_lock_renew(&large_table_lock);
}

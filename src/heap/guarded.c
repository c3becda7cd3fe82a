/* Guarded blocks: 16 pages of one reservation, every second page of it, so that each has an untouchable one on both sides.
 *
 * Always true: a page that is not live is closed, and what it held was cleared before. The free ones stand in a ring, those free the
 * longest first. A page is changed only by who made it BUSY under the lock; the system calls are made without it. */
#include "heap/guarded.h"

#include "base/fatal.h"
#include "base/size.h"
#include "heap/canary.h"
#include "heap/lock.h"
#include "heap/tools.h"
#include "heap/zero.h"
#include "os/page.h"

#include <errno.h>

enum { PAGES = 16 };

enum guarded_state { GUARDED_NEVER_USED, GUARDED_LIVE, GUARDED_BUSY, GUARDED_FREED };

static struct heap_lock guarded_mutex = HEAP_LOCK_INITIAL;
static uintptr_t base;        /* of the reservation, 0 before; read without the lock */
static bool is_refused;       /* asked for once */
static struct {
        uint16_t slack;       /* behind the payload, up to the page's end; of a freed one still what it was */
        uint16_t n_bytes;
        uint8_t state;
} pages[PAGES];
static uint8_t ring[PAGES];   /* free pages; from ring_first on n_free of them */
static uint32_t ring_first;
static uint32_t n_free = PAGES; /* changed under the lock; read without it */

static char *page_at(uint32_t i)
{
        return (char *)__atomic_load_n(&base, __ATOMIC_RELAXED) + (2 * (size_t)i + 1) * page_bytes();
}

static char *block_of(uint32_t i)
{
        return page_at(i) + page_bytes() - pages[i].n_bytes - pages[i].slack;
}

/* ---- the ring: the lock is held ---- */

static bool start(void)
{
        size_t n_bytes = (2 * PAGES + 1) * page_bytes();
        char *p;

        if (base != 0 || is_refused)
                return base != 0;
        p = page_set_aside(n_bytes);
        is_refused = p == NULL;
        for (uint32_t i = 0; i < PAGES; i++)
                ring[i] = (uint8_t)i;
        __atomic_store_n(&base, (uintptr_t)p, __ATOMIC_RELEASE);
        if (is_refused)
                __atomic_store_n(&n_free, 0, __ATOMIC_RELAXED);
        return !is_refused;
}

static void give(uint32_t i)
{
        ring[(ring_first + n_free) % PAGES] = (uint8_t)i;
        __atomic_store_n(&n_free, n_free + 1, __ATOMIC_RELAXED);
}

static bool take(uint32_t *i)
{
        if (n_free == 0)
                return false;
        *i = ring[ring_first];
        ring_first = (ring_first + 1) % PAGES;
        __atomic_store_n(&n_free, n_free - 1, __ATOMIC_RELAXED);
        return true;
}

static void change_state(uint32_t i, enum guarded_state state)
{
        heap_lock(&guarded_mutex);
        pages[i].state = (uint8_t)state;
        if (state == GUARDED_FREED)
                give(i);
        heap_unlock(&guarded_mutex);
}

/* ---- the pattern around the payload ---- */

static void fill(uint32_t i)
{
        canary_word canary = canary_of(page_at(i)), *words = (canary_word *)page_at(i);
        char *block = block_of(i), *end = page_at(i) + page_bytes();

        for (; (char *)words < block; words++)
                *words = canary;
        for (char *p = end - pages[i].slack; p < end; p++)
                *p = ((const char *)&canary)[(uintptr_t)p % sizeof canary];
}

/* NULL, or the sentence of what is wrong. */
static const char *damage_of(uint32_t i)
{
        canary_word canary = canary_of(page_at(i));
        const canary_word *words = (const canary_word *)page_at(i);
        const char *block = block_of(i), *end = page_at(i) + page_bytes();

        for (const char *p = end - pages[i].slack; p < end; p++)
                if (*p != ((const char *)&canary)[(uintptr_t)p % sizeof canary])
                        return HEAP_OVERRUN;
        for (; (const char *)words < block; words++)
                if (*words != canary)
                        return HEAP_UNDERRUN;
        return NULL;
}

/* ---- allocate and free ---- */

void *guarded_allocate(size_t n_bytes)
{
        int kept = errno;
        uint32_t i;
        bool is_found, is_open;

        if (__atomic_load_n(&n_free, __ATOMIC_RELAXED) == 0)
                return NULL;
        heap_lock(&guarded_mutex);
        is_found = start() && take(&i);
        if (is_found)
                pages[i].state = GUARDED_BUSY;
        heap_unlock(&guarded_mutex);
        if (!is_found) {
                errno = kept;
                return NULL;
        }
        is_open = page_set_write(page_at(i), page_bytes()) == 0;
        errno = kept;
        if (!is_open) {
                change_state(i, GUARDED_FREED);
                return NULL;
        }
        pages[i].n_bytes = (uint16_t)n_bytes;
        pages[i].slack = (uint16_t)(size_round_up(n_bytes == 0 ? 1 : n_bytes, 16) - n_bytes);
        fill(i);
        tools_allocated(block_of(i), n_bytes, n_bytes);
        change_state(i, GUARDED_LIVE);
        return block_of(i);
}

static bool is_inside(const void *p)
{
        uintptr_t start_of_all = __atomic_load_n(&base, __ATOMIC_ACQUIRE);

        return start_of_all != 0 && (uintptr_t)p - start_of_all < (2 * PAGES + 1) * page_bytes();
}

/* Ends the process unless p is a live block. The lock is held, but not at the end, as the program's hook may allocate. */
static uint32_t find_live(const void *p, enum heap_act act)
{
        size_t n = ((uintptr_t)p - base) / page_bytes();
        uint32_t i = (uint32_t)(n / 2);
        bool is_block = n % 2 == 1 && pages[i].state != GUARDED_NEVER_USED && p == block_of(i);

        if (is_block && pages[i].state == GUARDED_LIVE)
                return i;
        heap_unlock(&guarded_mutex);
        if (is_block)
                heap_die_freed(act);
        heap_die_no_block(act);
}

bool guarded_free(void *p)
{
        int kept = errno;
        const char *damage;
        uint32_t i;

        if (!is_inside(p))
                return false;
        heap_lock(&guarded_mutex);
        i = find_live(p, HEAP_ACT_FREE);
        pages[i].state = GUARDED_BUSY;
        heap_unlock(&guarded_mutex);
        damage = damage_of(i);
        if (damage != NULL)
                fatal(damage);
        tools_freed(p, pages[i].n_bytes);
        tools_look(p, pages[i].n_bytes); /* closed, a use faults */
        if (!page_empty(page_at(i), page_bytes())) /* refused at the limit of mappings: open, but clear */
                zero_clear(page_at(i), page_bytes());
        change_state(i, GUARDED_FREED);
        errno = kept;
        return true;
}

/* ---- looking ---- */

bool guarded_size(const void *p, size_t *n_bytes, enum heap_act act)
{
        if (!is_inside(p))
                return false;
        heap_lock(&guarded_mutex);
        *n_bytes = pages[find_live(p, act)].n_bytes;
        heap_unlock(&guarded_mutex);
        return true;
}

void guarded_check(void)
{
        const char *damage = NULL;

        heap_lock(&guarded_mutex);
        for (uint32_t i = 0; i < PAGES && damage == NULL; i++)
                if (pages[i].state == GUARDED_LIVE)
                        damage = damage_of(i);
        heap_unlock(&guarded_mutex);
        if (damage != NULL)
                fatal(damage);
}

uint64_t guarded_count(void)
{
        uint64_t n = 0;

        heap_lock(&guarded_mutex);
        for (uint32_t i = 0; i < PAGES; i++)
                n += pages[i].state == GUARDED_LIVE;
        heap_unlock(&guarded_mutex);
        return n;
}

void guarded_lock(void)
{
        heap_lock(&guarded_mutex);
}

void guarded_unlock(void)
{
        heap_unlock(&guarded_mutex);
}

void guarded_lock_renew(void)
{
        heap_lock_renew(&guarded_mutex);
}

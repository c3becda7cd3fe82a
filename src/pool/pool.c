/* The pool: where speed comes from. A slot that is given back stays mapped, locked, closed and zero, and is taken again
 * without any system call.
 *
 * Size classes are 1, 2, 4, 8, 16 and 32 pages; a larger secret has a chunk of its own, whose memory goes back to the kernel at once
 * while its addresses stay reserved for the next one of that size. Chunks start with 4 slots and double up to 64 pages; where the
 * lock limit refuses, half as many are tried. When even one is refused, wholly free chunks of any size give their lock back first.
 *
 * Always true: one mutex guards the free lists and the chunks, and nobody waits for anything else while holding it; a number
 * once given to a slot is its number for ever; slots of before a fork are below epoch_first and are never touched again. */
#include "pool/pool.h"

#include "base/fatal.h"
#include "base/size.h"
#include "base/wipe.h"
#include "os/page.h"
#include "os/secretmem.h"
#include "region/epoch.h"

#include <keepmum.h>
#include <pthread.h>

enum { CLASSES = 6, LARGE = CLASSES, FIRST_SLOTS = 4, MOST_PAGES = 64, LOCK_FLOOR_PAGES = 3 };

struct ledger pool_slots, pool_chunks;
uint32_t pool_first_slot, pool_first_chunk;
static pthread_mutex_t lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static unsigned forks_under_lock;
static uint32_t free_head[MEMORY_KINDS][CLASSES];           /* numbers of slots, 0: none */
static uint32_t next_slots[MEMORY_KINDS][CLASSES];          /* size of the next chunk */
static enum { UNKNOWN, TRUSTED, DISTRUSTED } probed[MEMORY_KINDS];
static int probe_error[MEMORY_KINDS];
static bool prefer_hidden;
static struct pool_counts counts;

static struct pool_chunk *chunk_at(uint32_t number)
{
        return ledger_at(&pool_chunks, number, sizeof(struct pool_chunk));
}

unsigned pool_promises(const struct slot *s)
{
        return chunk_at(s->chunk)->map.promises;
}

static unsigned class_of(size_t n_pages)
{
        unsigned c = 0;

        while (c < CLASSES && (size_t)1 << c < n_pages)
                c++;
        return c;
}

static size_t slot_bytes_for(size_t n_bytes)
{
        size_t n_pages = size_round_up(n_bytes, page_bytes()) / page_bytes(), step = 1;
        unsigned c = class_of(n_pages);

        if (c != LARGE)
                return page_bytes() << c;
        while (step * 16 <= n_pages) /* an eighth of the power of two below: few sizes, so that addresses are used again */
                step *= 2;
        return size_round_up(n_pages, step) * page_bytes();
}

bool pool_is_same_size(const struct slot *s, size_t n_bytes)
{
        return s->n_bytes == slot_bytes_for(n_bytes);
}

static unsigned class_of_chunk(const struct pool_chunk *c)
{
        return class_of(c->map.slot_bytes / page_bytes());
}

/* ---- fork ---- */

static void plug_holes(const struct pool_chunk *c)
{
        for (uint32_t i = 0; i < c->map.n_slots; i++)
                page_plug(chunk_slot(&c->map, i), c->map.slot_bytes);
}

/* fork() waits until no chunk is being made: a slot must be marked before a child could take it along. A fork in a signal handler
 * that interrupted the pool goes on without; one that interrupted another fork shares its lock. A child that has not started
 * anew must not wait for its parent's lock, and makes no chunks. */
static void before_fork(void)
{
        if (!epoch_is_started())
                return;
        if (pthread_mutex_lock(&lock) == 0)
                forks_under_lock = 1;
        else if (forks_under_lock > 0)
                forks_under_lock++;
}

static void after_fork(void)
{
        if (epoch_is_started() && forks_under_lock > 0 && --forks_under_lock == 0)
                pthread_mutex_unlock(&lock);
}

int pool_start_anew(void)
{
        uint32_t n_chunks = ledger_count(&pool_chunks);

        lock = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP; /* another thread of the parent may have held it */
        if (pool_first_chunk == 0 && pthread_atfork(before_fork, after_fork, NULL) != 0)
                return KEEPMUM_ENOMEM;
        for (uint32_t i = pool_first_chunk == 0 ? 1 : pool_first_chunk; i < n_chunks; i++)
                plug_holes(chunk_at(i));
        pool_first_chunk = n_chunks;
        pool_first_slot = ledger_count(&pool_slots);
        for (unsigned k = 0; k < MEMORY_KINDS; k++) {
                for (unsigned c = 0; c < CLASSES; c++) {
                        free_head[k][c] = 0;
                        next_slots[k][c] = FIRST_SLOTS;
                }
                probed[k] = UNKNOWN;
        }
        forks_under_lock = 0;
        counts = (struct pool_counts){.lock_budget = counts.lock_budget};
        prefer_hidden = secretmem_is_free_of_charge();
        return 0;
}

/* ---- what is always true, looked at with --enable-checks ---- */

#ifdef KEEPMUM_CHECKS
static uint64_t list_check(enum memory_kind kind, unsigned class)
{
        uint64_t n = 0;

        for (uint32_t i = free_head[kind][class]; i != 0; i = pool_slot(i)->next_free, n++) {
                const struct pool_chunk *c = chunk_at(pool_slot(i)->chunk);

                check(pool_is_sound(i) && pool_slot(i)->owner == 0 && n < counts.slots, "a free list is broken");
                check(c->map.kind == kind && class_of_chunk(c) == class && !c->is_empty, "a slot is on the wrong free list");
        }
        return n;
}

static void pool_check(void)
{
        uint64_t n = 0;

        for (unsigned k = 0; k < MEMORY_KINDS; k++)
                for (unsigned class = 0; class < CLASSES; class++)
                        n += list_check(k, class);
        check(n == counts.free_slots, "the free slots are miscounted");
}

#else
static void pool_check(void)
{
}
#endif

/* ---- growing ---- */

static void slot_list(uint32_t number)
{
        struct slot *s = pool_slot(number);
        struct pool_chunk *c = chunk_at(s->chunk);
        unsigned class = class_of_chunk(c);

        atomic_store(&s->owner, 0);
        s->next_free = free_head[c->map.kind][class];
        free_head[c->map.kind][class] = number;
        c->n_free++;
        counts.free_slots++;
}

static void count_chunk(const struct pool_chunk *c, int sign)
{
        uint64_t n = (uint64_t)(sign * (int64_t)c->map.n_slots);

        counts.slots += n;
        if (c->map.kind == MEMORY_HIDDEN)
                counts.hidden_slots += n;
        if (c->map.kind == MEMORY_UNLOCKED)
                counts.unlocked_slots += n;
        else
                counts.locked_bytes += n * c->map.slot_bytes;
}

static bool is_over_budget(size_t n_bytes, enum memory_kind kind)
{
        return kind != MEMORY_UNLOCKED && counts.lock_budget != 0 && counts.locked_bytes + n_bytes > counts.lock_budget;
}

static bool is_unused(const struct pool_chunk *c)
{
        return c->is_empty || c->n_free == c->map.n_slots;
}

/* An unused chunk of the same shape, whose addresses can be used again; 0 for none. */
static uint32_t find_unused(enum memory_kind kind, size_t slot_bytes, uint32_t n_slots)
{
        for (uint32_t i = ledger_count(&pool_chunks); i-- > pool_first_chunk;) {
                struct pool_chunk *c = chunk_at(i);

                if (is_unused(c) && c->map.kind == kind && c->map.slot_bytes == slot_bytes && c->map.n_slots == n_slots)
                        return i;
        }
        return 0;
}

static int chunk_refill(struct pool_chunk *c)
{
        int err;

        c->n_free = 0;
        if (!c->is_empty)
                return 0;
        if ((err = chunk_map(&c->map)) != 0)
                return err;
        atomic_store(&c->is_empty, 0);
        count_chunk(c, 1);
        return 0;
}

static int chunk_add(uint32_t *number, enum memory_kind kind, size_t slot_bytes, uint32_t n_slots)
{
        struct chunk map = {.slot_bytes = slot_bytes, .n_slots = n_slots, .kind = kind};
        struct pool_chunk *c;
        uint32_t first;
        int err;

        if ((err = ledger_append(&pool_chunks, number, 1, sizeof *c)) != 0 ||
            (err = ledger_append(&pool_slots, &first, n_slots, sizeof(struct slot))) != 0 || (err = chunk_map(&map)) != 0)
                return err;
        c = chunk_at(*number);
        *c = (struct pool_chunk){.map = map, .first = chunk_slot(&map, 0), .stride = slot_bytes + page_bytes(), .first_slot = first};
        for (uint32_t i = 0; i < n_slots; i++) {
                struct slot *s = pool_slot(first + i);

                s->bytes = chunk_slot(&map, i);
                s->n_bytes = slot_bytes;
                s->chunk = *number;
        }
        ledger_publish(&pool_chunks, 1);
        ledger_publish(&pool_slots, n_slots);
        count_chunk(c, 1);
        return 0;
}

/* n_slots more closed slots; their numbers start at *first. */
static int chunk_get(uint32_t *first, enum memory_kind kind, size_t slot_bytes, uint32_t n_slots)
{
        uint32_t number = find_unused(kind, slot_bytes, n_slots);
        int err;

        if (is_over_budget(n_slots * slot_bytes, kind))
                return KEEPMUM_ELIMIT;
        err = number != 0 ? chunk_refill(chunk_at(number)) : chunk_add(&number, kind, slot_bytes, n_slots);
        if (err != 0)
                return err;
        *first = chunk_at(number)->first_slot;
        return 0;
}

static int grow(enum memory_kind kind, unsigned class)
{
        uint32_t most = (uint32_t)(MOST_PAGES >> class), n = next_slots[kind][class], first;
        int err = KEEPMUM_ELIMIT;

        for (n = n < most ? n : most; n > 0; n /= 2) {
                if ((err = chunk_get(&first, kind, page_bytes() << class, n)) == 0) {
                        next_slots[kind][class] = 2 * n;
                        for (uint32_t i = n; i-- > 0;)
                                slot_list(first + i);
                        return 0;
                }
                if (err != KEEPMUM_ELIMIT && err != KEEPMUM_ENOMEM)
                        return err;
        }
        return err;
}

/* ---- shrinking ---- */

/* None of the chunk's slots is listed. At the very limit of mappings the kernel may refuse even this: the chunk then stays, wiped and
 * closed, and its slots are free again. */
static void chunk_drop(struct pool_chunk *c)
{
        atomic_store(&c->is_empty, 1);
        if (chunk_empty(&c->map) == 0) {
                c->n_free = c->map.n_slots;
                count_chunk(c, -1);
                return;
        }
        atomic_store(&c->is_empty, 0);
        c->n_free = class_of_chunk(c) == LARGE ? c->map.n_slots : 0; /* a large one is found by find_unused() */
        for (uint32_t i = c->map.n_slots; c->n_free < c->map.n_slots && i-- > 0;)
                slot_list(c->first_slot + i);
}

/* Takes the slots of chunks about to be dropped off one free list. */
static void unlist_free_chunks(uint32_t *head)
{
        while (*head != 0) {
                struct slot *s = pool_slot(*head);
                struct pool_chunk *c = chunk_at(s->chunk);

                if (c->n_free == c->map.n_slots) {
                        *head = s->next_free;
                        counts.free_slots--;
                } else {
                        head = &s->next_free;
                }
        }
}

/* Gives wholly free chunks back to the kernel; whether there was one. */
static bool drop_free_chunks(void)
{
        bool has_dropped = false;

        for (unsigned k = 0; k < MEMORY_KINDS; k++)
                for (unsigned class = 0; class < CLASSES; class++)
                        unlist_free_chunks(&free_head[k][class]);
        for (uint32_t i = pool_first_chunk; i < ledger_count(&pool_chunks); i++) {
                struct pool_chunk *c = chunk_at(i);

                if (!c->is_empty && c->n_free == c->map.n_slots) {
                        chunk_drop(c);
                        has_dropped |= c->is_empty;
                }
        }
        return has_dropped;
}

/* ---- taking ---- */

static int take_listed(uint32_t *number, enum memory_kind kind, unsigned class)
{
        uint32_t *head = &free_head[kind][class];
        struct slot *s;
        int err;

        if (*head == 0 && (err = grow(kind, class)) != 0)
                return err;
        *number = *head;
        s = pool_slot(*number);
        *head = s->next_free;
        chunk_at(s->chunk)->n_free--;
        counts.free_slots--;
        return 0;
}

static int probe(enum memory_kind kind)
{
        if (probed[kind] == UNKNOWN) {
                int err = chunk_probe(kind);

                if (err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM || err == KEEPMUM_ESYSTEM)
                        return err; /* may pass: ask again next time */
                probe_error[kind] = err;
                probed[kind] = err == 0 ? TRUSTED : DISTRUSTED;
        }
        return probed[kind] == TRUSTED ? 0 : probe_error[kind];
}

static int take_of_kind(uint32_t *number, enum memory_kind kind, size_t slot_bytes)
{
        unsigned class = class_of(slot_bytes / page_bytes());
        int err = probe(kind);

        if (err != 0)
                return err;
        return class == LARGE ? chunk_get(number, kind, slot_bytes, 1) : take_listed(number, kind, class);
}

/* The kinds of memory a caller accepts, best first. */
static unsigned acceptable(enum memory_kind kinds[static MEMORY_KINDS], unsigned creation_flags)
{
        unsigned n = 0;

        if (creation_flags & KEEPMUM_HIDDEN || (prefer_hidden && !(creation_flags & KEEPMUM_NOT_HIDDEN)))
                kinds[n++] = MEMORY_HIDDEN;
        if (!(creation_flags & KEEPMUM_HIDDEN))
                kinds[n++] = MEMORY_LOCKED;
        if (creation_flags & KEEPMUM_ACCEPT_UNLOCKED && !(creation_flags & KEEPMUM_HIDDEN))
                kinds[n++] = MEMORY_UNLOCKED;
        return n;
}

static int take_best(uint32_t *number, size_t slot_bytes, unsigned creation_flags)
{
        enum memory_kind kinds[MEMORY_KINDS];
        unsigned n = acceptable(kinds, creation_flags);
        int err = KEEPMUM_ENOHIDDEN;

        for (unsigned i = 0; i < n; i++)
                if ((err = take_of_kind(number, kinds[i], slot_bytes)) == 0)
                        return 0;
        return err;
}

int pool_take(uint32_t *number, size_t n_bytes, unsigned creation_flags)
{
        size_t slot_bytes = slot_bytes_for(n_bytes);
        int err;

        pthread_mutex_lock(&lock);
        pool_check();
        err = take_best(number, slot_bytes, creation_flags & ~KEEPMUM_ACCEPT_UNLOCKED);
        if ((err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM) && drop_free_chunks())
                err = take_best(number, slot_bytes, creation_flags & ~KEEPMUM_ACCEPT_UNLOCKED);
        if (err != 0 && creation_flags & KEEPMUM_ACCEPT_UNLOCKED)
                err = take_best(number, slot_bytes, creation_flags);
        pthread_mutex_unlock(&lock);
        return err;
}

/* ---- giving ---- */

void pool_give_untouched(uint32_t number)
{
        struct slot *s = pool_slot(number);

        pthread_mutex_lock(&lock);
        atomic_store(&s->owner, 0);
        if (class_of_chunk(chunk_at(s->chunk)) == LARGE)
                chunk_drop(chunk_at(s->chunk));
        else
                slot_list(number);
        pthread_mutex_unlock(&lock);
}

void pool_give(uint32_t number)
{
        struct slot *s = pool_slot(number);
        wipe(s->bytes, s->n_bytes);
        atomic_store(&s->owner, 0); /* before it is closed: keepmum_wipe_all() opens only slots with an owner */
        page_close(s->bytes, s->n_bytes);
        pool_give_untouched(number);
}

/* ---- the rest ---- */

int pool_set_lock_budget(size_t n_bytes)
{
        if (n_bytes != 0 && n_bytes < LOCK_FLOOR_PAGES * page_bytes())
                return KEEPMUM_EINVAL;
        pthread_mutex_lock(&lock);
        counts.lock_budget = n_bytes;
        pthread_mutex_unlock(&lock);
        return 0;
}

void pool_count(struct pool_counts *out)
{
        pthread_mutex_lock(&lock);
        *out = counts;
        pthread_mutex_unlock(&lock);
}

void pool_for_each(void (*visit)(struct slot *s))
{
        uint32_t n = ledger_count(&pool_slots);

        for (uint32_t i = pool_first_slot; i < n; i++) {
                struct slot *s = pool_slot(i);

                if (!chunk_at(s->chunk)->is_empty)
                        visit(s);
        }
}

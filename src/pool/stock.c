/* The stock behind the pool: chunks by kind of memory and size class, grown and given back.
 *
 * Size classes are 1, 2, 4, 8, 16 and 32 pages; a larger secret has a chunk of its own, whose memory goes back to the kernel at once
 * while its addresses stay reserved for the next one of that size. Chunks start with 4 slots and double up to 64 pages; where the
 * lock limit refuses, half as many are tried. When even one is refused, wholly free chunks of any size give their lock back first.
 *
 * Always true: a number once given to a slot is its number for ever; a free slot is closed and zero. Not here: the lock around all of
 * it (pool/pool.c). */
#include "pool/stock.h"

#include "base/fatal.h"
#include "base/size.h"

#include <keepmum.h>

enum { FIRST_SLOTS = 4, MOST_PAGES = POOL_MOST_SLOTS, PATIENCE = 255 };

uint32_t stock_free_head[MEMORY_KINDS][STOCK_CLASSES];
struct pool_counts stock_counts;
static uint32_t next_slots[MEMORY_KINDS][STOCK_CLASSES]; /* size of the next chunk */
static uint32_t mapped[MEMORY_KINDS][STOCK_CLASSES];     /* slots */
static struct met_limit {
        uint32_t n_skipped; /* tries since; 0: it was not met */
        int err;
} met_limit[MEMORY_KINDS][STOCK_CLASSES];

void stock_start_anew(void)
{
        for (unsigned k = 0; k < MEMORY_KINDS; k++) {
                for (unsigned c = 0; c < STOCK_CLASSES; c++) {
                        stock_free_head[k][c] = 0;
                        next_slots[k][c] = FIRST_SLOTS;
                        mapped[k][c] = 0;
                }
        }
        stock_forget_limits();
        stock_counts = (struct pool_counts){.lock_budget = stock_counts.lock_budget};
}

/* ---- sizes ---- */

static unsigned class_of(size_t n_pages)
{
        unsigned c = 0;

        while (c < STOCK_CLASSES && (size_t)1 << c < n_pages)
                c++;
        return c;
}

size_t stock_slot_bytes(size_t n_bytes)
{
        size_t n_pages = size_round_up(n_bytes, page_bytes()) / page_bytes(), step = 1;
        unsigned c = class_of(n_pages);

        if (c != STOCK_LARGE)
                return page_bytes() << c;
        while (step * 16 <= n_pages) /* an eighth of the power of two below: few sizes, so that addresses are used again */
                step *= 2;
        return size_round_up(n_pages, step) * page_bytes();
}

unsigned stock_class(size_t slot_bytes)
{
        return class_of(slot_bytes / page_bytes());
}

static unsigned class_of_chunk(const struct pool_chunk *c)
{
        return stock_class(c->map.slot_bytes);
}

/* ---- growing ---- */

static void stock_list(uint32_t number)
{
        struct slot *s = pool_slot(number);
        struct pool_chunk *c = stock_chunk(s->chunk);
        unsigned class = class_of_chunk(c);

        atomic_store(&s->owner, 0);
        s->next_free = stock_free_head[c->map.kind][class];
        stock_free_head[c->map.kind][class] = number;
        c->n_free++;
        stock_counts.free_slots++;
}

static void count_chunk(const struct pool_chunk *c, int sign)
{
        uint64_t n = (uint64_t)(sign * (int64_t)c->map.n_slots);

        stock_counts.slots += n;
        if (class_of_chunk(c) != STOCK_LARGE)
                mapped[c->map.kind][class_of_chunk(c)] += (uint32_t)n;
        if (c->map.kind == MEMORY_HIDDEN)
                stock_counts.hidden_slots += n;
        if (c->map.kind == MEMORY_UNLOCKED)
                stock_counts.unlocked_slots += n;
        else
                stock_counts.locked_bytes += n * c->map.slot_bytes;
}

bool stock_is_over_budget(size_t n_bytes, enum memory_kind kind)
{
        return kind != MEMORY_UNLOCKED && stock_counts.lock_budget != 0 && stock_counts.locked_bytes + n_bytes > stock_counts.lock_budget;
}

static bool is_unused(const struct pool_chunk *c)
{
        return c->is_empty || c->n_free == c->map.n_slots;
}

/* An unused chunk of the same shape, whose addresses can be used again; 0 for none. */
static uint32_t find_unused(enum memory_kind kind, size_t slot_bytes, uint32_t n_slots)
{
        for (uint32_t i = ledger_count(&pool_chunks); i-- > pool_first_chunk;) {
                struct pool_chunk *c = stock_chunk(i);

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
        c = stock_chunk(*number);
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

        if (stock_is_over_budget(n_slots * slot_bytes, kind))
                return KEEPMUM_ELIMIT;
        err = number != 0 ? chunk_refill(stock_chunk(number)) : chunk_add(&number, kind, slot_bytes, n_slots);
        if (err != 0)
                return err;
        *first = stock_chunk(number)->first_slot;
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
                                stock_list(first + i);
                        return 0;
                }
                if (err != KEEPMUM_ELIMIT && err != KEEPMUM_ENOMEM)
                        return err;
        }
        return err;
}

bool stock_is_at_limit(int *err, enum memory_kind kind, unsigned class)
{
        struct met_limit *l = &met_limit[kind][class];

        if (stock_free_head[kind][class] != 0 || l->n_skipped == 0 || l->n_skipped++ > PATIENCE)
                return false;
        *err = l->err;
        return true;
}

void stock_note_limit(int err, enum memory_kind kind, unsigned class)
{
        met_limit[kind][class].n_skipped = err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM;
        met_limit[kind][class].err = err;
}

void stock_forget_limits(void)
{
        for (unsigned k = 0; k < MEMORY_KINDS; k++)
                for (unsigned c = 0; c < STOCK_CLASSES; c++)
                        met_limit[k][c].n_skipped = 0;
}

uint32_t stock_mapped(enum memory_kind kind, unsigned class)
{
        return mapped[kind][class];
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
                stock_forget_limits();
                return;
        }
        atomic_store(&c->is_empty, 0);
        c->n_free = class_of_chunk(c) == STOCK_LARGE ? c->map.n_slots : 0; /* a large one is found by find_unused() */
        for (uint32_t i = c->map.n_slots; c->n_free < c->map.n_slots && i-- > 0;)
                stock_list(c->first_slot + i);
}

/* Takes the slots of chunks about to be dropped off one free list. */
static void unlist_free_chunks(uint32_t *head)
{
        while (*head != 0) {
                struct slot *s = pool_slot(*head);
                struct pool_chunk *c = stock_chunk(s->chunk);

                if (c->n_free == c->map.n_slots) {
                        *head = s->next_free;
                        stock_counts.free_slots--;
                } else {
                        head = &s->next_free;
                }
        }
}

/* Gives wholly free chunks back to the kernel; whether there was one. */
bool stock_drop_free_chunks(void)
{
        bool has_dropped = false;

        for (unsigned k = 0; k < MEMORY_KINDS; k++)
                for (unsigned class = 0; class < STOCK_CLASSES; class++)
                        unlist_free_chunks(&stock_free_head[k][class]);
        for (uint32_t i = pool_first_chunk; i < ledger_count(&pool_chunks); i++) {
                struct pool_chunk *c = stock_chunk(i);

                if (!c->is_empty && c->n_free == c->map.n_slots) {
                        chunk_drop(c);
                        has_dropped |= c->is_empty;
                }
        }
        return has_dropped;
}

/* ---- taking and giving ---- */

int stock_get(uint32_t *number, enum memory_kind kind, size_t slot_bytes)
{
        unsigned class = stock_class(slot_bytes);
        uint32_t *head;
        struct slot *s;
        int err;

        if (class == STOCK_LARGE)
                return chunk_get(number, kind, slot_bytes, 1);
        head = &stock_free_head[kind][class];
        if (*head == 0 && (err = grow(kind, class)) != 0)
                return err;
        *number = *head;
        s = pool_slot(*number);
        *head = s->next_free;
        stock_chunk(s->chunk)->n_free--;
        stock_counts.free_slots--;
        return 0;
}

int stock_get_alone(uint32_t *number, enum memory_kind kind)
{
        if (stock_free_head[kind][0] != 0)
                return stock_get(number, kind, page_bytes());
        return chunk_get(number, kind, page_bytes(), 1);
}

void stock_put(uint32_t number)
{
        struct pool_chunk *c = stock_chunk(pool_slot(number)->chunk);

        atomic_store(&pool_slot(number)->owner, 0);
        atomic_store(&pool_slot(number)->stays, false);
        if (class_of_chunk(c) == STOCK_LARGE)
                chunk_drop(c);
        else
                stock_list(number);
}

/* ---- what is always true, looked at with --enable-checks ---- */

#ifdef KEEPMUM_CHECKS
static uint64_t list_check(enum memory_kind kind, unsigned class)
{
        uint64_t n = 0;

        for (uint32_t i = stock_free_head[kind][class]; i != 0; i = pool_slot(i)->next_free, n++) {
                const struct pool_chunk *c = stock_chunk(pool_slot(i)->chunk);

                check(pool_is_sound(i) && pool_slot(i)->owner == 0 && n < stock_counts.slots, "a free list is broken");
                check(c->map.kind == kind && class_of_chunk(c) == class && !c->is_empty, "a slot is on the wrong free list");
        }
        return n;
}

void stock_check(void)
{
        uint64_t n = 0;

        for (unsigned k = 0; k < MEMORY_KINDS; k++)
                for (unsigned class = 0; class < STOCK_CLASSES; class++)
                        n += list_check(k, class);
        check(n == stock_counts.free_slots, "the free slots are miscounted");
}

#else
void stock_check(void)
{
}
#endif

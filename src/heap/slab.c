/* The central stores: of each size class a list of slabs that have slots to give, under the class's lock. Threads take from four stores in
 * turn, so that the slots, and the slots' words, of two that run at once seldom share a cache line; a slot goes back to its slab's store.
 *
 * Slots leave a store and come back by the half magazine, so that the lock is seldom taken. A fresh slab is opened a page at a time: a
 * program that needs ten blocks of a class touches no 64 KiB for them. A slab that is empty becomes a free run. Of slabs that a few
 * survivors hold, the pages without any are given back to the kernel each time the slabs hold a MiB more, or a sixteenth: other
 * sizes then need the memory. If half of these pages are wanted again soon, the next time comes later. Book-keeping of a slab that
 * went is kept for the next one of the class. Lock order: class, then runs or books. */
#include "heap/slab.h"

#include "base/fatal.h"
#include "base/size.h"
#include "heap/books.h"
#include "heap/lock.h"
#include "heap/misuse.h"
#include "heap/run.h"
#include "heap/tools.h"
#include "heap/zero.h"
#include "os/page.h"

#include <string.h>

enum { EMPTY_KEPT = 1, PURGE_EVERY = 1024 * 1024 / HEAP_LEAF, MOST_PATIENCE = 2 };

struct class_store {
        struct slab *listed; /* slabs that have slots to give */
        uint32_t n_empty;    /* of these, slabs none of whose slots is out */
        uint64_t *spare_bitmaps; /* of slabs that went, linked through their first word; the slots' words before them stay 0 */
        uint32_t n_retaken;  /* leaves that were purged and are in use again */
} __attribute__((aligned(64)));

static struct class_store stores[SLAB_STORES][SLAB_CLASSES];
static struct {
        struct heap_lock lock;
} __attribute__((aligned(64))) classes[SLAB_CLASSES]; /* a lock for what all stores have of the class */
static _Atomic uint32_t n_held, purge_at = PURGE_EVERY; /* leaves of all slabs that are not purged */
static atomic_flag is_purging = ATOMIC_FLAG_INIT;
const uint8_t slab_class_of_step[HEAP_SMALL_MAX / 16 + 1] = {
        [0 ... 1] = 0, [2] = 1, [3] = 2, [4] = 3, [5] = 4, [6] = 5, [7] = 6, [8] = 7, [9 ... 10] = 8,
        [11 ... 12] = 9, [13 ... 14] = 10, [15 ... 16] = 11, [17 ... 20] = 12, [21 ... 24] = 13, [25 ... 28] = 14,
        [29 ... 32] = 15, [33 ... 40] = 16, [41 ... 48] = 17, [49 ... 56] = 18, [57 ... 64] = 19, [65 ... 80] = 20,
        [81 ... 96] = 21, [97 ... 112] = 22, [113 ... 128] = 23, [129 ... 160] = 24, [161 ... 192] = 25,
        [193 ... 224] = 26, [225 ... 256] = 27, [257 ... 320] = 28, [321 ... 384] = 29, [385 ... 448] = 30,
        [449 ... 512] = 31, [513 ... 640] = 32, [641 ... 768] = 33, [769 ... 896] = 34, [897 ... 1024] = 35,
};
const uint16_t slab_class_bytes[SLAB_CLASSES] = {
        16,   32,   48,   64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,   512,   640,   768,
        896,  1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384,
};

static size_t bitmap_words(uint32_t n_slots)
{
        return (n_slots + 63) / 64;
}

static size_t slack_bytes(uint32_t n_slots)
{
        return size_round_up(n_slots * sizeof(slot_slack), 64);
}

static void list_add(struct class_store *store, struct slab *s)
{
        s->is_listed = true;
        s->previous = NULL;
        s->next = store->listed;
        if (s->next != NULL)
                s->next->previous = s;
        store->listed = s;
}

static void list_remove(struct class_store *store, struct slab *s)
{
        must((s->previous == NULL ? store->listed : s->previous->next) == s, HEAP_DAMAGED);
        must(s->next == NULL || s->next->previous == s, HEAP_DAMAGED);
        if (s->previous == NULL)
                store->listed = s->next;
        else
                s->previous->next = s->next;
        if (s->next != NULL)
                s->next->previous = s->previous;
        s->is_listed = false;
}

/* The slots' words, then the bitmap. Others may still be looking at the words of a slab that went: only the bitmap is linked through. */
static char *books_for(struct class_store *store, uint32_t n_slots)
{
        uint64_t *spare = store->spare_bitmaps;

        if (spare == NULL)
                return books_take(slack_bytes(n_slots) + bitmap_words(n_slots) * 8);
        store->spare_bitmaps = (uint64_t *)(uintptr_t)*spare;
        *spare = 0;
        return (char *)spare - slack_bytes(n_slots);
}

static void books_keep(struct class_store *store, uint64_t *bitmap)
{
        *bitmap = (uintptr_t)store->spare_bitmaps;
        store->spare_bitmaps = bitmap;
}

static bool slab_make(struct class_store *store, uint32_t class, uint32_t store_number)
{
        uint16_t slot_bytes = slab_class_bytes[class], n_slots = (uint16_t)(HEAP_UNIT / slot_bytes);
        char *books = books_for(store, n_slots);
        const struct heap_range *r;
        struct slab *s;
        char *base;

        if (books == NULL)
                return false;
        base = run_take(HEAP_UNIT_LEAVES, HEAP_UNIT_LEAVES, RUN_SLAB);
        if (base == NULL) {
                books_keep(store, (uint64_t *)(void *)(books + slack_bytes(n_slots)));
                return false;
        }
        r = range_find(base);
        s = &r->slabs[((uintptr_t)base - r->base) / HEAP_UNIT];
        must(atomic_load_explicit(&s->n_slots, memory_order_relaxed) == 0, HEAP_DAMAGED);
        s->slack = (slot_slack *)books;
        s->inverse = (uint32_t)((((uint64_t)1 << 32) + slot_bytes - 1) / slot_bytes);
        s->slot_bytes = slot_bytes;
        s->class = (uint8_t)class;
        s->store = (uint8_t)store_number;
        s->n_free = s->n_opened = 0;
        s->purged = 0;
        s->bitmap = (uint64_t *)(books + slack_bytes(n_slots));
        s->base = base;
        atomic_store_explicit(&s->n_slots, n_slots, memory_order_release);
        list_add(store, s);
        store->n_empty++;
        n_held += HEAP_UNIT_LEAVES;
        return true;
}

/* An empty slab becomes a free run; its memory is all zero, as its slots were. */
static void slab_unmake(struct class_store *store, struct slab *s)
{
        uint32_t n_slots = atomic_load_explicit(&s->n_slots, memory_order_relaxed);

        list_remove(store, s);
        store->n_empty--;
        n_held -= HEAP_UNIT_LEAVES - (uint32_t)__builtin_popcount(s->purged);
        atomic_store_explicit(&s->n_slots, 0, memory_order_release);
        memset(s->bitmap, 0, bitmap_words(n_slots) * 8);
        books_keep(store, s->bitmap);
        run_give(s->base);
}

/* One store that changes nothing. */
static void leaf_touch(char *at)
{
        tools_look(at, 1);
        __atomic_fetch_or(at, 0, __ATOMIC_RELAXED);
}

/* The next slots of a slab become free for the first time. A byte of each of their pages is written, so that the look for
 * writes after free, which reads first, does not cost a second page fault. */
static void slab_open_more(struct slab *s)
{
        uint32_t n_slots = atomic_load_explicit(&s->n_slots, memory_order_relaxed), from = s->n_opened;
        uint32_t want = HEAP_LEAF / s->slot_bytes, end;
        char *page, *last;

        end = want == 0 ? from + 1 : from + want;
        if (end > n_slots)
                end = n_slots;
        for (uint32_t i = from; i < end; i++)
                s->bitmap[i / 64] |= (uint64_t)1 << i % 64;
        s->n_free = (uint16_t)(s->n_free + end - from);
        s->n_opened = (uint16_t)end;
        last = s->base + (size_t)end * s->slot_bytes - 1;
        for (page = s->base + size_round_up((size_t)from * s->slot_bytes, HEAP_LEAF); page <= last; page += HEAP_LEAF)
                leaf_touch(page);
}

static uint32_t leaves_of(const struct slab *s, uint32_t slot)
{
        uint32_t first = slot * s->slot_bytes / HEAP_LEAF, last = ((slot + 1) * s->slot_bytes - 1) / HEAP_LEAF;

        return (2u << last) - (1u << first);
}

/* Before a slot goes out again: written first, as in slab_open_more(). */
static void leaves_retake(struct class_store *store, struct slab *s, uint32_t slot)
{
        uint32_t wanted = leaves_of(s, slot) & s->purged;

        s->purged &= ~wanted;
        for (; wanted != 0; wanted &= wanted - 1) {
                leaf_touch(s->base + (size_t)__builtin_ctz(wanted) * HEAP_LEAF);
                store->n_retaken++;
                n_held++;
        }
}

/* The lowest first, into slots[n - 1] downwards: a magazine is emptied from its end, so that neighbours go out in order. */
static uint32_t slab_pick(void **slots, uint32_t n, struct class_store *store, struct slab *s)
{
        uint32_t n_words = (uint32_t)bitmap_words(s->n_opened), taken = 0;

        for (uint32_t w = 0; w < n_words && taken < n; w++) {
                uint64_t bits = s->bitmap[w];

                for (; bits != 0 && taken < n; bits &= bits - 1) {
                        uint32_t slot = w * 64 + (uint32_t)__builtin_ctzll(bits);

                        if (s->purged != 0)
                                leaves_retake(store, s, slot);
                        slots[n - ++taken] = s->base + (size_t)slot * s->slot_bytes;
                }
                s->bitmap[w] = bits;
        }
        must(taken <= s->n_free, HEAP_DAMAGED);
        s->n_free = (uint16_t)(s->n_free - taken);
        return taken;
}

static bool slab_is_empty(const struct slab *s)
{
        return s->n_free == s->n_opened;
}

static bool slot_is_free(const struct slab *s, uint32_t slot)
{
        return s->bitmap[slot / 64] >> slot % 64 & 1;
}

/* ---- purging ---- */

static uint32_t free_leaves(const struct slab *s)
{
        uint32_t last = ((uint32_t)s->n_opened * s->slot_bytes - 1) / HEAP_LEAF, in_use = 0;

        for (uint32_t slot = 0; slot < s->n_opened; slot++)
                if (!slot_is_free(s, slot))
                        in_use |= leaves_of(s, slot);
        return ((2u << last) - 1) & ~in_use;
}

/* Returns leaves. */
static uint32_t slab_purge(struct slab *s)
{
        uint32_t leaves = s->n_opened == 0 ? 0 : free_leaves(s) & ~s->purged, n_purged = 0;

        while (leaves != 0) {
                uint32_t first = (uint32_t)__builtin_ctz(leaves), n = (uint32_t)__builtin_ctz(~(leaves >> first));
                uint32_t stretch = ((1u << n) - 1) << first;

                if (page_discard(s->base + (size_t)first * HEAP_LEAF, (size_t)n * HEAP_LEAF)) {
                        s->purged |= stretch;
                        n_purged += n;
                        n_held -= n;
                }
                leaves &= ~stretch;
        }
        return n_purged;
}

/* With no lock held. Of two threads that come at once one goes on. */
static void purge(void)
{
        static uint32_t n_purged, patience;
        uint32_t n_retaken = 0, all, more;

        if (page_bytes() != HEAP_LEAF || atomic_flag_test_and_set(&is_purging))
                return;
        for (uint32_t class = 0; class < SLAB_CLASSES; class++) {
                heap_lock(&classes[class].lock);
                for (uint32_t i = 0; i < SLAB_STORES; i++) {
                        n_retaken += stores[i][class].n_retaken;
                        stores[i][class].n_retaken = 0;
                }
                heap_unlock(&classes[class].lock);
        }
        if (n_retaken > n_purged / 2 && n_retaken > PURGE_EVERY / 4)
                patience += patience < MOST_PATIENCE;
        else
                patience -= patience > 0;
        n_purged = 0;
        for (uint32_t class = 0; class < SLAB_CLASSES; class++) {
                heap_lock(&classes[class].lock);
                for (uint32_t i = 0; i < SLAB_STORES; i++)
                        for (struct slab *s = stores[i][class].listed; s != NULL; s = s->next)
                                n_purged += slab_purge(s);
                heap_unlock(&classes[class].lock);
        }
        all = n_held;
        more = all / 16 > PURGE_EVERY ? all / 16 : PURGE_EVERY;
        purge_at = all + (more << patience);
        atomic_flag_clear(&is_purging);
}

/* ---- taking and giving ---- */

/* Fills slots[0 .. n) from its end; the rest moves down if there was not enough. */
uint32_t slab_take(void **slots, uint32_t n, uint32_t class, uint32_t store_number)
{
        struct class_store *store = &stores[store_number][class];
        uint32_t left = n;

        heap_lock(&classes[class].lock);
        while (left > 0) {
                struct slab *s = store->listed;

                if (s == NULL) {
                        if (!slab_make(store, class, store_number))
                                break;
                        s = store->listed;
                }
                if (slab_is_empty(s))
                        store->n_empty--;
                if (s->n_free == 0)
                        slab_open_more(s);
                left -= slab_pick(slots, left, store, s);
                if (s->n_free == 0 && s->n_opened == s->n_slots)
                        list_remove(store, s);
        }
        heap_unlock(&classes[class].lock);
        if (atomic_load_explicit(&n_held, memory_order_relaxed) >= atomic_load_explicit(&purge_at, memory_order_relaxed))
                purge();
        if (left > 0)
                memmove(slots, slots + left, (n - left) * sizeof *slots);
        return n - left;
}

static void slot_give(struct class_store *store, struct slab *s, uint32_t slot)
{
        s->bitmap[slot / 64] |= (uint64_t)1 << slot % 64;
        s->n_free++;
        if (!s->is_listed)
                list_add(store, s);
        if (slab_is_empty(s)) {
                store->n_empty++;
                if (store->n_empty > EMPTY_KEPT)
                        slab_unmake(store, s);
        }
}

void slab_give(void *const *slots, uint32_t n, uint32_t class)
{
        heap_lock(&classes[class].lock);
        for (uint32_t i = 0; i < n; i++) {
                uint32_t slot;
                struct slab *s = slab_find(slots[i], &slot);

                must(s != NULL && s->class == class && !slot_is_free(s, slot), HEAP_DAMAGED);
                slot_give(&stores[s->store][class], s, slot);
        }
        heap_unlock(&classes[class].lock);
}

static void slab_recover(struct slab *s)
{
        uint32_t class = s->class;

        heap_lock(&classes[class].lock);
        for (uint32_t slot = 0; slot < s->n_opened && s->n_slots > 0; slot++) {
                if (s->slack[slot] != 0 || slot_is_free(s, slot))
                        continue;
                tools_look(s->base + (size_t)slot * s->slot_bytes, s->slot_bytes);
                zero_clear(s->base + (size_t)slot * s->slot_bytes, s->slot_bytes);
                slot_give(&stores[s->store][class], s, slot);
        }
        heap_unlock(&classes[class].lock);
}

void slab_recover_all(void)
{
        for (const struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES; r++)
                for (size_t unit = 0; unit < r->n_bytes / HEAP_UNIT; unit++)
                        if (r->slabs[unit].n_slots > 0)
                                slab_recover(&r->slabs[unit]);
}

static void trim_store(struct class_store *store)
{
        struct slab *next;

        for (struct slab *s = store->listed; s != NULL; s = next) {
                next = s->next;
                if (slab_is_empty(s))
                        slab_unmake(store, s);
        }
}

void slab_trim(void)
{
        for (uint32_t class = 0; class < SLAB_CLASSES; class++) {
                heap_lock(&classes[class].lock);
                for (uint32_t i = 0; i < SLAB_STORES; i++)
                        trim_store(&stores[i][class]);
                heap_unlock(&classes[class].lock);
        }
}

void slab_lock(void)
{
        for (uint32_t class = 0; class < SLAB_CLASSES; class++)
                heap_lock(&classes[class].lock);
}

void slab_unlock(void)
{
        for (uint32_t class = 0; class < SLAB_CLASSES; class++)
                heap_unlock(&classes[class].lock);
}

void slab_lock_renew(void)
{
        for (uint32_t class = 0; class < SLAB_CLASSES; class++)
                heap_lock_renew(&classes[class].lock);
        atomic_flag_clear(&is_purging); /* the thread that was at it is not in the child */
}

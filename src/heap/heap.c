/* The public functions: which part of the heap a size or an address belongs to, and the way of a small block.
 *
 * Always true of a small block: handing out finds its whole slot still zero, then writes the canary, then the slot's word, which makes
 * it live; taking back first swaps the word for 0, so that of two racing frees one finds 0 and dies, then looks at the canaries,
 * then zeroes. No lock and no system call but for an exchange with the central store. docs/heap.md has the whole picture. */
#include "base/fatal.h"
#include "heap/cache.h"
#include "heap/canary.h"
#include "heap/fork.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/medium.h"
#include "heap/misuse.h"
#include "heap/slab.h"
#include "heap/tools.h"
#include "heap/zero.h"
#include "os/process.h"

#include <errno.h>
#include <keepmum_heap.h>
#include <stdint.h>
#include <string.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static void *no_memory(void)
{
        errno = ENOMEM;
        return NULL;
}

/* ---- small ----
 *
 * The usual way is one leaf function each: whatever is rare is a call in tail position. */

/* One of the topmost eight, at random; the top takes its place. */
static inline void *magazine_pop(struct cache *c, uint32_t class)
{
        uint32_t top = --c->n[class], back = cache_random(c) & 7, other = top - (back < top ? back : top);
        void **slots = c->magazine[class], *slot = slots[other];

        slots[other] = slots[top];
        return slot;
}

/* Makes a free slot, all zero, a block. */
static inline void *slot_issue(struct slab *s, uint32_t slot, void *block, uint32_t slot_bytes, size_t n_bytes)
{
        size_t slack = slot_bytes - n_bytes;

        canary_set_in_zero(block, slot_bytes, slack);
        atomic_store_explicit(&s->slack[slot], (uint16_t)slack, memory_order_release);
        tools_allocated(block, n_bytes, slot_bytes);
        return block;
}

/* A long slot, one of another range than the first, or one that is not zero. */
__attribute__((noinline)) static void *slot_issue_any(void *block, uint32_t class, size_t n_bytes)
{
        uint32_t slot, slot_bytes = slab_class_bytes[class];
        struct slab *s = slab_find(block, &slot);

        must(s != NULL, HEAP_DAMAGED);
        tools_look(block, slot_bytes);
        if (unlikely(!zero_holds(block, slot_bytes)))
                fatal(HEAP_WRITE_AFTER_FREE);
        return slot_issue(s, slot, block, slot_bytes, n_bytes);
}

__attribute__((noinline)) static void *small_refill_and_allocate(struct cache *c, uint32_t class, size_t n_bytes)
{
        if (!cache_refill(c, class))
                return no_memory();
        return slot_issue_any(magazine_pop(c, class), class, n_bytes);
}

static inline void *small_allocate(struct cache *c, uint32_t class, size_t n_bytes)
{
        uint32_t slot, slot_bytes = slab_class_bytes[class];
        struct slab *s;
        void *block;

        if (unlikely(c->n[class] == 0))
                return small_refill_and_allocate(c, class, n_bytes);
        block = magazine_pop(c, class);
        s = slab_find_first(block, &slot);
        if (unlikely(s == NULL || slot_bytes > ZERO_SHORT || tools_watch() || !zero_holds_short(block, slot_bytes)))
                return slot_issue_any(block, class, n_bytes);
        return slot_issue(s, slot, block, slot_bytes, n_bytes);
}

/* One allocation in about a thousand, if there is a page for it. */
__attribute__((noinline, cold)) static void *small_allocate_guarded(struct cache *c, uint32_t class, size_t n_bytes)
{
        void *block;

        cache_plan_guarded(c);
        if (n_bytes <= HEAP_LEAF - 16 && (block = guarded_allocate(n_bytes)) != NULL)
                return block;
        return small_allocate(c, class, n_bytes);
}

/* A thread's first allocation, and its last ones. */
__attribute__((noinline, cold)) static void *small_allocate_first(uint32_t class, size_t n_bytes)
{
        struct cache *c;
        void *block;

        heap_start();
        if ((c = cache_get()) != NULL)
                return small_allocate(c, class, n_bytes);
        if ((c = cache_borrow()) == NULL)
                return no_memory();
        block = small_allocate(c, class, n_bytes);
        cache_return();
        return block;
}

/* In a process of one thread nothing races, and the exchange is the dearest instruction of a free. */
static inline uint16_t slot_retire(struct slab *s, uint32_t slot)
{
        slot_slack *word = &s->slack[slot];
        uint16_t slack;

        if (!process_has_one_thread())
                return atomic_exchange_explicit(word, 0, memory_order_acq_rel);
        slack = atomic_load_explicit(word, memory_order_relaxed);
        atomic_store_explicit(word, 0, memory_order_relaxed);
        return slack;
}

/* Into the magazine, which may be full. */
__attribute__((noinline)) static void small_stack_rarely(struct cache *c, uint32_t class, uint32_t slot_bytes, void *block)
{
        if (c->n[class] >= cache_magazine_max(slot_bytes))
                cache_flush(c, class);
        c->magazine[class][c->n[class]++] = block;
}

/* Into the quarantine; what it takes the place of, at random, goes to the magazine. */
static inline void small_keep_in_turn(struct cache *c, uint32_t class, uint32_t slot_bytes, void *block)
{
        uint32_t n = c->n[class];
        void **place = &c->quarantine[class][(uint64_t)cache_random(c) * c->n_places[class] >> 32], *evicted = *place;

        *place = block;
        if (unlikely(n >= cache_magazine_max(slot_bytes))) {
                small_stack_rarely(c, class, slot_bytes, evicted);
                return;
        }
        c->magazine[class][n] = evicted;
        c->n[class] = (uint8_t)(n + 1);
}

/* While the quarantine still grows, and where all of the memory for it was gone when the class came. */
__attribute__((noinline)) static void small_keep_rarely(struct cache *c, uint32_t class, void *block)
{
        uint32_t slot_bytes = slab_class_bytes[class];

        if (cache_keep(c, class, block))
                return;
        if (c->n_places[class] > 0)
                small_keep_in_turn(c, class, slot_bytes, block);
        else
                small_stack_rarely(c, class, slot_bytes, block);
}

static inline void small_keep(struct cache *c, uint32_t class, uint32_t slot_bytes, void *block)
{
        if (unlikely(c->n_places[class] == 0))
                small_keep_rarely(c, class, block);
        else
                small_keep_in_turn(c, class, slot_bytes, block);
}

__attribute__((noinline, cold)) static void small_keep_first(uint32_t class, uint32_t slot_bytes, void *block)
{
        struct cache *c;

        heap_start();
        if ((c = cache_get()) != NULL) {
                small_keep(c, class, slot_bytes, block);
        } else if ((c = cache_borrow()) != NULL) {
                small_keep(c, class, slot_bytes, block);
                cache_return();
        } else {
                slab_give(&block, 1, class);
        }
}

/* A first look at the slot below in the same slab; elsewhere, and before anybody is blamed, one that takes its time. */
static inline bool slot_below_is_sound(const struct slab *s, uint32_t slot, const void *block)
{
        uint32_t slot_bytes = s->slot_bytes;

        return slot > 0 && canary_end_is_sound((const char *)block - slot_bytes, slot_bytes,
                                               atomic_load_explicit(&s->slack[slot - 1], memory_order_relaxed));
}

static bool below_is_sound(const struct slab *s, uint32_t slot, const void *block)
{
        return tools_watch() || slot_below_is_sound(s, slot, block) || (slab_below_is_sound(block) && medium_below_is_sound(block));
}

/* The last 16 bytes last: heap/canary.h. */
static void slot_clear(void *block, uint32_t slot_bytes, uint32_t slack)
{
        uint32_t used = slot_bytes - slack + 8, before_last = slot_bytes - 16;

        zero_clear(block, used < before_last ? used : before_last);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        zero_clear((char *)block + before_last, 16);
}

/* The block at the start of its slab, a long one, one whose lower neighbour looks damaged, or a thread without a cache. */
__attribute__((noinline)) static void small_free_rarely(struct slab *s, uint32_t slot, void *block, uint32_t slack)
{
        uint32_t slot_bytes = s->slot_bytes;

        tools_look(block, slot_bytes);
        if (!canary_is_sound(block, slot_bytes, slack))
                fatal(HEAP_OVERRUN);
        if (!below_is_sound(s, slot, block))
                fatal(HEAP_UNDERRUN);
        slot_clear(block, slot_bytes, slack);
        tools_freed(block, slot_bytes);
        if (cache_here != NULL)
                small_keep(cache_here, s->class, slot_bytes, block);
        else
                small_keep_first(s->class, slot_bytes, block);
}

static inline void small_free(struct slab *s, uint32_t slot, void *block)
{
        uint32_t slack = slot_retire(s, slot), slot_bytes = s->slot_bytes;
        struct cache *c = cache_here;

        if (unlikely(slack == 0))
                heap_die_freed(HEAP_ACT_FREE);
        if (unlikely(slot_bytes > ZERO_SHORT || c == NULL || tools_watch() || !canary_is_sound(block, slot_bytes, slack) ||
                     !slot_below_is_sound(s, slot, block))) {
                small_free_rarely(s, slot, block, slack);
                return;
        }
        zero_clear_short(block, slot_bytes);
        small_keep(c, s->class, slot_bytes, block);
}

static size_t small_size(const struct slab *s, uint32_t slot, enum heap_act act)
{
        uint16_t slack = atomic_load_explicit(&s->slack[slot], memory_order_relaxed);

        if (unlikely(slack == 0))
                heap_die_freed(act);
        return s->slot_bytes - (size_t)slack;
}

/* n_bytes belongs to the same class. Meanwhile the slot counts as free, so that a racing free dies. */
static void small_resize(struct slab *s, uint32_t slot, void *block, size_t n_bytes)
{
        uint32_t slot_bytes = s->slot_bytes, slack = slot_retire(s, slot);
        size_t before = slot_bytes - slack, kept = n_bytes < before ? n_bytes : before;

        if (unlikely(slack == 0))
                heap_die_freed(HEAP_ACT_REALLOC);
        tools_look(block, slot_bytes);
        if (unlikely(!canary_is_sound(block, slot_bytes, slack)))
                fatal(HEAP_OVERRUN);
        zero_clear((char *)block + kept, slot_bytes - kept - 1); /* the last byte is canary before and after: heap/canary.h */
        slack = slot_bytes - (uint32_t)n_bytes;
        canary_set(block, slot_bytes, slack);
        atomic_store_explicit(&s->slack[slot], (uint16_t)slack, memory_order_release);
        tools_freed(block, slot_bytes);
        tools_allocated(block, n_bytes, slot_bytes);
}

/* ---- every other size ---- */

__attribute__((noinline)) static void *other_allocate(size_t n_bytes, size_t alignment)
{
        heap_start();
        if (n_bytes > (size_t)PTRDIFF_MAX || alignment > (size_t)PTRDIFF_MAX)
                return no_memory();
        if (n_bytes < HEAP_MEDIUM_MAX && alignment <= HEAP_MEDIUM_MAX)
                return medium_allocate(n_bytes, alignment);
        return large_allocate(n_bytes, alignment);
}

__attribute__((noinline)) static void other_free(void *block)
{
        uint32_t slot;
        struct slab *s;

        if (block == NULL)
                return;
        if ((s = slab_find(block, &slot)) != NULL)
                small_free(s, slot, block);
        else if (!guarded_free(block) && !medium_free(block) && !large_free(block))
                heap_die_no_block(HEAP_ACT_FREE);
}

__attribute__((noinline)) static size_t other_size(const void *block, enum heap_act act)
{
        size_t n_bytes;

        if (!guarded_size(block, &n_bytes, act) && !medium_size(block, &n_bytes, act) && !large_size(block, &n_bytes, act))
                heap_die_no_block(act);
        return n_bytes;
}

/* ---- the public ones ---- */

void *keepmum_heap_malloc(size_t n_bytes)
{
        struct cache *c = cache_here;
        uint32_t class;

        if (unlikely(n_bytes >= HEAP_SMALL_MAX))
                return other_allocate(n_bytes, 16);
        class = slab_class(n_bytes + 1);
        if (unlikely(c == NULL))
                return small_allocate_first(class, n_bytes);
        if (unlikely(--c->until_guarded == 0))
                return small_allocate_guarded(c, class, n_bytes);
        return small_allocate(c, class, n_bytes);
}

void *keepmum_heap_calloc(size_t n_members, size_t member_bytes)
{
        size_t n_bytes;

        return __builtin_mul_overflow(n_members, member_bytes, &n_bytes) ? no_memory() : keepmum_heap_malloc(n_bytes);
}

void keepmum_heap_free(void *block)
{
        uint32_t slot;
        struct slab *s = slab_find_first(block, &slot);

        if (likely(s != NULL))
                small_free(s, slot, block);
        else
                other_free(block);
}

static void *move(void *block, size_t n_kept, size_t n_bytes)
{
        void *moved = keepmum_heap_malloc(n_bytes);

        if (moved == NULL)
                return NULL;
        memcpy(moved, block, n_kept);
        keepmum_heap_free(block);
        return moved;
}

static void *other_realloc(void *block, size_t n_bytes)
{
        size_t before = other_size(block, HEAP_ACT_REALLOC);

        if (n_bytes >= HEAP_SMALL_MAX && n_bytes < HEAP_MEDIUM_MAX && range_find(block) != NULL && medium_resize(block, n_bytes))
                return block;
        if (n_bytes >= HEAP_MEDIUM_MAX && before >= HEAP_MEDIUM_MAX) {
                void *resized = large_resize(block, n_bytes);

                if (resized != NULL)
                        return resized;
        }
        return move(block, n_bytes < before ? n_bytes : before, n_bytes);
}

void *keepmum_heap_realloc(void *block, size_t n_bytes)
{
        uint32_t slot;
        struct slab *s;
        size_t before;

        if (block == NULL)
                return keepmum_heap_malloc(n_bytes);
        if (unlikely(n_bytes > (size_t)PTRDIFF_MAX))
                return no_memory();
        s = slab_find(block, &slot);
        if (s == NULL)
                return other_realloc(block, n_bytes);
        before = small_size(s, slot, HEAP_ACT_REALLOC);
        if (n_bytes < HEAP_SMALL_MAX && slab_class(n_bytes + 1) == s->class) {
                small_resize(s, slot, block, n_bytes);
                return block;
        }
        return move(block, n_bytes < before ? n_bytes : before, n_bytes);
}

/* Slots start at multiples of their size from a multiple of 64 KiB. */
void *keepmum_heap_aligned_alloc(size_t alignment, size_t n_bytes)
{
        struct cache *c = cache_here;

        if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
                errno = EINVAL;
                return NULL;
        }
        if (alignment <= 16)
                return keepmum_heap_malloc(n_bytes);
        if (n_bytes < HEAP_SMALL_MAX && alignment <= HEAP_SMALL_MAX)
                for (uint32_t class = slab_class(n_bytes + 1); class < SLAB_CLASSES; class++)
                        if (slab_class_bytes[class] % alignment == 0)
                                return c != NULL ? small_allocate(c, class, n_bytes) : small_allocate_first(class, n_bytes);
        return other_allocate(n_bytes, alignment);
}

size_t keepmum_heap_usable_size(const void *block)
{
        uint32_t slot;
        const struct slab *s;

        if (block == NULL)
                return 0;
        s = slab_find(block, &slot);
        return s != NULL ? small_size(s, slot, HEAP_ACT_SIZE) : other_size(block, HEAP_ACT_SIZE);
}

/* What happens to a medium block between the run it is made of and its user.
 *
 * Its first node says what it is. Only a live block can be freed or resized, and the one who changes that word has it alone: so
 * clearing and looking need no lock. Freed blocks are cleared at once; up to eight shorter than 128 KiB then wait in a quarantine in which
 * each takes the place of one at random, so that memory is not used again in the order it was freed.
 *
 * Leaves that were clean when the block was made, and that the kernel still holds no memory for when it is freed, stay clean: a block
 * that is mostly unused costs neither memory nor time for the rest. */
#include "heap/medium.h"

#include "base/fatal.h"
#include "heap/canary.h"
#include "heap/dirt.h"
#include "heap/layout.h"
#include "heap/misuse.h"
#include "heap/range.h"
#include "heap/run.h"
#include "heap/shelf.h"
#include "heap/slab.h"
#include "heap/tools.h"
#include "heap/zero.h"
#include "os/page.h"
#include "os/process.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>

/* BLANK: no block, or one that is being made; LOOKED_AT: live, and medium_check() is at it; BUSY: being freed or resized. */
enum medium_state { BLANK, LIVE, LOOKED_AT, BUSY, WAITING };

enum { LEAVES_MAX = HEAP_MEDIUM_MAX / HEAP_LEAF, QUARANTINE = 8, QUARANTINE_LEAVES = 128 * 1024 / HEAP_LEAF, LOOKS = 1000 };
static_assert(HEAP_MEDIUM_MAX % HEAP_LEAF == 0, "a medium block is whole leaves");

static _Atomic(void *) quarantine[QUARANTINE];
static atomic_uint turns;

/* The range and node of the leaf that starts at p; NULL if none does. */
static struct run_node *node_at(const void *p, const struct heap_range **r)
{
        uintptr_t offset;

        *r = range_find(p);
        if (*r == NULL)
                return NULL;
        offset = (uintptr_t)p - (*r)->base;
        return offset % HEAP_LEAF == 0 ? &(*r)->nodes[offset / HEAP_LEAF] : NULL;
}

static enum medium_state state_of(const struct run_node *node)
{
        return __atomic_load_n(&node->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct run_node *node, enum medium_state state)
{
        __atomic_store_n(&node->state, (uint8_t)state, __ATOMIC_RELEASE);
}

static enum medium_state change_live(struct run_node *node, enum medium_state state)
{
        uint8_t found = LIVE;

        __atomic_compare_exchange_n(&node->state, &found, (uint8_t)state, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
        return found;
}

/* Of a live block: from now on it is this thread's alone. */
static bool seize(struct run_node *node)
{
        enum medium_state was = BLANK;

        while (node != NULL && (was = change_live(node, BUSY)) == LOOKED_AT)
                process_nap();
        return was == LIVE;
}

static _Noreturn void die_of(const void *p, const struct run_node *node, enum heap_act act)
{
        if ((node != NULL && state_of(node) >= BUSY) || ((uintptr_t)p % 16 == 0 && run_is_free_at(p)))
                heap_die_freed(act);
        heap_die_no_block(act);
}

/* ---- slack ---- */

static bool slack_is_sound(const void *p, size_t run_bytes, size_t slack)
{
        const char *end = (const char *)p + run_bytes;

        return slack > 0 && slack <= run_bytes && canary_is_sound(p, run_bytes, slack) &&
               (slack <= 16 || zero_holds_between(end - slack + 8, end - 8));
}

/* Only the canaries: what is between is zero. */
static void clear_slack(void *p, size_t run_bytes, size_t slack)
{
        char *end = (char *)p + run_bytes;

        memset(end - slack, 0, slack < 8 ? slack : 8);
        if (slack > 8)
                memset(end - 8, 0, 8);
}

static void become_live(struct run_node *node, void *p, size_t n_bytes)
{
        size_t run_bytes = (size_t)node->n_leaves * HEAP_LEAF;

        NODE_PUT(node->next, (uint32_t)(run_bytes - n_bytes));
        canary_set(p, run_bytes, run_bytes - n_bytes);
        tools_allocated(p, n_bytes, run_bytes);
        set_state(node, LIVE);
}

/* ---- taking and giving ---- */

void medium_flush(void)
{
        for (unsigned i = 0; i < QUARANTINE; i++) {
                void *p = atomic_exchange(&quarantine[i], NULL);

                if (p != NULL)
                        run_give(p);
        }
}

static void *take(size_t n_leaves, size_t align_leaves)
{
        void *p = run_take(n_leaves, align_leaves, RUN_MEDIUM);

        if (p != NULL)
                return p;
        medium_flush();
        return run_take(n_leaves, align_leaves, RUN_MEDIUM);
}

void *medium_allocate(size_t n_bytes, size_t alignment)
{
        size_t n_leaves = n_bytes / HEAP_LEAF + 1;
        int kept = errno;
        void *p = take(n_leaves, alignment > HEAP_LEAF ? alignment / HEAP_LEAF : 1);
        const struct heap_range *r;
        struct run_node *node;

        if (p == NULL) {
                errno = ENOMEM;
                return NULL;
        }
        errno = kept;
        node = node_at(p, &r);
        must(node != NULL, HEAP_DAMAGED);
        tools_look(p, n_leaves * HEAP_LEAF);
        if (!dirt_holds_zero(r, p, n_leaves))
                fatal(HEAP_WRITE_AFTER_FREE);
        become_live(node, p, n_bytes);
        return p;
}

/* A cleared block, or the one whose place it takes, becomes a free run. */
static void let_go(struct run_node *node, void *p)
{
        if (node->n_leaves <= QUARANTINE_LEAVES) {
                uint64_t turn = atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);

                set_state(node, WAITING);
                p = atomic_exchange(&quarantine[(turn ^ canary_keys[0]) * canary_keys[1] >> 40 & (QUARANTINE - 1)], p);
        }
        if (p != NULL)
                run_give(p);
}

static void check_below(const void *p)
{
        if (!tools_watch() && (!medium_below_is_sound(p) || !slab_below_is_sound(p)))
                fatal(HEAP_UNDERRUN);
}

bool medium_free(void *p)
{
        const struct heap_range *r;
        struct run_node *node = node_at(p, &r);
        size_t run_bytes, slack;

        if (r == NULL)
                return false;
        if (!seize(node))
                die_of(p, node, HEAP_ACT_FREE);
        run_bytes = (size_t)node->n_leaves * HEAP_LEAF;
        slack = node->next;
        tools_look(p, run_bytes);
        if (!slack_is_sound(p, run_bytes, slack))
                fatal(HEAP_OVERRUN);
        check_below(p);
        clear_slack(p, run_bytes, slack);
        dirt_wipe(r, p, run_bytes - slack + 1); /* the leaf that the slack begins in, too */
        tools_freed(p, run_bytes);
        let_go(node, p);
        return true;
}

bool medium_size(const void *p, size_t *n_bytes, enum heap_act act)
{
        const struct heap_range *r;
        const struct run_node *node = node_at(p, &r);

        if (r == NULL)
                return false;
        if (node == NULL || (state_of(node) != LIVE && state_of(node) != LOOKED_AT))
                die_of(p, node, act);
        *n_bytes = (size_t)NODE_GET(node->n_leaves) * HEAP_LEAF - NODE_GET(node->next);
        return true;
}

static bool grow(const struct heap_range *r, char *p, size_t n_leaves, size_t n_more)
{
        int kept = errno;
        bool is_done = run_extend(p, n_more);

        errno = kept;
        if (!is_done)
                return false;
        tools_look(p, (n_leaves + n_more) * HEAP_LEAF);
        if (!dirt_holds_zero(r, p + n_leaves * HEAP_LEAF, n_more))
                fatal(HEAP_WRITE_AFTER_FREE);
        return true;
}

/* Clears what is behind the first n_bytes of what was n_before, and gives up the leaves beyond n_leaves. */
static void shrink(const struct heap_range *r, char *p, size_t n_before, size_t n_bytes, size_t n_leaves)
{
        size_t n_leaves_before = n_before / HEAP_LEAF + 1, kept = n_leaves * HEAP_LEAF;
        size_t end = n_before < kept ? n_before : kept;

        if (n_bytes < end)
                zero_clear(p + n_bytes, end - n_bytes);
        if (n_leaves == n_leaves_before)
                return;
        dirt_wipe(r, p + kept, (n_leaves_before - n_leaves) * HEAP_LEAF);
        tools_freed(p, n_leaves_before * HEAP_LEAF);
        run_cut(p, n_leaves);
        tools_look(p, kept);
}

bool medium_resize(void *p, size_t n_bytes)
{
        const struct heap_range *r;
        struct run_node *node = node_at(p, &r);
        size_t n_leaves = n_bytes / HEAP_LEAF + 1, n_leaves_before, slack;

        if (n_leaves > LEAVES_MAX)
                return false;
        if (!seize(node))
                die_of(p, node, HEAP_ACT_REALLOC);
        n_leaves_before = node->n_leaves;
        slack = node->next;
        tools_look(p, n_leaves_before * HEAP_LEAF);
        if (!slack_is_sound(p, n_leaves_before * HEAP_LEAF, slack))
                fatal(HEAP_OVERRUN);
        if (n_leaves > n_leaves_before && !grow(r, p, n_leaves_before, n_leaves - n_leaves_before)) {
                tools_allocated(p, n_leaves_before * HEAP_LEAF - slack, n_leaves_before * HEAP_LEAF);
                set_state(node, LIVE);
                return false;
        }
        clear_slack(p, n_leaves_before * HEAP_LEAF, slack);
        if (n_bytes < n_leaves_before * HEAP_LEAF - slack)
                shrink(r, p, n_leaves_before * HEAP_LEAF - slack, n_bytes, n_leaves);
        become_live(node, p, n_bytes);
        return true;
}

/* ---- looking at what others may be changing ---- */

/* The lock is run_each()'s; the program's hook may allocate. */
static _Noreturn void die_looking(const char *sentence)
{
        run_unlock();
        fatal(sentence);
}

void medium_check(const void *p, size_t run_bytes)
{
        const struct heap_range *r;
        struct run_node *node = node_at(p, &r);

        must(node != NULL, HEAP_DAMAGED);
        if (tools_watch())
                return;
        if (state_of(node) == WAITING && !dirt_holds_zero(r, (char *)r->base + ((uintptr_t)p - r->base), run_bytes / HEAP_LEAF))
                die_looking(HEAP_WRITE_AFTER_FREE);
        if (change_live(node, LOOKED_AT) != LIVE)
                return;
        if (!slack_is_sound(p, run_bytes, node->next))
                die_looking(HEAP_OVERRUN);
        set_state(node, LIVE);
}

bool medium_is_live(const void *p)
{
        const struct heap_range *r;
        const struct run_node *node = node_at(p, &r);
        enum medium_state state = node == NULL ? BLANK : state_of(node);

        return state == LIVE || state == LOOKED_AT;
}

/* One look; a neighbour that is being made or freed, or that has changed meanwhile, is none to judge by. */
static bool end_is_sound(const struct heap_range *r, size_t last)
{
        const struct run_node *tail = &r->nodes[last], *head;
        const volatile uint64_t *end = (const volatile uint64_t *)(r->base + (last + 1) * HEAP_LEAF) - 1;
        uint32_t n_leaves = NODE_GET(tail->n_leaves), slack, number;
        uintptr_t block = r->base + (last + 1 - n_leaves) * HEAP_LEAF;

        if (NODE_GET(tail->use) == RUN_FREE) {
                bool is_zero = *end == 0;

                atomic_thread_fence(memory_order_acquire);
                return is_zero || NODE_GET(tail->use) != RUN_FREE;
        }
        if (NODE_GET(tail->use) != RUN_MEDIUM || n_leaves == 0 || n_leaves > last + 1)
                return true;
        head = tail + 1 - n_leaves;
        if (state_of(head) == WAITING)
                return *end == 0 || state_of(head) != WAITING;
        if (state_of(head) != LIVE || NODE_GET(head->n_leaves) != n_leaves)
                return true;
        slack = NODE_GET(head->next);
        number = NODE_GET(head->previous);
        if (((*end ^ canary_of((const void *)block)) & canary_mask(slack)) == 0)
                return true;
        atomic_thread_fence(memory_order_acquire);
        return state_of(head) != LIVE || NODE_GET(head->previous) != number || NODE_GET(head->next) != slack;
}

bool medium_below_is_sound(const void *p)
{
        const struct heap_range *r;

        if (node_at(p, &r) == NULL || (uintptr_t)p == r->base)
                return true;
        for (unsigned look = 0; look < LOOKS; look++) {
                if (end_is_sound(r, ((uintptr_t)p - r->base) / HEAP_LEAF - 1))
                        return true;
                if (look > LOOKS / 2)
                        process_nap();
        }
        return false;
}

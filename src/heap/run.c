/* Taking and giving runs, under one lock.
 *
 * Always true: free runs are on their range's shelf and no two stand side by side; runs do not cross what is not ours. A run's
 * ends are looked at before it is changed: damaged books end the process. */
#include "heap/run.h"

#include "base/fatal.h"
#include "base/size.h"
#include "heap/dirt.h"
#include "heap/lock.h"
#include "heap/misuse.h"
#include "heap/purge.h"
#include "heap/range.h"
#include "heap/shelf.h"
#include "heap/tools.h"
#include "os/page.h"

static struct heap_lock lock = HEAP_LOCK_INITIAL;
static uint32_t serial; /* of the last run taken */

/* ---- free runs ---- */

/* Joins a stretch, whose own ends are not marked, with free neighbours. */
static void join_and_put(const struct heap_range *r, size_t *first, size_t *n_leaves)
{
        size_t end = *first + *n_leaves;

        if (*first > 0 && r->nodes[*first - 1].use == RUN_FREE) {
                size_t n = r->nodes[*first - 1].n_leaves;

                must(n <= *first, HEAP_DAMAGED);
                shelf_remove(r, *first - n);
                shelf_unmark(r, *first - 1);
                *first -= n;
        }
        if (end < range_leaves(r) && r->nodes[end].use == RUN_FREE) {
                size_t n = r->nodes[end].n_leaves;

                shelf_remove(r, end);
                shelf_unmark(r, end);
                shelf_unmark(r, end + n - 1);
                end += n;
        }
        *n_leaves = end - *first;
        shelf_put(r, *first, *n_leaves);
}

static void give(struct heap_range *r, size_t first, size_t n_leaves)
{
        struct shelf *s = shelf_of(r);

        tools_look((char *)r->base + first * HEAP_LEAF, n_leaves * HEAP_LEAF); /* free runs are looked at, and become other things */
        s->free_leaves += n_leaves;
        s->dirty_leaves += dirt_count(r, first, n_leaves);
        join_and_put(r, &first, &n_leaves);
        purge_where_due(r, first, n_leaves);
}

/* A part of a free run that is off the shelf becomes a used one; what is in front and behind stays free. */
static void carve(const struct heap_range *r, size_t first, size_t at, size_t n_leaves)
{
        struct shelf *s = shelf_of(r);
        size_t n_free = r->nodes[first].n_leaves, n_front = at - first, n_back = n_free - n_front - n_leaves;
        size_t n_dirty = dirt_count(r, at, n_leaves);

        shelf_remove(r, first);
        shelf_unmark(r, first);
        shelf_unmark(r, first + n_free - 1);
        if (n_front > 0)
                shelf_put(r, first, n_front);
        if (n_back > 0)
                shelf_put(r, at + n_leaves, n_back);
        s->free_leaves -= n_leaves;
        s->dirty_leaves -= n_dirty;
        if (n_dirty < n_leaves)
                purge_note_take(r, at, n_leaves - n_dirty);
}

/* ---- growing ---- */

static bool grow_by(struct heap_range *r, size_t n_bytes)
{
        size_t first = range_leaves(r), n_leaves = n_bytes / HEAP_LEAF, gap_bytes;

        if (!range_grow(r, n_bytes, &gap_bytes))
                return false;
        if (gap_bytes > 0)
                shelf_mark(r, first, gap_bytes / HEAP_LEAF, RUN_NOT_OURS);
        shelf_of(r)->foreign_leaves += gap_bytes / HEAP_LEAF;
        first += gap_bytes / HEAP_LEAF;
        shelf_of(r)->free_leaves += n_leaves;
        join_and_put(r, &first, &n_leaves);
        purge_note_growth(r);
        return true;
}

/* By whole steps if that can be, by what is wanted otherwise. */
static bool grow(struct heap_range *r, size_t n_leaves)
{
        size_t wanted = size_round_up(n_leaves * HEAP_LEAF, HEAP_UNIT), ample = size_round_up(wanted, HEAP_STEP);

        return grow_by(r, ample) || (wanted < ample && grow_by(r, wanted));
}

/* So that n_leaves more are free at the top; other people's steps may cut the first growth off from what was free there. */
static bool grow_top(struct heap_range *r, size_t n_leaves)
{
        size_t all = range_leaves(r), n_free = all > 0 && r->nodes[all - 1].use == RUN_FREE ? r->nodes[all - 1].n_leaves : 0;

        if (n_free >= n_leaves)
                return true;
        if (!grow(r, n_leaves - n_free))
                return false;
        all = range_leaves(r);
        return r->nodes[all - 1].n_leaves >= n_leaves || grow(r, n_leaves - r->nodes[all - 1].n_leaves);
}

static bool find_in(struct heap_range **found, size_t n_leaves, size_t align_leaves, size_t *first, size_t *at)
{
        for (struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES && r->base != 0; r++)
                if (shelf_find(r, n_leaves, align_leaves, first, at)) {
                        *found = r;
                        return true;
                }
        return false;
}

/* A range is opened only when those before it are full: one that the kernel lets nothing be added to has had its reasons. */
static bool grow_any(size_t n_leaves)
{
        size_t n_bytes = size_round_up(n_leaves * HEAP_LEAF, HEAP_UNIT);

        for (struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES; r++) {
                if (r->base == 0 && !range_open(r, n_bytes))
                        return false;
                if (grow_top(r, n_leaves))
                        return true;
                if (r->is_break && r->n_bytes == 0) {
                        range_abandon_break(r);
                        return range_open(r, n_bytes) && grow_top(r, n_leaves);
                }
                if (!r->is_break && r->max_bytes - r->n_bytes >= n_bytes)
                        return false;
        }
        return false;
}

/* ---- taking and giving ---- */

static void *take(size_t n_leaves, size_t align_leaves, enum run_use use)
{
        struct heap_range *r;
        size_t first, at;

        if (!find_in(&r, n_leaves, align_leaves, &first, &at) &&
            (!grow_any(n_leaves + align_leaves - 1) || !find_in(&r, n_leaves, align_leaves, &first, &at)))
                return NULL;
        carve(r, first, at, n_leaves);
        shelf_mark(r, at, n_leaves, use);
        NODE_PUT(r->nodes[at].previous, ++serial);
        return (char *)r->base + at * HEAP_LEAF;
}

void *run_take(size_t n_leaves, size_t align_leaves, enum run_use use)
{
        void *at;

        heap_lock(&lock);
        at = take(n_leaves, align_leaves, use);
        heap_unlock(&lock);
        return at;
}

/* The range, first leaf and length of a run in use. */
static struct heap_range *used_run(const void *at, size_t *first, size_t *n_leaves)
{
        const struct heap_range *r = range_find(at);
        size_t offset = r == NULL ? 1 : (uintptr_t)at - r->base;

        must(offset % HEAP_LEAF == 0, HEAP_DAMAGED);
        *first = offset / HEAP_LEAF;
        must(r->nodes[*first].use >= RUN_SLAB, HEAP_DAMAGED);
        *n_leaves = shelf_length(r, *first, r->nodes[*first].use);
        return &heap_ranges[r - heap_ranges];
}

void run_give(void *at)
{
        struct heap_range *r;
        size_t first, n_leaves;

        heap_lock(&lock);
        r = used_run(at, &first, &n_leaves);
        if (r->nodes[first].use == RUN_SLAB)
                dirt_set(r, first, n_leaves);
        shelf_unmark(r, first);
        shelf_unmark(r, first + n_leaves - 1);
        give(r, first, n_leaves);
        heap_unlock(&lock);
}

static bool extend(struct heap_range *r, size_t first, size_t n_leaves, size_t n_more)
{
        size_t end = first + n_leaves;
        bool is_top = end == range_leaves(r);

        if (!is_top && r->nodes[end].use == RUN_FREE && r->nodes[end].n_leaves < n_more)
                is_top = end + r->nodes[end].n_leaves == range_leaves(r);
        if (is_top && !grow_top(r, n_more))
                return false;
        if (end == range_leaves(r) || r->nodes[end].use != RUN_FREE || r->nodes[end].n_leaves < n_more)
                return false; /* also where somebody else's step came between */
        carve(r, end, end, n_more);
        if (n_leaves > 1)
                shelf_unmark(r, end - 1);
        shelf_mark(r, first, n_leaves + n_more, r->nodes[first].use);
        NODE_PUT(r->nodes[first].previous, ++serial);
        return true;
}

bool run_extend(void *at, size_t n_more_leaves)
{
        struct heap_range *r;
        size_t first, n_leaves;
        bool is_done;

        heap_lock(&lock);
        r = used_run(at, &first, &n_leaves);
        is_done = extend(r, first, n_leaves, n_more_leaves);
        heap_unlock(&lock);
        return is_done;
}

void run_cut(void *at, size_t n_kept_leaves)
{
        struct heap_range *r;
        size_t first, n_leaves;

        heap_lock(&lock);
        r = used_run(at, &first, &n_leaves);
        must(n_kept_leaves > 0 && n_kept_leaves < n_leaves, HEAP_DAMAGED);
        shelf_unmark(r, first + n_leaves - 1);
        shelf_mark(r, first, n_kept_leaves, r->nodes[first].use);
        NODE_PUT(r->nodes[first].previous, ++serial);
        give(r, first + n_kept_leaves, n_leaves - n_kept_leaves);
        heap_unlock(&lock);
}

size_t run_trim(void)
{
        size_t n_bytes = 0;

        heap_lock(&lock);
        for (struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES && r->base != 0; r++)
                n_bytes += purge_all(r);
        heap_unlock(&lock);
        return n_bytes;
}

/* ---- looking ---- */

void run_count(struct run_counts *counts)
{
        *counts = (struct run_counts){0};
        heap_lock(&lock);
        counts->books_bytes = range_books_bytes();
        for (const struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES && r->base != 0; r++) {
                const struct shelf *s = shelf_of(r);

                counts->from_kernel += r->n_bytes - s->foreign_leaves * HEAP_LEAF;
                counts->free_bytes += s->free_leaves * HEAP_LEAF;
                counts->dirty_bytes += s->dirty_leaves * HEAP_LEAF;
                counts->n_free_runs += s->n_runs;
        }
        heap_unlock(&lock);
}

static void each_of(const struct heap_range *r, bool (*visit)(void *, const struct heap_range *, size_t, size_t), void *context)
{
        for (size_t first = 0, n; first < range_leaves(r); first += n) {
                n = shelf_length(r, first, r->nodes[first].use);
                if (!visit(context, r, first, n))
                        return;
        }
}

struct visitor {
        void (*visit)(void *context, void *at, size_t n_bytes, enum run_use use);
        void *context;
};

static bool visit_used(void *context, const struct heap_range *r, size_t first, size_t n_leaves)
{
        const struct visitor *v = context;

        if (r->nodes[first].use >= RUN_SLAB)
                v->visit(v->context, (char *)r->base + first * HEAP_LEAF, n_leaves * HEAP_LEAF, r->nodes[first].use);
        return true;
}

void run_each(void (*visit)(void *context, void *at, size_t n_bytes, enum run_use use), void *context)
{
        struct visitor v = {visit, context};

        heap_lock(&lock);
        for (const struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES && r->base != 0; r++)
                each_of(r, visit_used, &v);
        heap_unlock(&lock);
}

static bool check_free(void *context, const struct heap_range *r, size_t first, size_t n_leaves)
{
        size_t end = first + n_leaves;

        (void)context;
        if (r->nodes[first].use != RUN_FREE)
                return true;
        must(end == range_leaves(r) || r->nodes[end].use != RUN_FREE, HEAP_DAMAGED);
        if (!dirt_holds_zero(r, (char *)r->base + first * HEAP_LEAF, n_leaves)) {
                heap_unlock(&lock); /* the program's hook may allocate */
                fatal(HEAP_WRITE_AFTER_FREE);
        }
        return true;
}

void run_check_free(void)
{
        heap_lock(&lock);
        for (const struct heap_range *r = heap_ranges; r < heap_ranges + HEAP_RANGES && r->base != 0; r++)
                each_of(r, check_free, NULL);
        heap_unlock(&lock);
}

struct place {
        size_t leaf;
        enum run_use use;
};

static bool find_place(void *context, const struct heap_range *r, size_t first, size_t n_leaves)
{
        struct place *place = context;

        if (place->leaf - first < n_leaves)
                place->use = r->nodes[first].use;
        return place->leaf - first >= n_leaves;
}

bool run_is_free_at(const void *p)
{
        const struct heap_range *r;
        struct place place = {0, RUN_NOT_OURS};

        heap_lock(&lock);
        if ((r = range_find(p)) != NULL) {
                place.leaf = ((uintptr_t)p - r->base) / HEAP_LEAF;
                each_of(r, find_place, &place);
        }
        heap_unlock(&lock);
        return place.use == RUN_FREE;
}

void run_lock(void)
{
        heap_lock(&lock);
}

void run_unlock(void)
{
        heap_unlock(&lock);
}

void run_lock_renew(void)
{
        heap_lock_renew(&lock);
}

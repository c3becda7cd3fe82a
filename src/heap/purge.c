/* When free memory goes back: the free top of a range when it is longer than 4 MiB, but for a quarter of that; and dirty free runs
 * inside, longest first, when they exceed 4 MiB and an eighth of the range, until half of that is left.
 *
 * Whoever frees and takes the same memory in turns would pay for page faults each time. So patience doubles both limits, up to
 * sixteenfold, each time the range grows again after its top was cut, or half of what was purged was taken again. */
#include "heap/purge.h"

#include "base/fatal.h"
#include "base/size.h"
#include "heap/dirt.h"
#include "heap/shelf.h"
#include "os/page.h"

enum {
        MIB_LEAVES = 1024 * 1024 / HEAP_LEAF,
        TRIM_ABOVE = 4 * MIB_LEAVES,
        PURGE_ABOVE = 4 * MIB_LEAVES,
        SHORTEST = 8, /* leaves worth a call */
        MOST_PATIENCE = 4
};

static void learn(struct shelf *s, bool was_in_vain)
{
        if (was_in_vain && s->patience < MOST_PATIENCE)
                s->patience++;
        else if (!was_in_vain && s->patience > 0)
                s->patience--;
}

void purge_note_growth(const struct heap_range *r)
{
        struct shelf *s = shelf_of(r);

        if (s->is_trimmed)
                learn(s, true);
        s->is_trimmed = false;
}

void purge_note_take(const struct heap_range *r, size_t first, size_t n_clean)
{
        if (first < shelf_of(r)->purged_below)
                shelf_of(r)->retouched_leaves += n_clean;
}

/* Cuts a free run at the top of the range down to n_kept leaves or a few more. */
static size_t trim(struct heap_range *r, size_t first, size_t n_leaves, size_t n_kept)
{
        struct shelf *s = shelf_of(r);
        size_t n_given = n_leaves > n_kept ? (n_leaves - n_kept) / HEAP_UNIT_LEAVES * HEAP_UNIT_LEAVES : 0;
        size_t n_left = n_leaves - n_given;

        if (n_given == 0)
                return 0;
        shelf_remove(r, first);
        if (!range_shrink(r, n_given * HEAP_LEAF)) {
                shelf_put(r, first, n_leaves);
                return 0;
        }
        shelf_unmark(r, first + n_leaves - 1);
        s->dirty_leaves -= dirt_count(r, first + n_left, n_given);
        dirt_clear(r, first + n_left, n_given);
        s->free_leaves -= n_given;
        if (n_left > 0)
                shelf_put(r, first, n_left);
        else
                shelf_unmark(r, first);
        s->is_trimmed = true;
        return n_given * HEAP_LEAF;
}

/* Whole pages of a dirty stretch; returns leaves. */
static size_t discard(const struct heap_range *r, size_t first, size_t n_leaves)
{
        size_t step = page_bytes() > HEAP_LEAF ? page_bytes() : HEAP_LEAF;
        size_t from = size_round_up(first * HEAP_LEAF, step), to = (first + n_leaves) * HEAP_LEAF & ~(step - 1);

        if (from >= to || !page_discard((char *)r->base + from, to - from))
                return 0;
        dirt_clear(r, from / HEAP_LEAF, (to - from) / HEAP_LEAF);
        return (to - from) / HEAP_LEAF;
}

static size_t purge_run(const struct heap_range *r, size_t first, size_t n_leaves, size_t n_shortest)
{
        size_t n_purged = 0, stretch;

        for (size_t end = first + n_leaves; first < end; first += stretch) {
                bool is_dirty;

                stretch = dirt_stretch(r, first, end - first, &is_dirty);
                if (is_dirty && stretch >= n_shortest)
                        n_purged += discard(r, first, stretch);
        }
        return n_purged;
}

/* Longest first, until at most n_left dirty leaves are left. */
static size_t purge(struct heap_range *r, size_t n_left, size_t n_shortest)
{
        struct shelf *s = shelf_of(r);
        size_t n_purged = 0;

        for (int list = SHELF_LISTS; s->dirty_leaves > n_left && (list = shelf_list_below(s, list)) + 1 >= (int)n_shortest;)
                for (uint32_t link = s->head[list]; link != 0 && s->dirty_leaves > n_left; link = r->nodes[link - 1].next) {
                        size_t n = purge_run(r, link - 1, shelf_length(r, link - 1, RUN_FREE), n_shortest);

                        s->dirty_leaves -= n;
                        n_purged += n;
                }
        return n_purged;
}

static uint64_t purge_limit(const struct heap_range *r, const struct shelf *s)
{
        uint64_t all = range_leaves(r), limit = all / 8 > PURGE_ABOVE ? all / 8 : PURGE_ABOVE;

        if (limit << s->patience <= all / 2)
                return limit << s->patience;
        return all / 2 > limit ? all / 2 : limit;
}

static void purge_to_half(struct heap_range *r, struct shelf *s)
{
        uint64_t limit;

        if (s->purged_leaves > 0)
                learn(s, s->retouched_leaves >= s->purged_leaves / 2);
        limit = purge_limit(r, s);
        s->purged_leaves = s->retouched_leaves = 0;
        if (s->dirty_leaves > limit)
                s->purged_leaves = purge(r, limit / 2, SHORTEST);
        s->purged_below = range_leaves(r);
        /* What could not go is not tried again at once. */
        s->purge_above = s->dirty_leaves + limit / 2 > limit ? s->dirty_leaves + limit / 2 : limit;
}

void purge_where_due(struct heap_range *r, size_t first, size_t n_leaves)
{
        struct shelf *s = shelf_of(r);
        size_t trim_above = (size_t)TRIM_ABOVE << s->patience;

        if (n_leaves > trim_above && first + n_leaves == range_leaves(r))
                trim(r, first, n_leaves, trim_above / 4);
        if (s->dirty_leaves > PURGE_ABOVE && s->dirty_leaves > s->purge_above)
                purge_to_half(r, s);
}

size_t purge_all(struct heap_range *r)
{
        size_t n_bytes = 0, all = range_leaves(r);

        if (all > 0 && r->nodes[all - 1].use == RUN_FREE) {
                size_t n = r->nodes[all - 1].n_leaves, n_kept;

                must(n <= all && shelf_length(r, all - n, RUN_FREE) == n, HEAP_DAMAGED);
                /* Something of ours stays above what is not: its owner may take the break back below it otherwise. */
                n_kept = n == all || r->nodes[all - n - 1].use == RUN_NOT_OURS ? HEAP_UNIT_LEAVES : 0;
                n_bytes = trim(r, all - n, n, n_kept);
        }
        return n_bytes + purge(r, 0, 1) * HEAP_LEAF;
}

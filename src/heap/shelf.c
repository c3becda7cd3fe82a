/* Lists of free runs. Before a run leaves its list its neighbours there and its own two ends must agree with it: damaged books end
 * the process instead of handing memory out twice. */
#include "heap/shelf.h"

#include "base/fatal.h"

enum { LOOKS = 16 }; /* how many runs of a list are compared */

struct shelf shelves[HEAP_RANGES];

static unsigned list_of(size_t n_leaves)
{
        if (n_leaves <= SHELF_EXACT)
                return (unsigned)n_leaves - 1;
        return SHELF_EXACT - 7 + (unsigned)(63 - __builtin_clzll(n_leaves));
}

void shelf_mark(const struct heap_range *r, size_t first, size_t n_leaves, enum run_use use)
{
        struct run_node *head = &r->nodes[first], *tail = head + n_leaves - 1;

        NODE_PUT(tail->n_leaves, (uint32_t)n_leaves);
        NODE_PUT(tail->use, (uint8_t)use);
        NODE_PUT(tail->is_first, 0);
        NODE_PUT(head->n_leaves, (uint32_t)n_leaves);
        NODE_PUT(head->use, (uint8_t)use);
        NODE_PUT(head->is_first, 1);
}

void shelf_unmark(const struct heap_range *r, size_t leaf)
{
        struct run_node *node = &r->nodes[leaf];

        NODE_PUT(node->n_leaves, 0);
        NODE_PUT(node->use, RUN_NOT_OURS);
        NODE_PUT(node->is_first, 0);
        NODE_PUT(node->state, 0);
        NODE_PUT(node->next, 0);
        NODE_PUT(node->previous, 0);
}

size_t shelf_length(const struct heap_range *r, size_t first, enum run_use use)
{
        size_t all = range_leaves(r), n = first < all ? r->nodes[first].n_leaves : 0;

        must(n > 0 && n <= all - first && r->nodes[first].is_first && r->nodes[first].use == use, HEAP_DAMAGED);
        must(r->nodes[first + n - 1].n_leaves == n && r->nodes[first + n - 1].use == use, HEAP_DAMAGED);
        return n;
}

void shelf_put(const struct heap_range *r, size_t first, size_t n_leaves)
{
        struct shelf *s = shelf_of(r);
        unsigned list = list_of(n_leaves);
        uint32_t next = s->head[list];

        shelf_mark(r, first, n_leaves, RUN_FREE);
        NODE_PUT(r->nodes[first].next, next);
        NODE_PUT(r->nodes[first].previous, 0);
        if (next != 0)
                NODE_PUT(r->nodes[next - 1].previous, (uint32_t)first + 1);
        s->head[list] = (uint32_t)first + 1;
        s->filled[list / 64] |= (uint64_t)1 << list % 64;
        s->n_runs++;
}

static bool is_linked(const struct heap_range *r, uint32_t link)
{
        return link <= range_leaves(r) && r->nodes[link - 1].use == RUN_FREE && r->nodes[link - 1].is_first;
}

void shelf_remove(const struct heap_range *r, size_t first)
{
        struct shelf *s = shelf_of(r);
        unsigned list = list_of(shelf_length(r, first, RUN_FREE));
        uint32_t self = (uint32_t)first + 1, next = r->nodes[first].next, previous = r->nodes[first].previous;

        must(next == 0 || (is_linked(r, next) && r->nodes[next - 1].previous == self), HEAP_DAMAGED);
        must(previous == 0 ? s->head[list] == self : is_linked(r, previous) && r->nodes[previous - 1].next == self, HEAP_DAMAGED);
        if (next != 0)
                NODE_PUT(r->nodes[next - 1].previous, previous);
        if (previous != 0)
                NODE_PUT(r->nodes[previous - 1].next, next);
        else if ((s->head[list] = next) == 0)
                s->filled[list / 64] &= ~((uint64_t)1 << list % 64);
        s->n_runs--;
}

static unsigned list_from(const struct shelf *s, unsigned list)
{
        for (; list < SHELF_LISTS; list = (list / 64 + 1) * 64) {
                uint64_t filled = s->filled[list / 64] >> list % 64;

                if (filled != 0)
                        return list + (unsigned)__builtin_ctzll(filled);
        }
        return SHELF_LISTS;
}

int shelf_list_below(const struct shelf *s, int list)
{
        while (--list >= 0 && (s->filled[list / 64] >> list % 64 & 1) == 0)
                ;
        return list;
}

/* The first aligned place in the run. */
static bool fits(const struct heap_range *r, size_t first, size_t n_leaves, size_t align_leaves, size_t *at)
{
        size_t origin = r->base / HEAP_LEAF;

        *at = ((origin + first + align_leaves - 1) & ~(align_leaves - 1)) - origin;
        return *at + n_leaves <= first + r->nodes[first].n_leaves;
}

bool shelf_find(const struct heap_range *r, size_t n_leaves, size_t align_leaves, size_t *first, size_t *at)
{
        const struct shelf *s = shelf_of(r);

        for (unsigned list = list_from(s, list_of(n_leaves)); list < SHELF_LISTS; list = list_from(s, list + 1)) {
                uint32_t shortest = UINT32_MAX;
                unsigned looks = 0;

                for (uint32_t link = s->head[list]; link != 0 && looks < LOOKS; link = r->nodes[link - 1].next, looks++) {
                        size_t place;

                        must(is_linked(r, link), HEAP_DAMAGED);
                        if (r->nodes[link - 1].n_leaves >= shortest || !fits(r, link - 1, n_leaves, align_leaves, &place))
                                continue;
                        shortest = r->nodes[link - 1].n_leaves;
                        *first = link - 1;
                        *at = place;
                        if (list < SHELF_EXACT)
                                break;
                }
                if (shortest != UINT32_MAX)
                        return true;
        }
        return false;
}

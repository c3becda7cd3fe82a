/* Folding. Neighbours of one kind and one name are one box; so are the slots of secrets with the guards between them,
 * and a thread's stack with the guard below it. If there are still too many boxes to be looked at, neighbours of one
 * kind are one, whatever their names.
 *
 * A thread's stack is known where the kernel has told its stack pointer. Else nameless memory right above a small guard
 * is said to look like one. */
#include "secretctl/boxes.h"

#include <keepmum_heap.h>
#include <string.h>

enum { MOST_BOXES = 160, SMALLEST_STACK_KB = 64, LARGEST_GUARD_KB = 64 };

static bool has_prefix(const char *name, const char *prefix)
{
        return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_closed(const struct layout_mapping *m)
{
        return strcmp(m->is.perms, "---p") == 0 && m->is.inode == 0 && m->is.name[0] == '\0';
}

/* A slot of a secret: secret memory, or a shared mapping that is locked and kept out of cores and children. */
static bool is_slot(const struct layout_mapping *m)
{
        unsigned kept = MAPPING_LOCKED | MAPPING_NO_DUMP | MAPPING_NO_FORK;

        return m->is_secret_memory || (m->is.perms[3] == 's' && (m->is.flags & kept) == kept);
}

static enum box_kind kind_of(const struct layout_mapping *m)
{
        static const enum box_kind kinds[] = {BOX_TEXT, BOX_DATA, BOX_BSS, BOX_HEAP, BOX_MEMORY, BOX_STACK};

        if (m->group != LAYOUT_MAPPINGS)
                return kinds[m->group];
        if (is_slot(m))
                return BOX_SECRETS;
        if (is_closed(m))
                return BOX_CLOSED;
        if (m->thread != 0)
                return BOX_THREAD_STACK;
        if (has_prefix(m->is.name, "[v"))
                return BOX_KERNELS;
        return m->is.name[0] != '\0' ? BOX_FILE : BOX_MEMORY;
}

static void begin(struct box *b, const struct layout_mapping *m)
{
        *b = (struct box){.kind = kind_of(m), .start = m->is.start, .name = m->is.name, .thread = m->thread, .n_files = 1};
        b->flags = ~0u;
        b->is_hidden = true;
}

static void add(struct box *b, const struct layout_mapping *m)
{
        b->end = m->is.end;
        b->n_mappings++;
        if (is_closed(m))
                return;
        if (is_slot(m)) {
                b->n_slots++;
                b->slot_kb += m->size_kb;
        }
        b->flags &= m->is.flags;
        b->is_hidden = b->is_hidden && m->is_secret_memory;
        layout_add(&b->sums, m);
}

/* Two boxes become one. */
static void join(struct box *b, const struct box *next)
{
        b->has_many_names = b->has_many_names || next->has_many_names || strcmp(b->name, next->name) != 0;
        b->n_files += strcmp(b->name, next->name) != 0 || next->n_files > 1 ? next->n_files : 0;
        b->end = next->end;
        b->n_mappings += next->n_mappings;
        b->n_slots += next->n_slots;
        b->slot_kb += next->slot_kb;
        if (next->sums.size_kb > 0) {
                b->flags &= next->flags;
                b->is_hidden = b->is_hidden && next->is_hidden;
        }
        layout_join(&b->sums, &next->sums);
}

static uint64_t closed_kb(const struct box *b)
{
        return b->kind == BOX_CLOSED ? (b->end - b->start) >> 10 : 0;
}

/* Small files read as they are: locales, caches. */
static bool is_small_file(const struct box *b)
{
        return b->kind == BOX_FILE && b->n_files == b->n_mappings && b->sums.size_kb <= 1024u * b->n_mappings;
}

/* Whether next goes on where b ends, so that they are drawn as one. */
static bool belongs(struct box *b, const struct box *next)
{
        bool touches = b->end == next->start;

        if (touches && next->kind == BOX_SECRETS && b->kind == BOX_CLOSED && b->n_mappings == 1) {
                b->kind = BOX_SECRETS; /* the guard before the first slot */
                b->name = next->name;
                return true;
        }
        if (touches && b->kind == BOX_SECRETS && next->kind == BOX_CLOSED)
                return true;
        if (touches && closed_kb(b) > 0 && closed_kb(b) <= LARGEST_GUARD_KB && b->n_mappings == 1 &&
            (next->kind == BOX_THREAD_STACK || (next->kind == BOX_MEMORY && next->sums.size_kb >= SMALLEST_STACK_KB))) {
                b->kind = BOX_THREAD_STACK;
                b->thread = next->thread;
                return true;
        }
        if (b->kind != next->kind || b->kind == BOX_THREAD_STACK)
                return false;
        if (touches && is_small_file(b) && is_small_file(next))
                return true;
        return b->kind == BOX_TEXT || b->kind == BOX_KERNELS || (touches && strcmp(b->name, next->name) == 0) ||
               (b->kind == BOX_FILE && strcmp(b->name, next->name) == 0);
}

static bool is_of_one_kind(struct box *b, const struct box *next)
{
        bool is_plain = next->kind == BOX_MEMORY || next->kind == BOX_CLOSED || next->kind == BOX_THREAD_STACK;

        if ((b->kind == BOX_MEMORY || b->kind == BOX_CLOSED) && is_plain && next->thread == 0) {
                b->kind = BOX_MEMORY;
                return true;
        }
        return b->kind == next->kind && b->thread == 0 && next->thread == 0;
}

static size_t fold(struct box *boxes, size_t n, bool (*belong)(struct box *b, const struct box *next))
{
        size_t n_kept = n > 0;

        for (size_t i = 1; i < n; i++) {
                if (belong(&boxes[n_kept - 1], &boxes[i]))
                        join(&boxes[n_kept - 1], &boxes[i]);
                else
                        boxes[n_kept++] = boxes[i];
        }
        return n_kept;
}

struct box *boxes_fold(size_t *n_boxes, const struct layout *l)
{
        struct box *boxes = keepmum_heap_calloc(l->n_mappings + 1, sizeof *boxes);

        *n_boxes = 0;
        if (boxes == NULL)
                return NULL;
        for (size_t i = 0; i < l->n_mappings; i++) {
                begin(&boxes[i], &l->mappings[i]);
                add(&boxes[i], &l->mappings[i]);
        }
        *n_boxes = fold(boxes, l->n_mappings, belongs);
        if (*n_boxes > MOST_BOXES)
                *n_boxes = fold(boxes, *n_boxes, is_of_one_kind);
        return boxes;
}

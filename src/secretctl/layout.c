/* Sorting mappings. Text, data and bss are those of the program itself: what it has of its own file, executable or
 * read-only (text), writable (data), and the nameless mapping that goes on where its data ends (bss). Heap and stack
 * are named by the kernel. Libraries, anonymous memory and secret memory are mappings.
 *
 * What could leak is an upper bound. Swap: resident pages that are not locked, of memory that has no file to go back
 * to. Core: the same pages unless they are marked not to be dumped (a process that is not dumpable at all leaves no
 * core; smaps does not tell). Guards and closed pages have no size there, for nothing is in them or they are locked
 * and not dumped. */
#include "secretctl/layout.h"

#include "os/path.h"
#include "os/tasks.h"

#include <keepmum.h>
#include <keepmum_heap.h>
#include <stdio.h>
#include <string.h>

static bool has_prefix(const char *name, const char *prefix)
{
        return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_of_program(const struct layout *l, const struct mapping *m)
{
        return l->program[0] != '\0' && strcmp(m->name, l->program) == 0;
}

/* The nameless mapping right behind the program's own data. */
static bool is_bss(const struct layout *l, const struct mapping *m)
{
        const struct layout_mapping *before = l->n_mappings > 0 ? &l->mappings[l->n_mappings - 1] : NULL;

        return before != NULL && before->group == LAYOUT_DATA && before->is.end == m->start && m->name[0] == '\0' &&
               m->perms[1] == 'w';
}

static enum layout_group group_of(const struct layout *l, const struct mapping *m)
{
        if (is_of_program(l, m))
                return m->perms[1] == 'w' ? LAYOUT_DATA : LAYOUT_TEXT;
        if (strcmp(m->name, "[heap]") == 0)
                return LAYOUT_HEAP;
        if (has_prefix(m->name, "[stack"))
                return LAYOUT_STACK;
        return is_bss(l, m) ? LAYOUT_BSS : LAYOUT_MAPPINGS;
}

/* Whether pages of it live nowhere else: anonymous, copied on write, or of a file in memory. */
static bool has_no_file(const struct mapping *m)
{
        if (has_prefix(m->name, "[v")) /* vdso, vvar, vsyscall: the kernel's own */
                return false;
        return m->inode == 0 || (m->perms[1] == 'w' && m->perms[3] == 'p') || has_prefix(m->name, "/dev/zero") ||
               has_prefix(m->name, "/memfd:") || has_prefix(m->name, "/dev/shm/") || has_prefix(m->name, "/SYSV");
}

static void weigh(struct layout_mapping *m)
{
        bool is_locked = (m->is.flags & MAPPING_LOCKED) != 0, is_dumped = (m->is.flags & MAPPING_NO_DUMP) == 0;
        uint64_t unsaved_kb = has_no_file(&m->is) && !m->is_secret_memory ? m->is.rss_kb + m->is.swap_kb : 0;

        m->size_kb = (m->is.end - m->is.start) >> 10;
        m->could_swap_kb = is_locked ? m->is.swap_kb : unsaved_kb;
        m->could_dump_kb = is_dumped ? unsaved_kb : 0;
}

void layout_add(struct layout_sums *sums, const struct layout_mapping *m)
{
        sums->size_kb += m->size_kb;
        sums->rss_kb += m->is.rss_kb;
        sums->locked_kb += m->is.flags & MAPPING_LOCKED ? m->is.rss_kb : 0;
        sums->secret_kb += m->is_secret_memory ? m->size_kb : 0;
        sums->could_swap_kb += m->could_swap_kb;
        sums->could_dump_kb += m->could_dump_kb;
}

void layout_join(struct layout_sums *sums, const struct layout_sums *more)
{
        sums->size_kb += more->size_kb;
        sums->rss_kb += more->rss_kb;
        sums->locked_kb += more->locked_kb;
        sums->secret_kb += more->secret_kb;
        sums->could_swap_kb += more->could_swap_kb;
        sums->could_dump_kb += more->could_dump_kb;
}

static bool take_mapping(void *context, const struct mapping *mapping)
{
        struct layout *l = context;

        if ((l->n_mappings & (l->n_mappings - 1)) == 0) { /* full at each power of two */
                size_t n_wanted = l->n_mappings == 0 ? 1 : 2 * l->n_mappings;
                struct layout_mapping *more = keepmum_heap_realloc(l->mappings, n_wanted * sizeof *more);

                if (more == NULL)
                        return !(l->is_out_of_memory = true);
                l->mappings = more;
        }
        struct layout_mapping *m = &l->mappings[l->n_mappings];
        *m = (struct layout_mapping){.is = *mapping, .group = group_of(l, mapping)};
        m->is_secret_memory = strstr(mapping->name, "secretmem") != NULL;
        weigh(m);
        layout_add(&l->of_group[m->group], m);
        layout_add(&l->total, m);
        l->n_mappings++;
        return true;
}

int layout_read(struct layout *l, int pid)
{
        char path[64], who[32] = "self";

        *l = (struct layout){0};
        if (pid != 0)
                snprintf(who, sizeof who, "%d", pid);
        snprintf(path, sizeof path, "/proc/%s/exe", who);
        path_link(path, l->program, sizeof l->program);
        snprintf(path, sizeof path, "/proc/%s/smaps", who);
        int err = smaps_read(path, take_mapping, l);
        if (l->is_out_of_memory)
                err = KEEPMUM_ENOMEM;
        if (err != 0)
                layout_free(l);
        return err;
}

static void take_stack(void *context, int thread, uint64_t stack_pointer)
{
        struct layout *l = context;
        size_t low = 0, high = l->n_mappings;

        while (low < high) { /* the first mapping that ends behind it */
                size_t middle = (low + high) / 2;

                if (l->mappings[middle].is.end <= stack_pointer)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low < l->n_mappings && l->mappings[low].is.start <= stack_pointer)
                l->mappings[low].thread = thread;
}

void layout_find_stacks(struct layout *l, int pid)
{
        tasks_read(pid, take_stack, l);
}

void layout_free(struct layout *l)
{
        keepmum_heap_free(l->mappings);
        *l = (struct layout){0};
}

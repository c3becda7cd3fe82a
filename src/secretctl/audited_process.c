/* Reading a process through /proc/PID/mem, mapping by mapping, while it runs: it is not stopped, so what it moves about
 * meanwhile may be missed or met twice.
 *
 * Closed pages (PROT_NONE) are read too: the kernel lets through whoever may trace the process. Nameless pages that
 * the process never touched are passed over (/proc/PID/pagemap): nothing stands there, and to read them would
 * make the kernel find memory for them. So are those pages of a large file, or of a large shared stretch, that
 * are not in the process's memory. */
#include "secretctl/audited.h"

#include "base/wipe.h"
#include "os/page.h"
#include "os/path.h"
#include "os/reader.h"
#include "os/tasks.h"
#include "secretctl/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REFUSALS = 64, PAGES_AT_ONCE = 512, SMALL_KB = 64 << 10, SPARSE = 16 };

struct reading {
        struct findings *f;
        struct search *s;
        int pid, mem, pagemap;
        size_t page;
        bool is_self, has_ended;
};

/* ---- which pages are there ---- */

/* Whether most of a mapping may not be in memory, so that it is asked page by page. */
static bool is_sparse(const struct layout_mapping *m)
{
        uint64_t there_kb = m->is.rss_kb + m->is.swap_kb;

        return m->is.inode == 0 ? there_kb < m->size_kb : m->size_kb > SMALL_KB + SPARSE * there_kb;
}

/* What pagemap has of n pages from p on; how many it was. */
static size_t read_entries(const struct reading *r, uint64_t p, uint64_t entries[static PAGES_AT_ONCE], size_t n)
{
        size_t n_got;
        int err = reader_at(r->pagemap, p / r->page * sizeof entries[0], entries, n * sizeof entries[0], &n_got);

        return err == 0 ? n_got / sizeof entries[0] : 0;
}

/* The first page from at on that is in memory or in swap, which *at becomes, and the end of those in a row. */
static uint64_t next_present(const struct reading *r, uint64_t *at, uint64_t end)
{
        uint64_t entries[PAGES_AT_ONCE], p = *at, first = end, stop;

        if (reader_next_present(r->pagemap, at, &stop, end)) /* at once, also over terabytes of nothing */
                return stop;
        while (p < end) {
                size_t n = (end - p) / r->page < PAGES_AT_ONCE ? (size_t)((end - p) / r->page) : PAGES_AT_ONCE;

                if ((n = read_entries(r, p, entries, n)) == 0) {
                        *at = first < end ? first : p; /* not told: all of the rest is tried */
                        return end;
                }
                for (size_t i = 0; i < n; i++, p += r->page) {
                        bool is_there = entries[i] >> 62 != 0; /* bit 63 in memory, 62 in swap */

                        if (is_there && first == end)
                                first = p;
                        if (!is_there && first < end) {
                                *at = first;
                                return p;
                        }
                }
        }
        *at = first;
        return end;
}

/* ---- reading ---- */

static bool is_gone(const struct reading *r)
{
        char state = r->is_self ? 'R' : tasks_state(r->pid);

        return state == '\0' || state == 'Z' || state == 'X';
}

/* What the kernel refuses is passed over by pages, then as a whole. */
static void read_range(struct reading *r, uint64_t at, uint64_t end, uint64_t *refused)
{
        unsigned n_refusals = 0;

        while (at < end && !r->has_ended) {
                size_t room, n_got;
                uint8_t *to = search_room(r->s, at, &room);

                room = room < end - at ? room : (size_t)(end - at);
                if (reader_at(r->mem, at, to, room, &n_got) != 0) {
                        uint64_t step = ++n_refusals > MOST_REFUSALS || end - at < r->page ? end - at : r->page;

                        *refused += step;
                        at += step;
                } else if (n_got == 0) { /* no memory any more */
                        r->has_ended = true;
                } else {
                        search_take(r->s, n_got);
                        r->f->searched_bytes += n_got;
                        at += n_got;
                }
        }
}

static void read_present(struct reading *r, const struct layout_mapping *m, uint64_t *refused)
{
        uint64_t at = m->is.start, before = at;

        while (at < m->is.end && !r->has_ended) {
                uint64_t stop = next_present(r, &at, m->is.end);

                r->f->absent_bytes += at - before;
                read_range(r, at, stop, refused);
                before = at = stop;
        }
}

/* The kernel's own pages, which nobody reads by this way. */
static bool is_kernels(const struct mapping *m)
{
        return strncmp(m->name, "[vvar", 5) == 0 || strcmp(m->name, "[vsyscall]") == 0;
}

static void read_mapping(struct reading *r, const struct layout_mapping *m)
{
        struct place_row place = {.start = m->is.start, .end = m->is.end, .flags = m->is.flags,
                                  .is_secret_memory = m->is_secret_memory, .has_flags = true};
        uint64_t *refused = m->is_secret_memory ? &r->f->hidden_bytes : &r->f->unreadable_bytes;

        if (is_kernels(&m->is) || (r->is_self && search_stands_in(r->s, m->is.start, m->is.end)))
                return;
        memcpy(place.perms, m->is.perms, sizeof place.perms);
        memcpy(place.name, m->is.name, sizeof place.name);
        findings_place(r->f, &place, search_passed(r->s));
        if (is_sparse(m))
                read_present(r, m, refused);
        else
                read_range(r, m->is.start, m->is.end, refused);
}

/* ---- the whole ---- */

static int open_files(struct reading *r)
{
        char path[64];
        int err;

        snprintf(path, sizeof path, "/proc/%d/mem", r->pid);
        if ((err = reader_open(&r->mem, path)) != 0)
                return err;
        snprintf(path, sizeof path, "/proc/%d/pagemap", r->pid);
        if (reader_open(&r->pagemap, path) != 0)
                r->pagemap = -1; /* then all is read */
        return 0;
}

static int process_number(void)
{
        char text[16];

        path_link("/proc/self", text, sizeof text);
        return atoi(text);
}

int audited_process(struct findings *f, struct search *s, int pid)
{
        struct reading r = {.f = f, .s = s, .pid = pid, .page = page_bytes(), .is_self = pid == process_number()};
        struct layout l;
        int err = open_files(&r);

        if (err != 0)
                return err;
        if ((err = layout_read(&l, pid)) == 0) {
                for (size_t i = 0; i < l.n_mappings && !r.has_ended && s->err == 0; i++)
                        read_mapping(&r, &l.mappings[i]);
                f->is_complete = !r.has_ended && !is_gone(&r) && l.n_mappings > 0;
                layout_free(&l);
                err = search_finish(s);
        }
        reader_close(r.mem);
        if (r.pagemap >= 0)
                reader_close(r.pagemap);
        if (err == 0 && f->is_out_of_memory)
                err = KEEPMUM_ENOMEM;
        findings_finish(f);
        return err;
}

/* Reading a core file segment by segment. What the kernel left out of it (untouched pages of files, what is marked
 * not to be dumped) is told as absent. The notes are looked through too: registers of all threads stand there. */
#include "secretctl/audited.h"

#include "os/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Between two holes of the file, or up to the end of the segment. */
static int read_data(struct findings *f, struct search *s, const struct core_file *c, const struct core_segment *g,
                     uint64_t *done)
{
        uint64_t at = reader_next_data(c->fd, g->file_at + *done, g->file_at + g->file_bytes) - g->file_at;
        size_t room, n_got;

        *done = at;
        if (at == g->file_bytes)
                return 0;
        uint8_t *to = search_room(s, g->start + at, &room);
        room = room < g->file_bytes - at ? room : (size_t)(g->file_bytes - at);
        if (reader_at(c->fd, g->file_at + at, to, room, &n_got) != 0)
                return KEEPMUM_EIO;
        if (n_got == 0)
                return KEEPMUM_EDAMAGED;
        search_take(s, n_got);
        f->searched_bytes += n_got;
        *done = at + n_got;
        return s->err;
}

static int read_segment(struct findings *f, struct search *s, const struct core_file *c, const struct core_segment *g)
{
        struct place_row place = {.start = g->start, .end = g->end};
        int err = 0;

        memcpy(place.perms, g->perms, sizeof place.perms);
        if (g->part == CORE_NOTES)
                strcpy(place.name, "[registers and other notes]");
        else
                f->absent_bytes += g->end - g->start - g->file_bytes;
        if (g->file_bytes == 0)
                return 0;
        findings_place(f, &place, search_passed(s));
        for (uint64_t done = 0; err == 0 && done < g->file_bytes;)
                err = read_data(f, s, c, g, &done);
        return err;
}

/* ---- names ---- */

static int is_before(const void *a, const void *b)
{
        const struct place_row *p = a, *q = b;

        return (p->start > q->start) - (p->start < q->start);
}

static void give_name(void *findings, uint64_t start, uint64_t end, const char *name)
{
        struct findings *f = findings;
        size_t low = 0, high = f->n_rows;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (f->rows[middle].start < start)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < f->n_rows && f->rows[low].start < end; low++)
                if (f->rows[low].name[0] == '\0')
                        strncpy(f->rows[low].name, name, sizeof f->rows[low].name - 1);
}

int audited_core(struct findings *f, struct search *s, const struct core_file *c)
{
        struct core_segment g;
        int err = 0;

        for (uint64_t i = 0; i < c->n_headers && err == 0; i++) {
                if (!core_segment(c, i, &g))
                        err = KEEPMUM_EDAMAGED;
                else if (g.part != CORE_OTHER)
                        err = read_segment(f, s, c, &g);
        }
        if (err == 0)
                err = search_finish(s);
        if (err == 0 && f->is_out_of_memory)
                err = KEEPMUM_ENOMEM;
        findings_finish(f);
        f->is_complete = err == 0;
        if (err != 0 || f->n_rows == 0)
                return err;
        qsort(f->rows, f->n_rows, sizeof *f->rows, is_before);
        core_names(c, give_name, f);
        return 0;
}

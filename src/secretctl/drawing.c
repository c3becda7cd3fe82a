/* The picture that textbooks draw: high addresses on top, a box for each stretch, arrows where a stretch grows, and
 * what is not mapped between them.
 *
 * Each box tells its size and, by a bar, what of it is in RAM: # could reach swap, = could not (it is locked, or has a
 * file to go back to), . is not there. Lines are drawn with line characters on a terminal of a UTF-8 locale, else
 * in ASCII; there is colour on terminals only. Names are always shown escaped and cut to the width. */
#include "secretctl/drawing.h"

#include "secretctl/boxes.h"
#include "secretctl/output.h"
#include "secretctl/shown.h"

#include <inttypes.h>
#include <keepmum_heap.h>
#include <stdio.h>
#include <string.h>

enum { USUAL_COLUMNS = 80, LEAST_COLUMNS = 60, MOST_COLUMNS = 110, ADDRESS_COLUMNS = 17 };
enum { BAR_CELLS = 10, LINE_BYTES = 1024 };

struct pen {
        const char *top[2], *middle[2], *bottom[2]; /* the corners, left and right */
        const char *across, *side, *up, *down;
};

static const struct pen ascii_pen = {{"+", "+"}, {"+", "+"}, {"+", "+"}, "-", "|", "^", "v"};
static const struct pen line_pen = {{"┌", "┐"}, {"├", "┤"}, {"└", "┘"}, "─", "│", "↑", "↓"};

struct drawing {
        const struct pen *pen;
        int columns; /* between the two sides of a box */
};

/* ---- words ---- */

/* Such as 132 kB, 8 MiB, 1.5 GiB. */
static const char *size_text(char text[static 24], uint64_t kb)
{
        static const char *const units[] = {"kB", "MiB", "GiB", "TiB", "PiB"};
        uint64_t tenths = 10 * kb;
        unsigned unit = 0;

        for (; tenths >= 10240 && unit < 4; unit++)
                tenths /= 1024;
        if (tenths < 100 && tenths % 10 != 0)
                snprintf(text, 24, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
        else
                snprintf(text, 24, "%" PRIu64 " %s", tenths / 10, units[unit]);
        return text;
}

/* Such as 2,048. */
static const char *number_text(char text[static 32], uint64_t n)
{
        if (n >= 1000000)
                snprintf(text, 32, "%" PRIu64 ",%03" PRIu64 ",%03" PRIu64, n / 1000000, n / 1000 % 1000, n % 1000);
        else if (n >= 1000)
                snprintf(text, 32, "%" PRIu64 ",%03" PRIu64, n / 1000, n % 1000);
        else
                snprintf(text, 32, "%" PRIu64, n);
        return text;
}

static const char *last_part(const char *path)
{
        const char *slash = path[0] == '/' ? strrchr(path, '/') : NULL;

        return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static void label_secrets(char *text, size_t room, const struct box *b)
{
        char number[32];

        number_text(number, b->n_slots);
        if (b->n_mappings > b->n_slots)
                snprintf(text, room, "%s slot%s of secrets between guards", number, b->n_slots == 1 ? "" : "s");
        else
                snprintf(text, room, "secret memory, %s mapping%s", number, b->n_slots == 1 ? "" : "s");
}

/* "name, 5 mappings" */
static void label_name(char *text, size_t room, const struct box *b, const char *what, const char *name)
{
        char number[32];
        size_t used = (size_t)snprintf(text, room, "%s%s%s", what, name, b->has_many_names ? " and others" : "");

        if (b->n_mappings > 1 && used < room)
                snprintf(text + used, room - used, ", %s mappings", number_text(number, b->n_mappings));
}

static void label(char *text, size_t room, const struct box *b)
{
        switch (b->kind) {
        case BOX_TEXT: label_name(text, room, b, "text of ", last_part(b->name)); break;
        case BOX_DATA: label_name(text, room, b, "data of ", last_part(b->name)); break;
        case BOX_BSS: label_name(text, room, b, "bss", ""); break;
        case BOX_HEAP: label_name(text, room, b, "brk heap", ""); break;
        case BOX_STACK: label_name(text, room, b, "stack", ""); break;
        case BOX_THREAD_STACK:
                if (b->thread != 0)
                        snprintf(text, room, "stack of thread %d", b->thread);
                else
                        snprintf(text, room, "anonymous memory above a guard: a thread's stack?");
                break;
        case BOX_SECRETS: label_secrets(text, room, b); break;
        case BOX_FILE: label_name(text, room, b, b->has_many_names ? "files: " : "", last_part(b->name)); break;
        case BOX_MEMORY: label_name(text, room, b, "anonymous memory", ""); break;
        case BOX_CLOSED: label_name(text, room, b, "closed: nobody may touch it", ""); break;
        case BOX_KERNELS: label_name(text, room, b, "the kernel's: ", b->name); break;
        }
}

/* ---- lines ---- */

static void repeat(const char *what, int n)
{
        for (; n > 0; n--)
                output_format("%s", what);
}

static void draw_border(const struct drawing *d, uint64_t address, const char *const corners[static 2])
{
        output_format("%*" PRIx64 " %s", ADDRESS_COLUMNS - 1, address, corners[0]);
        repeat(d->pen->across, d->columns);
        output_format("%s\n", corners[1]);
}

static void begin_line(const struct drawing *d)
{
        output_format("%*s%s ", ADDRESS_COLUMNS, "", d->pen->side);
}

static void end_line(const struct drawing *d, int n_used, const char *last)
{
        repeat(" ", d->columns - 2 - n_used);
        output_format("%s%s\n", last, d->pen->side);
}

/* As much of a text as fits, escaped. Returns the columns used: one for each character. */
static int draw_cut(const char *text, int columns)
{
        char shown[4 * LINE_BYTES];
        size_t n_bytes = shown_escape(shown, sizeof shown, text);
        int n_used = 0;

        for (size_t i = 0; i < n_bytes && n_used < columns; n_used++) {
                struct shown_step step = shown_step((const uint8_t *)shown + i, n_bytes - i);

                output_format("%.*s", (int)step.n_bytes, shown + i);
                i += step.n_bytes;
        }
        return n_used;
}

static void draw_text(const struct drawing *d, const char *text, enum output_style style, const char *last)
{
        begin_line(d);
        output_style(style);
        int n_used = draw_cut(text, d->columns - 2);
        output_style(OUTPUT_PLAIN);
        end_line(d, n_used, last);
}

/* At least one cell where there is anything. */
static int cells(uint64_t kb, uint64_t all_kb)
{
        if (kb == 0 || all_kb == 0)
                return 0;
        if (kb >= all_kb)
                return BAR_CELLS;
        int n = (int)((kb / 1024 > 0 ? kb / 1024 * BAR_CELLS / (all_kb / 1024 + 1) : kb * BAR_CELLS / all_kb));

        return n > 0 ? n : 1;
}

static void draw_bar(const struct layout_sums *sums)
{
        uint64_t safe_kb = sums->rss_kb > sums->could_swap_kb ? sums->rss_kb - sums->could_swap_kb : 0;
        int n_swap = cells(sums->could_swap_kb, sums->size_kb), n_safe = cells(safe_kb, sums->size_kb);

        if (n_swap + n_safe > BAR_CELLS)
                (*(n_swap > n_safe ? &n_swap : &n_safe))--;
        output_format("[");
        output_style(OUTPUT_BAD);
        repeat("#", n_swap);
        output_style(OUTPUT_GOOD);
        repeat("=", n_safe);
        output_style(OUTPUT_PLAIN);
        repeat(".", BAR_CELLS - n_swap - n_safe);
        output_format("]");
}

/* "     132 kB [#=........] 20 kB in RAM, swap and core 12 kB"; where the two differ, core has a line of its own. */
static void draw_numbers(const struct drawing *d, const struct box *b)
{
        const struct layout_sums *sums = &b->sums;
        bool differ = sums->could_swap_kb != sums->could_dump_kb;
        char text[LINE_BYTES], size[24];

        begin_line(d);
        int n_used = snprintf(text, sizeof text, "%8s ", size_text(size, sums->size_kb));
        output_format("%s", text);
        draw_bar(sums);
        n_used += BAR_CELLS + 2;
        size_t used = (size_t)snprintf(text, sizeof text, " %s in RAM", size_text(size, sums->rss_kb));
        if (sums->could_swap_kb > 0)
                snprintf(text + used, sizeof text - used, ", swap%s %s", differ ? "" : " and core",
                         size_text(size, sums->could_swap_kb));
        n_used += draw_cut(text, d->columns - 2 - n_used);
        end_line(d, n_used, " ");
        if (differ) {
                snprintf(text, sizeof text, "%8s could be in a core", size_text(size, sums->could_dump_kb));
                draw_text(d, text, OUTPUT_PLAIN, " ");
        }
}

static void add_flag(char *text, size_t room, bool holds, const char *word)
{
        size_t used = strlen(text);

        if (holds)
                snprintf(text + used, room - used, "%s%s", used > 0 ? ", " : "", word);
}

static void draw_flags(const struct drawing *d, const struct box *b)
{
        char text[128] = "";

        add_flag(text, sizeof text, b->flags & MAPPING_LOCKED, "locked");
        add_flag(text, sizeof text, b->flags & MAPPING_NO_DUMP, "no-dump");
        add_flag(text, sizeof text, b->flags & MAPPING_NO_FORK, "no-fork");
        add_flag(text, sizeof text, b->flags & MAPPING_WIPE_ON_FORK, "wipe-on-fork");
        add_flag(text, sizeof text, b->is_hidden, "hidden");
        if (text[0] != '\0' && b->kind != BOX_KERNELS)
                draw_text(d, text, OUTPUT_GOOD, " ");
}

/* ---- boxes ---- */

static void draw_box(const struct drawing *d, const struct box *b)
{
        char text[LINE_BYTES], size[24];
        bool grows_up = b->kind == BOX_HEAP, grows_down = b->kind == BOX_STACK;

        label(text, sizeof text, b);
        draw_text(d, text, b->kind == BOX_SECRETS ? OUTPUT_GOOD : OUTPUT_HEADING,
                  grows_up ? d->pen->up : grows_down ? d->pen->down : " ");
        if (b->sums.size_kb > 0) {
                draw_numbers(d, b);
                draw_flags(d, b);
        } else {
                snprintf(text, sizeof text, "%8s", size_text(size, (b->end - b->start) >> 10));
                draw_text(d, text, OUTPUT_PLAIN, " ");
        }
}

/* What lies below the box that begins at top and above bottom. */
static void draw_gap(uint64_t bottom, uint64_t top)
{
        char size[24];

        if (top >> 63 != 0) /* below vsyscall */
                output_format("%*s ~ the kernel's addresses ~\n", ADDRESS_COLUMNS, "");
        else
                output_format("%*s ~ %s nothing ~\n", ADDRESS_COLUMNS, "", size_text(size, (top - bottom) >> 10));
}

static void draw_all(const struct drawing *d, const struct box *boxes, size_t n)
{
        for (size_t i = n; i > 0; i--) {
                const struct box *b = &boxes[i - 1], *below = i > 1 ? b - 1 : NULL;

                if (i == n || b[1].start != b->end)
                        draw_border(d, b->end, d->pen->top);
                draw_box(d, b);
                if (below != NULL && below->end == b->start) {
                        draw_border(d, b->start, d->pen->middle);
                        continue;
                }
                draw_border(d, b->start, d->pen->bottom);
                draw_gap(below != NULL ? below->end : 0, b->start);
        }
}

bool drawing_show(const struct layout *l)
{
        struct drawing d = {output_has_line_characters() ? &line_pen : &ascii_pen, output_columns()};
        size_t n_boxes;
        struct box *boxes = boxes_fold(&n_boxes, l);

        if (boxes == NULL)
                return false;
        if (d.columns == 0)
                d.columns = USUAL_COLUMNS;
        d.columns = d.columns < LEAST_COLUMNS ? LEAST_COLUMNS : d.columns > MOST_COLUMNS ? MOST_COLUMNS : d.columns;
        d.columns -= ADDRESS_COLUMNS + 2;
        draw_all(&d, boxes, n_boxes);
        output_format("%*s # could reach swap, = could not, . not in RAM\n\n", ADDRESS_COLUMNS, "");
        keepmum_heap_free(boxes);
        return true;
}

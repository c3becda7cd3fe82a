/* The rows of an audit.
 *
 * The search is behind the reading by as much as the longest form: a place is final only when the search has passed
 * its end, and is forgotten then if it holds nothing. Always true: however many places a core file claims to have,
 * there are no more than MOST_ROWS rows. */
#include "secretctl/findings.h"

#include "secretctl/output.h"

#include <inttypes.h>
#include <keepmum_heap.h>
#include <string.h>

enum { MOST_ROWS = 16384, MOST_WAITING = 1024 };

static const struct {
        const char *field, *says;
} copies[COPIES] = {
        [COPY_WHOLE] = {"whole", "whole"},
        [COPY_FIRST_HALF] = {"first_half", "first half"},
        [COPY_SECOND_HALF] = {"second_half", "second half"},
        [COPY_FRAGMENT] = {"fragment", "fragment"},
        [COPY_UTF16LE] = {"utf16le", "UTF-16LE"},
        [COPY_UTF16BE] = {"utf16be", "UTF-16BE"},
        [COPY_HEX] = {"hex", "hexadecimal"},
        [COPY_HEX_UPPER] = {"hex_upper", "HEXADECIMAL"},
        [COPY_BASE64] = {"base64", "base64"},
        [COPY_BASE64_URL] = {"base64_url", "base64url"},
};

/* ---- gathering ---- */

static uint64_t sum_of(const uint64_t of[static COPIES])
{
        uint64_t sum = 0;

        for (unsigned i = 0; i < COPIES; i++)
                sum += of[i];
        return sum;
}

static bool is_guarded(const struct place_row *p)
{
        return p->is_secret_memory || ((p->flags & MAPPING_LOCKED) && (p->flags & MAPPING_NO_DUMP));
}

/* The first row that is not final becomes so, or goes. */
static void settle_one(struct findings *f)
{
        struct place_row *row = &f->rows[f->n_final];

        if (sum_of(row->of) > 0 && f->n_final < MOST_ROWS) {
                f->n_final++;
                return;
        }
        f->n_places_left_out += sum_of(row->of) > 0;
        f->n_rows--;
        memmove(row, row + 1, (f->n_rows - f->n_final) * sizeof *row);
}

void findings_place(struct findings *f, const struct place_row *place, uint64_t passed)
{
        while (f->n_final < f->n_rows &&
               (f->rows[f->n_final].end <= passed || f->n_rows - f->n_final >= MOST_WAITING))
                settle_one(f);
        if (f->n_rows == f->n_room) {
                size_t n_wanted = f->n_room == 0 ? 16 : 2 * f->n_room;
                struct place_row *more = keepmum_heap_realloc(f->rows, n_wanted * sizeof *more);

                if (more == NULL) {
                        f->is_out_of_memory = true;
                        return;
                }
                f->rows = more;
                f->n_room = n_wanted;
        }
        f->rows[f->n_rows++] = *place;
}

void findings_count(void *findings, uint64_t address, enum copy copy)
{
        struct findings *f = findings;
        size_t i = f->n_rows;

        while (i > 0 && (address < f->rows[i - 1].start || address >= f->rows[i - 1].end))
                i--;
        f->of[copy]++;
        f->total++;
        if (i == 0 || !is_guarded(&f->rows[i - 1]))
                f->n_outside++;
        if (i > 0)
                f->rows[i - 1].of[copy]++;
}

void findings_finish(struct findings *f)
{
        while (f->n_final < f->n_rows)
                settle_one(f);
}

void findings_free(struct findings *f)
{
        keepmum_heap_free(f->rows);
        *f = (struct findings){0};
}

/* ---- for a person ---- */

static void show_copies(const uint64_t of[static COPIES])
{
        const char *between = "";

        for (unsigned i = 0; i < COPIES; i++) {
                if (of[i] == 0)
                        continue;
                output_format("%s%" PRIu64 " %s", between, of[i], copies[i].says);
                between = ", ";
        }
}

static void show_flag(bool holds, const char *word)
{
        if (holds)
                output_format(" %s", word);
}

static void show_row(const struct place_row *p)
{
        output_style(is_guarded(p) ? OUTPUT_GOOD : OUTPUT_BAD);
        output_format("%012" PRIx64 "-%012" PRIx64 " %s ", p->start, p->end, p->perms);
        output_text(p->name[0] != '\0' ? p->name : "(nameless)");
        show_flag(p->is_secret_memory, "secret");
        show_flag(p->flags & MAPPING_LOCKED, "locked");
        show_flag(p->flags & MAPPING_NO_DUMP, "no-dump");
        show_flag(p->flags & MAPPING_NO_FORK, "no-fork");
        output_style(OUTPUT_PLAIN);
        output_format("\n    ");
        show_copies(p->of);
        output_format("\n");
}

static void show_kb(uint64_t n_bytes, const char *what, const char **before)
{
        if (n_bytes == 0)
                return;
        output_format("%s%" PRIu64 " kB %s", *before, (n_bytes + 1023) >> 10, what);
        *before = ", ";
}

static void show_searched(const struct findings *f)
{
        const char *before = "; not looked at: ";

        output_format("%" PRIu64 " kB were looked at", f->searched_bytes >> 10);
        show_kb(f->hidden_bytes, "that are hidden from everybody outside", &before);
        show_kb(f->unreadable_bytes, "that could not be read", &before);
        show_kb(f->absent_bytes, "that are not in memory, or not in the file", &before);
        output_format("\n");
}

void findings_show(const struct findings *f, const char *subject, size_t canary_bytes)
{
        output_style(OUTPUT_HEADING);
        output_text(subject);
        if (f->total == 0)
                output_format(": no copies of the canary (%zu bytes)", canary_bytes);
        else
                output_format(": %" PRIu64 " %s of the canary (%zu bytes), %" PRIu64 " where swap or a core could get it",
                              f->total, f->total == 1 ? "copy" : "copies", canary_bytes, f->n_outside);
        output_style(OUTPUT_PLAIN);
        output_format("\n");
        for (size_t i = 0; i < f->n_rows; i++)
                show_row(&f->rows[i]);
        if (f->n_places_left_out > 0)
                output_format("and %" PRIu64 " more mappings\n", f->n_places_left_out);
        show_searched(f);
}

/* ---- as JSON ---- */

static void json_copies(const uint64_t of[static COPIES])
{
        output_format("{");
        for (unsigned i = 0; i < COPIES; i++)
                output_format("%s\"%s\": %" PRIu64, i == 0 ? "" : ", ", copies[i].field, of[i]);
        output_format("}");
}

static void json_flag(const char *field, const struct place_row *p, bool holds)
{
        output_format(", \"%s\": %s", field, !p->has_flags ? "null" : holds ? "true" : "false");
}

static void json_row(const struct place_row *p)
{
        output_format("{\"start\": \"%" PRIx64 "\", \"end\": \"%" PRIx64 "\", \"permissions\": \"%s\", \"name\": ",
                      p->start, p->end, p->perms);
        output_json_text(p->name);
        json_flag("locked", p, p->flags & MAPPING_LOCKED);
        json_flag("not_dumped", p, p->flags & MAPPING_NO_DUMP);
        json_flag("not_forked", p, p->flags & MAPPING_NO_FORK);
        json_flag("secret_memory", p, p->is_secret_memory);
        output_format(", \"total\": %" PRIu64 ", \"copies\": ", sum_of(p->of));
        json_copies(p->of);
        output_format("}");
}

void findings_json(const struct findings *f, size_t canary_bytes)
{
        output_format(",\n  \"canary_bytes\": %zu,\n  \"complete\": ", canary_bytes);
        output_json_bool(f->is_complete);
        output_format(",\n  \"mappings\": [");
        for (size_t i = 0; i < f->n_rows; i++) {
                output_format(i == 0 ? "\n    " : ",\n    ");
                json_row(&f->rows[i]);
        }
        output_format("\n  ],\n  \"mappings_left_out\": %" PRIu64, f->n_places_left_out);
        output_format(",\n  \"total\": %" PRIu64 ",\n  \"outside\": %" PRIu64, f->total, f->n_outside);
        output_format(",\n  \"copies\": ");
        json_copies(f->of);
        output_format(",\n  \"searched_kb\": %" PRIu64 ",\n  \"hidden_kb\": %" PRIu64, f->searched_bytes >> 10,
                      f->hidden_bytes >> 10);
        output_format(",\n  \"unreadable_kb\": %" PRIu64 ",\n  \"absent_kb\": %" PRIu64, f->unreadable_bytes >> 10,
                      f->absent_bytes >> 10);
}

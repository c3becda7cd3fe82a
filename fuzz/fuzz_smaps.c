/* The parser of /proc/PID/smaps, with any text.
 *
 * An input is a byte that says how the text is cut into pieces, a byte that says after how many mappings the
 * callback stops, and the text. Looked at: fed whole, in pieces, and byte by byte gives the same; every mapping is
 * in bounds; a mapping written out as the kernel would write it and read again is the same mapping; and where the
 * text was right, every line that begins as an address does is a mapping with these addresses. */
#include "target.h"

#include "secret/smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MAPPINGS = 16 };

struct seen {
        struct mapping mappings[MOST_MAPPINGS];
        unsigned n, n_all, stop_after;
        bool is_right;
};

static bool is_one_of(char c, const char *allowed)
{
        return c != '\0' && strchr(allowed, c) != NULL;
}

static void check_mapping(const struct mapping *m)
{
        unsigned known = MAPPING_LOCKED | MAPPING_NO_DUMP | MAPPING_NO_FORK | MAPPING_WIPE_ON_FORK | MAPPING_SEALED;
        const char *end = memchr(m->name, '\0', sizeof m->name);

        expect(m->start < m->end);
        expect(is_one_of(m->perms[0], "r-") && is_one_of(m->perms[1], "w-"));
        expect(is_one_of(m->perms[2], "x-") && is_one_of(m->perms[3], "sp"));
        expect(m->perms[4] == '\0');
        expect(end != NULL);
        expect(memchr(m->name, '\n', sizeof m->name) == NULL);
        expect((m->flags & ~known) == 0);
        for (const char *p = end; p < m->name + sizeof m->name; p++)
                expect(*p == '\0');
}

static bool found(void *context, const struct mapping *m)
{
        struct seen *s = context;

        check_mapping(m);
        if (s->n < MOST_MAPPINGS)
                s->mappings[s->n++] = *m;
        s->n_all++;
        expect(s->stop_after == 0 || s->n_all <= s->stop_after);
        return s->n_all != s->stop_after;
}

/* Pieces of seed + 1 bytes at first, then of sizes that go on changing; all at once with seed 0. */
static void read_text(struct seen *s, const char *text, size_t n_bytes, unsigned seed)
{
        struct smaps parser;
        uint32_t state = seed * 2654435761u;

        smaps_begin(&parser, found, s);
        while (n_bytes > 0) {
                size_t piece = seed == 0 ? n_bytes : seed == 1 ? 1 : 1 + (state >> 16) % seed;

                piece = piece < n_bytes ? piece : n_bytes;
                smaps_feed(&parser, text, piece);
                text += piece;
                n_bytes -= piece;
                state = state * 1664525u + 1013904223u;
        }
        s->is_right = smaps_end(&parser);
}

static bool is_same_mapping(const struct mapping *a, const struct mapping *b)
{
        return a->start == b->start && a->end == b->end && strcmp(a->perms, b->perms) == 0 && a->offset == b->offset &&
               a->inode == b->inode && strcmp(a->name, b->name) == 0 && a->flags == b->flags && a->rss_kb == b->rss_kb &&
               a->locked_kb == b->locked_kb && a->swap_kb == b->swap_kb;
}

static void expect_same(const struct seen *a, const struct seen *b)
{
        expect(a->n_all == b->n_all);
        expect(a->is_right == b->is_right);
        for (unsigned i = 0; i < a->n; i++)
                expect(is_same_mapping(&a->mappings[i], &b->mappings[i]));
}

/* As the kernel writes it. */
static void write_out(char *text, size_t room, const struct mapping *m)
{
        static const struct {
                const char *word;
                unsigned flag;
        } flags[] = {{" lo", MAPPING_LOCKED},
                     {" dd", MAPPING_NO_DUMP},
                     {" dc", MAPPING_NO_FORK},
                     {" wf", MAPPING_WIPE_ON_FORK},
                     {" sl", MAPPING_SEALED}};
        int n = snprintf(text, room,
                         "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " 00:00 %" PRIu64 " %s\n"
                         "Rss: %12" PRIu64 " kB\nLocked: %" PRIu64 " kB\nSwap: %" PRIu64 " kB\nVmFlags: rd mr",
                         m->start, m->end, m->perms, m->offset, m->inode, m->name, m->rss_kb, m->locked_kb, m->swap_kb);

        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
                if (m->flags & flags[i].flag)
                        n += snprintf(text + n, room - (size_t)n, "%s", flags[i].word);
        n += snprintf(text + n, room - (size_t)n, " \n");
        expect(n > 0 && (size_t)n < room);
}

static void check_round_trip(const struct mapping *m)
{
        struct seen *again = calloc(1, sizeof *again);
        char text[1024];

        expect(again != NULL);
        write_out(text, sizeof text, m);
        read_text(again, text, strlen(text), 0);
        expect(again->is_right && again->n_all == 1 && is_same_mapping(m, &again->mappings[0]));
        free(again);
}

/* Keys begin with a capital letter, addresses never do: no line that is not a right header may pass for a key. */
static void check_addresses(const struct seen *s, const char *text, size_t n_bytes)
{
        const char *text_end = text + n_bytes, *stop;
        unsigned n = 0;

        for (; text < text_end && (stop = memchr(text, '\n', (size_t)(text_end - text))) != NULL; text = stop + 1) {
                const struct mapping *m = &s->mappings[n];
                char *behind;

                if (!is_one_of(*text, "0123456789abcdef"))
                        continue;
                if (n++ >= s->n)
                        break;
                errno = 0;
                expect(strtoull(text, &behind, 16) == m->start && *behind == '-');
                expect(strtoull(behind + 1, &behind, 16) == m->end && *behind == ' ' && errno == 0);
        }
        expect(n == s->n_all || n > MOST_MAPPINGS);
}

void target_begin(void)
{
}

void target_run(const uint8_t *bytes, size_t n_bytes)
{
        struct input in = {bytes, n_bytes};
        unsigned seed = 2 + input_byte(&in), stop_after = input_byte(&in) % 16;
        unsigned seeds[] = {0, 1, seed};
        struct seen *seen = calloc(3, sizeof *seen);

        expect(seen != NULL);
        for (size_t i = 0; i < 3; i++) {
                seen[i].stop_after = stop_after;
                read_text(&seen[i], (const char *)in.bytes, in.n_left, seeds[i]);
        }
        expect_same(&seen[0], &seen[1]);
        expect_same(&seen[0], &seen[2]);
        if (seen[0].is_right && stop_after == 0)
                check_addresses(&seen[0], (const char *)in.bytes, in.n_left);
        for (unsigned i = 0; i < seen[0].n && i < 4; i++)
                check_round_trip(&seen[0].mappings[i]);
        free(seen);
}

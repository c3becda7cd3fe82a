/* The reader of core files, and the search through them, with any file.
 *
 * An input is the file, put into a memory file and read as secretctl audit reads it. Looked at: what is let pass has
 * all of its segments within the file, together not longer than it; names are those that a second, simple reading
 * of the notes finds; no more is searched than the file holds; and where there is one segment of memory alone, as many whole
 * canaries are found in it as a byte by byte comparison finds. */
#include "target.h"

#include "secretctl/audited.h"

#include <elf.h>
#include <keepmum.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CANARY_BYTES = 16, LONGEST_NAME = 255 };

static const char canary_bytes[CANARY_BYTES + 1] = "cAnArY:9f3Kx!Qz7";
static int file;
static struct forms forms;
static struct search search;
static struct findings findings;

void target_begin(void)
{
        expect((file = memfd_create("core", MFD_CLOEXEC)) >= 0);
}

/* At the first input: AFL++ forks behind target_begin(), and a child has no secrets of its parent. */
static void begin_search(void)
{
        static bool is_begun;
        char bytes[CANARY_BYTES];
        keepmum_secret canary;

        if (is_begun)
                return;
        memcpy(bytes, canary_bytes, sizeof bytes);
        expect(keepmum_take(&canary, bytes, sizeof bytes, 0) == 0);
        expect(forms_make(&forms, canary) == 0);
        keepmum_destroy(&canary);
        expect(search_begin(&search, &forms, findings_count, &findings) == 0);
        is_begun = true;
}

/* ---- a second reading of the notes ---- */

struct names {
        const uint8_t *bytes;
        size_t n_bytes;
        const char *found[64]; /* names as they come; more are not compared */
        uint64_t starts[64];
        size_t n_found, n_seen;
};

static uint64_t word_at(const uint8_t *p)
{
        uint64_t word;

        memcpy(&word, p, sizeof word);
        return word;
}

/* The descriptor of an NT_FILE note. */
static void expect_files(struct names *n, const uint8_t *p, size_t n_left)
{
        if (n_left < 16 || word_at(p) > (n_left - 16) / 24)
                return;
        size_t n_files = (size_t)word_at(p);
        const uint8_t *name = p + 16 + 24 * n_files, *end = p + n_left;
        for (size_t i = 0; i < n_files; i++) {
                const uint8_t *entry = p + 16 + 24 * i;
                const uint8_t *stop = name < end ? memchr(name, '\0', (size_t)(end - name)) : NULL;

                if (stop == NULL)
                        return;
                if (word_at(entry) < word_at(entry + 8) && n->n_found < 64) {
                        n->starts[n->n_found] = word_at(entry);
                        n->found[n->n_found++] = (const char *)name;
                }
                name = stop + 1;
        }
}

static size_t rounded(uint32_t n)
{
        return ((size_t)n + 3) & ~(size_t)3;
}

static void expect_notes(struct names *n, size_t at, size_t end)
{
        Elf64_Nhdr note;

        while (end - at >= sizeof note) {
                memcpy(&note, n->bytes + at, sizeof note);
                at += sizeof note;
                if (rounded(note.n_namesz) > end - at || note.n_descsz > end - at - rounded(note.n_namesz))
                        return;
                at += rounded(note.n_namesz);
                if (note.n_type == NT_FILE)
                        expect_files(n, n->bytes + at, note.n_descsz);
                at += rounded(note.n_descsz) < end - at ? rounded(note.n_descsz) : end - at;
        }
}

static void check_name(void *context, uint64_t start, uint64_t end, const char *name)
{
        struct names *n = context;

        expect(start < end);
        expect(strlen(name) <= LONGEST_NAME);
        if (n->n_seen < n->n_found) {
                expect(n->starts[n->n_seen] == start);
                expect(strncmp(n->found[n->n_seen], name, LONGEST_NAME) == 0);
        }
        n->n_seen++;
        expect(n->n_seen <= n->n_found || n->n_found == 64);
}

/* ---- segments ---- */

static void check_segment(const struct core_segment *s, size_t n_bytes)
{
        expect(s->start <= s->end);
        expect(s->file_bytes <= n_bytes && (s->file_bytes == 0 || s->file_at <= n_bytes - s->file_bytes));
        expect(s->part != CORE_OTHER || s->file_bytes == 0);
        expect(s->part == CORE_OTHER || s->file_bytes <= s->end - s->start);
        expect(strlen(s->perms) == 4);
}

static void check_segments(const struct core_file *c, struct names *n)
{
        struct core_segment s;
        uint64_t sum = 0;

        for (uint64_t i = 0; i < c->n_headers; i++) {
                expect(core_segment(c, i, &s));
                check_segment(&s, n->n_bytes);
                sum += s.file_bytes;
                if (s.part == CORE_NOTES)
                        expect_notes(n, (size_t)s.file_at, (size_t)(s.file_at + s.file_bytes));
        }
        expect(!core_segment(c, (n->n_bytes - c->headers_at) / sizeof(Elf64_Phdr) + 1, &s));
        expect(sum <= n->n_bytes);
        core_names(c, check_name, n);
        expect(n->n_seen == n->n_found || n->n_found == 64);
}

static uint64_t count_canaries(const uint8_t *p, size_t n_bytes)
{
        uint64_t n = 0;

        for (const uint8_t *end = p + n_bytes; (p = memmem(p, (size_t)(end - p), canary_bytes, CANARY_BYTES)) != NULL; n++)
                p += CANARY_BYTES;
        return n;
}

static void check_search(const struct core_file *c, const uint8_t *bytes, size_t n_bytes)
{
        struct core_segment s, only = {.file_bytes = 0};
        size_t n_searched = 0;
        uint64_t total = 0;

        expect(audited_core(&findings, &search, c) == 0);
        expect(findings.is_complete && findings.searched_bytes <= n_bytes);
        for (unsigned i = 0; i < COPIES; i++)
                total += findings.of[i];
        expect(findings.total == total && findings.n_outside == total);
        for (uint64_t i = 0; i < c->n_headers; i++) {
                expect(core_segment(c, i, &s));
                if (s.file_bytes == 0)
                        continue;
                n_searched++;
                only = s;
        }
        if (n_searched == 1)
                expect(findings.of[COPY_WHOLE] == count_canaries(bytes + only.file_at, (size_t)only.file_bytes));
        findings_free(&findings);
}

void target_run(const uint8_t *bytes, size_t n_bytes)
{
        struct names names = {.bytes = bytes, .n_bytes = n_bytes};
        struct core_file c;

        expect(ftruncate(file, 0) == 0);
        expect(pwrite(file, bytes, n_bytes, 0) == (ssize_t)n_bytes);
        if (core_open(&c, file) != CORE_IS_FINE)
                return;
        begin_search();
        check_segments(&c, &names);
        check_search(&c, bytes, n_bytes);
}

/* One pass over the bytes: two of them say whether anything that is looked for can begin there, and only then it is
 * compared.
 *
 * Memory is read in chunks, each with the end of the one before it in front, so that no copy is split between two. */
#include "outside/memory_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20, MARGIN_BYTES = 2 * NEEDLE_MAX_BYTES };

static const char *const form_names[FORMS] = {
        [FORM_WHOLE] = "whole",          [FORM_FIRST_HALF] = "first half",    [FORM_SECOND_HALF] = "second half",
        [FORM_FRAGMENT] = "fragment",    [FORM_UTF16] = "UTF-16",             [FORM_HEX] = "hexadecimal",
        [FORM_HEX_UPPER] = "HEXADECIMAL", [FORM_BASE64_0] = "base64 (0)", [FORM_BASE64_1] = "base64 (1)",
        [FORM_BASE64_2] = "base64 (2)",
};

/* ---- what is looked for ---- */

static void make_utf16(struct needle *n, const unsigned char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                n->form[FORM_UTF16].bytes[2 * i] = bytes[i];
        n->form[FORM_UTF16].n_bytes = 2 * n_bytes;
}

static void make_hex(struct needle *n, enum form form, const char *digits, const unsigned char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++) {
                n->form[form].bytes[2 * i] = (unsigned char)digits[bytes[i] >> 4];
                n->form[form].bytes[2 * i + 1] = (unsigned char)digits[bytes[i] & 15];
        }
        n->form[form].n_bytes = 2 * n_bytes;
}

/* The characters whose six bits are all the needle's, when n_before bytes of something else stand before it. */
static void make_base64(struct needle *n, size_t n_before, const unsigned char *bytes, size_t n_bytes)
{
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t first_bit = 8 * n_before, n_out = 0;

        for (size_t at = (first_bit + 5) / 6 * 6 - first_bit; at + 6 <= 8 * n_bytes; at += 6) {
                unsigned two = (unsigned)bytes[at / 8] << 8 | (at / 8 + 1 < n_bytes ? bytes[at / 8 + 1] : 0u);

                n->form[FORM_BASE64_0 + n_before].bytes[n_out++] = (unsigned char)alphabet[two >> (10 - at % 8) & 63];
        }
        n->form[FORM_BASE64_0 + n_before].n_bytes = n_out;
}

static unsigned two_at(const unsigned char *p)
{
        return (unsigned)p[0] << 8 | p[1];
}

static void mark_start(struct needle *n, const unsigned char *p)
{
        n->starts[two_at(p) / 64] |= (uint64_t)1 << two_at(p) % 64;
}

void needle_make(struct needle *n, const char *label, const void *bytes, size_t n_bytes)
{
        *n = (struct needle){.label = label};
        if (n_bytes < NEEDLE_MIN_BYTES || n_bytes > NEEDLE_MAX_BYTES) {
                fprintf(stderr, "%s: %zu bytes cannot be looked for\n", label, n_bytes);
                abort();
        }
        memcpy(n->form[FORM_WHOLE].bytes, bytes, n_bytes);
        n->form[FORM_WHOLE].n_bytes = n_bytes;
        make_utf16(n, bytes, n_bytes);
        make_hex(n, FORM_HEX, "0123456789abcdef", bytes, n_bytes);
        make_hex(n, FORM_HEX_UPPER, "0123456789ABCDEF", bytes, n_bytes);
        for (size_t i = 0; i < 3; i++)
                make_base64(n, i, bytes, n_bytes);
        for (size_t i = 0; i + FRAGMENT_BYTES <= n_bytes; i++)
                mark_start(n, (const unsigned char *)bytes + i);
        for (unsigned form = FORM_UTF16; form < FORMS; form++)
                mark_start(n, n->form[form].bytes);
}

/* ---- one place ---- */

struct mapping {
        uint64_t start, end;
        char perms[8];
        char name[128];
        char flags[256]; /* a space on both sides of each */
        uint64_t in_memory_kb; /* or in swap */
        bool has_file;
};

static bool has_flag(const struct mapping *m, const char *two_letters)
{
        char word[8];

        snprintf(word, sizeof word, " %s ", two_letters);
        return strstr(m->flags, word) != NULL;
}

static void note(struct findings *f, const struct needle *n, enum form form, size_t n_bytes, uint64_t at,
                 const struct mapping *m)
{
        f->n_copies++;
        f->of[form]++;
        f->n_outside += !(has_flag(m, "lo") && has_flag(m, "dd"));
        if (f->n_shown < sizeof f->shown / sizeof f->shown[0])
                snprintf(f->shown[f->n_shown++], sizeof f->shown[0], "%s: %s, %zu bytes, at %#llx of %.60s %s%.60s",
                         n->label, form_names[form], n_bytes, (unsigned long long)at, m->name, m->perms, m->flags);
}

/* The longest piece of the needle that stands at p; *start is where it begins in the needle. */
static size_t longest_piece(size_t *start, const struct needle *n, const unsigned char *p, size_t n_left)
{
        const unsigned char *whole = n->form[FORM_WHOLE].bytes;
        size_t n_whole = n->form[FORM_WHOLE].n_bytes, longest = 0;

        for (size_t i = 0; i + FRAGMENT_BYTES <= n_whole; i++) {
                size_t same = 0;

                while (i + same < n_whole && same < n_left && p[same] == whole[i + same])
                        same++;
                if (same >= FRAGMENT_BYTES && same > longest) {
                        longest = same;
                        *start = i;
                }
        }
        return longest;
}

static enum form form_of_piece(const struct needle *n, size_t start, size_t n_bytes)
{
        size_t n_whole = n->form[FORM_WHOLE].n_bytes, half = n_whole / 2;

        if (n_bytes == n_whole)
                return FORM_WHOLE;
        if (start == 0 && n_bytes >= half)
                return FORM_FIRST_HALF;
        return start <= half && start + n_bytes == n_whole ? FORM_SECOND_HALF : FORM_FRAGMENT;
}

/* Bytes of what was found at p; 0 if nothing. */
static size_t look_at(struct findings *f, const struct needle *n, const unsigned char *p, size_t n_left, uint64_t at,
                      const struct mapping *m)
{
        size_t start = 0, n_bytes = longest_piece(&start, n, p, n_left);

        if (n_bytes > 0) {
                note(f, n, form_of_piece(n, start, n_bytes), n_bytes, at, m);
                return n_bytes;
        }
        for (unsigned form = FORM_UTF16; form < FORMS; form++) {
                n_bytes = n->form[form].n_bytes;
                if (n_left >= n_bytes && memcmp(p, n->form[form].bytes, n_bytes) == 0) {
                        note(f, n, form, n_bytes, at, m);
                        return n_bytes;
                }
        }
        return 0;
}

/* ---- many places ---- */

/* Most memory is zero. Where eight bytes are, nothing begins at the first seven, unless something begins with two
 * zeroes. */
static bool is_empty(const struct needle *n, const unsigned char *p, size_t n_left)
{
        uint64_t word;

        if (n_left < sizeof word)
                return false;
        memcpy(&word, p, sizeof word);
        return word == 0 && !(n->starts[0] & 1);
}

/* Looks at the places from i to before end; what begins there may reach to n_bytes. Returns the place to go on at. */
static size_t search(struct findings *f, const struct needle *n, const unsigned char *bytes, size_t n_bytes, size_t i,
                     size_t end, uint64_t at, const struct mapping *m)
{
        while (i < end) {
                size_t n_found = 0;

                if (is_empty(n, bytes + i, n_bytes - i)) {
                        i += 7;
                        continue;
                }
                unsigned two = i + 1 < n_bytes ? two_at(bytes + i) : 0;
                if (n->starts[two / 64] >> two % 64 & 1)
                        n_found = look_at(f, n, bytes + i, n_bytes - i, at + i, m);
                i += n_found > 0 ? n_found : 1;
        }
        return i;
}

static void count_unread(struct findings *f, const struct mapping *m, uint64_t n_bytes)
{
        *(strstr(m->name, "secretmem") != NULL ? &f->hidden_bytes : &f->unread_bytes) += n_bytes;
}

static void scan_mapping(struct findings *f, const struct needle *all, size_t n_all, int fd, const struct mapping *m)
{
        static unsigned char buffer[CHUNK_BYTES + MARGIN_BYTES];
        size_t page = (size_t)sysconf(_SC_PAGESIZE), n_kept = 0, from[NEEDLES_AT_ONCE] = {0};

        /* at: where the next byte comes from; the n_kept before it are in the buffer. */
        for (uint64_t at = m->start; at < m->end;) {
                size_t wanted = m->end - at < CHUNK_BYTES ? (size_t)(m->end - at) : CHUNK_BYTES;
                ssize_t got = pread(fd, buffer + n_kept, wanted, (off_t)at);
                size_t n_bytes = n_kept + (got > 0 ? (size_t)got : 0);
                bool is_last = got <= 0 || at + (uint64_t)got == m->end;
                size_t end = is_last ? n_bytes : n_bytes > MARGIN_BYTES ? n_bytes - MARGIN_BYTES : 0;

                for (size_t i = 0; i < n_all; i++) {
                        from[i] = search(f, &all[i], buffer, n_bytes, from[i], end, at - n_kept, m);
                        from[i] = from[i] > end && !is_last ? from[i] - end : 0;
                }
                n_kept = n_bytes - end;
                memmove(buffer, buffer + end, n_kept);
                if (got > 0) {
                        f->read_bytes += (uint64_t)got;
                        at += (uint64_t)got;
                } else { /* a hole: the next page may be there */
                        uint64_t step = m->end - at < page ? m->end - at : page;

                        count_unread(f, m, step);
                        at += step;
                }
        }
}

void scan_bytes(struct findings *f, const struct needle *all, size_t n_all, const void *bytes, size_t n_bytes,
                const char *name)
{
        struct mapping m = {.end = n_bytes};

        snprintf(m.name, sizeof m.name, "%s", name);
        for (size_t i = 0; i < n_all; i++)
                search(f, &all[i], bytes, n_bytes, 0, n_bytes, 0, &m);
        f->read_bytes += n_bytes;
}

void scan_file(struct findings *f, const struct needle *all, size_t n_all, int fd, const char *name)
{
        off_t size = lseek(fd, 0, SEEK_END);
        struct mapping m = {.end = size > 0 ? (uint64_t)size : 0};

        snprintf(m.name, sizeof m.name, "%s", name);
        scan_mapping(f, all, n_all, fd, &m);
}

/* ---- a process ---- */

static bool take_line(struct mapping *m, const char *line)
{
        struct mapping next = {.name = "memory without a name"};
        unsigned long long start, end, kb;

        if (sscanf(line, "Rss: %llu", &kb) == 1 || sscanf(line, "Swap: %llu", &kb) == 1)
                m->in_memory_kb += kb;
        if (strncmp(line, "VmFlags:", 8) == 0)
                snprintf(m->flags, sizeof m->flags, "%.*s", (int)strcspn(line + 8, "\n"), line + 8);
        if (sscanf(line, "%llx-%llx %7s %*x %*x:%*x %*u %127[^\n]", &start, &end, next.perms, next.name) < 3)
                return false;
        next.start = start;
        next.end = end;
        next.has_file = next.name[0] == '/';
        *m = next;
        return true;
}

/* The kernel's own pages cannot be written by the process, and vsyscall is above what pread(2) can be asked for. Where no page is, nothing
 * is: a heap reserves hundreds of megabytes for its books. */
static bool is_left_out(const struct mapping *m, bool is_only_changing)
{
        return m->end == 0 || (!m->has_file && m->in_memory_kb == 0) || strncmp(m->name, "[v", 2) == 0 ||
               (is_only_changing && m->name[0] == '/' && strchr(m->perms, 'w') == NULL &&
                strstr(m->name, "/dev/zero") == NULL && strstr(m->name, "secretmem") == NULL);
}

void scan_process(struct findings *f, const struct needle *all, size_t n_all, int mem, int smaps,
                  bool is_only_changing)
{
        FILE *text = fdopen(dup(smaps), "r");
        struct mapping m = {0};
        char line[1024];

        if (n_all > NEEDLES_AT_ONCE || text == NULL || fseek(text, 0, SEEK_SET) != 0) {
                perror("smaps");
                abort();
        }
        while (fgets(line, sizeof line, text) != NULL) {
                take_line(&m, line);
                if (strncmp(line, "VmFlags:", 8) == 0 && !is_left_out(&m, is_only_changing))
                        scan_mapping(f, all, n_all, mem, &m);
        }
        fclose(text);
}

void findings_show(const struct findings *f, const char *when)
{
        fprintf(stderr, "%s: %zu copies in %llu bytes (%llu could not be read, %llu are hidden)\n", when, f->n_copies,
                (unsigned long long)f->read_bytes, (unsigned long long)f->unread_bytes,
                (unsigned long long)f->hidden_bytes);
        for (size_t i = 0; i < f->n_shown; i++)
                fprintf(stderr, "    %s\n", f->shown[i]);
}

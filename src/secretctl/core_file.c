/* ELF core files of 64 bits, elf(5), read as if an enemy had written them.
 *
 * Always true: nothing is mapped or read whole, only headers and pages of notes through buffers on the stack; sums
 * that would wrap are damage; no byte is read from outside the file; and segments that share much of the file are
 * damage, since all segments together are not longer than the file. So the work is bounded by the file's length,
 * whatever its counts say. The file may change meanwhile: each header is judged
 * again when it is used. */
#include "secretctl/core_file.h"

#include "os/reader.h"

#include <elf.h>
#include <string.h>

enum { NAME_BYTES = 256, MOST_NOTES = 1 << 20 };

static bool is_own_endian(unsigned char data)
{
        return data == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
}

/* All of the bytes or nothing. */
static bool read_at(const struct core_file *c, uint64_t at, void *bytes, size_t n_bytes)
{
        size_t done = 0, n_got = 1;

        if (at > c->n_bytes || n_bytes > c->n_bytes - at)
                return false;
        for (; done < n_bytes && n_got > 0; done += n_got)
                if (reader_at(c->fd, at + done, (char *)bytes + done, n_bytes - done, &n_got) != 0)
                        return false;
        return done == n_bytes;
}

/* ---- headers ---- */

static enum core_verdict verdict_of_magic(const unsigned char *p)
{
        static const struct {
                unsigned char bytes[6], n_bytes;
        } compressed[] = {{{0x28, 0xb5, 0x2f, 0xfd}, 4},
                          {{0x04, 0x22, 0x4d, 0x18}, 4},
                          {{0xfd, '7', 'z', 'X', 'Z', 0}, 6},
                          {{0x1f, 0x8b}, 2},
                          {{'B', 'Z', 'h'}, 3}};

        for (size_t i = 0; i < sizeof compressed / sizeof compressed[0]; i++)
                if (memcmp(p, compressed[i].bytes, compressed[i].n_bytes) == 0)
                        return CORE_IS_COMPRESSED;
        if (memcmp(p, ELFMAG, SELFMAG) != 0)
                return CORE_IS_NO_ELF;
        if (p[EI_CLASS] != ELFCLASS64)
                return p[EI_CLASS] == ELFCLASS32 ? CORE_IS_32_BIT : CORE_IS_DAMAGED;
        return is_own_endian(p[EI_DATA]) ? CORE_IS_FINE : CORE_IS_OTHER_ENDIAN;
}

/* More headers than fit in 16 bits: their number stands in the first section header. */
static bool count_headers(struct core_file *c, const Elf64_Ehdr *e)
{
        Elf64_Shdr section;

        c->headers_at = e->e_phoff;
        c->n_headers = e->e_phnum;
        if (e->e_phnum == PN_XNUM) {
                if (e->e_shoff == 0 || !read_at(c, e->e_shoff, &section, sizeof section))
                        return false;
                c->n_headers = section.sh_info;
        }
        return e->e_phentsize == sizeof(Elf64_Phdr) && c->n_headers > 0;
}

/* What it is, and whether it stands within the file; *end is where it ends there. */
static bool judge(struct core_segment *s, uint64_t *end, const Elf64_Phdr *p)
{
        *s = (struct core_segment){.part = p->p_type == PT_LOAD ? CORE_MEMORY : CORE_OTHER};
        if (p->p_type == PT_NOTE)
                s->part = CORE_NOTES;
        s->start = p->p_vaddr;
        s->file_at = p->p_offset;
        s->file_bytes = s->part == CORE_OTHER ? 0 : p->p_filesz;
        s->perms[0] = p->p_flags & PF_R ? 'r' : '-';
        s->perms[1] = p->p_flags & PF_W ? 'w' : '-';
        s->perms[2] = p->p_flags & PF_X ? 'x' : '-';
        s->perms[3] = '-';
        if (__builtin_add_overflow(p->p_vaddr, s->part == CORE_NOTES ? p->p_filesz : p->p_memsz, &s->end) ||
            s->end > UINT64_MAX - 4096)
                return false;
        if (s->part == CORE_MEMORY && p->p_filesz > p->p_memsz)
                return false;
        return !__builtin_add_overflow(s->file_at, s->file_bytes, end) && *end <= INT64_MAX;
}

static bool read_header(const struct core_file *c, uint64_t i, Elf64_Phdr *p)
{
        return read_at(c, c->headers_at + i * sizeof *p, p, sizeof *p);
}

static enum core_verdict judge_all(struct core_file *c)
{
        struct core_segment s;
        Elf64_Phdr p;
        uint64_t sum = 0, end;

        c->due_bytes = c->headers_at + c->n_headers * sizeof p;
        if (c->due_bytes > c->n_bytes)
                return CORE_IS_CUT_OFF;
        for (uint64_t i = 0; i < c->n_headers; i++) {
                if (!read_header(c, i, &p))
                        return CORE_IS_UNREADABLE;
                if (!judge(&s, &end, &p) || __builtin_add_overflow(sum, s.file_bytes, &sum))
                        return CORE_IS_DAMAGED;
                if (s.file_bytes > 0 && end > c->due_bytes)
                        c->due_bytes = end;
        }
        if (c->due_bytes > c->n_bytes)
                return CORE_IS_CUT_OFF;
        return sum <= c->n_bytes ? CORE_IS_FINE : CORE_IS_DAMAGED;
}

enum core_verdict core_open(struct core_file *c, int fd)
{
        enum core_verdict verdict;
        Elf64_Ehdr e = {0};
        bool is_regular;
        size_t n_got;

        *c = (struct core_file){.fd = fd};
        if (reader_look(fd, &is_regular, &c->n_bytes) != 0)
                return CORE_IS_UNREADABLE;
        if (!is_regular)
                return CORE_IS_NO_FILE;
        if (reader_at(fd, 0, &e, sizeof e, &n_got) != 0)
                return CORE_IS_UNREADABLE;
        if ((verdict = verdict_of_magic(e.e_ident)) != CORE_IS_FINE)
                return verdict;
        c->due_bytes = sizeof e;
        if (n_got < sizeof e)
                return CORE_IS_CUT_OFF;
        if (e.e_type != ET_CORE)
                return CORE_IS_NO_CORE;
        if (e.e_phoff > INT64_MAX)
                return CORE_IS_DAMAGED;
        return count_headers(c, &e) ? judge_all(c) : CORE_IS_DAMAGED;
}

bool core_segment(const struct core_file *c, uint64_t i, struct core_segment *s)
{
        Elf64_Phdr p;
        uint64_t end;

        return read_header(c, i, &p) && judge(s, &end, &p) && (s->file_bytes == 0 || end <= c->n_bytes);
}

/* ---- notes ---- */

/* A stretch of the file that is read from its beginning to its end, a page at a time. */
struct cursor {
        const struct core_file *c;
        uint64_t at, end;
        uint64_t page_at;
        size_t page_bytes;
        unsigned char page[4096];
};

static void cursor_begin(struct cursor *k, const struct core_file *c, uint64_t at, uint64_t end)
{
        k->c = c;
        k->at = at;
        k->end = end;
        k->page_at = at;
        k->page_bytes = 0;
}

/* The bytes at the cursor; *n_bytes of them, none at the end. */
static const unsigned char *cursor_look(struct cursor *k, size_t *n_bytes)
{
        if (k->at < k->page_at || k->at >= k->page_at + k->page_bytes) {
                uint64_t left = k->end - k->at;
                size_t wanted = left < sizeof k->page ? (size_t)left : sizeof k->page;

                k->page_at = k->at;
                k->page_bytes = read_at(k->c, k->at, k->page, wanted) ? wanted : 0;
        }
        *n_bytes = (size_t)(k->page_at + k->page_bytes - k->at);
        return k->page + (k->at - k->page_at);
}

static bool cursor_take(struct cursor *k, void *bytes, size_t n_bytes)
{
        for (size_t done = 0, n; done < n_bytes; done += n) {
                const unsigned char *p = cursor_look(k, &n);

                if (n == 0)
                        return false;
                n = n < n_bytes - done ? n : n_bytes - done;
                memcpy((char *)bytes + done, p, n);
                k->at += n;
        }
        return true;
}

/* A string; false where none ends before the end. */
static bool cursor_take_name(struct cursor *k, char name[static NAME_BYTES])
{
        size_t used = 0, n;
        const unsigned char *p, *stop = NULL;

        while (stop == NULL && (p = cursor_look(k, &n), n > 0)) {
                stop = memchr(p, '\0', n);
                n = stop != NULL ? (size_t)(stop - p) : n;
                size_t fits = n < NAME_BYTES - 1 - used ? n : NAME_BYTES - 1 - used;

                memcpy(name + used, p, fits);
                used += fits;
                k->at += n + (stop != NULL);
        }
        name[used] = '\0';
        return stop != NULL;
}

/* Number, page size, then three words for each file, then all names. */
static void read_file_note(const struct core_file *c, uint64_t at, uint64_t end,
                           void (*found)(void *, uint64_t, uint64_t, const char *), void *context)
{
        struct cursor files, names;
        uint64_t first[2], entry[3];
        char name[NAME_BYTES];

        cursor_begin(&files, c, at, end);
        if (!cursor_take(&files, first, sizeof first) || first[0] > (files.end - files.at) / sizeof entry)
                return;
        cursor_begin(&names, c, files.at + first[0] * sizeof entry, end);
        for (uint64_t i = 0; i < first[0]; i++) {
                if (!cursor_take(&files, entry, sizeof entry) || !cursor_take_name(&names, name))
                        return;
                if (entry[0] < entry[1])
                        found(context, entry[0], entry[1], name);
        }
}

static uint64_t padded(uint64_t n_bytes)
{
        return (n_bytes + 3) & ~(uint64_t)3;
}

static void read_notes(const struct core_file *c, const struct core_segment *s,
                       void (*found)(void *, uint64_t, uint64_t, const char *), void *context)
{
        uint64_t at = s->file_at, end = s->file_at + s->file_bytes;
        Elf64_Nhdr note;

        for (unsigned n = 0; n < MOST_NOTES && end - at >= sizeof note && read_at(c, at, &note, sizeof note); n++) {
                uint64_t left = end - at - sizeof note;

                if (padded(note.n_namesz) > left || note.n_descsz > left - padded(note.n_namesz))
                        return;
                at += sizeof note + padded(note.n_namesz);
                if (note.n_type == NT_FILE)
                        read_file_note(c, at, at + note.n_descsz, found, context);
                at += padded(note.n_descsz) < end - at ? padded(note.n_descsz) : end - at;
        }
}

void core_names(const struct core_file *c,
                void (*found)(void *context, uint64_t start, uint64_t end, const char *name), void *context)
{
        struct core_segment s;

        for (uint64_t i = 0; i < c->n_headers; i++)
                if (core_segment(c, i, &s) && s.part == CORE_NOTES)
                        read_notes(c, &s, found, context);
}

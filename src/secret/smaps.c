/* A parser of /proc/PID/smaps that is fed bytes as they come.
 *
 * A line that starts with an address range begins a mapping; "Key: number kB" and "VmFlags:" lines belong to the last one; keys
 * that are not known are passed over, since each kernel adds some. Always true: nothing is allocated, every field is bounded, and a
 * text that the kernel would not write gives false at the end, never a wrong mapping in silence. */
#include "secret/smaps.h"

#include "os/cancel.h"
#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <string.h>
#include <unistd.h>

static const struct {
        char name[3];
        unsigned flag;
} vm_flags[] = {
        {"lo", MAPPING_LOCKED}, {"dd", MAPPING_NO_DUMP}, {"dc", MAPPING_NO_FORK}, {"wf", MAPPING_WIPE_ON_FORK}, {"sl", MAPPING_SEALED},
};

/* ---- pieces of a line ---- */

static int digit_of(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* A number that does not wrap, in base 10 or 16; moves *at behind it. */
static bool take_number(const char **at, uint64_t *value, unsigned base)
{
        const char *start = *at;

        for (*value = 0; (unsigned)digit_of(**at) < base; ++*at) {
                if (*value > (UINT64_MAX - 15) / base)
                        return false;
                *value = *value * base + (unsigned)digit_of(**at);
        }
        return *at > start;
}

static bool take_char(const char **at, char c)
{
        if (**at != c)
                return false;
        ++*at;
        return true;
}

static bool take_perms(const char **at, char perms[static 5])
{
        static const char *const allowed[] = {"r-", "w-", "x-", "sp"};

        for (unsigned i = 0; i < 4; i++) {
                if (**at == '\0' || strchr(allowed[i], **at) == NULL)
                        return false;
                perms[i] = *(*at)++;
        }
        perms[4] = '\0';
        return true;
}

/* ---- lines ---- */

/* "55d0c0a1e000-55d0c0a3f000 r--p 00000000 fe:01 12345      /usr/bin/cat" */
static bool parse_header(const char *line, struct mapping *m)
{
        uint64_t major, minor;
        size_t n;

        *m = (struct mapping){0};
        if (!take_number(&line, &m->start, 16) || !take_char(&line, '-') || !take_number(&line, &m->end, 16) ||
            m->end <= m->start || !take_char(&line, ' ') || !take_perms(&line, m->perms) || !take_char(&line, ' ') ||
            !take_number(&line, &m->offset, 16) || !take_char(&line, ' ') || !take_number(&line, &major, 16) ||
            !take_char(&line, ':') || !take_number(&line, &minor, 16) || !take_char(&line, ' ') || !take_number(&line, &m->inode, 10) ||
            (*line != ' ' && *line != '\0'))
                return false;
        line += strspn(line, " ");
        n = strnlen(line, sizeof m->name - 1);
        memcpy(m->name, line, n);
        return true;
}

static void parse_flags(const char *words, struct mapping *m)
{
        for (words += strspn(words, " "); *words != '\0'; words += strspn(words, " ")) {
                size_t n = strcspn(words, " ");

                for (size_t i = 0; n == 2 && i < sizeof vm_flags / sizeof *vm_flags; i++)
                        if (memcmp(words, vm_flags[i].name, 2) == 0)
                                m->flags |= vm_flags[i].flag;
                words += n;
        }
}

/* "Locked:                4 kB", "VmFlags: rd wr mr mw me lo dd", "THPeligible:    0" */
static bool parse_detail(const char *line, struct mapping *m)
{
        const char *colon = strchr(line, ':'), *at;
        struct {
                const char *key;
                uint64_t *value;
        } known[] = {{"Rss", &m->rss_kb}, {"Locked", &m->locked_kb}, {"Swap", &m->swap_kb}};

        if (colon == NULL || line[0] < 'A' || line[0] > 'Z') /* an address never begins so: a bad header is no key */
                return false;
        at = colon + 1;
        if ((size_t)(colon - line) == sizeof "VmFlags" - 1 && memcmp(line, "VmFlags", sizeof "VmFlags" - 1) == 0) {
                parse_flags(at, m);
                return true;
        }
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
                if (strlen(known[i].key) != (size_t)(colon - line) || memcmp(line, known[i].key, (size_t)(colon - line)) != 0)
                        continue;
                at += strspn(at, " ");
                return take_number(&at, known[i].value, 10) && strcmp(at, " kB") == 0;
        }
        return true;
}

static void flush(struct smaps *s)
{
        if (s->in_mapping && !s->is_stopped)
                s->is_stopped = !s->found(s->context, &s->mapping);
        s->in_mapping = false;
}

static void take_line(struct smaps *s)
{
        struct mapping m;

        s->line[s->line_bytes] = '\0';
        if (parse_header(s->line, &m)) {
                flush(s);
                s->mapping = m;
                s->in_mapping = true;
        } else if (!s->in_mapping || !parse_detail(s->line, &s->mapping)) {
                s->is_bad = true;
        }
        s->line_bytes = 0;
}

/* ---- the whole ---- */

void smaps_begin(struct smaps *s, bool (*found)(void *context, const struct mapping *mapping), void *context)
{
        *s = (struct smaps){.found = found, .context = context};
}

void smaps_feed(struct smaps *s, const char *text, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes && !s->is_stopped; i++) {
                if (text[i] == '\n')
                        take_line(s);
                else if (text[i] == '\0')
                        s->is_bad = true;
                else if (s->line_bytes < sizeof s->line - 1)
                        s->line[s->line_bytes++] = text[i];
        }
}

bool smaps_end(struct smaps *s)
{
        if (s->line_bytes > 0 && !s->is_stopped)
                s->is_bad = true; /* the kernel ends every line */
        flush(s);
        return !s->is_bad;
}

static int open_error(void)
{
        if (errno == ENOENT || errno == ESRCH)
                return KEEPMUM_ENOTFOUND;
        return errno == EACCES || errno == EPERM ? KEEPMUM_EDENIED : KEEPMUM_ESYSTEM;
}

int smaps_read(const char *path, bool (*found)(void *context, const struct mapping *mapping), void *context)
{
        UNCANCELLED;
        struct smaps s;
        char text[4096];
        size_t n = 1;
        int err = 0, fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return open_error();
        smaps_begin(&s, found, context);
        while (err == 0 && n > 0 && !s.is_stopped) {
                n = 0;
                if (stream_read(fd, text, &n, sizeof text) != 0)
                        err = open_error(); /* a process that ended meanwhile: ESRCH */
                else
                        smaps_feed(&s, text, n);
        }
        close(fd);
        return smaps_end(&s) || err != 0 ? err : KEEPMUM_ESYSTEM;
}

/* One pass over the bytes: a bit says whether what begins at a place can begin any secret's half; only then the table
 * is asked. */
#include "search.h"

#include "need.h"
#include "secret/smaps.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { HALF_BYTES = KEEPER_BYTES / 2, FILTER_BITS = 22, TABLE_PLACES = 1 << 17, CHUNK_BYTES = 1 << 20 };
enum { SEEN_SAFE = 1, SEEN_ELSEWHERE = 2 };

/* ---- what is looked for ---- */

static uint64_t filter[(1 << FILTER_BITS) / 64];
static struct half {
        uint64_t first, second;
        size_t secret;
} table[TABLE_PLACES]; /* by the first word */
static unsigned char seen[KEEPER_MOST];

static size_t filter_bit(uint64_t word)
{
        return (size_t)(word * 0x9e3779b97f4a7c15u >> (64 - FILTER_BITS));
}

static void add_half(size_t secret, unsigned first_word)
{
        struct half h = {keeper_word(secret, first_word), keeper_word(secret, first_word + 1), secret};
        size_t i = (size_t)h.first % TABLE_PLACES, bit = filter_bit(h.first);

        while (table[i].first != 0)
                i = (i + 1) % TABLE_PLACES;
        table[i] = h;
        filter[bit / 64] |= (uint64_t)1 << bit % 64;
}

static void look_for(size_t n_secrets)
{
        memset(filter, 0, sizeof filter);
        memset(table, 0, sizeof table);
        memset(seen, 0, sizeof seen);
        for (size_t i = 0; i < n_secrets; i++) {
                add_half(i, 0);
                add_half(i, KEEPER_WORDS / 2);
        }
}

static void look_at(const unsigned char *p, unsigned char where)
{
        uint64_t words[2];

        memcpy(words, p, sizeof words);
        for (size_t i = (size_t)words[0] % TABLE_PLACES; table[i].first != 0; i = (i + 1) % TABLE_PLACES)
                if (table[i].first == words[0] && table[i].second == words[1])
                        seen[table[i].secret] |= where;
}

static void look_through(const unsigned char *bytes, size_t n_bytes, unsigned char where)
{
        for (size_t i = 0; i + HALF_BYTES <= n_bytes; i++) {
                uint64_t word;

                memcpy(&word, bytes + i, sizeof word);
                if (word == 0)
                        continue;
                size_t bit = filter_bit(word);
                if (filter[bit / 64] >> bit % 64 & 1)
                        look_at(bytes + i, where);
        }
}

/* ---- where ---- */

struct stretch {
        uint64_t start, end;
        bool is_locked, is_shut, is_empty, is_of_kernel;
};

struct stretches {
        struct stretch *all;
        size_t n;
};

static bool take(void *context, const struct mapping *m)
{
        struct stretches *s = context;
        bool is_shut = memcmp(m->perms, "---", 3) == 0;

        if (s->n % 1024 == 0)
                need((s->all = realloc(s->all, (s->n + 1024) * sizeof *s->all)) != NULL, "out of memory");
        s->all[s->n++] = (struct stretch){
                .start = m->start,
                .end = m->end,
                .is_locked = (m->flags & MAPPING_LOCKED) != 0,
                .is_shut = is_shut,
                .is_empty = is_shut && m->perms[3] == 'p' && m->inode == 0 && m->rss_kb + m->swap_kb == 0,
                .is_of_kernel = strncmp(m->name, "[v", 2) == 0, /* vvar, vdso, vsyscall: nobody writes there */
        };
        return true;
}

static bool is_guard(const struct stretch *s)
{
        return s->is_shut && !s->is_locked;
}

static bool is_safe(const struct stretches *s, size_t i)
{
        const struct stretch *a = &s->all[i];

        return a->is_locked && i > 0 && i + 1 < s->n && a[-1].end == a->start && is_guard(a - 1) &&
               a[1].start == a->end && is_guard(a + 1);
}

/* Pieces overlap, so that no half is cut in two. */
static void search_stretch(struct search *s, int mem, const struct stretch *a, unsigned char where)
{
        static unsigned char bytes[CHUNK_BYTES];
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

        for (uint64_t at = a->start; at < a->end;) {
                size_t wanted = a->end - at < sizeof bytes ? (size_t)(a->end - at) : sizeof bytes;
                ssize_t n = pread(mem, bytes, wanted, (off_t)at);

                if (n <= 0) {
                        s->unread_bytes += page;
                        at += page;
                        continue;
                }
                look_through(bytes, (size_t)n, where);
                at += (uint64_t)n;
                if (at < a->end && n > HALF_BYTES)
                        at -= HALF_BYTES - 1;
        }
}

static void count(struct search *s, size_t n_secrets)
{
        for (size_t i = 0; i < n_secrets; i++)
                ++*(seen[i] == 0 ? &s->n_nowhere : seen[i] == SEEN_SAFE ? &s->n_safe : &s->n_elsewhere);
}

int search_process(struct search *s, pid_t pid, size_t n_secrets)
{
        struct stretches all = {0};
        char path[64];

        *s = (struct search){0};
        snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
        if (smaps_read(path, take, &all) != 0)
                return -1;
        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        int mem = open(path, O_RDONLY | O_CLOEXEC);
        if (mem >= 0) {
                look_for(n_secrets);
                for (size_t i = 0; i < all.n; i++)
                        if (!all.all[i].is_empty && !all.all[i].is_of_kernel)
                                search_stretch(s, mem, &all.all[i], is_safe(&all, i) ? SEEN_SAFE : SEEN_ELSEWHERE);
                close(mem);
                count(s, n_secrets);
        }
        s->n_mappings = all.n;
        free(all.all);
        return mem >= 0 ? 0 : -1;
}

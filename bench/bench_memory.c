/* What secrets take, and what happens at the limits: mappings and resident memory of one; how many are handed out, and how many of
 * these the kernel says are locked and guarded.
 *
 * Each figure comes from a child process of its own that does nothing else, read from its smaps. */
#include "measure.h"
#include "need.h"
#include "secret/smaps.h"

#include <grp.h>
#include <keepmum.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FOOTPRINT = 2000, MOST = 40000, NOBODY = 65534, SECRET_BYTES = 32 };

/* ---- makers ---- */

struct maker {
        const char *name;
        unsigned flags;
        /* Makes one written secret; its address, or NULL with why. */
        void *(*make)(const struct maker *m, const char **why);
};

static void *make_keepmum(const struct maker *m, const char **why)
{
        unsigned char bytes[SECRET_BYTES] = {1};
        keepmum_secret s;
        const void *p;
        int err = keepmum_take(&s, bytes, sizeof bytes, m->flags);

        if (err == 0 && (err = keepmum_open_read(s, &p, NULL)) == 0) {
                keepmum_close(s);
                return (void *)(uintptr_t)p;
        }
        *why = keepmum_error_text(err);
        return NULL;
}

static void *make_sodium(const struct maker *m, const char **why)
{
        void *p = sodium_malloc(SECRET_BYTES);

        (void)m;
        if (p == NULL) {
                *why = "NULL";
                return NULL;
        }
        memset(p, 1, SECRET_BYTES);
        sodium_mprotect_noaccess(p);
        return p;
}

static const struct maker hidden = {"keepmum, hidden memory", KEEPMUM_HIDDEN, make_keepmum};
static const struct maker locked = {"keepmum, locked memory", KEEPMUM_NOT_HIDDEN, make_keepmum};
static const struct maker sodium = {"libsodium", 0, make_sodium};

/* ---- what the kernel says ---- */

struct tally {
        uint64_t n_mappings, rss_kb;
        const uintptr_t *secrets; /* sorted */
        size_t n_secrets, next, n_locked, n_guarded;
        bool was_guard, waits_for_guard;
};

static bool count(void *context, const struct mapping *m)
{
        struct tally *t = context;
        bool is_guard = memcmp(m->perms, "---", 3) == 0;

        t->n_mappings++;
        t->rss_kb += m->rss_kb;
        if (t->waits_for_guard && is_guard)
                t->n_guarded++;
        t->waits_for_guard = false;
        while (t->next < t->n_secrets && t->secrets[t->next] < m->end) {
                t->n_locked += (m->flags & MAPPING_LOCKED) != 0;
                t->waits_for_guard = t->was_guard && m->end - m->start == (uint64_t)sysconf(_SC_PAGESIZE);
                t->next++;
        }
        t->was_guard = is_guard;
        return true;
}

static int compare(const void *a, const void *b)
{
        uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

        return (x > y) - (x < y);
}

static void look(struct tally *t, uintptr_t *secrets, size_t n_secrets)
{
        qsort(secrets, n_secrets, sizeof *secrets, compare);
        *t = (struct tally){.secrets = secrets, .n_secrets = n_secrets};
        need(smaps_read("/proc/self/smaps", count, t) == 0, "smaps cannot be read");
}

/* ---- in a child of its own ---- */

struct job {
        const struct maker *maker;
        size_t n_wanted;
        rlim_t limit;    /* 0: as it is */
        bool as_nobody;
};

struct result {
        struct tally before, after;
        size_t n_made;
        char why[128];
};

static void become(const struct job *j)
{
        struct rlimit limit = {j->limit, j->limit};

        need(j->limit == 0 || setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "the lock limit cannot be set");
        if (j->as_nobody && geteuid() == 0)
                need(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0,
                     "another user cannot be had");
}

static void do_job(const struct job *j, struct result *r)
{
        static uintptr_t secrets[MOST];
        const char *why = "";
        void *p, *first;

        become(j);
        need(sodium_init() >= 0, "libsodium does not start");
        memset(secrets, 1, sizeof secrets);
        need((first = j->maker->make(j->maker, &why)) != NULL, "not even one secret"); /* what the library itself needs is then there */
        look(&r->before, secrets, 0);
        secrets[0] = (uintptr_t)first;
        for (r->n_made = 1; r->n_made < j->n_wanted && (p = j->maker->make(j->maker, &why)) != NULL; r->n_made++)
                secrets[r->n_made] = (uintptr_t)p;
        look(&r->after, secrets, r->n_made);
        snprintf(r->why, sizeof r->why, "%s", r->n_made < j->n_wanted ? why : "");
}

static bool run_job(const struct job *j, struct result *r)
{
        int ends[2], status;
        pid_t pid;

        need(pipe(ends) == 0 && fflush(stdout) == 0, "no pipe");
        need((pid = fork()) >= 0, "no child");
        if (pid == 0) {
                do_job(j, r);
                _exit(write(ends[1], r, sizeof *r) == sizeof *r ? 0 : 1);
        }
        close(ends[1]);
        bool is_whole = read(ends[0], r, sizeof *r) == sizeof *r; /* below PIPE_BUF: in one piece */
        close(ends[0]);
        need(waitpid(pid, &status, 0) == pid, "waitpid failed");
        return is_whole && status == 0;
}

/* ---- tables ---- */

static void footprint_row(const struct maker *m, double most_mappings, double most_kb)
{
        struct job j = {.maker = m, .n_wanted = FOOTPRINT};
        struct result r;
        double mappings, kb;

        if (!run_job(&j, &r)) {
                printf("| %s | not to be had here | | | |\n", m->name);
                return;
        }
        mappings = (double)(r.after.n_mappings - r.before.n_mappings) / (double)(r.n_made - 1);
        kb = (double)(r.after.rss_kb - r.before.rss_kb) / (double)(r.n_made - 1);
        printf("| %s | %.2f | %.2f ", m->name, mappings, kb);
        if (most_mappings > 0)
                printf("| ≤ %g, ≤ %g | %s, %s |\n", most_mappings, most_kb, measure_judge(mappings, most_mappings, MEASURE_COST),
                       measure_judge(kb, most_kb, MEASURE_COST));
        else
                printf("| | |\n");
}

static void footprint_table(void)
{
        printf("\n### One secret of 32 B, the mean of %d\n\n", FOOTPRINT);
        printf("| | mappings | kB resident | goal | |\n|---|---|---|---|---|\n");
        footprint_row(&hidden, 2.1, 4.25);
        footprint_row(&locked, 2.1, 4.25);
        footprint_row(&sodium, 0, 0);
}

static void limit_row(const char *limit, const struct job *j)
{
        struct result r;

        if (!run_job(j, &r)) {
                printf("| %s | %s | not even one | | | |\n", limit, j->maker->name);
                return;
        }
        printf("| %s | %s | %zu | %zu | %zu | ", limit, j->maker->name, r.n_made, r.after.n_locked, r.after.n_guarded);
        if (r.n_made < j->n_wanted)
                printf("\"%s\" |\n", r.why);
        else
                printf("not asked: no more were wanted |\n");
}

static void limit_rows(const char *limit, struct job j)
{
        static const struct maker *const all[] = {&hidden, &locked, &sodium};

        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                j.maker = all[i];
                limit_row(limit, &j);
        }
}

static void limit_table(void)
{
        printf("\n### At the limits: secrets of 32 B\n\n");
        printf("| limit | | handed out | of these locked | guarded on both sides | the next one answers |\n");
        printf("|---|---|---|---|---|---|\n");
        limit_rows("8 MiB may be locked", (struct job){.n_wanted = 4000, .limit = 8 << 20, .as_nobody = true});
        limit_rows("64 KiB may be locked", (struct job){.n_wanted = 4000, .limit = 64 << 10, .as_nobody = true});
        if (geteuid() == 0)
                limit_rows("vm.max_map_count (root, no lock limit)", (struct job){.n_wanted = MOST});
}

int main(void)
{
        printf("\n## Memory and limits\n");
        footprint_table();
        limit_table();
        measure_summary();
        return 0;
}

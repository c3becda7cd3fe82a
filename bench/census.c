/* Many secrets in one process, counted by another one. */
#include "census.h"

#include "need.h"
#include "victim.h"

#include <unistd.h>

static const char is_gone[] = "the process that kept the secrets ended by itself";
static const char is_shut_off[] = "another process's memory may not be read here";

/* ---- what becomes of many ---- */

static void keep_most(void *arg)
{
        const struct keeper *k = arg;
        struct census c = {0};
        bool is_closed;

        victim_become_user(CENSUS_LOCK_BYTES);
        while (c.n_made < KEEPER_MOST && k->make(k, c.n_made, &is_closed))
                c.n_made++;
        for (size_t i = 0; i < c.n_made; i++)
                need(k->is_right(i), "a secret is not what was written");
        victim_tell(&c, sizeof c);
        victim_wait();
}

const char *census_take(struct census *c, const struct keeper *k)
{
        const char *why = NULL;
        struct victim v;

        keeper_renew();
        victim_start(&v, keep_most, (void *)(uintptr_t)k);
        if (victim_hear(&v, c, sizeof *c) != 0)
                why = is_gone;
        else if (search_process(&c->found, v.pid, c->n_made) != 0 || c->found.unread_bytes != 0 || c->found.n_safe == 0)
                why = is_shut_off; /* the first ones are in locked pages: a search that does not find them is none */
        victim_end(&v);
        return why;
}

/* ---- mappings ---- */

static size_t n_wanted;

static void keep_some(void *arg)
{
        const struct keeper *k = arg;
        bool is_closed;

        for (size_t i = 0; i <= n_wanted; i++) {
                need(k->make(k, i, &is_closed) && is_closed, "a secret could not be made");
                if (i == 0 || i == n_wanted) {
                        victim_tell("", 1);
                        victim_wait();
                }
        }
}

static size_t count_mappings(pid_t pid)
{
        char path[64];
        size_t n = 0;
        int c;

        snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
        FILE *f = fopen(path, "re");
        need(f != NULL, "maps cannot be read");
        while ((c = getc(f)) != EOF)
                n += c == '\n';
        fclose(f);
        return n;
}

const char *census_count_mappings(size_t *n_mappings, const struct keeper *k, size_t n_secrets)
{
        const char *why = NULL;
        size_t before;
        struct victim v;
        char told;

        n_wanted = n_secrets;
        victim_start(&v, keep_some, (void *)(uintptr_t)k);
        if (victim_hear(&v, &told, 1) == 0) {
                before = count_mappings(v.pid);
                victim_go_on(&v);
                if (victim_hear(&v, &told, 1) == 0)
                        *n_mappings = count_mappings(v.pid) - before;
                else
                        why = is_gone;
        } else {
                why = is_gone;
        }
        victim_end(&v);
        return why;
}

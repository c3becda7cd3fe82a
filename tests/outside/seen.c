/* /proc/self by stdio and sscanf. */
#include "outside/seen.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const char *what)
{
        perror(what);
        abort();
}

static bool take_header(struct view *v, const char *line)
{
        struct seen m = {0};

        if (sscanf(line, "%lx-%lx %7s %*x %*x:%*x %*u %127[^\n]", &m.start, &m.end, m.perms, m.name) < 3)
                return false;
        if (v->n % 256 == 0 && (v->all = realloc(v->all, (v->n + 256) * sizeof *v->all)) == NULL)
                stop("realloc");
        v->all[v->n++] = m;
        return true;
}

static void take_flags(struct view *v, const char *line)
{
        if (v->n > 0 && strncmp(line, "VmFlags:", 8) == 0) {
                struct seen *m = &v->all[v->n - 1];

                snprintf(m->flags, sizeof m->flags, "%.*s", (int)strcspn(line + 8, "\n"), line + 8);
        }
}

struct view view_of_self(void)
{
        struct view v = {0};
        FILE *f = fopen("/proc/self/smaps", "r");
        char line[1024];

        if (f == NULL)
                stop("/proc/self/smaps");
        while (fgets(line, sizeof line, f) != NULL)
                if (!take_header(&v, line))
                        take_flags(&v, line);
        fclose(f);
        return v;
}

void view_free(struct view *v)
{
        free(v->all);
        *v = (struct view){0};
}

const struct seen *view_at(const struct view *v, const void *address)
{
        for (size_t i = 0; i < v->n; i++)
                if ((uintptr_t)address >= v->all[i].start && (uintptr_t)address < v->all[i].end)
                        return &v->all[i];
        return NULL;
}

bool seen_has(const struct seen *m, const char *two_letters)
{
        char word[8];

        snprintf(word, sizeof word, " %s", two_letters);
        return strstr(m->flags, word) != NULL;
}

static bool is_like(const void *address, const char *perms)
{
        struct view v = view_of_self();
        const struct seen *m = view_at(&v, address);
        bool is = m == NULL ? perms == NULL : perms != NULL && strcmp(m->perms, perms) == 0;

        view_free(&v);
        return is;
}

bool is_shut(const void *address)
{
        return is_like(address, "---s");
}

bool is_hole(const void *address)
{
        return is_like(address, NULL);
}

bool has_shared_memory(void)
{
        struct view v = view_of_self();
        bool has = false;

        for (size_t i = 0; i < v.n; i++)
                has |= v.all[i].perms[3] == 's';
        view_free(&v);
        return has;
}

size_t count_mappings(void)
{
        FILE *f = fopen("/proc/self/maps", "r");
        size_t n = 0;
        int c;

        if (f == NULL)
                stop("/proc/self/maps");
        while ((c = getc(f)) != EOF)
                n += c == '\n';
        fclose(f);
        return n;
}

size_t count_descriptors(void)
{
        DIR *d = opendir("/proc/self/fd");
        size_t n = 0;

        if (d == NULL)
                stop("/proc/self/fd");
        while (readdir(d) != NULL)
                n++;
        closedir(d);
        return n;
}

static size_t status_kb(const char *key)
{
        FILE *f = fopen("/proc/self/status", "r");
        char line[256];
        size_t kb = (size_t)-1;

        if (f == NULL)
                stop("/proc/self/status");
        while (fgets(line, sizeof line, f) != NULL)
                if (strncmp(line, key, strlen(key)) == 0)
                        kb = strtoul(line + strlen(key), NULL, 10);
        fclose(f);
        return kb;
}

size_t locked_kb(void)
{
        return status_kb("VmLck:");
}

size_t address_space_kb(void)
{
        return status_kb("VmSize:");
}

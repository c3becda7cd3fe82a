/* The vault without its key derivation (a key file opens it): opening and getting against the bare decryption of the names, and
 * what adding costs as the file grows.
 *
 * bench_vault [DIRECTORY]: a directory on a disk for the second table of adds; else /var/tmp. Everything else is in /dev/shm, so that the
 * program is measured and not the disk. */
#include "measure.h"
#include "need.h"
#include "vault_builder.h"

#include <keepmum_vault.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL = 10, MIDDLE = 1000, LARGE = 100000, LISTED = 10000, SIZES = 3, ADDS = MEASURE_ROUNDS };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static keepmum_secret make_secret(const char *text)
{
        unsigned char bytes[64] = {0};
        keepmum_secret s;

        snprintf((char *)bytes, sizeof bytes, "%s", text);
        need(keepmum_take(&s, bytes, 32, 0) == 0, "a secret could not be made");
        return s;
}

/* ---- a place of our own ---- */

struct site {
        char dir[256], state_dir[300];
        keepmum_secret key_file, secret;
};

static void site_start(struct site *s, const char *parent)
{
        snprintf(s->dir, sizeof s->dir, "%s/keepmum-bench-XXXXXX", parent);
        need(mkdtemp(s->dir) != NULL, "no directory for the vaults");
        snprintf(s->state_dir, sizeof s->state_dir, "%s/state", s->dir);
        s->key_file = make_secret("a key file, thirty-two bytes long");
        s->secret = make_secret("a secret that is added and got");
}

static void site_path(char path[static 300], const struct site *s, unsigned n_entries)
{
        snprintf(path, 300, "%s/vault-%u", s->dir, n_entries);
}

static void site_end(struct site *s)
{
        char command[400];

        snprintf(command, sizeof command, "rm -r '%s'", s->dir);
        need(system(command) == 0, "the vaults could not be removed");
        keepmum_destroy(&s->key_file);
        keepmum_destroy(&s->secret);
}

static keepmum_vault *open_vault(const struct site *s, unsigned n_entries, const char *state_dir)
{
        keepmum_vault *v;
        char path[300];

        site_path(path, s, n_entries);
        need(keepmum_vault_open(&v, path, state_dir, (keepmum_secret){0}, s->key_file, 0) == 0, "a vault does not open");
        return v;
}

static void build(const struct site *s, unsigned n_entries)
{
        char path[300];

        site_path(path, s, n_entries);
        vault_build(path, s->key_file, n_entries);
}

/* ---- opening and getting ---- */

struct opening {
        const struct site *site;
        const char *state_dir;
        struct sealed_names names;
};

static void way_bare_decryption(void *opening, unsigned n_times)
{
        const struct opening *o = opening;

        while (n_times-- > 0)
                vault_decrypt_names(&o->names);
}

static void way_open(void *opening, unsigned n_times)
{
        const struct opening *o = opening;

        while (n_times-- > 0)
                keepmum_vault_close(open_vault(o->site, LISTED, o->state_dir));
}

static void way_open_get(void *opening, unsigned n_times)
{
        const struct opening *o = opening;
        char name[32];

        vault_builder_name(name, LISTED / 2);
        while (n_times-- > 0) {
                keepmum_vault *v = open_vault(o->site, LISTED, o->state_dir);
                keepmum_secret secret;

                need(keepmum_vault_count(v) == LISTED && keepmum_vault_get(v, name, &secret) == 0, "an entry cannot be got");
                keepmum_destroy(&secret);
                keepmum_vault_close(v);
        }
}

static void measure_opening(const struct site *s)
{
        struct opening bare = {.site = s}, tool = {.site = s, .state_dir = s->state_dir};
        struct way w[] = {
                {.name = "bare decryption of 10,000 sealed names", .run = way_bare_decryption, .context = &bare, .n_times = 1},
                {.name = "open, get one, close", .run = way_open_get, .context = &bare, .n_times = 1},
                {.name = "the same with the rollback state", .run = way_open_get, .context = &tool, .n_times = 1},
                {.name = "open, close", .run = way_open, .context = &bare, .n_times = 1},
        };
        char path[300];

        build(s, LISTED);
        site_path(path, s, LISTED);
        vault_read_names(&bare.names, path, s->key_file);
        measure_rounds(w, COUNT(w));
        measure_table("A vault of 10,000 entries, unlocked by a key file", MEASURE_COST);
        for (size_t i = 1; i < COUNT(w); i++)
                measure_row(&w[i], &w[0], i < 3 ? 3 : 0);
        free(bare.names.file);
        free(bare.names.at);
}

/* ---- adding ---- */

static const unsigned sizes[SIZES] = {SMALL, MIDDLE, LARGE};

/* All that this process has given to write calls so far. */
static uint64_t bytes_written(void)
{
        FILE *f = fopen("/proc/self/io", "re");
        unsigned long long n = 0;
        char line[80];

        need(f != NULL, "/proc/self/io cannot be read");
        while (fgets(line, sizeof line, f) != NULL && sscanf(line, "wchar: %llu", &n) != 1)
                continue;
        fclose(f);
        return n;
}

/* What adding costs at one size. */
struct adding {
        struct way again, first; /* on a vault that has been added to; on one just opened */
        char names[2][80];
        uint64_t n_bytes;        /* of the last add */
        unsigned n_added;
};

/* One add; its time, and the bytes it gave to write calls. */
static double add_one(struct adding *a, keepmum_vault *v, const struct site *s, unsigned n_entries)
{
        char name[32];
        uint64_t before;
        double start, ns;

        vault_builder_name(name, n_entries + a->n_added++);
        before = bytes_written();
        start = measure_now();
        need(keepmum_vault_add(v, name, s->secret, "somebody", NULL, NULL) == 0, "an entry cannot be added");
        ns = measure_now() - start;
        a->n_bytes = bytes_written() - before;
        return ns;
}

static void run_adds(struct adding adding[static SIZES], const struct site *s)
{
        keepmum_vault *vaults[SIZES];

        for (size_t i = 0; i < SIZES; i++) {
                vaults[i] = open_vault(s, sizes[i], s->state_dir);
                add_one(&adding[i], vaults[i], s, sizes[i]);
        }
        for (unsigned round = 0; round < MEASURE_ROUNDS; round++)
                for (size_t i = 0; i < SIZES; i++)
                        adding[i].again.ns[round] = add_one(&adding[i], vaults[i], s, sizes[i]);
        for (size_t i = 0; i < SIZES; i++)
                keepmum_vault_close(vaults[i]);
}

/* Opening is not counted, so the smallest difference shows. */
static void run_first_adds(struct adding adding[static SIZES], const struct site *s)
{
        for (unsigned round = 0; round < MEASURE_ROUNDS; round++) {
                for (size_t i = 0; i < SIZES; i++) {
                        keepmum_vault *v = open_vault(s, sizes[i], s->state_dir);

                        adding[i].first.ns[round] = add_one(&adding[i], v, s, sizes[i]);
                        keepmum_vault_close(v);
                }
        }
}

static void measure_adds(const struct site *s, const char *title)
{
        static struct adding adding[SIZES];

        memset(adding, 0, sizeof adding);
        for (size_t i = 0; i < SIZES; i++) {
                struct adding *a = &adding[i];

                build(s, sizes[i]);
                snprintf(a->names[0], sizeof a->names[0], "add at %u entries", sizes[i]);
                snprintf(a->names[1], sizeof a->names[1], "first add after opening, at %u entries", sizes[i]);
                a->again.name = a->names[0];
                a->first.name = a->names[1];
        }
        run_adds(adding, s);
        run_first_adds(adding, s);
        measure_table(title, MEASURE_COST);
        for (size_t i = 1; i < SIZES; i++)
                measure_row(&adding[i].again, &adding[0].again, 1.5);
        for (size_t i = 1; i < SIZES; i++)
                measure_row(&adding[i].first, &adding[0].first, 1.5);
        printf("\nBytes written by one add (record and rollback state):");
        for (size_t i = 0; i < SIZES; i++)
                printf(" %llu at %u entries%s", (unsigned long long)adding[i].n_bytes, sizes[i], i + 1 < SIZES ? "," : ":");
        printf(" %s. One add at %u entries takes %.0f ns.\n",
               measure_judge((double)adding[SIZES - 1].n_bytes, (double)adding[0].n_bytes, MEASURE_COST), SMALL,
               measure_median(adding[0].again.ns));
}

int main(int argc, char *argv[])
{
        struct site memory, disk;

        printf("\n## Vault\n");
        site_start(&memory, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        measure_opening(&memory);
        measure_adds(&memory, "Adding, files in memory");
        site_end(&memory);
        site_start(&disk, argc > 1 ? argv[1] : "/var/tmp");
        measure_adds(&disk, "Adding, files on a disk (each add waits for it)");
        site_end(&disk);
        measure_summary();
        return 0;
}

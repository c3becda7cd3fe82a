/* The four comparisons that matter most, measured on the spot: keepmum beside libsodium, a table of four rows.
 *
 * Each row is measured in processes of its own, which this one looks at from outside. What could not be measured here
 * says why in its row. Exit status: 0, all four were measured; 77, some could not be; 1, something is broken. No
 * arguments. */
#include "census.h"
#include "cores.h"
#include "need.h"
#include "spy.h"

#include <keepmum.h>
#include <sodium.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { KEEPMUM, SODIUM, PARTIES };
enum { NUMBER_BYTES = 40, HOW_BYTES = 320, ROADS_BYTES = 80, SOME_SECRETS = 1000, SKIPPED = 77 };

/* ---- what a user may lock ---- */

/* The limit as far up as it goes, for all processes that are started from here. False: that is not the usual 8 MiB. */
static bool raise_lock_limit(void)
{
        struct rlimit limit;

        if (geteuid() == 0)
                return true;
        need(getrlimit(RLIMIT_MEMLOCK, &limit) == 0, "the lock limit cannot be read");
        limit.rlim_cur = limit.rlim_max;
        need(setrlimit(RLIMIT_MEMLOCK, &limit) == 0, "the lock limit cannot be set");
        return limit.rlim_max >= CENSUS_LOCK_BYTES;
}

/* ---- rows ---- */

struct row {
        char cells[PARTIES][NUMBER_BYTES], how[HOW_BYTES];
        const char *why_not; /* NULL: measured */
};

__attribute__((format(printf, 2, 3))) static void say_how(struct row *r, const char *format, ...)
{
        va_list words;

        va_start(words, format);
        vsnprintf(r->how, sizeof r->how, format, words);
        va_end(words);
}

/* 20000 as 20,000. */
static const char *grouped(char text[static NUMBER_BYTES], size_t n)
{
        char digits[24];
        size_t n_digits = (size_t)snprintf(digits, sizeof digits, "%zu", n), used = 0;

        for (size_t i = 0; i < n_digits; i++) {
                if (i > 0 && (n_digits - i) % 3 == 0)
                        text[used++] = ',';
                text[used++] = digits[i];
        }
        text[used] = '\0';
        return text;
}

/* NULL if there is none. */
static const char *first_reason(const char *const whys[static PARTIES])
{
        return whys[KEEPMUM] != NULL ? whys[KEEPMUM] : whys[SODIUM];
}

static size_t n_unmeasured;

static void print_row(const char *what, const struct row *r)
{
        if (r->why_not == NULL) {
                printf("%-62s %17s %17s\n    %s\n", what, r->cells[KEEPMUM], r->cells[SODIUM], r->how);
        } else {
                printf("%-62s %17s %17s\n    not measured: %s\n", what, "-", "-", r->why_not);
                n_unmeasured++;
        }
        fflush(stdout);
}

/* ---- the four ---- */

static struct census most[PARTIES]; /* of the first row; the last one tells of it too */

/* Those that are found nowhere can be read back all the same: they are encrypted. */
static size_t well_kept(const struct census *c)
{
        return c->found.n_safe + c->found.n_nowhere;
}

static void row_locked(void)
{
        static const struct keeper *const keepers[PARTIES] = {&keeper_keepmum_ordinary, &keeper_sodium};
        const char *whys[PARTIES];
        char n[2][NUMBER_BYTES];
        struct row r;

        for (unsigned i = 0; i < PARTIES; i++) {
                whys[i] = census_take(&most[i], keepers[i]);
                snprintf(r.cells[i], sizeof r.cells[i], "%s of %s", grouped(n[0], well_kept(&most[i])),
                         grouped(n[1], most[i].n_made));
        }
        r.why_not = first_reason(whys);
        need(r.why_not != NULL || most[SODIUM].found.n_nowhere == 0, "the search missed secrets that stand in plain");
        say_how(&r, "secrets plain nowhere but in locked, guarded pages: all memory searched from outside; "
                    "%s of keepmum's are encrypted", grouped(n[0], most[KEEPMUM].found.n_nowhere));
        print_row("really locked, of 20,000 secrets of a user who may lock 8 MiB", &r);
}

static void row_core(void)
{
        static const char *const programs[PARTIES] = {"crashing_keepmum", "crashing_sodium"};
        const char *whys[PARTIES];
        struct row r;

        for (unsigned i = 0; i < PARTIES; i++) {
                size_t n_copies = 0;

                whys[i] = cores_count(&n_copies, programs[i]);
                grouped(r.cells[i], n_copies);
        }
        r.why_not = first_reason(whys);
        say_how(&r, "whole copies; it encrypts, takes in its next key, wipes where that came in, aborts; "
                    "the kernel's core file searched");
        print_row("copies of a correct program's keys in its core file", &r);
}

static const char *list_roads(char text[static ROADS_BYTES], const struct spying *s)
{
        size_t used = (size_t)snprintf(text, ROADS_BYTES, "%s", s->is_read_at_all ? "" : "none");

        for (unsigned i = 0; i < SPY_ROADS; i++)
                if (s->is_read[i])
                        used += (size_t)snprintf(text + used, ROADS_BYTES - used, "%s%s", used > 0 ? ", " : "",
                                                 spy_road_names[i]);
        return text;
}

/* Where keepmum had no hidden memory to take. */
static const char *why_not_hidden(void)
{
        keepmum_secret s;
        int err = keepmum_create(&s, 1, KEEPMUM_HIDDEN);

        if (err != 0)
                return keepmum_error_text(err);
        keepmum_destroy(&s);
        return "no memory is hidden on a machine that could hibernate";
}

static void row_root(void)
{
        static const struct keeper *const keepers[PARTIES] = {&keeper_keepmum, &keeper_sodium};
        const char *whys[PARTIES] = {"needs root", NULL};
        char roads[PARTIES][ROADS_BYTES];
        struct spying s[PARTIES] = {0};
        struct row r;

        for (unsigned i = 0; i < PARTIES; i++) {
                if (geteuid() == 0)
                        whys[i] = spy_on(&s[i], keepers[i]);
                snprintf(r.cells[i], sizeof r.cells[i], "%s", s[i].is_read_at_all ? "yes" : "no");
                list_roads(roads[i], &s[i]);
        }
        r.why_not = first_reason(whys);
        say_how(&r, "yes or no; by /proc/PID/mem, process_vm_readv, ptrace, of which led to it: %s | %s%s%s",
                roads[KEEPMUM], roads[SODIUM], s[KEEPMUM].is_read_at_all ? "; " : "",
                s[KEEPMUM].is_read_at_all ? why_not_hidden() : "");
        print_row("root reads a closed secret of another process", &r);
}

static void row_mappings(void)
{
        static const struct keeper *const keepers[PARTIES] = {&keeper_keepmum, &keeper_sodium};
        const char *whys[PARTIES];
        char n[PARTIES][NUMBER_BYTES];
        struct row r;

        for (unsigned i = 0; i < PARTIES; i++) {
                size_t n_mappings = 0;

                whys[i] = census_count_mappings(&n_mappings, keepers[i], SOME_SECRETS);
                grouped(r.cells[i], n_mappings);
                grouped(n[i], most[i].found.n_mappings);
        }
        r.why_not = first_reason(whys);
        say_how(&r, "lines that they add to /proc/PID/maps, all closed");
        if (most[KEEPMUM].found.n_mappings > 0 && most[SODIUM].found.n_mappings > 0)
                say_how(&r, "lines that they add to /proc/PID/maps, all closed; the processes of the 20,000 above have "
                            "%s | %s in all", n[KEEPMUM], n[SODIUM]);
        print_row("mappings of 1,000 secrets", &r);
}

int main(void)
{
        struct utsname u;

        need(sodium_init() >= 0 && uname(&u) == 0, "libsodium does not start");
        if (!raise_lock_limit()) {
                fprintf(stderr, "headline: not measured: this user may lock less than the usual 8 MiB (ulimit -H -l)\n");
                return SKIPPED;
        }
        printf("Measured now, with secrets of 32 bytes: keepmum %s, libsodium %s, Linux %s %s, as %s\n\n",
               keepmum_version(), sodium_version_string(), u.release, u.machine, geteuid() == 0 ? "root" : "a user");
        printf("%-62s %17s %17s\n", "", "keepmum", "libsodium");
        row_locked();
        row_core();
        row_root();
        row_mappings();
        return n_unmeasured == 0 ? 0 : SKIPPED;
}

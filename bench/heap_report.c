/* Ratios to the C library's allocator within a round, their medians, geometric means over the patterns, and the goals.
 *
 * The time of a process with one running thread is the time it had a CPU; with two, the time that passed. */
#include "heap_report.h"

#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_OF(pattern) #pattern,
const char *const heap_pattern_names[N_HEAP_PATTERNS] = {HEAP_PATTERNS(NAME_OF)};

enum figure { TIME, MEMORY };

/* ---- from samples to ratios ---- */

static double figure_of(const struct heap_sample *s, unsigned n_threads, enum figure f)
{
        if (f == MEMORY)
                return s->peak_kb;
        return n_threads == 1 ? s->cpu_ms : s->wall_ms;
}

static double sample(const struct heap_results *r, unsigned n_threads, size_t pattern, size_t allocator, unsigned round, enum figure f)
{
        return figure_of(&r->samples[n_threads - 1][pattern][allocator][round], n_threads, f);
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
        qsort(values, n, sizeof *values, compare);
        return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double median_figure(const struct heap_results *r, unsigned n_threads, size_t pattern, size_t allocator, enum figure f)
{
        double values[HEAP_MOST_ROUNDS];

        for (unsigned round = 0; round < r->n_rounds; round++)
                values[round] = sample(r, n_threads, pattern, allocator, round, f);
        return median(values, r->n_rounds);
}

/* Of one allocator against another, in the same round each. */
static double ratio(const struct heap_results *r, unsigned n_threads, size_t pattern, size_t a, size_t against, enum figure f)
{
        double ratios[HEAP_MOST_ROUNDS];

        for (unsigned round = 0; round < r->n_rounds; round++)
                ratios[round] = sample(r, n_threads, pattern, a, round, f) / sample(r, n_threads, pattern, against, round, f);
        return median(ratios, r->n_rounds);
}

static double mean_ratio(const struct heap_results *r, unsigned n_threads, size_t a, size_t against, enum figure f)
{
        double sum = 0;
        unsigned n = 0;

        for (size_t p = 0; p < N_HEAP_PATTERNS; p++)
                if (r->has_pattern[p]) {
                        sum += log(ratio(r, n_threads, p, a, against, f));
                        n++;
                }
        return exp(sum / n);
}

static double worst_ratio(const struct heap_results *r, unsigned n_threads, size_t a, size_t *pattern)
{
        double worst = 0;

        for (size_t p = 0; p < N_HEAP_PATTERNS; p++)
                if (r->has_pattern[p] && ratio(r, n_threads, p, a, 0, TIME) > worst) {
                        worst = ratio(r, n_threads, p, a, 0, TIME);
                        *pattern = p;
                }
        return worst;
}

/* ---- tables ---- */

static void print_heading(const struct heap_results *r, unsigned n_threads, enum figure f)
{
        printf("\n### %s, %s, as a multiple of glibc's\n\n| pattern | glibc, %s |", f == TIME ? "Time" : "Peak of resident memory",
               n_threads == 1 ? "one running thread" : "two running threads", f == TIME ? "ms" : "kB");
        for (size_t a = 1; a < r->n_allocators; a++)
                printf(" %s |", r->allocators[a].name);
        printf("\n|---|---|");
        for (size_t a = 1; a < r->n_allocators; a++)
                printf("---|");
        printf("\n");
}

static void print_table(const struct heap_results *r, unsigned n_threads, enum figure f)
{
        print_heading(r, n_threads, f);
        for (size_t p = 0; p < N_HEAP_PATTERNS; p++) {
                if (!r->has_pattern[p])
                        continue;
                printf("| %s | %.0f |", heap_pattern_names[p], median_figure(r, n_threads, p, 0, f));
                for (size_t a = 1; a < r->n_allocators; a++)
                        printf(" %.2f |", ratio(r, n_threads, p, a, 0, f));
                printf("\n");
        }
        printf("| **geometric mean** | |");
        for (size_t a = 1; a < r->n_allocators; a++)
                printf(" **%.2f** |", mean_ratio(r, n_threads, a, 0, f));
        printf("\n");
}

static void print_nothing(const struct heap_results *r)
{
        printf("\nA process that allocates nothing takes, in ms and kB:");
        for (size_t a = 0; a < r->n_allocators; a++) {
                double ms[HEAP_MOST_ROUNDS], kb[HEAP_MOST_ROUNDS];

                for (unsigned round = 0; round < r->n_rounds; round++) {
                        ms[round] = figure_of(&r->nothing[a][round], 1, TIME);
                        kb[round] = figure_of(&r->nothing[a][round], 1, MEMORY);
                }
                printf("%s %s %.1f and %.0f", a == 0 ? "" : ",", r->allocators[a].name, median(ms, r->n_rounds), median(kb, r->n_rounds));
        }
        printf(". That is in all figures.\n");
}

/* ---- goals ---- */

static size_t find(const struct heap_results *r, const char *name)
{
        for (size_t a = 0; a < r->n_allocators; a++)
                if (strcmp(r->allocators[a].name, name) == 0)
                        return a;
        return r->n_allocators;
}

/* The geometric mean of each round alone: how far the rounds are apart. */
static void print_rounds(const struct heap_results *r, unsigned n_threads, size_t a, size_t against, enum figure f)
{
        double means[HEAP_MOST_ROUNDS];

        for (unsigned round = 0; round < r->n_rounds; round++) {
                double sum = 0;
                unsigned n = 0;

                for (size_t p = 0; p < N_HEAP_PATTERNS; p++)
                        if (r->has_pattern[p]) {
                                sum += log(sample(r, n_threads, p, a, round, f) / sample(r, n_threads, p, against, round, f));
                                n++;
                        }
                means[round] = exp(sum / n);
        }
        median(means, r->n_rounds); /* sorts */
        printf("| %.2f-%.2f ", means[0], means[r->n_rounds - 1]);
}

/* stretch 0: there is none. */
static void print_goal(double value, double must, double stretch, enum measure_kind kind)
{
        const char *verdict = measure_judge(value, must, kind);

        printf("| %s %g | %s |", kind == MEASURE_SPEED ? "≥" : "≤", must, verdict);
        if (stretch > 0)
                printf(" ≤ %.2f | %s |\n", stretch, value <= stretch ? "reached" : "not reached");
        else
                printf(" | |\n");
}

/* What is compared, and what of it stands in the table. */
struct goal {
        const char *what;
        size_t a, against;
        enum figure figure;
        enum measure_kind kind;
        double must, stretch;
};

static void print_mean_goal(const struct heap_results *r, unsigned n_threads, const struct goal *g)
{
        double mean;

        if (g->a == r->n_allocators || g->against == r->n_allocators)
                return;
        mean = mean_ratio(r, n_threads, g->a, g->against, g->figure);
        printf("| %s, geometric mean | %u | %.2f ", g->what, n_threads, mean);
        print_rounds(r, n_threads, g->a, g->against, g->figure);
        print_goal(mean, g->must, g->stretch, g->kind);
}

static void print_goals(const struct heap_results *r, unsigned n_threads, size_t ours)
{
        size_t scudo = find(r, "scudo"), secure = find(r, "mimalloc-secure"), pattern = 0;
        const struct goal goals[] = {
                {"time, glibc = 1", ours, 0, TIME, MEASURE_COST, 1.15, 1.00},
                {"peak of resident memory, glibc = 1", ours, 0, MEMORY, MEASURE_COST, 1.3, 1.1},
                {"times as fast as scudo", scudo, ours, TIME, MEASURE_SPEED, 1.4, 0},
                {"time, mimalloc secure = 1", ours, secure, TIME, MEASURE_COST, 1.00, 0.85},
        };
        double worst = worst_ratio(r, n_threads, ours, &pattern);

        printf("| time, glibc = 1, worst pattern: %s | %u | %.2f | ", heap_pattern_names[pattern], n_threads, worst);
        print_goal(worst, 3, 2, MEASURE_COST);
        for (size_t i = 0; i < sizeof goals / sizeof *goals; i++)
                print_mean_goal(r, n_threads, &goals[i]);
}

void heap_report_tables(const struct heap_results *r)
{
        size_t ours = find(r, "keepmum");

        for (unsigned n_threads = 1; n_threads <= HEAP_MOST_THREADS; n_threads++) {
                print_table(r, n_threads, TIME);
                print_table(r, n_threads, MEMORY);
        }
        print_nothing(r);
        if (ours == r->n_allocators)
                return;
        printf("\n### Goals of the heap\n\n| what | threads | keepmum | single rounds | goal | | beyond it | |\n"
               "|---|---|---|---|---|---|---|---|\n");
        for (unsigned n_threads = 1; n_threads <= HEAP_MOST_THREADS; n_threads++)
                print_goals(r, n_threads, ours);
        if (find(r, "mimalloc-secure") == r->n_allocators)
                printf("\nmimalloc secure is a build of mimalloc that Debian does not have, so it was not measured here.\n");
        measure_summary();
}

void heap_report_tsv(const struct heap_results *r, FILE *to)
{
        fprintf(to, "threads\tpattern\tallocator\ttime\tmemory\tms\tkB\n");
        for (unsigned n_threads = 1; n_threads <= HEAP_MOST_THREADS; n_threads++)
                for (size_t a = 0; a < r->n_allocators; a++) {
                        const char *name = r->allocators[a].name;

                        for (size_t p = 0; p < N_HEAP_PATTERNS; p++)
                                if (r->has_pattern[p])
                                        fprintf(to, "%u\t%s\t%s\t%.4f\t%.4f\t%.3f\t%.0f\n", n_threads, heap_pattern_names[p], name,
                                                ratio(r, n_threads, p, a, 0, TIME), ratio(r, n_threads, p, a, 0, MEMORY),
                                                median_figure(r, n_threads, p, a, TIME), median_figure(r, n_threads, p, a, MEMORY));
                        fprintf(to, "%u\tgeometric mean\t%s\t%.4f\t%.4f\t\t\n", n_threads, name, mean_ratio(r, n_threads, a, 0, TIME),
                                mean_ratio(r, n_threads, a, 0, MEMORY));
                }
}

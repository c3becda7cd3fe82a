/* Rounds, medians, and tables in markdown.
 *
 * Always true: a ratio is taken within a round and the median over the rounds is printed, with the range that holds the middle
 * 80 % of them; whether a goal is met is decided by that median, unrounded. */
#include "measure.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARMING = 2, SHARE = MEASURE_ROUNDS / WORKERS, MOST_WAYS = 16 };

static enum measure_kind table_kind;
static unsigned n_met, n_missed;
static bool has_goals = true;
static clockid_t round_clock = CLOCK_MONOTONIC;

static double read_clock(clockid_t clock)
{
        struct timespec t;

        clock_gettime(clock, &t);
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double measure_now(void)
{
        return read_clock(CLOCK_MONOTONIC);
}

void measure_use(void *p)
{
        __asm__ volatile("" : : "r"(p) : "memory");
}

void measure_own_time(void)
{
        round_clock = CLOCK_THREAD_CPUTIME_ID;
}

static double time_once(const struct way *w)
{
        double start = read_clock(round_clock);

        w->run(w->context, w->n_times);
        return (read_clock(round_clock) - start) / w->n_times;
}

static void run_rounds(struct way *ways, size_t n_ways, int n_rounds)
{
        for (int round = -WARMING; round < n_rounds; round++) {
                for (size_t i = 0; i < n_ways; i++) {
                        double ns = time_once(&ways[i]);

                        if (round >= 0)
                                ways[i].ns[round] = ns;
                }
        }
}

/* The share of one worker, of every way. */
struct share {
        double ns[MOST_WAYS][SHARE];
};

static void work(struct way *ways, size_t n_ways)
{
        static struct share mine;

        workers_wait_for_turn();
        run_rounds(ways, n_ways, SHARE);
        for (size_t i = 0; i < n_ways; i++)
                memcpy(mine.ns[i], ways[i].ns, sizeof mine.ns[i]);
        workers_answer(&mine, sizeof mine);
}

static void let_work(struct way *ways, size_t n_ways)
{
        static struct share theirs;

        workers_gather();
        for (unsigned worker = 0; worker < WORKERS; worker++) {
                workers_ask(worker, &theirs, sizeof theirs);
                for (size_t i = 0; i < n_ways; i++)
                        memcpy(ways[i].ns + worker * SHARE, theirs.ns[i], sizeof theirs.ns[i]);
        }
        workers_release();
}

void measure_rounds(struct way *ways, size_t n_ways)
{
        assert(n_ways <= MOST_WAYS);
        if (workers_am_one())
                work(ways, n_ways);
        else if (workers_exist())
                let_work(ways, n_ways);
        else
                run_rounds(ways, n_ways, MEASURE_ROUNDS);
}

/* ---- medians ---- */

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static void sort(double sorted[static MEASURE_ROUNDS], const double values[static MEASURE_ROUNDS])
{
        memcpy(sorted, values, MEASURE_ROUNDS * sizeof *sorted);
        qsort(sorted, MEASURE_ROUNDS, sizeof *sorted, compare);
}

double measure_median(const double values[static MEASURE_ROUNDS])
{
        double sorted[MEASURE_ROUNDS];

        sort(sorted, values);
        return sorted[MEASURE_ROUNDS / 2];
}

/* ---- tables ---- */

void measure_table(const char *title, enum measure_kind kind)
{
        table_kind = kind;
        printf("\n### %s\n\n| way | against | %s | 10-90 %% | goal | | ns |\n|---|---|---|---|---|---|---|\n", title,
               kind == MEASURE_SPEED ? "times as fast" : "times as long");
}

void measure_without_goals(void)
{
        has_goals = false;
}

const char *measure_judge(double value, double goal, enum measure_kind kind)
{
        bool is_met = kind == MEASURE_SPEED ? value >= goal : value <= goal;

        *(is_met ? &n_met : &n_missed) += 1;
        return is_met ? "met" : "**missed**";
}

static void print_goal(double ratio, double goal)
{
        if (has_goals && goal > 0)
                printf("| %s %g | %s ", table_kind == MEASURE_SPEED ? "≥" : "≤", goal, measure_judge(ratio, goal, table_kind));
        else
                printf("| | ");
}

void measure_row(const struct way *way, const struct way *other, double goal)
{
        double ratios[MEASURE_ROUNDS], sorted[MEASURE_ROUNDS], median;

        for (int i = 0; i < MEASURE_ROUNDS; i++)
                ratios[i] = table_kind == MEASURE_SPEED ? other->ns[i] / way->ns[i] : way->ns[i] / other->ns[i];
        sort(sorted, ratios);
        median = sorted[MEASURE_ROUNDS / 2];
        printf("| %s | %s | %.2f | %.2f-%.2f ", way->name, other->name, median, sorted[MEASURE_ROUNDS / 10],
               sorted[MEASURE_ROUNDS - 1 - MEASURE_ROUNDS / 10]);
        print_goal(median, goal);
        printf("| %.0f |\n", measure_median(way->ns));
        fflush(stdout);
}

void measure_summary(void)
{
        printf("\nGoals here: %u met, %u missed.\n", n_met, n_missed);
        fflush(stdout);
}

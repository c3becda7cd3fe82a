/* Measuring: several ways of doing a thing, each once in every round, so that what disturbs the machine meets all of them; and the
 * ratio of two of them, taken round by round. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "workers.h"

#include <stddef.h>

enum { MEASURE_ROUNDS = 4 * WORKERS };

struct way {
        const char *name;
        void (*run)(void *context, unsigned n_times);
        void *context;
        unsigned n_times;          /* how often in a round */
        double ns[MEASURE_ROUNDS]; /* for one time */
};

/* What a ratio says. */
enum measure_kind {
        MEASURE_SPEED, /* time of the other / time of the way: larger is better, a goal is a least value */
        MEASURE_COST   /* time of the way / time of the other: smaller is better, a goal is a largest value */
};

double measure_now(void); /* nanoseconds of a clock that only goes on */
/* Keeps the compiler from leaving out what was written to p, or from knowing what stands there. */
void measure_use(void *p);
double measure_median(const double values[static MEASURE_ROUNDS]);

/* From now on only the time that this thread has a CPU counts, not the time other processes take it away. For ways that do not wait. */
void measure_own_time(void);
/* Runs each way once a round, two rounds for warming up before. In a program that has workers they do it, a share of the rounds each. */
void measure_rounds(struct way *ways, size_t n_ways);

/* A markdown table: heading, then rows. A row says in so many words whether its goal was met; goal 0 is none. */
void measure_without_goals(void); /* from now on none has one */
void measure_table(const char *title, enum measure_kind kind);
void measure_row(const struct way *way, const struct way *other, double goal);
/* "met" or "missed", counted; for tables of another shape. */
const char *measure_judge(double value, double goal, enum measure_kind kind);
/* One line about all goals of this program. */
void measure_summary(void);

#endif

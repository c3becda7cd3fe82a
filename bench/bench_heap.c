/* The general-purpose heap beside the allocators of Debian: each pattern of heap use (heap_patterns.h) as a process of its own, under each
 * allocator by LD_PRELOAD, one after the other in every round.
 *
 * bench_heap [-r ROUNDS] [-p PATTERN]... [-t FILE] NAME=LIBRARY...
 * measures glibc and each LIBRARY; -p only these patterns; -t writes the figures as tab-separated values. The names keepmum, scudo and
 * mimalloc-secure have goals. An allocator that cannot be loaded, or whose answer is not glibc's, ends the program. */
#include "heap_report.h"
#include "need.h"

#include <string.h>
#include <unistd.h>

static struct heap_results results = {.allocators = {{.name = "glibc"}}, .n_allocators = 1, .n_rounds = 5};
static const char *tsv_path;

static void choose_pattern(const char *name)
{
        for (size_t p = 0; p < N_HEAP_PATTERNS; p++)
                if (strcmp(heap_pattern_names[p], name) == 0) {
                        results.has_pattern[p] = true;
                        return;
                }
        need(false, "there is no such pattern");
}

static void add_allocator(char *argument)
{
        char *equals = strchr(argument, '=');

        need(equals != NULL && equals[1] != '\0', "an allocator is given as NAME=LIBRARY");
        need(results.n_allocators < HEAP_MOST_ALLOCATORS, "too many allocators");
        *equals = '\0';
        results.allocators[results.n_allocators++] = (struct heap_allocator){argument, equals + 1};
}

static void read_arguments(int argc, char *argv[])
{
        bool has_choice = false;
        int option;

        while ((option = getopt(argc, argv, "r:p:t:")) != -1)
                switch (option) {
                case 'r':
                        results.n_rounds = (unsigned)atoi(optarg);
                        break;
                case 'p':
                        choose_pattern(optarg);
                        has_choice = true;
                        break;
                case 't':
                        tsv_path = optarg;
                        break;
                default:
                        exit(2);
                }
        need(results.n_rounds >= 1 && results.n_rounds <= HEAP_MOST_ROUNDS, "too few or too many rounds");
        if (!has_choice)
                memset(results.has_pattern, true, sizeof results.has_pattern);
        while (optind < argc)
                add_allocator(argv[optind++]);
}

/* Another allocator is the first of each round, so that none is always behind the same one. */
static size_t in_turn(size_t i, unsigned round)
{
        return (i + round) % results.n_allocators;
}

static void measure_pattern(unsigned n_threads, size_t pattern, unsigned round)
{
        struct heap_sample(*samples)[HEAP_MOST_ROUNDS] = results.samples[n_threads - 1][pattern];

        for (size_t i = 0; i < results.n_allocators; i++) {
                size_t a = in_turn(i, round);

                samples[a][round] = heap_run(heap_pattern_names[pattern], n_threads, &results.allocators[a]);
        }
        for (size_t a = 1; a < results.n_allocators; a++)
                need(samples[a][round].answer == samples[0][round].answer && samples[a][round].answer != 0,
                     "a pattern read something else than with glibc");
}

static void measure_all(void)
{
        for (unsigned round = 0; round < results.n_rounds; round++) {
                for (size_t i = 0; i < results.n_allocators; i++)
                        results.nothing[in_turn(i, round)][round] = heap_run("nothing", 1, &results.allocators[in_turn(i, round)]);
                for (unsigned n_threads = 1; n_threads <= HEAP_MOST_THREADS; n_threads++)
                        for (size_t p = 0; p < N_HEAP_PATTERNS; p++)
                                if (results.has_pattern[p])
                                        measure_pattern(n_threads, p, round);
        }
}

int main(int argc, char *argv[])
{
        FILE *tsv = NULL;

        read_arguments(argc, argv);
        need(tsv_path == NULL || (tsv = fopen(tsv_path, "we")) != NULL, "the file of figures cannot be written");
        printf("\n## The general-purpose heap\n");
        measure_all();
        heap_report_tables(&results);
        if (tsv != NULL) {
                heap_report_tsv(&results, tsv);
                need(fclose(tsv) == 0, "the file of figures cannot be written");
        }
        return 0;
}

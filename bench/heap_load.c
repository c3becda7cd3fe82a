/* One pattern of heap use, as a process of its own, for bench_heap to measure. heap_load PATTERN THREADS LIBRARY
 *
 * Prints one line: what was read from the blocks, which must be the same for every allocator. Refuses to count for an allocator that is not
 * the one in use: each function of the malloc family must come from LIBRARY (a file name as in LD_PRELOAD). */
#include "heap_block.h"
#include "heap_patterns.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

enum { MOST_THREADS = 2 };

unsigned heap_n_threads;

struct pattern {
        const char *name;
        uint64_t (*work)(struct random *r);
        bool makes_threads;
};

static uint64_t pattern_nothing(struct random *r)
{
        return r->state;
}

#define PATTERN_ROW(pattern) {#pattern, pattern_##pattern, pattern_##pattern == pattern_cross || pattern_##pattern == pattern_server},
static const struct pattern patterns[] = {HEAP_PATTERNS(PATTERN_ROW) PATTERN_ROW(nothing)};

static const struct pattern *find_pattern(const char *name)
{
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
                if (strcmp(patterns[i].name, name) == 0)
                        return &patterns[i];
        need(false, "there is no such pattern");
        return NULL;
}

/* ---- whose malloc is it? ---- */

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash != NULL ? slash + 1 : path;
}

static void need_library(const char *library)
{
        static const char *const functions[] = {"malloc", "calloc", "realloc", "posix_memalign", "free"};

        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
                Dl_info info;
                void *function = dlsym(RTLD_DEFAULT, functions[i]);

                need(function != NULL && dladdr(function, &info) != 0, "a function of the malloc family is nowhere");
                if (strcmp(base_name(info.dli_fname), base_name(library)) != 0) {
                        fprintf(stderr, "bench: %s is of %s, not of %s\n", functions[i], info.dli_fname, library);
                        exit(1);
                }
        }
}

/* ---- shares ---- */

struct share {
        const struct pattern *pattern;
        struct random r;
        uint64_t sum;
};

static void *work(void *share)
{
        struct share *s = share;

        s->sum = s->pattern->work(&s->r);
        return NULL;
}

static uint64_t work_in_threads(const struct pattern *p)
{
        struct share shares[MOST_THREADS];
        pthread_t threads[MOST_THREADS];
        uint64_t sum = 0;

        for (unsigned i = 0; i < heap_n_threads; i++) {
                shares[i] = (struct share){.pattern = p, .r = {0x9e3779b97f4a7c15 + i}};
                need(pthread_create(&threads[i], NULL, work, &shares[i]) == 0, "no thread");
        }
        for (unsigned i = 0; i < heap_n_threads; i++) {
                pthread_join(threads[i], NULL);
                sum += shares[i].sum;
        }
        return sum;
}

int main(int argc, char *argv[])
{
        struct share alone = {.r = {0x9e3779b97f4a7c15}};

        need(argc == 4, "usage: heap_load PATTERN THREADS LIBRARY");
        alone.pattern = find_pattern(argv[1]);
        heap_n_threads = (unsigned)atoi(argv[2]);
        need(heap_n_threads >= 1 && heap_n_threads <= MOST_THREADS, "one thread, or two");
        need_library(argv[3]);
        block_start();
        if (heap_n_threads == 1 || alone.pattern->makes_threads)
                work(&alone);
        else
                alone.sum = work_in_threads(alone.pattern);
        printf("%llu\n", (unsigned long long)alone.sum);
        return 0;
}

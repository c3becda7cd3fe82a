/* The heap as a whole: the look at every block, giving back what is free, counting. */
#include "heap/books.h"
#include "heap/cache.h"
#include "heap/fork.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/medium.h"
#include "heap/run.h"
#include "heap/slab.h"

#include <keepmum_heap.h>

static void run_check(void *context, void *at, size_t n_bytes, enum run_use use)
{
        (void)context;
        if (use == RUN_SLAB)
                slab_check(at);
        else if (use == RUN_MEDIUM)
                medium_check(at, n_bytes);
}

void keepmum_heap_check(void)
{
        heap_start();
        run_each(run_check, NULL);
        run_check_free();
        large_check();
        guarded_check();
}

size_t keepmum_heap_trim(void)
{
        heap_start();
        if (cache_here != NULL)
                cache_empty(cache_here);
        slab_trim();
        medium_flush();
        return run_trim() + large_trim();
}

struct run_totals {
        uint64_t slab_bytes, medium_bytes;
};

static void run_total(void *context, void *at, size_t n_bytes, enum run_use use)
{
        struct run_totals *totals = context;

        if (use == RUN_SLAB)
                totals->slab_bytes += n_bytes;
        else if (use == RUN_MEDIUM && medium_is_live(at))
                totals->medium_bytes += n_bytes;
}

void keepmum_heap_stats(uint64_t *values, size_t n_values)
{
        struct run_totals totals = {0, 0};
        struct run_counts runs;
        struct large_counts large;

        heap_start();
        run_each(run_total, &totals);
        run_count(&runs);
        large_count(&large);
        for (size_t i = 0; i < n_values; i++) {
                switch (i) {
                case KEEPMUM_HEAP_STAT_FROM_KERNEL:
                        values[i] = runs.from_kernel + large.live_bytes + large.cached_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_BOOKS:
                        values[i] = books_bytes() + runs.books_bytes + large.table_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_SLABS:
                        values[i] = totals.slab_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_MEDIUM:
                        values[i] = totals.medium_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_LARGE:
                        values[i] = large.live_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_FREE_RUNS:
                        values[i] = runs.free_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_CACHED:
                        values[i] = large.cached_bytes;
                        break;
                case KEEPMUM_HEAP_STAT_GUARDED:
                        values[i] = guarded_count();
                        break;
                case KEEPMUM_HEAP_STAT_THREADS:
                        values[i] = cache_count();
                        break;
                default:
                        values[i] = 0;
                }
        }
}

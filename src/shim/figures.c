/* What programs ask of glibc's malloc about itself, answered from the heap's counters.
 *
 * A figure the heap does not keep is 0, never a guess; one that is too large for an int is INT_MAX. The heap does not count the free
 * slots in its slabs: a slab counts as in use. Nothing here is tuned by mallopt(), which therefore refuses everything. */
#include <errno.h>
#include <keepmum_heap.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int mallopt(int parameter, int value)
{
        (void)parameter;
        (void)value;
        return 0; /* not set */
}

EXPORTED int malloc_trim(size_t pad_bytes)
{
        (void)pad_bytes;
        return keepmum_heap_trim() != 0;
}

#ifdef __GLIBC__

struct figures {
        uint64_t of[KEEPMUM_HEAP_STATS];
};

static struct figures read_figures(void)
{
        struct figures now;

        keepmum_heap_stats(now.of, KEEPMUM_HEAP_STATS);
        return now;
}

EXPORTED struct mallinfo2 mallinfo2(void)
{
        struct figures now = read_figures();
        uint64_t mapped = now.of[KEEPMUM_HEAP_STAT_LARGE] + now.of[KEEPMUM_HEAP_STAT_CACHED];
        uint64_t total = now.of[KEEPMUM_HEAP_STAT_FROM_KERNEL];

        return (struct mallinfo2){
                .arena = total > mapped ? total - mapped : 0,
                .hblkhd = now.of[KEEPMUM_HEAP_STAT_LARGE],
                .uordblks = now.of[KEEPMUM_HEAP_STAT_SLABS] + now.of[KEEPMUM_HEAP_STAT_MEDIUM],
                .fordblks = now.of[KEEPMUM_HEAP_STAT_FREE_RUNS],
        };
}

static int as_int(size_t n)
{
        return n > INT_MAX ? INT_MAX : (int)n;
}

EXPORTED struct mallinfo mallinfo(void)
{
        struct mallinfo2 wide = mallinfo2();

        return (struct mallinfo){
                .arena = as_int(wide.arena),
                .hblkhd = as_int(wide.hblkhd),
                .uordblks = as_int(wide.uordblks),
                .fordblks = as_int(wide.fordblks),
        };
}

static const struct {
        const char *name;
        enum keepmum_heap_stat stat;
} figure_names[] = {
        {"from_kernel_bytes", KEEPMUM_HEAP_STAT_FROM_KERNEL},
        {"books_bytes", KEEPMUM_HEAP_STAT_BOOKS},
        {"slab_bytes", KEEPMUM_HEAP_STAT_SLABS},
        {"medium_bytes", KEEPMUM_HEAP_STAT_MEDIUM},
        {"large_bytes", KEEPMUM_HEAP_STAT_LARGE},
        {"free_run_bytes", KEEPMUM_HEAP_STAT_FREE_RUNS},
        {"cached_bytes", KEEPMUM_HEAP_STAT_CACHED},
        {"guarded_blocks", KEEPMUM_HEAP_STAT_GUARDED},
        {"thread_caches", KEEPMUM_HEAP_STAT_THREADS},
};
_Static_assert(sizeof figure_names / sizeof *figure_names == KEEPMUM_HEAP_STATS, "every counter has its name");

EXPORTED void malloc_stats(void)
{
        struct figures now = read_figures();

        for (size_t i = 0; i < KEEPMUM_HEAP_STATS; i++)
                fprintf(stderr, "keepmum heap: %-17s = %12llu\n", figure_names[i].name,
                        (unsigned long long)now.of[figure_names[i].stat]);
}

/* Of another version than glibc's, so that nobody reads the one as the other. options must be 0. */
EXPORTED int malloc_info(int options, FILE *stream)
{
        struct figures now = read_figures();

        if (options != 0)
                return EINVAL;
        fputs("<malloc version=\"keepmum-1\">\n", stream);
        for (size_t i = 0; i < KEEPMUM_HEAP_STATS; i++)
                fprintf(stream, "<total type=\"%s\" size=\"%llu\"/>\n", figure_names[i].name,
                        (unsigned long long)now.of[figure_names[i].stat]);
        fputs("</malloc>\n", stream);
        return 0;
}

#endif

/* Running a pattern under an allocator, as a process of its own, and what the kernel says it took. */
#ifndef BENCH_HEAP_RUN_H
#define BENCH_HEAP_RUN_H

struct heap_allocator {
        const char *name, *library; /* library: as for LD_PRELOAD; NULL for the C library's own */
};

struct heap_sample {
        double wall_ms, cpu_ms;    /* from fork to the end of the process */
        double peak_kb;            /* largest resident memory */
        unsigned long long answer; /* what the pattern printed */
};

/* Says why and ends the program if the process fails, or if its malloc is another one than the allocator's. */
struct heap_sample heap_run(const char *pattern, unsigned n_threads, const struct heap_allocator *a);

#endif

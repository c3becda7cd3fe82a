/* The memory layout of a process, sorted into what the textbook calls it. */
#ifndef SECRETCTL_LAYOUT_H
#define SECRETCTL_LAYOUT_H

#include "secret/smaps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum layout_group { LAYOUT_TEXT, LAYOUT_DATA, LAYOUT_BSS, LAYOUT_HEAP, LAYOUT_MAPPINGS, LAYOUT_STACK, LAYOUT_GROUPS };

struct layout_mapping {
        struct mapping is;
        enum layout_group group;
        bool is_secret_memory;
        int thread; /* of which the kernel told that its stack pointer is in here; 0: of none */
        uint64_t size_kb, could_swap_kb, could_dump_kb; /* at most, by what smaps tells */
};

struct layout_sums {
        uint64_t size_kb, rss_kb, locked_kb, secret_kb, could_swap_kb, could_dump_kb;
};

struct layout {
        char program[256];
        struct layout_mapping *mappings; /* by address */
        size_t n_mappings;
        bool is_out_of_memory;
        struct layout_sums of_group[LAYOUT_GROUPS], total;
};

/* Reads the layout of a process, of this one for pid 0; to be freed. 0; KEEPMUM_ENOTFOUND, KEEPMUM_EDENIED,
 * KEEPMUM_ENOMEM, KEEPMUM_ESYSTEM with errno. */
int layout_read(struct layout *l, int pid);
void layout_free(struct layout *l);

/* Finds out which mappings are stacks of threads, as far as the kernel tells. */
void layout_find_stacks(struct layout *l, int pid);

void layout_add(struct layout_sums *sums, const struct layout_mapping *m);
void layout_join(struct layout_sums *sums, const struct layout_sums *more);

#endif

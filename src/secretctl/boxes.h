/* The mappings of a process, folded into the boxes of a picture. */
#ifndef SECRETCTL_BOXES_H
#define SECRETCTL_BOXES_H

#include "secretctl/layout.h"

enum box_kind {
        BOX_TEXT,
        BOX_DATA,
        BOX_BSS,
        BOX_HEAP,
        BOX_STACK,
        BOX_THREAD_STACK,  /* where a thread has its stack pointer, or looks as if */
        BOX_SECRETS,       /* slots between guards, or other secret memory */
        BOX_FILE,
        BOX_MEMORY,        /* of no name */
        BOX_CLOSED,        /* nothing is there and nobody may touch it: a guard, a reservation */
        BOX_KERNELS
};

struct box {
        enum box_kind kind;
        uint64_t start, end;
        size_t n_mappings;
        const char *name;          /* of its mappings; of the first one where they differ */
        bool has_many_names;
        size_t n_files;            /* names that follow each other */
        int thread;                /* whose stack it is; 0 where that is not known */
        size_t n_slots;            /* mappings of secrets */
        uint64_t slot_kb;
        unsigned flags;            /* those that all of its mappings have, but for closed ones */
        bool is_hidden;            /* the same */
        struct layout_sums sums;   /* without closed ones */
};

/* By address; to be freed with keepmum_heap_free(). NULL without memory. */
struct box *boxes_fold(size_t *n_boxes, const struct layout *l);

#endif

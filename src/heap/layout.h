/* The numbers the heap is laid out by. */
#ifndef HEAP_LAYOUT_H
#define HEAP_LAYOUT_H

enum {
        HEAP_LEAF = 4096,            /* what runs are measured in; the system's page may be larger */
        HEAP_UNIT = 64 * 1024,       /* a slab, and the alignment of ranges */
        HEAP_UNIT_LEAVES = HEAP_UNIT / HEAP_LEAF,
        HEAP_STEP = 1024 * 1024,     /* by which ranges grow and shrink */
        HEAP_SMALL_MAX = 16 * 1024,  /* largest slot; the payload is at least one byte less */
        HEAP_MEDIUM_MAX = 1024 * 1024 /* largest run handed out; the payload is at least one byte less */
};

#endif

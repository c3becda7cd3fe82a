/* The blocks that fuzz_heap_operations.c plays with, and the operations it knows. */
#ifndef FUZZ_HEAP_WORLD_H
#define FUZZ_HEAP_WORLD_H

#include "heap_model.h"
#include "target.h"

#include <keepmum_heap.h>

enum {
        WORLD_PLACES = 32, /* blocks that operations choose */
        WORLD_BURST = 320, /* many alike, behind them */
        WORLD_FOREIGN = 3,
        WORLD_MOST_BYTES = 24 * 1024 * 1024
};

struct foreign {
        unsigned char *at;
        size_t n_bytes;
};

extern struct world {
        struct block blocks[WORLD_PLACES + WORLD_BURST];
        size_t n_burst;
        size_t live_bytes;
        uint64_t n_guarded;
        unsigned n_written; /* gives each writing a pattern of its own */
        unsigned n_forks, n_misuses, n_checks, n_trims, n_threads, n_hunts; /* costly operations so far */
        bool is_elsewhere; /* in the helper */
        struct foreign foreign[WORLD_FOREIGN];
        size_t n_foreign;
} world;

/* What operations take out of the input. */
struct block *world_take_place(struct input *in);
size_t world_take_size(struct input *in);
size_t world_take_alignment(struct input *in);
bool world_has_room(size_t n_bytes);

/* The heap's answer to a request that it must grant. */
void world_put(struct block *b, void *at, size_t n_bytes, size_t alignment);
void world_move(struct block *b, void *at, size_t n_bytes);
void world_free(struct block *b); /* nothing if there is none */
/* Writes a pattern, the shape of which is the input's. */
void world_write(struct input *in, struct block *b);
/* Of the slot that a small block of this size stands in; 0 for what is larger. */
size_t world_slot_bytes(size_t n_bytes);

/* errno before and after a call that may not touch it. */
void world_set_errno(void);
void world_check_errno(void);

void world_check_blocks(void);
void world_check_stats(void);
/* Runs act(arg) in a child, with the default signals; how it ended, as of waitpid(). */
int world_run_in_child(void (*act)(void *arg), void *arg);

void helper_end(void);
void foreign_check(void);
void foreign_end(void);

/* Does one operation; fuzz_heap_operations.c. */
void world_operate(struct input *in);

typedef void operation(struct input *in, struct block *b);
operation op_malloc, op_calloc, op_realloc, op_free, op_aligned, op_look, op_write, op_check, op_trim, op_stats,
        op_impossible, op_null, op_burst, op_burst_free, op_elsewhere, op_end_helper, op_fork, op_limit, op_foreign, op_misuse,
        op_ring, op_hunt;

#endif

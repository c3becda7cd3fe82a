/* The calls on one block, each compared with its model. */
#include "heap_world.h"

#include <errno.h>

enum { MOST_BURST_BYTES = 8 * 1024 * 1024, MOST_HUNTED_BYTES = 4081, MOST_HUNTS = 2, HUNT_ROUNDS = 16000 };

void op_malloc(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in);

        world_free(b);
        if (!world_has_room(n_bytes))
                return;
        world_set_errno();
        world_put(b, keepmum_heap_malloc(n_bytes), n_bytes, 16);
}

void op_calloc(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in), n_members = input_byte(in) % 8;

        world_free(b);
        if (!world_has_room(n_bytes * n_members))
                return;
        world_set_errno();
        world_put(b, keepmum_heap_calloc(n_members, n_bytes), n_bytes * n_members, 16);
}

void op_aligned(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in), alignment = world_take_alignment(in);

        world_free(b);
        if (!world_has_room(n_bytes + alignment))
                return;
        world_set_errno();
        world_put(b, keepmum_heap_aligned_alloc(alignment, n_bytes), n_bytes, alignment);
}

void op_realloc(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in);
        void *at;

        if (!world_has_room(n_bytes))
                return;
        if (b->at != NULL)
                block_check(b);
        world_set_errno();
        at = keepmum_heap_realloc(b->at, n_bytes);
        if (b->at == NULL)
                world_put(b, at, n_bytes, 16);
        else
                world_move(b, at, n_bytes);
}

void op_free(struct input *in, struct block *b)
{
        (void)in;
        world_free(b);
}

void op_write(struct input *in, struct block *b)
{
        if (b->at != NULL)
                world_write(in, b);
}

void op_look(struct input *in, struct block *b)
{
        (void)in;
        world_set_errno();
        if (b->at != NULL)
                block_check(b);
        else
                expect(keepmum_heap_usable_size(NULL) == 0);
        world_check_errno();
}

/* It reads all that the heap holds. */
void op_check(struct input *in, struct block *b)
{
        (void)in;
        (void)b;
        if (world.n_checks++ < 4)
                keepmum_heap_check();
        world_check_blocks();
}

void op_trim(struct input *in, struct block *b)
{
        uint64_t before[KEEPMUM_HEAP_STATS], after[KEEPMUM_HEAP_STATS];

        (void)in;
        (void)b;
        if (world.n_trims++ >= 4)
                return;
        keepmum_heap_stats(before, KEEPMUM_HEAP_STATS);
        (void)keepmum_heap_trim();
        keepmum_heap_stats(after, KEEPMUM_HEAP_STATS);
        expect(after[KEEPMUM_HEAP_STAT_FROM_KERNEL] <= before[KEEPMUM_HEAP_STAT_FROM_KERNEL]);
        expect(after[KEEPMUM_HEAP_STAT_CACHED] == 0);
        expect(after[KEEPMUM_HEAP_STAT_MEDIUM] == before[KEEPMUM_HEAP_STAT_MEDIUM]);
        expect(after[KEEPMUM_HEAP_STAT_LARGE] == before[KEEPMUM_HEAP_STAT_LARGE]);
}

void op_stats(struct input *in, struct block *b)
{
        (void)in;
        (void)b;
        world_check_stats();
}

void op_null(struct input *in, struct block *b)
{
        uint64_t untouched = 7;

        (void)in;
        (void)b;
        world_set_errno();
        keepmum_heap_free(NULL);
        world_check_errno();
        keepmum_heap_stats(&untouched, 0);
        expect(untouched == 7);
}

/* ---- what no heap can grant ---- */

static void refuse(void *at, int error)
{
        expect(at == NULL && errno == error);
        errno = 0;
}

/* Arguments out of the compiler's sight, which warns of them. */
static void refuse_sizes(unsigned which, struct block *b)
{
        static volatile const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 4096,
                                                (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX, (size_t)1 << 62};
        size_t n_bytes = sizes[which % 8];

        refuse(keepmum_heap_malloc(n_bytes), ENOMEM);
        refuse(keepmum_heap_calloc(1, n_bytes), ENOMEM);
        refuse(keepmum_heap_realloc(NULL, n_bytes), ENOMEM);
        refuse(keepmum_heap_aligned_alloc(64, n_bytes), ENOMEM);
        if (b->at == NULL)
                return;
        refuse(keepmum_heap_realloc(b->at, n_bytes), ENOMEM);
        block_check(b);
}

static void refuse_products(unsigned which)
{
        static volatile const size_t factors[][2] = {{SIZE_MAX, 2}, {2, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 16 + 2, 16},
                                                     {(size_t)1 << 32, (size_t)1 << 32}, {(size_t)1 << 63, 2},
                                                     {SIZE_MAX / 3 + 1, 3}, {SIZE_MAX / 2, 2}};

        refuse(keepmum_heap_calloc(factors[which % 8][0], factors[which % 8][1]), ENOMEM);
}

static void refuse_alignments(unsigned which)
{
        static volatile const size_t wrong[] = {0, 3, 24, 4097, SIZE_MAX, SIZE_MAX - 1, ((size_t)1 << 63) + 16, 6};
        static volatile const size_t huge[] = {(size_t)1 << 63, (size_t)1 << 62, (size_t)1 << 61, (size_t)1 << 50};

        refuse(keepmum_heap_aligned_alloc(wrong[which % 8], 100), EINVAL);
        refuse(keepmum_heap_aligned_alloc(huge[which % 4], 100), ENOMEM);
        refuse(keepmum_heap_aligned_alloc(huge[which % 4], PTRDIFF_MAX), ENOMEM);
}

void op_impossible(struct input *in, struct block *b)
{
        unsigned which = input_byte(in);

        refuse_sizes(which, b);
        refuse_products(which >> 3);
        refuse_alignments(which >> 3);
}

/* ---- many alike ---- */

void op_burst(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in), n = input_byte(in);

        (void)b;
        if (n * n_bytes > MOST_BURST_BYTES)
                n = MOST_BURST_BYTES / n_bytes;
        for (size_t i = 0; i < n && world.n_burst < WORLD_BURST && world_has_room(n_bytes); i++) {
                struct block *one = &world.blocks[WORLD_PLACES + world.n_burst];

                world_set_errno();
                world_put(one, keepmum_heap_malloc(n_bytes), n_bytes, 16);
                block_write_head(one, world.n_written++, 64);
                block_write_piece(one, world.n_written++, n_bytes - (n_bytes < 8 ? n_bytes : 8), 8);
                world.n_burst++;
        }
}

static bool is_chosen(unsigned order, size_t k, size_t n)
{
        switch (order % 4) {
        case 0:
                return true;
        case 1:
                return k % 2 != 0;
        case 2:
                return k < n / 2;
        default:
                return k % 64 != 0;
        }
}

/* All, the odd ones, the lower half, or most; from the first or from the last. */
void op_burst_free(struct input *in, struct block *b)
{
        unsigned order = input_byte(in);
        size_t n = world.n_burst, n_left = 0;
        struct block *burst = world.blocks + WORLD_PLACES;

        (void)b;
        for (size_t i = 0; i < n; i++) {
                size_t k = order & 4 ? n - 1 - i : i;

                if (is_chosen(order, k, n))
                        world_free(&burst[k]);
        }
        for (size_t i = 0; i < n; i++)
                if (burst[i].at != NULL)
                        burst[n_left++] = burst[i];
        world.n_burst = n_left;
}

/* One after the other, so that all that waits in the thread's cache comes round. */
void op_ring(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in), n = input_byte(in);

        world_free(b);
        for (size_t i = 0; i < n && i * n_bytes < MOST_BURST_BYTES && world_has_room(n_bytes); i++) {
                world_set_errno();
                world_put(b, keepmum_heap_malloc(n_bytes), n_bytes, 16);
                block_write_head(b, world.n_written++, 32);
                world_free(b);
        }
}

/* The heap guards one small allocation in 16,000 at least (in 2,000, of a thread that has had few), while it has a page left: asks until it has,
 * and keeps that one. */
void op_hunt(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in) % MOST_HUNTED_BYTES;

        if (input_byte(in) != 'g' || world.n_hunts++ >= MOST_HUNTS)
                return;
        world_free(b);
        for (unsigned i = 0; i < HUNT_ROUNDS && !b->is_guarded; i++) {
                world_free(b);
                world_set_errno();
                world_put(b, keepmum_heap_malloc(n_bytes), n_bytes, 16);
        }
        expect(b->is_guarded || world.is_elsewhere);
        world_write(in, b);
}

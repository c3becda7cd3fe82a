/* The heap, by any sequence of calls, against a model of each block.
 *
 * An input is read as operations: a byte that chooses one, a byte that chooses one of 32 places for blocks, and what the
 * operation needs. After each, the answer is the model's: contents, alignment, size, errno, no two blocks in one place. A second
 * thread, children, a limit, and memory that somebody else takes from the break are part of it, and so is misuse, each in a
 * child that must die of it. Threads at work at the same moment are not: see tests/unit/test_heap_stress.c. */
#include "heap_world.h"

static operation *const operations[] = {
        op_malloc, op_free,  op_realloc, op_write,      op_malloc, op_free,      op_calloc,     op_aligned,
        op_look,   op_check, op_trim,    op_impossible, op_null,   op_burst,     op_burst_free, op_elsewhere,
        op_fork,   op_limit, op_foreign, op_misuse,     op_ring,   op_end_helper, op_stats,     op_realloc,
        op_hunt,
};

void world_operate(struct input *in)
{
        uint8_t op = input_byte(in);
        struct block *b = world_take_place(in);

        operations[op % (sizeof operations / sizeof *operations)](in, b);
}

/* Every block given back, and the heap sound. */
static void put_away(void)
{
        helper_end();
        foreign_check();
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++)
                world_free(&world.blocks[i]);
        world.n_burst = 0;
        world_check_stats();
        keepmum_heap_check();
        foreign_check();
        foreign_end();
}

void target_begin(void)
{
        model_start();
}

void target_run(const uint8_t *bytes, size_t n_bytes)
{
        struct input in = {bytes, n_bytes};

        world = (struct world){0};
        while (in.n_left > 0)
                world_operate(&in);
        put_away();
}

/* Guarded secrets, by any sequence of calls, against a model of each secret.
 *
 * An input is read as operations: a byte that chooses one, a byte that chooses one of eight places for secrets, and
 * what the operation needs. After each, the answer is the model's, contents are the model's to the last byte, and
 * the kernel is asked what can be touched. Misuse is part of it, and other threads and a child are; several threads
 * at work at once are not. */
#include "secret_world.h"

#include <unistd.h>

static operation *const operations[] = {
        op_create,  op_take,  op_open_read, op_open_write, op_close,   op_destroy, op_resize,       op_equal,
        op_look,    op_fork,  op_read_fd,   op_write_fd,   op_verify,  op_stale,   op_write_beside, op_misuse,
        op_scribble, op_null, op_count,     op_budget,     op_fill_random, op_destroy_elsewhere, op_close_elsewhere,
};

enum { LATER = 230, LAST = 246 }; /* from here on the byte chooses one of the operations that came later */

static operation *const later_operations[] = {op_seal_all, op_clone};
static operation *const last_operations[] = {op_share, op_forged};

static operation *choose(uint8_t byte)
{
        if (byte >= LAST)
                return last_operations[byte % (sizeof last_operations / sizeof *last_operations)];
        if (byte >= LATER)
                return later_operations[byte % (sizeof later_operations / sizeof *later_operations)];
        return operations[byte % (sizeof operations / sizeof *operations)];
}

static void operate(struct input *in)
{
        uint8_t op = input_byte(in);
        struct model *m = world_take_place(in);
        uint64_t before = world.budget != 0 ? world_locked_bytes() : 0, after;

        choose(op)(in, m);
        if (world.budget != 0 && before != 0)
                expect((after = world_locked_bytes()) <= before || after <= world.budget);
}

/* Everything given back: every slot that is mapped is free. */
static void put_away(void)
{
        uint64_t v[KEEPMUM_STATS];

        expect(keepmum_set_lock_budget(0) == 0);
        world.budget = 0;
        for (size_t i = 0; i < WORLD_PLACES; i++)
                world_check_contents(&world.secrets[i]);
        for (size_t i = 0; i < WORLD_PLACES; i++)
                world_empty(&world.secrets[i]);
        world_check_counts();
        expect(keepmum_stats(v, KEEPMUM_STATS) == 0);
        expect(v[KEEPMUM_STAT_FREE_SLOTS] == v[KEEPMUM_STAT_SLOTS]);
}

void target_begin(void)
{
        keepmum_secret trial;

        world_is_privileged = geteuid() == 0;
        world_has_hidden = keepmum_create(&trial, 1, KEEPMUM_HIDDEN) == 0;
        if (world_has_hidden)
                keepmum_destroy(&trial);
}

void target_run(const uint8_t *bytes, size_t n_bytes)
{
        struct input in = {bytes, n_bytes};

        world = (struct world){0};
        while (in.n_left > 0)
                operate(&in);
        put_away();
}

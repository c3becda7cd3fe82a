/* The world of fuzz_heap_operations.c: how its inputs are read, and a block's way from its request to its end. */
#include "heap_world.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL_EDGE = 16 * 1024, MEDIUM_EDGE = 1024 * 1024, KEPT_ERRNO = EXDEV, CHILD_SECONDS = 20 };

struct world world;

/* ---- decoding ---- */

struct block *world_take_place(struct input *in)
{
        return &world.blocks[input_byte(in) % WORLD_PLACES];
}

/* The i-th of the 36 slot sizes: steps of 16 to 128, then four in each doubling. */
static size_t slot_bytes_of(size_t i)
{
        size_t doubling = (i - 8) / 4;

        return i < 8 ? 16 * (i + 1) : (128 + 32 * ((i - 8) % 4 + 1)) << doubling;
}

size_t world_slot_bytes(size_t n_bytes)
{
        for (size_t i = 0; i < 36; i++)
                if (n_bytes < slot_bytes_of(i))
                        return slot_bytes_of(i);
        return 0;
}

/* Within three bytes of an edge. */
static size_t beside(size_t edge, unsigned shape)
{
        return edge + shape / 16 % 8 - 4;
}

size_t world_take_size(struct input *in)
{
        unsigned shape = input_byte(in), n = input_byte(in);

        switch (shape % 16) {
        case 0:
        case 1:
                return n;
        case 2:
        case 3:
        case 4:
                return beside(slot_bytes_of(n % 36), shape);
        case 5:
                return n << 8 | shape >> 4;
        case 6:
                return beside(SMALL_EDGE, shape);
        case 7:
                return beside(MEDIUM_EDGE, shape);
        case 8:
                return beside((size_t)4096 * (n % 16 + 1), shape);
        case 9:
                return SMALL_EDGE + (size_t)n * 200;
        case 10:
                return beside((size_t)4096 * (n / 2 + 1), shape);
        case 11:
                return MEDIUM_EDGE + (size_t)n * 3000;
        case 12:
                return (size_t)n * 2000;
        case 13:
                return n < 32 ? (size_t)n * 1024 * 1024 : n;
        case 14:
                return n / 4;
        default:
                return 16 * (n % 8);
        }
}

/* Powers of two up to 1 MiB. */
size_t world_take_alignment(struct input *in)
{
        return (size_t)1 << input_byte(in) % 21;
}

bool world_has_room(size_t n_bytes)
{
        return n_bytes <= WORLD_MOST_BYTES - world.live_bytes;
}

/* ---- a block's way ---- */

void world_set_errno(void)
{
        errno = KEPT_ERRNO;
}

void world_check_errno(void)
{
        expect(errno == KEPT_ERRNO);
}

static uint64_t stat_of(enum keepmum_heap_stat which)
{
        uint64_t values[KEEPMUM_HEAP_STATS];

        keepmum_heap_stats(values, KEEPMUM_HEAP_STATS);
        return values[which];
}

/* Guarded blocks are the heap's own choice: its count tells of a new one. */
static bool is_guarded(void)
{
        uint64_t n = stat_of(KEEPMUM_HEAP_STAT_GUARDED);
        bool is_one_more = n == world.n_guarded + 1;

        expect(n == world.n_guarded || is_one_more);
        world.n_guarded = n;
        return is_one_more;
}

/* No other block of ours, and nobody else's memory. */
static void check_alone(const struct block *b, const unsigned char *at, size_t n_bytes)
{
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++)
                expect(&world.blocks[i] == b || !block_overlaps(&world.blocks[i], at, n_bytes));
        for (size_t i = 0; i < world.n_foreign; i++) {
                const struct foreign *f = &world.foreign[i];

                expect(at + n_bytes <= f->at || f->at + f->n_bytes <= at);
        }
}

void world_put(struct block *b, void *at, size_t n_bytes, size_t alignment)
{
        world_check_errno();
        expect(at != NULL);
        check_alone(b, at, n_bytes);
        block_begin(b, at, n_bytes, alignment);
        world.live_bytes += n_bytes;
        b->is_guarded = is_guarded();
}

void world_move(struct block *b, void *at, size_t n_bytes)
{
        world_check_errno();
        expect(at != NULL);
        check_alone(b, at, n_bytes);
        world.live_bytes += n_bytes - b->n_bytes;
        world.n_guarded -= b->is_guarded;
        block_move(b, at, n_bytes);
        b->is_guarded = is_guarded();
}

void world_free(struct block *b)
{
        if (b->at == NULL)
                return;
        block_check(b);
        world_set_errno();
        keepmum_heap_free(b->at);
        world_check_errno();
        world.live_bytes -= b->n_bytes;
        world.n_guarded -= b->is_guarded;
        *b = (struct block){0};
}

void world_write(struct input *in, struct block *b)
{
        unsigned shape = input_byte(in), id = world.n_written++;
        size_t n = (size_t)input_byte(in) * (shape & 32 ? 64 : 1);

        switch (shape % 4) {
        case 0:
                block_write_head(b, id, b->n_bytes);
                break;
        case 1:
                block_write_head(b, id, n);
                break;
        case 2:
                block_write_piece(b, id, b->n_bytes - (n < b->n_bytes ? n : b->n_bytes), n);
                break;
        default:
                block_write_piece(b, id, b->n_bytes / 256 * (shape >> 2), n);
        }
}

/* ---- all of it ---- */

void world_check_blocks(void)
{
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++)
                if (world.blocks[i].at != NULL)
                        block_check(&world.blocks[i]);
        foreign_check();
}

/* What can be said of the counts without knowing how the heap chose. */
void world_check_stats(void)
{
        uint64_t v[KEEPMUM_HEAP_STATS + 2], small_bytes = 0;
        bool is_empty = true;

        memset(v, 0xff, sizeof v);
        keepmum_heap_stats(v, KEEPMUM_HEAP_STATS + 1);
        expect(v[KEEPMUM_HEAP_STATS] == 0 && v[KEEPMUM_HEAP_STATS + 1] == UINT64_MAX);
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++) {
                is_empty = is_empty && world.blocks[i].at == NULL;
                if (world.blocks[i].n_bytes < SMALL_EDGE)
                        small_bytes += world.blocks[i].n_bytes;
        }
        expect(v[KEEPMUM_HEAP_STAT_GUARDED] == world.n_guarded);
        expect(v[KEEPMUM_HEAP_STAT_MEDIUM] + v[KEEPMUM_HEAP_STAT_LARGE] >= world.live_bytes - small_bytes);
        expect(v[KEEPMUM_HEAP_STAT_FROM_KERNEL] >= v[KEEPMUM_HEAP_STAT_SLABS] + v[KEEPMUM_HEAP_STAT_MEDIUM] +
               v[KEEPMUM_HEAP_STAT_LARGE] + v[KEEPMUM_HEAP_STAT_FREE_RUNS] + v[KEEPMUM_HEAP_STAT_CACHED]);
        if (is_empty)
                expect(v[KEEPMUM_HEAP_STAT_MEDIUM] + v[KEEPMUM_HEAP_STAT_LARGE] == 0);
}

/* The engines' handlers would tell of a death that is expected. */
static void be_a_child(void)
{
        static const int caught[] = {SIGSEGV, SIGBUS, SIGABRT, SIGALRM};
        struct rlimit none = {0, 0};

        for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
                signal(caught[i], SIG_DFL);
        setrlimit(RLIMIT_CORE, &none);
        alarm(CHILD_SECONDS);
}

int world_run_in_child(void (*act)(void *arg), void *arg)
{
        pid_t child = fork();
        int status;

        expect(child >= 0);
        if (child == 0) {
                be_a_child();
                act(arg);
                _exit(0);
        }
        while (waitpid(child, &status, 0) < 0)
                expect(errno == EINTR); /* libFuzzer's clock */
        return status;
}

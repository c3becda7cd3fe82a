/* What only a bug does to the heap: each must end the process in its own sentence, or by the page that nobody may touch.
 *
 * Each is tried in a child, since a death inside the heap leaves its locks and books as they are. What is written into memory
 * that is not ours to write is written here, out of the sanitizers' sight: it is the heap that must see it. */
#include "heap/misuse.h"
#include "heap/tools.h"
#include "heap_world.h"

#include <keepmum.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNSEEN __attribute__((no_sanitize("address", "undefined"), noinline))

enum { MOST_MISUSES = 8, ROUNDS = 50000, CODE_OF_SENTENCE = 100, CODE_OF_OTHER = 99 };
enum { SMALL_EDGE = 16 * 1024, MEDIUM_EDGE = 1024 * 1024, SLAB_BYTES = 64 * 1024 };

/* How a misuse may end. */
enum ending {
        FREE_TWICE = 1 << 0,
        FREE_NO_BLOCK = 1 << 1,
        REALLOC_FREED = 1 << 2,
        REALLOC_NO_BLOCK = 1 << 3,
        SIZE_FREED = 1 << 4,
        SIZE_NO_BLOCK = 1 << 5,
        OVERRUN = 1 << 6,
        UNDERRUN = 1 << 7,
        AFTER_FREE = 1 << 8,
        FAULT = 1 << 9,
        HARMLESS = 1 << 10 /* the child went on: never allowed */
};

static const char *const sentences[] = {
        HEAP_FREE_TWICE, HEAP_FREE_NO_BLOCK, HEAP_REALLOC_FREED, HEAP_REALLOC_NO_BLOCK, HEAP_SIZE_FREED,
        HEAP_SIZE_NO_BLOCK, HEAP_OVERRUN, HEAP_UNDERRUN, HEAP_WRITE_AFTER_FREE,
};

static void tell_sentence(const char *sentence)
{
        for (int i = 0; i < 9; i++)
                if (strcmp(sentence, sentences[i]) == 0)
                        _exit(CODE_OF_SENTENCE + i);
        fprintf(stderr, "fuzz: fatal: \"%s\" is no sentence of the heap\n", sentence);
        _exit(CODE_OF_OTHER);
}

static unsigned ending_of(int status)
{
        if (WIFSIGNALED(status))
                return WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS ? FAULT : 0;
        if (WEXITSTATUS(status) == 0)
                return HARMLESS;
        return WEXITSTATUS(status) >= CODE_OF_SENTENCE ? 1u << (WEXITSTATUS(status) - CODE_OF_SENTENCE) : 0;
}

/* ---- the acts ---- */

enum size_kind { SMALL, GUARDED, MEDIUM, LARGE };

struct victim {
        unsigned char *at;
        size_t n_bytes;
        enum size_kind kind;
        unsigned how; /* of the input, for the act's own choices */
};

static unsigned after_free(const struct victim *v, unsigned freed, unsigned no_block)
{
        return v->kind == SMALL || v->kind == GUARDED ? freed : freed | no_block;
}

/* By an even number: every byte of a canary is odd, so that no zero becomes one by chance. */
static UNSEEN void flip(volatile unsigned char *at, size_t n, unsigned change)
{
        for (size_t i = 0; i < n; i++)
                at[i] ^= (unsigned char)(change % 127 * 2 + 2);
}

/* Or the compiler drops what nobody looks at. */
static void *volatile kept;

static void keep(void *p)
{
        kept = p;
}

static void churn(size_t n_bytes, unsigned rounds)
{
        for (unsigned i = 0; i < rounds; i++) {
                keep(keepmum_heap_malloc(n_bytes));
                keepmum_heap_free(kept);
        }
}

static void free_twice(struct victim *v)
{
        keepmum_heap_free(v->at);
        if (v->how & 1)
                churn(v->n_bytes, v->how / 2);
        keepmum_heap_free(v->at);
}

static void *free_it(void *arg)
{
        keepmum_heap_free(arg);
        return NULL;
}

static void free_twice_elsewhere(struct victim *v)
{
        pthread_t thread;

        if (v->how & 1)
                keepmum_heap_free(v->at);
        expect(pthread_create(&thread, NULL, free_it, v->at) == 0);
        pthread_join(thread, NULL);
        keepmum_heap_free(v->at);
}

static unsigned char *inside(const struct victim *v)
{
        size_t offset = v->how % 4 == 0 ? 16 * (1 + v->how / 4) : 1 + v->how / 4 * 5;

        return v->at + (offset <= v->n_bytes ? offset : v->n_bytes > 0 ? v->n_bytes : 1);
}

static void free_inside(struct victim *v)
{
        keepmum_heap_free(inside(v));
}

static void free_no_block(struct victim *v)
{
        static uint64_t global[8];
        uint64_t local[8] = {v->how};
        uintptr_t wild[] = {16, 4096, 1, (uintptr_t)1 << 40, (uintptr_t)1 << 47, (uintptr_t)1 << 63, UINTPTR_MAX - 15, UINTPTR_MAX};

        switch (v->how % 4) {
        case 0:
                keepmum_heap_free(&local[v->how / 4 % 8]);
                break;
        case 1:
                keepmum_heap_free(&global[v->how / 4 % 8]);
                break;
        case 2:
                keepmum_heap_free(malloc(v->n_bytes % 4096 + 1));
                break;
        default:
                keepmum_heap_free((void *)wild[v->how / 4 % 8]);
        }
}

static bool is_block(const unsigned char *at)
{
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++)
                if (world.blocks[i].at == at)
                        return true;
        return false;
}

/* The slots above and below. Those of blocks that live are no misuse: then an address between. */
static void free_beside(struct victim *v)
{
        size_t slot_bytes = world_slot_bytes(v->n_bytes);
        unsigned char *beside = v->how & 1 ? v->at + slot_bytes : v->at - slot_bytes;

        keepmum_heap_free(is_block(beside) ? beside + 1 : beside);
}

static void realloc_freed(struct victim *v)
{
        keepmum_heap_free(v->at);
        keep(keepmum_heap_realloc(v->at, v->how & 1 ? v->n_bytes : v->how * 9));
}

static void realloc_inside(struct victim *v)
{
        keep(keepmum_heap_realloc(inside(v), v->n_bytes + v->how));
}

static void size_of_freed(struct victim *v)
{
        keepmum_heap_free(v->at);
        (void)keepmum_heap_usable_size(v->at);
}

static void size_inside(struct victim *v)
{
        (void)keepmum_heap_usable_size(inside(v));
}

/* How an overrun may be met. */
static void meet(struct victim *v, unsigned how)
{
        if (how % 3 == 0)
                keepmum_heap_free(v->at);
        else if (how % 3 == 1)
                keepmum_heap_check();
        else
                keep(keepmum_heap_realloc(v->at, how & 64 ? v->n_bytes + how : v->n_bytes / 2));
}

static void overrun_1(struct victim *v)
{
        flip(v->at + v->n_bytes, 1, v->how);
        meet(v, v->how);
}

static void overrun_8(struct victim *v)
{
        flip(v->at + v->n_bytes, 8, v->how);
        meet(v, v->how);
}

static void overrun_64(struct victim *v)
{
        flip(v->at + v->n_bytes, 64, v->how);
        meet(v, v->how & ~63u);
}

static UNSEEN void put_nul(volatile char *at)
{
        *at = 0;
}

static void terminate_too_far(struct victim *v)
{
        put_nul((char *)v->at + v->n_bytes);
        meet(v, v->how);
}

static void underrun_1(struct victim *v)
{
        flip(v->at - 1, 1, v->how);
        keepmum_heap_free(v->at);
}

static void underrun_8(struct victim *v)
{
        flip(v->at - 8, 8, v->how);
        keepmum_heap_free(v->at);
}

static unsigned char *somewhere(const struct victim *v)
{
        if (v->n_bytes == 0)
                return v->at;
        return v->at + (v->how % 3 == 0 ? 0 : v->how % 3 == 1 ? v->n_bytes / 2 : v->n_bytes - 1);
}

static void write_after_free(struct victim *v)
{
        keepmum_heap_free(v->at);
        if (v->how & 64)
                churn(v->n_bytes, 20);
        flip(somewhere(v), 1, v->how);
        keepmum_heap_check();
}

/* Slots come round; a run may lie where no request of its size takes it. */
static void write_after_free_then_reuse(struct victim *v)
{
        keepmum_heap_free(v->at);
        flip(somewhere(v), 1, v->how);
        churn(v->n_bytes, v->kind == SMALL ? ROUNDS : 20);
        if (v->kind != SMALL)
                keepmum_heap_check();
}

/* ---- what each must end in ---- */

typedef void misuse(struct victim *v);

static unsigned allow_free_twice(const struct victim *v)
{
        return after_free(v, FREE_TWICE, FREE_NO_BLOCK);
}

static unsigned allow_no_block(const struct victim *v)
{
        (void)v;
        return FREE_NO_BLOCK;
}

static unsigned allow_beside(const struct victim *v)
{
        return v->kind == SMALL ? FREE_TWICE | FREE_NO_BLOCK : 0;
}

static unsigned allow_realloc_freed(const struct victim *v)
{
        return after_free(v, REALLOC_FREED, REALLOC_NO_BLOCK);
}

static unsigned allow_realloc_inside(const struct victim *v)
{
        (void)v;
        return REALLOC_NO_BLOCK;
}

static unsigned allow_size_freed(const struct victim *v)
{
        return after_free(v, SIZE_FREED, SIZE_NO_BLOCK);
}

static unsigned allow_size_inside(const struct victim *v)
{
        (void)v;
        return SIZE_NO_BLOCK;
}

static unsigned allow_overrun(const struct victim *v)
{
        return v->kind == GUARDED || v->kind == LARGE ? OVERRUN | FAULT : OVERRUN;
}

/* It reaches what is behind the slack: the end of the range, or a free slot, which realloc may take before it looks. */
static unsigned allow_long_overrun(const struct victim *v)
{
        (void)v;
        return OVERRUN | AFTER_FREE | FAULT;
}

/* Below a run or the first slot of a slab there may be memory that nobody looks at: then it cannot be seen. */
static unsigned allow_underrun(const struct victim *v)
{
        if (v->kind == LARGE)
                return FAULT;
        return v->kind == GUARDED || (v->kind == SMALL && (uintptr_t)v->at % SLAB_BYTES != 0) ? UNDERRUN : 0;
}

/* In the last bytes of a slot or a run it may be the free of the block above that sees it, and takes it for an underrun. */
static unsigned allow_write_after_free(const struct victim *v)
{
        return v->kind == SMALL ? AFTER_FREE | UNDERRUN : v->kind == MEDIUM ? AFTER_FREE | UNDERRUN | FAULT : FAULT;
}

static const struct {
        misuse *act;
        unsigned (*allow)(const struct victim *v);
} misuses[] = {
        {free_twice, allow_free_twice},
        {free_twice_elsewhere, allow_free_twice},
        {free_inside, allow_no_block},
        {free_no_block, allow_no_block},
        {free_beside, allow_beside},
        {realloc_freed, allow_realloc_freed},
        {realloc_inside, allow_realloc_inside},
        {size_of_freed, allow_size_freed},
        {size_inside, allow_size_inside},
        {overrun_1, allow_overrun},
        {overrun_8, allow_long_overrun},
        {overrun_64, allow_long_overrun},
        {terminate_too_far, allow_overrun},
        {underrun_1, allow_underrun},
        {underrun_8, allow_underrun},
        {write_after_free, allow_write_after_free},
        {write_after_free_then_reuse, allow_write_after_free},
};

/* The heap naps a while before it judges a block that another thread may be changing: nobody changes any in such a child. */
static bool is_child;

int nanosleep(const struct timespec *wanted, struct timespec *rest)
{
        return is_child ? 0 : clock_nanosleep(CLOCK_REALTIME, 0, wanted, rest);
}

struct trial {
        misuse *act;
        struct victim victim;
};

static void try_it(void *arg)
{
        struct trial *t = arg;

        is_child = true;
        keepmum_on_fatal(tell_sentence);
        t->act(&t->victim);
}

static struct victim victim_of(const struct block *b, unsigned how)
{
        enum size_kind by_size = b->n_bytes < SMALL_EDGE ? SMALL : b->n_bytes < MEDIUM_EDGE ? MEDIUM : LARGE;

        return (struct victim){b->at, b->n_bytes, b->is_guarded ? GUARDED : by_size, how};
}

void op_misuse(struct input *in, struct block *b)
{
        uint8_t magic = input_byte(in), which = input_byte(in) % (sizeof misuses / sizeof *misuses);
        struct trial t = {misuses[which].act, victim_of(b, input_byte(in))};
        unsigned allowed = misuses[which].allow(&t.victim), ending;

        if (magic != 'm' || b->at == NULL || b->alignment > 16 || allowed == 0 || world.n_misuses++ >= MOST_MISUSES)
                return;
        if (tools_watch() && (allowed & (OVERRUN | UNDERRUN | AFTER_FREE)) != 0)
                return; /* left to the tool, which is not shown these writes */
        ending = ending_of(world_run_in_child(try_it, &t));
        if ((ending & allowed) == 0)
                fprintf(stderr, "fuzz: misuse %u of %zu bytes, %u: ended as 0x%x, expected 0x%x\n", which, b->n_bytes,
                        t.victim.how, ending, allowed);
        expect((ending & allowed) != 0);
}

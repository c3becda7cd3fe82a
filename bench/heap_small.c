/* Patterns of many small blocks that differ in the order of their ends: at once, oldest first, at random, newest first, all together, or
 * most of them and some never. */
#include "heap_block.h"
#include "heap_patterns.h"

uint16_t block_sizes[BLOCK_SIZES];

void block_start(void)
{
        static const struct {
                uint16_t low, high;
                unsigned percent10;
        } shares[] = {{1, 16, 130},    {17, 24, 160},   {25, 40, 220},   {41, 64, 180},   {65, 128, 140},
                      {129, 256, 80},  {257, 512, 40},  {513, 1024, 30}, {1025, 4096, 17}, {4097, 16000, 3}};
        struct random r = {88172645463325252};
        size_t n = 0, until = 0;

        for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
                until += shares[k].percent10 * BLOCK_SIZES / 1000;
                while (n < until)
                        block_sizes[n++] = (uint16_t)(shares[k].low + random_below(&r, shares[k].high - shares[k].low + 1u));
        }
        while (n < BLOCK_SIZES)
                block_sizes[n++] = 32;
}

/* A helper's scratch memory: made, used, gone, while a few others of its callers are alive. */
uint64_t pattern_pair(struct random *r)
{
        struct block callers[8], mine;
        uint64_t sum = 0;

        for (int call = 0; call < 500000; call++) {
                struct block *caller = &callers[call % 8];

                block_new(caller, block_usual_size(r));
                for (int i = 0; i < 8; i++) {
                        block_new(&mine, block_usual_size(r));
                        sum += block_end(&mine);
                }
                sum += block_end(caller);
        }
        return sum;
}

/* A queue of messages: the oldest one goes when a new one comes. */
uint64_t pattern_ring(struct random *r)
{
        enum { LIVE = 4096 };
        struct block *queue = block_given(calloc(LIVE, sizeof *queue));
        uint64_t sum = 0;

        for (int i = 0; i < 3200000; i++)
                sum += block_replace(&queue[i % LIVE], block_usual_size(r));
        sum += block_end_all(queue, LIVE);
        free(queue);
        return sum;
}

/* A table of objects with lives of random length (larson, alloc-test). */
uint64_t pattern_churn(struct random *r)
{
        enum { LIVE = 20000 };
        struct block *table = block_given(calloc(LIVE, sizeof *table));
        uint64_t sum = 0;

        for (int i = 0; i < 2000000; i++)
                sum += block_replace(&table[random_below(r, LIVE)], block_usual_size(r));
        sum += block_end_all(table, LIVE);
        free(table);
        return sum;
}

/* A stack that grows and shrinks to random depths, as a recursive program's (glibc-simple, sh6bench). */
uint64_t pattern_lifo(struct random *r)
{
        enum { DEEPEST = 4000 };
        struct block *stack = block_given(malloc(DEEPEST * sizeof *stack));
        uint64_t sum = 0;
        size_t depth = 0;

        for (int i = 0; i < 2500; i++) {
                size_t target = random_below(r, DEEPEST);

                while (depth < target)
                        block_new(&stack[depth++], block_usual_size(r));
                while (depth > target)
                        sum += block_end(&stack[--depth]);
        }
        sum += block_end_all(stack, depth);
        free(stack);
        return sum;
}

/* A request that needs very many objects at once, all freed at its end in no order. */
uint64_t pattern_burst(struct random *r)
{
        enum { OBJECTS = 32768, STRIDE = 12345 };
        struct block *objects = block_given(calloc(OBJECTS, sizeof *objects));
        uint64_t sum = 0;

        for (int request = 0; request < 45; request++) {
                for (size_t i = 0; i < OBJECTS; i++)
                        block_new(&objects[i], block_usual_size(r));
                for (size_t i = 0; i < OBJECTS; i++)
                        sum += block_end(&objects[i * STRIDE % OBJECTS]);
        }
        free(objects);
        return sum;
}

/* Phases, each with other sizes, of each of which one block in eight stays till the end: what is free lies between what is not, and
 * does not fit (rptest, mstress). */
uint64_t pattern_fragmentation(struct random *r)
{
        enum { PLACES = 80000, PHASES = 50, PHASE_BYTES = 4 << 20 };
        static const uint16_t bases[] = {32, 80, 48, 200, 120, 700, 400, 1800, 64, 3500};
        struct block *places = block_given(calloc(PLACES, sizeof *places));
        uint64_t sum = 0;
        size_t n_live = 0;

        for (int phase = 0; phase < PHASES; phase++) {
                size_t base = bases[phase % 10], n_kept = 0, phase_bytes = 0;

                for (; n_live < PLACES && phase_bytes < PHASE_BYTES; phase_bytes += places[n_live++].n_bytes)
                        block_new(&places[n_live], base + random_below(r, (uint32_t)base));
                for (size_t i = 0; i < n_live; i++)
                        if (random_next(r) % 8 == 0 || places[i].n_bytes % 64 == 0)
                                places[n_kept++] = places[i];
                        else
                                sum += block_end(&places[i]);
                n_live = n_kept;
        }
        sum += block_end_all(places, n_live);
        free(places);
        return sum;
}

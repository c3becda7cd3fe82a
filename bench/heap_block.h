/* Blocks as the patterns use them: random sizes as real programs ask for them, filled, and looked at before the free.
 *
 * Sizes are skewed to the small: 94 of 100 are below 512 bytes, half are 40 or less, the mean is some 150. */
#ifndef BENCH_HEAP_BLOCK_H
#define BENCH_HEAP_BLOCK_H

#include "need.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct random {
        uint64_t state;
};

static inline uint32_t random_next(struct random *r)
{
        r->state ^= r->state << 13;
        r->state ^= r->state >> 7;
        r->state ^= r->state << 17;
        return (uint32_t)(r->state >> 32);
}

/* 0 .. n - 1 */
static inline uint32_t random_below(struct random *r, uint32_t n)
{
        return (uint32_t)((uint64_t)random_next(r) * n >> 32);
}

/* Each power of two between the two is as likely as any other. */
static inline size_t random_octave(struct random *r, unsigned first_bit, unsigned last_bit)
{
        size_t low = (size_t)1 << (first_bit + random_below(r, last_bit - first_bit));

        return low + random_below(r, (uint32_t)low);
}

enum { BLOCK_SIZES = 4096 };
extern uint16_t block_sizes[BLOCK_SIZES];
void block_start(void);

static inline size_t block_usual_size(struct random *r)
{
        return block_sizes[random_next(r) % BLOCK_SIZES];
}

struct block {
        unsigned char *bytes;
        size_t n_bytes;
};

/* The compiler may not know what the allocator returned, nor leave out a call. */
static inline void *block_given(void *p)
{
        need(p != NULL, "the allocator returned NULL");
        __asm__ volatile("" : "+r"(p) : : "memory");
        return p;
}

static inline unsigned char block_tag(size_t n_bytes)
{
        return (unsigned char)(n_bytes * 37 | 1);
}

static inline void block_fill(struct block *b, void *p, size_t n_bytes)
{
        *b = (struct block){block_given(p), n_bytes};
        memset(b->bytes, block_tag(n_bytes), n_bytes);
}

static inline void block_new(struct block *b, size_t n_bytes)
{
        block_fill(b, malloc(n_bytes), n_bytes);
}

/* First, middle and last byte. */
static inline uint64_t block_look(const struct block *b)
{
        unsigned char tag = block_tag(b->n_bytes);

        need(b->bytes[0] == tag && b->bytes[b->n_bytes / 2] == tag && b->bytes[b->n_bytes - 1] == tag, "a block has changed");
        return b->n_bytes;
}

static inline uint64_t block_end(struct block *b)
{
        uint64_t sum = block_look(b);

        free(b->bytes);
        b->bytes = NULL;
        return sum;
}

/* Ends the block that is there, if one is, and makes one of n_bytes. */
static inline uint64_t block_replace(struct block *b, size_t n_bytes)
{
        uint64_t sum = b->bytes != NULL ? block_end(b) : 0;

        block_new(b, n_bytes);
        return sum;
}

static inline uint64_t block_end_all(struct block *blocks, size_t n_blocks)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < n_blocks; i++)
                if (blocks[i].bytes != NULL)
                        sum += block_end(&blocks[i]);
        return sum;
}

#endif

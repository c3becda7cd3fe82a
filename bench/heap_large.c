/* Patterns of large blocks, and of blocks at multiples of more than 16. */
#include "heap_block.h"
#include "heap_patterns.h"

/* Vectors and cache lines of 32, 64 and 128, and now and then whole pages for input and output. */
uint64_t pattern_aligned(struct random *r)
{
        enum { LIVE = 1024 };
        struct block *blocks = block_given(calloc(LIVE, sizeof *blocks));
        uint64_t sum = 0;

        for (int i = 0; i < 800000; i++) {
                struct block *b = &blocks[random_below(r, LIVE)];
                uint32_t kind = random_below(r, 100);
                size_t alignment = kind < 97 ? (size_t)32 << kind % 3 : 4096;
                size_t n_bytes = kind < 97 ? random_octave(r, 5, 10) : 4096u * (1 + random_below(r, 3));
                void *p = NULL;

                if (b->bytes != NULL)
                        sum += block_end(b);
                need(posix_memalign(&p, alignment, n_bytes) == 0 && (uintptr_t)p % alignment == 0, "no aligned block");
                block_fill(b, p, n_bytes);
        }
        sum += block_end_all(blocks, LIVE);
        free(blocks);
        return sum;
}

/* Pictures and whole files: 64 KiB to 4 MiB, written in full, a few alive. */
uint64_t pattern_large(struct random *r)
{
        enum { LIVE = 8 };
        struct block blocks[LIVE] = {{0}};
        uint64_t sum = 0;

        for (int i = 0; i < 900; i++)
                sum += block_replace(&blocks[random_below(r, LIVE)], random_octave(r, 16, 22));
        return sum + block_end_all(blocks, LIVE);
}

/* Of a buffer for reading into, that part which was read. */
static uint64_t read_into(struct random *r, struct block *b, size_t n_bytes)
{
        size_t n_read = 1 + random_below(r, (uint32_t)(random_below(r, 4) == 0 ? n_bytes : n_bytes / 16));

        *b = (struct block){block_given(malloc(n_bytes)), n_read};
        memset(b->bytes, block_tag(n_read), n_read);
        return n_bytes;
}

/* What a program that copies and converts files has: sizes of all octaves up to 1 MiB written in full, buffers for reading of which only a
 * part is used, and small blocks between them. */
uint64_t pattern_mixed_large(struct random *r)
{
        enum { LIVE = 48, SMALL = 16 };
        struct block blocks[LIVE] = {{0}}, small[LIVE * SMALL] = {{0}};
        uint64_t sum = 0;

        for (int i = 0; i < 9000; i++) {
                uint32_t at = random_below(r, LIVE);
                struct block *b = &blocks[at];

                if (random_below(r, 2) == 0)
                        sum += block_replace(b, random_octave(r, 10, 20));
                else {
                        sum += b->bytes != NULL ? block_end(b) : 0;
                        sum += read_into(r, b, (size_t)65536 << random_below(r, 5));
                }
                for (int k = 0; k < SMALL; k++)
                        sum += block_replace(&small[at * SMALL + (uint32_t)k], block_usual_size(r));
        }
        return sum + block_end_all(blocks, LIVE) + block_end_all(small, LIVE * SMALL);
}

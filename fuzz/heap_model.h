/* What a block of the heap should be: the shadow that fuzz_heap_operations.c holds against keepmum_heap.h.
 *
 * A block is zero but for two stretches of a pattern: one at its start, one anywhere behind. So its contents are known to the
 * last byte, also through realloc, without a copy of it. Nothing here depends on addresses, but for alignment. */
#ifndef FUZZ_HEAP_MODEL_H
#define FUZZ_HEAP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stretch {
        size_t from, to; /* offsets in the block; equal: there is none */
        const uint8_t *bytes;
};

struct block {
        unsigned char *at; /* NULL: no block */
        size_t n_bytes, alignment;
        bool is_guarded; /* stands against a page that nobody may touch */
        struct stretch head, piece;
};

/* The heap says that at is n_bytes zeroes. */
void block_begin(struct block *b, void *at, size_t n_bytes, size_t alignment);
/* The heap says that the block is at with n_bytes now. */
void block_move(struct block *b, void *at, size_t n_bytes);
/* Contents, size, alignment; blocks above 128 KiB are looked at in samples. */
void block_check(const struct block *b);

/* Write a pattern over the first n bytes, or over up to n bytes from an offset; each takes the one before away. */
void block_write_head(struct block *b, unsigned id, size_t n);
void block_write_piece(struct block *b, unsigned id, size_t from, size_t n);

bool block_overlaps(const struct block *b, const unsigned char *at, size_t n_bytes);
void model_start(void);

#endif

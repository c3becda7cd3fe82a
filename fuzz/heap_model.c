/* The shadow of a block: what it should hold, and whether it does. */
#include "heap_model.h"

#include "target.h"

#include <keepmum_heap.h>
#include <string.h>

enum { LONGEST_STRETCH = 64 * 1024, ORIGINS = 4096, SAMPLED_FROM = 128 * 1024, SAMPLE = 32 * 1024, GRAIN = 64 };

static uint8_t pattern[LONGEST_STRETCH + ORIGINS]; /* no byte is zero */
static const uint8_t zeroes[LONGEST_STRETCH];

void model_start(void)
{
        uint32_t x = 1;

        for (size_t i = 0; i < sizeof pattern; i++) {
                x = x * 1664525 + 1013904223;
                pattern[i] = (uint8_t)(x >> 24) | 1;
        }
}

/* ---- looking ---- */

static size_t lesser(size_t a, size_t b)
{
        return a < b ? a : b;
}

static size_t greater(size_t a, size_t b)
{
        return a > b ? a : b;
}

static void check_zero(const struct block *b, size_t from, size_t to)
{
        for (size_t i = from; i < to; i += LONGEST_STRETCH)
                expect(memcmp(b->at + i, zeroes, lesser(to - i, LONGEST_STRETCH)) == 0);
}

static void check_stretch(const struct block *b, const struct stretch *s)
{
        expect(s->to <= s->from || memcmp(b->at + s->from, s->bytes, s->to - s->from) == 0);
}

/* A gap between stretches: its ends wholly, and a grain here and there. */
static void check_gap(const struct block *b, size_t from, size_t to)
{
        size_t n = to > from ? to - from : 0, step = n / 16;

        if (n <= SAMPLED_FROM) {
                check_zero(b, from, to);
                return;
        }
        check_zero(b, from, from + SAMPLE);
        check_zero(b, to - SAMPLE, to);
        for (size_t i = from + SAMPLE; i + GRAIN < to - SAMPLE; i += step)
                check_zero(b, i, i + GRAIN);
}

void block_check(const struct block *b)
{
        bool has_piece = b->piece.to > b->piece.from;

        expect(keepmum_heap_usable_size(b->at) == b->n_bytes);
        expect((uintptr_t)b->at % b->alignment == 0);
        check_stretch(b, &b->head);
        check_stretch(b, &b->piece);
        check_gap(b, b->head.to, has_piece ? b->piece.from : b->n_bytes);
        if (has_piece)
                check_gap(b, b->piece.to, b->n_bytes);
}

bool block_overlaps(const struct block *b, const unsigned char *at, size_t n_bytes)
{
        size_t mine = greater(b->n_bytes, 1), other = greater(n_bytes, 1);

        return b->at != NULL && b->at < at + other && at < b->at + mine;
}

/* ---- changing ---- */

void block_begin(struct block *b, void *at, size_t n_bytes, size_t alignment)
{
        *b = (struct block){.at = at, .n_bytes = n_bytes, .alignment = greater(alignment, 16)};
        block_check(b);
}

static void cut(struct stretch *s, size_t n_bytes)
{
        s->to = lesser(s->to, n_bytes);
        if (s->from >= s->to)
                *s = (struct stretch){0};
}

void block_move(struct block *b, void *at, size_t n_bytes)
{
        b->at = at;
        b->n_bytes = n_bytes;
        b->alignment = 16;
        cut(&b->head, n_bytes);
        cut(&b->piece, n_bytes);
        block_check(b);
}

static void wipe_stretch(struct block *b, struct stretch *s)
{
        memset(b->at + s->from, 0, s->to - s->from);
        *s = (struct stretch){0};
}

static void write_stretch(struct block *b, struct stretch *s, unsigned id, size_t from, size_t to)
{
        *s = (struct stretch){from, to, pattern + id * 61 % ORIGINS};
        memcpy(b->at + from, s->bytes, to - from);
}

void block_write_head(struct block *b, unsigned id, size_t n)
{
        n = lesser(lesser(n, b->n_bytes), LONGEST_STRETCH);
        wipe_stretch(b, &b->head);
        if (b->piece.from < n)
                wipe_stretch(b, &b->piece);
        if (n > 0)
                write_stretch(b, &b->head, id, 0, n);
}

void block_write_piece(struct block *b, unsigned id, size_t from, size_t n)
{
        from = greater(from, b->head.to);
        wipe_stretch(b, &b->piece);
        if (from < b->n_bytes && n > 0)
                write_stretch(b, &b->piece, id, from, from + lesser(lesser(n, LONGEST_STRETCH), b->n_bytes - from));
}

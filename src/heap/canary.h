/* Canaries: what stands in the unused rest of a block, the slack, from the first byte behind what was asked for.
 *
 * A canary is eight bytes that repeat up to the block's end. Always true: a slack of up to 8 bytes is filled with them; a longer
 * one holds them right behind the payload, and in its last eight bytes, where an underrun of the block above lands; what is
 * between stays zero. No byte of a canary is zero, so that a string's terminator written too far is seen. Written without a
 * branch: sizes are mixed, and a wrong guess costs more than the whole.
 *
 * The block's last byte is the first to be written and the last to be cleared: whoever looks at a block that another thread is just handing
 * out or taking back finds the canary's last byte there as long as anything of it is not zero. */
#ifndef HEAP_CANARY_H
#define HEAP_CANARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Random, from the kernel, once a process: set before the first block. */
extern uint64_t canary_keys[2];
void canary_start(void);

typedef uint64_t canary_word __attribute__((aligned(1), may_alias));

static inline uint64_t canary_of(const void *block)
{
        uint64_t mixed = ((uintptr_t)block ^ canary_keys[0]) * canary_keys[1];

        return (mixed ^ mixed >> 32) | 0x0101010101010101u;
}

/* By the slack, 8 for more: the bits of the block's last eight bytes that are canary. */
extern const uint64_t canary_masks[9]; /* of 0: all */

static inline uint64_t canary_mask(size_t slack)
{
        return canary_masks[slack < 8 ? slack : 8];
}

/* The eight bytes that stand distance bytes before the end, with the pattern's phase there; they may overlap the last eight. */
static inline uint64_t canary_turned(uint64_t canary, size_t distance)
{
        size_t turn = 8 * distance;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return canary << (turn & 63) | canary >> (-turn & 63);
#else
        return canary >> (turn & 63) | canary << (-turn & 63);
#endif
}

static inline size_t canary_distance(size_t slack)
{
        return slack < 8 ? 8 : slack;
}

/* block_bytes is a multiple of 16; the payload is its first block_bytes - slack, slack at least 1. The block's last eight bytes are
 * zero but for what is slack. */
static inline void canary_set_in_zero(void *block, size_t block_bytes, size_t slack)
{
        char *end = (char *)block + block_bytes;
        uint64_t canary = canary_of(block), mask = canary_mask(slack);
        size_t distance = canary_distance(slack);

        *(canary_word *)(end - 8) = canary & mask;
        __atomic_thread_fence(__ATOMIC_RELEASE);
        *(canary_word *)(end - distance) = canary_turned(canary, distance) & mask;
}

/* The same for a block in use. */
static inline void canary_set(void *block, size_t block_bytes, size_t slack)
{
        canary_word *last = (canary_word *)((char *)block + block_bytes - 8);
        uint64_t mask = canary_mask(slack), kept = *last & ~mask;

        if (slack > 8)
                canary_set_in_zero(block, block_bytes, slack);
        else
                *last = kept | (canary_of(block) & mask);
}

/* The last eight bytes only; for a slack of 0, a free block, they must be zero. */
static inline bool canary_end_is_sound(const void *block, size_t block_bytes, size_t slack)
{
        uint64_t found = *(const canary_word *)((const char *)block + block_bytes - 8);
        uint64_t canary = slack != 0 ? canary_of(block) : 0;

        return ((found ^ canary) & canary_mask(slack)) == 0;
}

/* Of a block that is not live: whether it may be on its way in or out. */
static inline bool canary_last_byte_stands(const void *block, size_t block_bytes)
{
        const unsigned char *end = (const unsigned char *)block + block_bytes;
        uint64_t canary = canary_of(block);

        return end[-1] == ((const unsigned char *)&canary)[7];
}

static inline bool canary_is_sound(const void *block, size_t block_bytes, size_t slack)
{
        const char *end = (const char *)block + block_bytes;
        uint64_t canary = canary_of(block), mask = canary_mask(slack);
        size_t distance = canary_distance(slack);
        uint64_t differs = *(const canary_word *)(end - 8) ^ canary;

        differs |= *(const canary_word *)(end - distance) ^ canary_turned(canary, distance);
        return (differs & mask) == 0;
}

#endif

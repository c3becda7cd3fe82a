/* The canaries' key: a copy of one canary found elsewhere says nothing of another block's. */
#include "heap/canary.h"

#include "os/random.h"

uint64_t canary_keys[2];

#define F(bytes) (~(uint64_t)0 >> (64 - 8 * (bytes)))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
const uint64_t canary_masks[9] = {~(uint64_t)0, ~F(7), ~F(6), ~F(5), ~F(4), ~F(3), ~F(2), ~F(1), ~(uint64_t)0};
#else
const uint64_t canary_masks[9] = {~(uint64_t)0, F(1), F(2), F(3), F(4), F(5), F(6), F(7), ~(uint64_t)0};
#endif

void canary_start(void)
{
        random_fill(canary_keys, sizeof canary_keys);
        canary_keys[1] |= 1;
}

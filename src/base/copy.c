/* Copying without vector registers.
 *
 * libc's memcpy moves through registers that nothing overwrites afterwards (zmm16 and up): a whole key then stands in every later
 * signal frame and in the register notes of a core. One word at a time through a general register leaves eight bytes, and
 * those only until its next use. The accesses are volatile so that no compiler makes vectors of them. */
#include "base/copy.h"

#include <stdint.h>

struct word {
        uint64_t value;
} __attribute__((packed, may_alias));

static void copy_up(unsigned char *to, const unsigned char *from, size_t n_bytes)
{
        for (; n_bytes >= sizeof(struct word); n_bytes -= sizeof(struct word)) {
                ((volatile struct word *)(void *)to)->value = ((const volatile struct word *)(const void *)from)->value;
                to += sizeof(struct word);
                from += sizeof(struct word);
        }
        for (; n_bytes > 0; n_bytes--)
                *(volatile unsigned char *)to++ = *(const volatile unsigned char *)from++;
}

/* From the end, for a target that begins within the source. */
static void copy_down(unsigned char *to, const unsigned char *from, size_t n_bytes)
{
        for (; n_bytes >= sizeof(struct word); n_bytes -= sizeof(struct word))
                ((volatile struct word *)(void *)(to + n_bytes - sizeof(struct word)))->value =
                        ((const volatile struct word *)(const void *)(from + n_bytes - sizeof(struct word)))->value;
        for (; n_bytes > 0; n_bytes--)
                *(volatile unsigned char *)(to + n_bytes - 1) = *(const volatile unsigned char *)(from + n_bytes - 1);
}

void copy_bytes(void *to, const void *from, size_t n_bytes)
{
        if ((uintptr_t)to - (uintptr_t)from >= n_bytes)
                copy_up(to, from, n_bytes);
        else
                copy_down(to, from, n_bytes);
}

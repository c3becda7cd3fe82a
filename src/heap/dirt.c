/* The bits of heap/dirt.h. Neighbours share words, so changes are atomic; no order is needed, since each bit has one owner. */
#include "heap/dirt.h"

#include "heap/zero.h"
#include "os/page.h"

#include <string.h>

enum {
        WORD = 64,
        MOST = 128,         /* leaves that are looked at in one go */
        WORTH_DROPPING = 32 /* leaves for which a system call is not too dear */
};

/* The part of the word that first stands in which belongs to n leaves from there; *n_here is how many these are. */
static uint64_t mask_of(size_t first, size_t n_leaves, size_t *n_here)
{
        size_t shift = first % WORD;

        *n_here = n_leaves < WORD - shift ? n_leaves : WORD - shift;
        return ~(uint64_t)0 >> (WORD - *n_here) << shift;
}

static uint64_t word_of(const struct heap_range *r, size_t leaf)
{
        return __atomic_load_n(&r->dirt[leaf / WORD], __ATOMIC_RELAXED);
}

void dirt_set(const struct heap_range *r, size_t first, size_t n_leaves)
{
        for (size_t n; n_leaves > 0; first += n, n_leaves -= n) {
                uint64_t mask = mask_of(first, n_leaves, &n);

                if ((word_of(r, first) & mask) != mask)
                        __atomic_fetch_or(&r->dirt[first / WORD], mask, __ATOMIC_RELAXED);
        }
}

void dirt_clear(const struct heap_range *r, size_t first, size_t n_leaves)
{
        for (size_t n; n_leaves > 0; first += n, n_leaves -= n) {
                uint64_t mask = mask_of(first, n_leaves, &n);

                if ((word_of(r, first) & mask) != 0)
                        __atomic_fetch_and(&r->dirt[first / WORD], ~mask, __ATOMIC_RELAXED);
        }
}

size_t dirt_count(const struct heap_range *r, size_t first, size_t n_leaves)
{
        size_t count = 0;

        for (size_t n; n_leaves > 0; first += n, n_leaves -= n) {
                uint64_t mask = mask_of(first, n_leaves, &n);

                count += (size_t)__builtin_popcountll(word_of(r, first) & mask);
        }
        return count;
}

size_t dirt_stretch(const struct heap_range *r, size_t first, size_t n_leaves, bool *is_dirty)
{
        size_t length = 0;

        *is_dirty = (word_of(r, first) >> first % WORD & 1) != 0;
        for (size_t n; n_leaves > 0; first += n, n_leaves -= n) {
                uint64_t mask = mask_of(first, n_leaves, &n);
                uint64_t other = (*is_dirty ? ~word_of(r, first) : word_of(r, first)) & mask;

                if (other != 0)
                        return length + (size_t)__builtin_ctzll(other) - first % WORD;
                length += n;
        }
        return length;
}

/* ---- the leaves' bytes ---- */

/* residents[i]: whether the kernel holds memory for leaf i; 1 where that is not known. */
static void find_residents(unsigned char residents[static MOST], void *at, size_t n_leaves)
{
        if (page_bytes() != HEAP_LEAF || !page_find_residents(residents, at, n_leaves * HEAP_LEAF))
                memset(residents, 1, n_leaves);
}

static size_t same_residence(const unsigned char *residents, size_t n_leaves)
{
        size_t n = 1;

        while (n < n_leaves && ((residents[n] ^ residents[0]) & 1) == 0)
                n++;
        return n;
}

/* Looks at clean leaves only where somebody has touched them since: looking elsewhere would make the kernel find memory. */
static bool clean_hold_zero(void *at, size_t n_leaves)
{
        unsigned char residents[MOST];

        find_residents(residents, at, n_leaves);
        for (size_t i = 0, n; i < n_leaves; i += n) {
                n = same_residence(residents + i, n_leaves - i);
                if ((residents[i] & 1) != 0 && !zero_holds((char *)at + i * HEAP_LEAF, n * HEAP_LEAF))
                        return false;
        }
        return true;
}

bool dirt_holds_zero(const struct heap_range *r, void *at, size_t n_leaves)
{
        size_t first = ((uintptr_t)at - r->base) / HEAP_LEAF;

        for (size_t i = 0, n; i < n_leaves; i += n) {
                char *part = (char *)at + i * HEAP_LEAF;
                bool is_dirty;

                n = dirt_stretch(r, first + i, n_leaves - i < MOST ? n_leaves - i : MOST, &is_dirty);
                if (!(is_dirty ? zero_holds(part, n * HEAP_LEAF) : clean_hold_zero(part, n)))
                        return false;
        }
        return true;
}

/* Leaves without memory may be swapped out: these are dropped, which leaves them clean, if they are many. A few are cleared like the
 * others, which costs memory once, but no system calls each time they are used again. */
static void clear_clean(const struct heap_range *r, size_t first, size_t n_leaves)
{
        unsigned char residents[MOST];
        char *at = (char *)r->base + first * HEAP_LEAF;

        find_residents(residents, at, n_leaves);
        for (size_t i = 0, n; i < n_leaves; i += n) {
                n = same_residence(residents + i, n_leaves - i);
                if ((residents[i] & 1) == 0 && n >= WORTH_DROPPING && page_discard(at + i * HEAP_LEAF, n * HEAP_LEAF))
                        continue;
                dirt_set(r, first + i, n);
                zero_clear(at + i * HEAP_LEAF, n * HEAP_LEAF);
        }
}

void dirt_wipe(const struct heap_range *r, void *at, size_t n_bytes)
{
        size_t first = ((uintptr_t)at - r->base) / HEAP_LEAF, n_leaves = (n_bytes + HEAP_LEAF - 1) / HEAP_LEAF;

        for (size_t i = 0, n; i < n_leaves; i += n) {
                size_t rest = n_bytes - i * HEAP_LEAF;
                bool is_dirty;

                n = dirt_stretch(r, first + i, n_leaves - i < MOST ? n_leaves - i : MOST, &is_dirty);
                if (is_dirty)
                        zero_clear((char *)at + i * HEAP_LEAF, rest < n * HEAP_LEAF ? rest : n * HEAP_LEAF);
                else
                        clear_clean(r, first + i, n);
        }
}

/* What the death table does to a block before the call that finds it out. */
#include "outside/heap_misuses.h"

#include "outside/heap_blocks.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { GROUP = 200 };

#define ACT(name) char *misuse_##name(char *p __attribute__((unused)), size_t n_bytes __attribute__((unused)))

ACT(nothing)
{
        return p;
}

ACT(free_it)
{
        keepmum_heap_free(p);
        return blind(p);
}

ACT(free_and_allocate_another_size)
{
        misuse_free_it(p, n_bytes);
        for (size_t i = 0; i < 100; i++)
                expect(keepmum_heap_malloc(n_bytes < 16384 ? 5 * n_bytes : 24) != NULL);
        return p;
}

/* Without a free in between the quarantine keeps it. */
ACT(free_and_allocate_the_same_size)
{
        misuse_free_it(p, n_bytes);
        for (size_t i = 0; i < 100; i++)
                expect(usual_block(n_bytes) != p);
        return p;
}

/* Where the new block took the place of the old one, the second free of the old is the first of the new: then it ends
 * at that of the new. */
ACT(free_twice_around_an_allocation)
{
        char *q;

        misuse_free_it(p, n_bytes);
        q = usual_block(n_bytes);
        if (q == p)
                keepmum_heap_free(p);
        return p;
}

static void *free_elsewhere(void *p)
{
        keepmum_heap_free(p);
        return NULL;
}

ACT(free_in_another_thread)
{
        in_another_thread(free_elsewhere, p);
        return blind(p);
}

ACT(move_away)
{
        char *q = keepmum_heap_realloc(p, 3 * n_bytes), *old = blind(p);

        expect(q != NULL);
        if (q == old) /* it could grow where it was */
                return misuse_free_it(q, n_bytes);
        return old;
}

ACT(step_1)
{
        return p + 1;
}

ACT(step_16)
{
        return p + 16;
}

ACT(step_back_16)
{
        return p - 16;
}

ACT(step_to_a_page_within)
{
        expect(n_bytes > 100000);
        return p + 65536;
}

ACT(stack_address)
{
        return blind((char *)((uintptr_t)&p & ~(uintptr_t)15));
}

ACT(global_address)
{
        static char global[4096] __attribute__((aligned(64)));

        return blind(global);
}

ACT(code_address)
{
        return (char *)((uintptr_t)misuse_free_it & ~(uintptr_t)15);
}

ACT(foreign_mapping)
{
        p = mmap(NULL, n_bytes + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return p;
}

ACT(block_of_libc)
{
        return blind(malloc(n_bytes));
}

ACT(wild_low)
{
        return (char *)(uintptr_t)16;
}

ACT(wild_high)
{
        return (char *)(uintptr_t)0xfffffffffffffff0;
}

ACT(wild_letters)
{
        return (char *)(uintptr_t)0x4141414141414140;
}

ACT(far_above)
{
        return p + ((uintptr_t)1 << 40);
}

/* ---- neighbours ---- */

static int by_address(const void *a, const void *b)
{
        uintptr_t one = (uintptr_t)*(char *const *)a, other = (uintptr_t)*(char *const *)b;

        return (one > other) - (one < other);
}

/* As many of them as it takes to see how far apart they stand; sorted. */
static size_t take_group(char *group[GROUP], size_t n_bytes)
{
        size_t n = n_bytes < 16384 ? GROUP : 8, nearest = SIZE_MAX;

        for (size_t i = 0; i < n; i++)
                group[i] = usual_block(n_bytes);
        qsort(group, n, sizeof *group, by_address);
        for (size_t i = 1; i < n; i++)
                if ((size_t)(group[i] - group[i - 1]) < nearest)
                        nearest = (size_t)(group[i] - group[i - 1]);
        return nearest;
}

static struct {
        char *lower, *upper;
} pair;

static void take_pair(size_t n_bytes)
{
        char *group[GROUP];
        size_t nearest = take_group(group, n_bytes);

        for (size_t i = 1; pair.upper == NULL; i++)
                if ((size_t)(group[i] - group[i - 1]) == nearest) {
                        pair.lower = group[i - 1];
                        pair.upper = group[i];
                }
}

/* A slot between two of them, or behind one, that is none of them and not p. */
ACT(neighbour_never_given)
{
        char *group[GROUP];
        size_t nearest = take_group(group, n_bytes);

        for (size_t i = 0; i < GROUP - 1; i++) {
                char *next = group[i] + nearest;

                if (next != group[i + 1] && next != p && (uintptr_t)next / 65536 == (uintptr_t)group[i] / 65536)
                        return next;
        }
        return group[GROUP - 1] + nearest != p ? group[GROUP - 1] + nearest : p + nearest;
}

/* ---- writes ---- */

/* Every byte becomes another. */
static void flip(volatile char *at, size_t n_bytes)
{
        while (n_bytes-- > 0)
                *at++ ^= 0x5a;
}

ACT(overrun_by_1)
{
        flip(p + n_bytes, 1);
        return p;
}

ACT(overrun_by_8)
{
        flip(p + n_bytes, 8);
        return p;
}

ACT(overrun_by_64)
{
        flip(p + n_bytes, 64);
        return p;
}

ACT(copy_a_string_one_too_long)
{
        char *s = mmap(NULL, n_bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        memset(s, 'x', n_bytes);
        strcpy(p, s);
        return p;
}

ACT(overrun_to_the_page_after_the_last)
{
        flip(p + (n_bytes + page()) / page() * page(), 1);
        return p;
}

ACT(overrun_after_a_resize)
{
        p = keepmum_heap_realloc(p, n_bytes - 5);
        expect(p != NULL);
        flip(p + n_bytes - 5, 1);
        return p;
}

static char *underrun_by(size_t n, size_t n_bytes)
{
        take_pair(n_bytes);
        flip(pair.upper - n, n);
        return pair.upper;
}

ACT(underrun_by_1)
{
        return underrun_by(1, n_bytes);
}

ACT(underrun_by_8)
{
        return underrun_by(8, n_bytes);
}

ACT(underrun_above_a_freed_one)
{
        take_pair(n_bytes);
        keepmum_heap_free(pair.lower);
        flip(pair.upper - 1, 1);
        return pair.upper;
}

ACT(underrun_itself_by_1)
{
        flip(p - 1, 1);
        return p;
}

/* The blocks above keep the break from moving down. */
static char *freed_between(size_t n_bytes)
{
        take_pair(n_bytes);
        memset(pair.lower, 'b', n_bytes);
        return misuse_free_it(pair.lower, n_bytes);
}

ACT(write_the_head_after_free)
{
        p = freed_between(n_bytes);
        flip(p, 1);
        return p;
}

ACT(write_the_middle_after_free)
{
        p = freed_between(n_bytes);
        flip(p + n_bytes / 2, 1);
        return p;
}

ACT(write_the_last_byte_after_free)
{
        p = freed_between(n_bytes);
        flip(p + n_bytes - 1, 1);
        return p;
}

ACT(write_behind_the_end_after_free)
{
        p = freed_between(n_bytes);
        flip(p + n_bytes, 1);
        return p;
}

/* As the list of a heap that keeps it there is forged: two pointers. */
ACT(write_two_pointers_after_free)
{
        uintptr_t links[2] = {(uintptr_t)&pair, (uintptr_t)&pair};

        p = freed_between(n_bytes);
        memcpy(p, links, sizeof links);
        return p;
}

/* Its pages were never written to before. */
ACT(write_after_free_where_nothing_was)
{
        take_pair(n_bytes);
        p = misuse_free_it(pair.lower, n_bytes);
        flip(p + n_bytes / 2, 1);
        return p;
}

ACT(write_after_a_free_in_another_thread)
{
        take_pair(n_bytes);
        memset(pair.lower, 'b', n_bytes);
        p = misuse_free_in_another_thread(pair.lower, n_bytes);
        flip(p + 1, 1);
        return p;
}

ACT(write_at_once_after_free)
{
        misuse_free_it(p, n_bytes);
        flip(p, 1);
        return p;
}

ACT(read_at_once_after_free)
{
        misuse_free_it(p, n_bytes);
        expect(*(volatile char *)p == 0);
        return p;
}

/* ---- forged book-keeping, in the bytes of a block ---- */

ACT(forge_a_chunk_of_glibc)
{
        size_t forged[] = {0, 0x31, 0, 0, 0, 0, 0, 0x21};

        memcpy(p, forged, n_bytes < sizeof forged ? n_bytes / 8 * 8 : sizeof forged);
        return p + 16;
}

ACT(forge_a_freed_chunk_behind)
{
        size_t forged[] = {0x20, 0x20, (uintptr_t)&pair, (uintptr_t)&pair};

        memcpy(p, forged, sizeof forged);
        return p + (n_bytes < 64 ? 32 : 48);
}

/* A slab of one class, a run's node, a count and a size, all that could make the place behind it look like a block. */
ACT(forge_a_descriptor)
{
        uint64_t forged[] = {(uintptr_t)p, (uintptr_t)p + 32, n_bytes, 0x0000000300000010};

        memcpy(p, forged, sizeof forged);
        return p + 32;
}

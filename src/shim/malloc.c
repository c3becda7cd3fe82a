/* The C library's malloc family over the heap, to preload or to link: libkeepmum-malloc.so.
 *
 * Each function means what it means in glibc, also where the heap's own means something else: realloc(p, 0) frees,
 * memalign() rounds an odd alignment up, posix_memalign() keeps errno. Nothing here keeps books or calls what allocates, so
 * that it works from the dynamic linker's first call to the last destructor. The heap's functions are called directly
 * (-Bsymbolic-functions): malloc() and free() are one jump.
 *
 * With KEEPMUM_HEAP_CHECK in the environment (not empty, not 0) the whole heap is checked when the program exits. This only
 * ever adds a check; a program with more rights than its caller does not look. _exit() and a death by signal pass it by. */
#include "base/fatal.h"
#include "heap/misuse.h"
#include "os/brk.h"
#include "os/page.h"

#include <errno.h>
#include <keepmum_heap.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

/* Newer than some C libraries, or gone from them: programs that were linked then still call cfree(). */
void free_sized(void *block, size_t n_bytes);
void free_aligned_sized(void *block, size_t alignment, size_t n_bytes);
void cfree(void *block);

static bool is_power_of_two(size_t n)
{
        return n != 0 && (n & (n - 1)) == 0;
}

static void *no_memory(void)
{
        errno = ENOMEM;
        return NULL;
}

/* ---- to allocate ---- */

EXPORTED void *malloc(size_t n_bytes)
{
        return keepmum_heap_malloc(n_bytes);
}

EXPORTED void *calloc(size_t n_members, size_t member_bytes)
{
        return keepmum_heap_calloc(n_members, member_bytes);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t n_bytes)
{
        return keepmum_heap_aligned_alloc(alignment, n_bytes);
}

EXPORTED int posix_memalign(void **block, size_t alignment, size_t n_bytes)
{
        int saved_errno = errno;
        void *p;

        if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
                return EINVAL;
        p = keepmum_heap_aligned_alloc(alignment, n_bytes);
        errno = saved_errno;
        if (p == NULL)
                return ENOMEM;
        *block = p;
        return 0;
}

EXPORTED void *memalign(size_t alignment, size_t n_bytes)
{
        size_t rounded = 16;

        if (alignment > SIZE_MAX / 2 + 1) {
                errno = EINVAL;
                return NULL;
        }
        while (rounded < alignment)
                rounded *= 2;
        return keepmum_heap_aligned_alloc(rounded, n_bytes);
}

EXPORTED void *valloc(size_t n_bytes)
{
        return keepmum_heap_aligned_alloc(page_bytes(), n_bytes);
}

EXPORTED void *pvalloc(size_t n_bytes)
{
        size_t page = page_bytes();

        if (n_bytes > SIZE_MAX - (page - 1))
                return no_memory();
        return keepmum_heap_aligned_alloc(page, (n_bytes + page - 1) & ~(page - 1));
}

/* ---- to resize ---- */

EXPORTED void *realloc(void *block, size_t n_bytes)
{
        if (__builtin_expect(n_bytes == 0 && block != NULL, 0)) {
                keepmum_heap_free(block);
                return NULL;
        }
        return keepmum_heap_realloc(block, n_bytes);
}

EXPORTED void *reallocarray(void *block, size_t n_members, size_t member_bytes)
{
        size_t n_bytes;

        if (__builtin_mul_overflow(n_members, member_bytes, &n_bytes))
                return no_memory();
        return realloc(block, n_bytes);
}

EXPORTED size_t malloc_usable_size(void *block)
{
        return keepmum_heap_usable_size(block);
}

/* ---- to free ---- */

EXPORTED void free(void *block)
{
        keepmum_heap_free(block);
}

EXPORTED void cfree(void *block)
{
        keepmum_heap_free(block);
}

EXPORTED void free_sized(void *block, size_t n_bytes)
{
        must(block == NULL || keepmum_heap_usable_size(block) == n_bytes, HEAP_FREE_WRONG_SIZE);
        keepmum_heap_free(block);
}

EXPORTED void free_aligned_sized(void *block, size_t alignment, size_t n_bytes)
{
        must(block == NULL || (is_power_of_two(alignment) && (uintptr_t)block % alignment == 0), HEAP_FREE_WRONG_SIZE);
        free_sized(block, n_bytes);
}

/* ---- the check at exit ---- */

static bool is_check_wanted;

/* At the start: a program may write over its environment later. Nobody else's malloc moves the break from now on. */
static __attribute__((constructor)) void start(void)
{
        const char *wish = secure_getenv("KEEPMUM_HEAP_CHECK");

        brk_has_one_user = true;
        is_check_wanted = wish != NULL && strcmp(wish, "") != 0 && strcmp(wish, "0") != 0;
}

/* A destructor runs behind all that the program asked of atexit(). */
static __attribute__((destructor)) void check_at_exit(void)
{
        if (is_check_wanted)
                keepmum_heap_check();
}

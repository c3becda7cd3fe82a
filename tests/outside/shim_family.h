/* The malloc family of a preloaded libkeepmum-malloc.so, for tests: called through addresses of dlsym(), so that the compiler
 * believes nothing of the functions. HEAP_SHIM is the library's path; a program that is not started with it starts itself anew. */
#ifndef TESTS_OUTSIDE_SHIM_FAMILY_H
#define TESTS_OUTSIDE_SHIM_FAMILY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define n_of(array) (sizeof(array) / sizeof *(array))
#define KIB(n) ((size_t)(n) * 1024)

static struct {
        void *(*malloc)(size_t);
        void *(*calloc)(size_t, size_t);
        void *(*realloc)(void *, size_t);
        void *(*reallocarray)(void *, size_t, size_t);
        void (*free)(void *);
        void (*cfree)(void *);
        void (*free_sized)(void *, size_t);
        void (*free_aligned_sized)(void *, size_t, size_t);
        int (*posix_memalign)(void **, size_t, size_t);
        void *(*aligned_alloc)(size_t, size_t);
        void *(*memalign)(size_t, size_t);
        void *(*valloc)(size_t);
        void *(*pvalloc)(size_t);
        size_t (*malloc_usable_size)(void *);
        struct mallinfo (*mallinfo)(void);
        struct mallinfo2 (*mallinfo2)(void);
        int (*malloc_trim)(size_t);
        int (*mallopt)(int, int);
        void (*malloc_stats)(void);
        int (*malloc_info)(int, FILE *);
} shim;

static const struct {
        const char *name;
        size_t offset;
} family[] = {
#define MEMBER(name) {#name, offsetof(__typeof__(shim), name)}
        MEMBER(malloc), MEMBER(calloc), MEMBER(realloc), MEMBER(reallocarray), MEMBER(free), MEMBER(cfree), MEMBER(free_sized),
        MEMBER(free_aligned_sized), MEMBER(posix_memalign), MEMBER(aligned_alloc), MEMBER(memalign), MEMBER(valloc), MEMBER(pvalloc),
        MEMBER(malloc_usable_size), MEMBER(mallinfo), MEMBER(mallinfo2), MEMBER(malloc_trim), MEMBER(mallopt), MEMBER(malloc_stats),
        MEMBER(malloc_info),
#undef MEMBER
};

static const char *library; /* HEAP_SHIM */

static inline void find_family(void)
{
        for (size_t i = 0; i < n_of(family); i++) {
                void *address = dlsym(RTLD_DEFAULT, family[i].name);

                memcpy((char *)&shim + family[i].offset, &address, sizeof address);
        }
}

static inline bool is_zero(const void *p, size_t n_bytes)
{
        const unsigned char *bytes = p;

        while (n_bytes > 0 && bytes[n_bytes - 1] == 0)
                n_bytes--;
        return n_bytes == 0;
}

static inline bool is_aligned(const void *p, size_t alignment)
{
        return p != NULL && (uintptr_t)p % alignment == 0;
}

/* It is all there: zero, as large as asked for, and can be written and freed. */
static inline void assert_block(void *p, size_t alignment, size_t n_bytes)
{
        assert_true(is_aligned(p, alignment));
        assert_int_equal(shim.malloc_usable_size(p), n_bytes);
        assert_true(is_zero(p, n_bytes));
        memset(p, 0xa5, n_bytes);
        shim.free(p);
}

/* To be called first: returns in a process that has the library preloaded, and has found it. */
static inline void shim_start(char *const words[])
{
        const char *preloaded = getenv("LD_PRELOAD");

        library = getenv("HEAP_SHIM");
        if (library == NULL || library[0] != '/') {
                fprintf(stderr, "HEAP_SHIM must be the absolute path of libkeepmum-malloc.so\n");
                exit(1);
        }
        if (preloaded == NULL || strcmp(preloaded, library) != 0) {
                setenv("LD_PRELOAD", library, 1);
                execv("/proc/self/exe", words);
                perror("exec");
                exit(1);
        }
        find_family();
        alarm(120);
}

#endif

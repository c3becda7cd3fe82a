/* What the tests of large and of guarded blocks share: the kernel's calls, which may be made to fail (linked with --wrap), and looking
 * at blocks. */
#ifndef TESTS_UNIT_HEAP_LARGE_TESTING_H
#define TESTS_UNIT_HEAP_LARGE_TESTING_H

#include "unit/harness.h"

#include "base/size.h"
#include "heap/canary.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/zero.h"
#include "os/page.h"
#include "outside/forked.h"
#include "outside/wrapped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* ---- the calls: one of them fails, or all from it on ---- */

static __thread long countdown = -1;
static __thread bool is_lasting, has_fired;
static __thread const char *only; /* this call; NULL: any */
static __thread const char *fired; /* the call that failed last */

static inline bool fails(const char *name)
{
        if (countdown < 0 || (only != NULL && strcmp(name, only) != 0) || --countdown >= 0)
                return false;
        has_fired = true;
        fired = name;
        countdown = is_lasting ? 0 : -1;
        errno = ENOMEM;
        return true;
}

WRAP(void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t offset), (at, n, prot, flags, fd, offset), MAP_FAILED)

void *__real_mremap(void *at, size_t n, size_t to_n, int flags, void *to);
void *__wrap_mremap(void *at, size_t n, size_t to_n, int flags, void *to);
void *__wrap_mremap(void *at, size_t n, size_t to_n, int flags, void *to)
{
        return fails("mremap") ? MAP_FAILED : __real_mremap(at, n, to_n, flags, to);
}

WRAP(int, mprotect, (void *at, size_t n, int prot), (at, n, prot), -1)
WRAP(int, munmap, (void *at, size_t n), (at, n), -1)
WRAP(int, madvise, (void *at, size_t n, int advice), (at, n, advice), -1)
WRAP(int, mincore, (void *at, size_t n, unsigned char *vec), (at, n, vec), -1)

static inline void fail_from(long n_calls, bool is_lasting_now)
{
        countdown = n_calls;
        is_lasting = is_lasting_now;
        has_fired = false;
}

/* ---- looking ---- */

/* A step that meets each page, and no two at the same place. */
enum { STEP = 1021 };

static inline bool holds(const unsigned char *p, unsigned seed, size_t from, size_t to)
{
        for (size_t i = from; i < to; i += STEP)
                if (p[i] != byte_of(seed, i))
                        return false;
        return to == from || p[to - 1] == byte_of(seed, to - 1);
}

static inline void fill(unsigned char *p, unsigned seed, size_t from, size_t to)
{
        for (size_t i = from; i < to; i++)
                p[i] = byte_of(seed, i);
}

static inline bool is_zero(const unsigned char *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (p[i] != 0)
                        return false;
        return true;
}

static inline size_t open_bytes_of(size_t n_bytes)
{
        return size_round_up(n_bytes == 0 ? 1 : n_bytes, page());
}

/* The kernel's word for it, without a fault. Scribbles on what is open. */
static inline bool is_closed(const void *p)
{
        return !page_probe_writable((void *)(uintptr_t)p);
}

static inline bool is_fenced(const unsigned char *p, size_t n_bytes)
{
        return is_closed(p - 1) && is_closed(p - page()) && is_closed(p + open_bytes_of(n_bytes)) &&
               is_closed(p + open_bytes_of(n_bytes) + page() - 1);
}

static inline unsigned char *make(size_t n_bytes)
{
        unsigned char *p = large_allocate(n_bytes, 16);

        if (p == NULL) {
                fprintf(stderr, "no memory for %zu bytes\n", n_bytes);
                _exit(97);
        }
        return p;
}

static inline struct large_counts counts(void)
{
        struct large_counts c;

        large_count(&c);
        return c;
}

/* Pages: all addresses, or those in memory. No stdio: it would change them. */
static inline long statm(unsigned field)
{
        char text[256] = "", *p = text;
        int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
        long value = 0;

        if (read(fd, text, sizeof text - 1) > 0)
                for (unsigned i = 0; i <= field; i++)
                        value = strtol(p, &p, 10);
        close(fd);
        return value;
}

static inline int heap_large_testing_start(void **unused)
{
        (void)unused;
        canary_start();
        zero_start();
        return 0;
}

#define MAIN_OF_LARGE_TESTS                                                                             \
        int main(void)                                                                                  \
        {                                                                                               \
                return cmocka_run_group_tests(tests, heap_large_testing_start, NULL) != 0 ? 1 : 0;      \
        }

#endif

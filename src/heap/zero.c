/* Looking at memory that must be zero, with the widest registers that the processor has: for a long block this look is half of
 * what the heap adds to a program's own work. */
#include "heap/zero.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

static bool holds_by_16(const void *at, size_t n_bytes)
{
        const zero_vector *v = at;
        size_t n = n_bytes / sizeof *v, i = 0;

        for (; i + 8 <= n; i += 8) {
                zero_vector found = v[i] | v[i + 1] | v[i + 2] | v[i + 3] | v[i + 4] | v[i + 5] | v[i + 6] | v[i + 7];

                if (found[0] | found[1])
                        return false;
        }
        for (; i < n; i++)
                if (v[i][0] | v[i][1])
                        return false;
        return true;
}

#ifdef __x86_64__
typedef long long wide_vector __attribute__((vector_size(32), aligned(16), may_alias));

__attribute__((target("avx2"))) static bool holds_by_32(const void *at, size_t n_bytes)
{
        const wide_vector *v = at;
        size_t n = n_bytes / sizeof *v / 8 * 8;

        for (size_t i = 0; i < n; i += 8) {
                wide_vector found = v[i] | v[i + 1] | v[i + 2] | v[i + 3] | v[i + 4] | v[i + 5] | v[i + 6] | v[i + 7];

                if (!_mm256_testz_si256((__m256i)found, (__m256i)found))
                        return false;
        }
        return holds_by_16(v + n, n_bytes - n * sizeof *v);
}

static bool has_avx2;

void zero_start(void)
{
        __builtin_cpu_init();
        has_avx2 = __builtin_cpu_supports("avx2") > 0;
}

bool zero_holds(const void *at, size_t n_bytes)
{
        return has_avx2 ? holds_by_32(at, n_bytes) : holds_by_16(at, n_bytes);
}
#else
void zero_start(void)
{
}

bool zero_holds(const void *at, size_t n_bytes)
{
        return holds_by_16(at, n_bytes);
}
#endif

bool zero_holds_between(const char *from, const char *to)
{
        size_t n;

        for (; from < to && (uintptr_t)from % 16 != 0; from++)
                if (*from != 0)
                        return false;
        if (from >= to)
                return true;
        n = (size_t)(to - from) / 16 * 16;
        if (!zero_holds(from, n))
                return false;
        for (from += n; from < to; from++)
                if (*from != 0)
                        return false;
        return true;
}

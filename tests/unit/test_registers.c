/* Vector registers after registers_wipe(): filled and looked at by hand, since a compiler keeps nothing there across a
 * call. */
#include "unit/harness.h"

#include "base/registers.h"

#if defined __x86_64__
#include <xmmintrin.h>

enum { FILL = 0x5a, SSE_BYTES = 16, AVX512_BYTES = 64 };

static size_t count_filled(const unsigned char *bytes, size_t n_bytes)
{
        size_t n = 0;

        for (size_t i = 0; i < n_bytes; i++)
                n += bytes[i] != 0;
        return n;
}

static void vector_registers_are_zero_afterwards(void **state)
{
        unsigned char bytes[2 * SSE_BYTES], from[SSE_BYTES];

        (void)state;
        memset(from, FILL, sizeof from);
        memset(bytes, FILL, sizeof bytes);
        __asm__ volatile("movdqu (%0), %%xmm2\n\tmovdqu (%0), %%xmm15" : : "r"(from) : "xmm2", "xmm15");
        registers_wipe();
        __asm__ volatile("movdqu %%xmm2, (%0)\n\tmovdqu %%xmm15, 16(%0)" : : "r"(bytes) : "memory");
        assert_int_equal(count_filled(bytes, sizeof bytes), 0);
}

/* vzeroall does not reach these. */
static void so_are_those_that_only_avx512_has(void **state)
{
        unsigned char bytes[2 * AVX512_BYTES], from[AVX512_BYTES];

        (void)state;
        if (!__builtin_cpu_supports("avx512f"))
                return;
        memset(from, FILL, sizeof from);
        memset(bytes, FILL, sizeof bytes);
        __asm__ volatile("vmovdqu64 (%0), %%zmm7\n\tvmovdqu64 (%0), %%zmm16" : : "r"(from) : "xmm7");
        registers_wipe();
        __asm__ volatile("vmovdqu64 %%zmm7, (%0)\n\tvmovdqu64 %%zmm16, 64(%0)" : : "r"(bytes) : "memory");
        assert_int_equal(count_filled(bytes, sizeof bytes), 0);
}

static void the_rounding_mode_is_kept(void **state)
{
        unsigned before = _mm_getcsr();

        (void)state;
        _mm_setcsr(before | _MM_ROUND_TOWARD_ZERO);
        registers_wipe();
        assert_int_equal(_mm_getcsr() & _MM_ROUND_MASK, _MM_ROUND_TOWARD_ZERO);
        _mm_setcsr(before);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_registers_are_zero_afterwards),
        cmocka_unit_test(so_are_those_that_only_avx512_has),
        cmocka_unit_test(the_rounding_mode_is_kept),
};

#else

static void computing_goes_on_afterwards(void **state)
{
        volatile double third = 1.0;

        (void)state;
        registers_wipe();
        third /= 3;
        assert_true(third > 0.3 && third < 0.4);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(computing_goes_on_afterwards),
};

#endif

MAIN_OF_TESTS

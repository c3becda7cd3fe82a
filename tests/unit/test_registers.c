/* Registers after registers_wipe(): filled and looked at by hand, since a compiler keeps nothing there across a
 * call. */
#include "unit/harness.h"

#include "base/registers.h"

#if defined __x86_64__
#include <sys/mman.h>
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

static void so_are_masks(void **state)
{
        uint64_t masks[2] = {1, 1};

        (void)state;
        if (!__builtin_cpu_supports("avx512bw"))
                return;
        __asm__ volatile("kmovq %0, %%k1\n\tkmovq %0, %%k7" : : "r"(0x5a5a5a5a5a5a5a5aull));
        registers_wipe();
        __asm__ volatile("kmovq %%k1, %%rax\n\tmov %%rax, (%0)\n\tkmovq %%k7, %%rax\n\tmov %%rax, 8(%0)" : : "r"(masks) : "rax", "memory");
        assert_int_equal(masks[0] | masks[1], 0);
}

/* MMX registers are the lower parts of x87's. */
static void so_are_those_of_x87(void **state)
{
        uint64_t fill = 0x5a5a5a5a5a5a5a5a, seen[2] = {1, 1};

        (void)state;
        __asm__ volatile("movq %0, %%mm0\n\tmovq %0, %%mm7\n\temms" : : "m"(fill));
        registers_wipe();
        __asm__ volatile("movq %%mm0, %0\n\tmovq %%mm7, %1\n\temms" : "=m"(seen[0]), "=m"(seen[1]));
        assert_int_equal(seen[0] | seen[1], 0);
}

/* All that a function may change (System V ABI, 3.2.1), rax too: there is no result. */
static void so_are_general_registers(void **state)
{
        uint64_t seen[9];

        (void)state;
        memset(seen, FILL, sizeof seen);
        __asm__ volatile("mov %0, %%r12\n\t"
                         "mov %%rsp, %%rbx\n\t"
                         "sub $256, %%rsp\n\t"
                         "and $-16, %%rsp\n\t"
                         "movabs $0x5a5a5a5a5a5a5a5a, %%rax\n\t"
                         ".irp r,rcx,rdx,rsi,rdi,r8,r9,r10,r11\n\t"
                         "mov %%rax, %%\\r\n\t"
                         ".endr\n\t"
                         "call registers_wipe\n\t"
                         "mov %%rbx, %%rsp\n\t"
                         ".irp r,rax,rcx,rdx,rsi,rdi,r8,r9,r10,r11\n\t"
                         "mov %%\\r, (%%r12)\n\t"
                         "add $8, %%r12\n\t"
                         ".endr"
                         : : "r"(seen)
                         : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "memory", "cc");
        assert_int_equal(count_filled((const unsigned char *)seen, sizeof seen), 0);
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

static void so_is_the_precision_of_x87(void **state)
{
        uint16_t before, low = 0x7f, after;

        (void)state;
        __asm__ volatile("fnstcw %0\n\tfldcw %1" : "=m"(before) : "m"(low));
        registers_wipe();
        __asm__ volatile("fnstcw %0\n\tfldcw %1" : "=m"(after) : "m"(before));
        assert_int_equal(after, low);
}

/* The CPU must not find that it would reach past the end of the stack. */
static void a_stack_that_ends_close_by_is_no_fault(void **state)
{
        unsigned char *top = mmap(NULL, 4 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        (void)state;
        assert_ptr_not_equal(top, MAP_FAILED);
        assert_ok(munmap(top + 3 * page(), page()));
        __asm__ volatile("mov %%rsp, %%rbx\n\t"
                         "mov %0, %%rsp\n\t"
                         "call registers_wipe\n\t"
                         "mov %%rbx, %%rsp"
                         : : "r"(top + 3 * page())
                         : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
        munmap(top, 3 * page());
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_registers_are_zero_afterwards),
        cmocka_unit_test(so_are_those_that_only_avx512_has),
        cmocka_unit_test(so_are_masks),
        cmocka_unit_test(so_are_those_of_x87),
        cmocka_unit_test(so_are_general_registers),
        cmocka_unit_test(the_rounding_mode_is_kept),
        cmocka_unit_test(so_is_the_precision_of_x87),
        cmocka_unit_test(a_stack_that_ends_close_by_is_no_fault),
};

#elif defined __aarch64__

#include <sys/auxv.h>

enum { FILL = 0x5a, VECTOR_BYTES = 16, VECTORS = 32, GENERAL = 18 };

/* Fills what a function may change, calls, and stores what is there then. x19 to x21 are kept by the call (AAPCS64, 6.1.1), so they
 * hold what this needs afterwards; d8 is the caller's, its upper half is not. */
static void wipe_filled(unsigned char *vectors, uint64_t *general, uint64_t *kept)
{
        __asm__ volatile("mov x19, %0\n\t"
                         "mov x20, %1\n\t"
                         "mov x21, %2\n\t"
                         ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
                         "movi v\\n\\().16b, #0x5a\n\t"
                         ".endr\n\t"
                         "fmov x0, d8\n\t"
                         ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n\t"
                         "mov x\\n, x0\n\t"
                         ".endr\n\t"
                         "bl registers_wipe\n\t"
                         ".irp n,0,2,4,6,8,10,12,14,16\n\t"
                         "str x\\n, [x20], #16\n\t"
                         ".endr\n\t"
                         "sub x20, x20, #136\n\t"
                         ".irp n,1,3,5,7,9,11,13,15,17\n\t"
                         "str x\\n, [x20], #16\n\t"
                         ".endr\n\t"
                         "str d8, [x21]\n\t"
                         ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
                         "str q\\n, [x19], #16\n\t"
                         ".endr"
                         : : "r"(vectors), "r"(general), "r"(kept)
                         : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                           "x19", "x20", "x21", "x30", "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
                           "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28",
                           "v29", "v30", "v31");
}

static void registers_that_a_function_may_change_are_zero_afterwards(void **state)
{
        unsigned char vectors[VECTORS * VECTOR_BYTES];
        uint64_t general[GENERAL + 1], kept = 0;

        (void)state;
        memset(vectors, FILL, sizeof vectors);
        memset(general, FILL, sizeof general);
        wipe_filled(vectors, general, &kept);
        assert_int_equal(kept, 0x5a5a5a5a5a5a5a5aull);
        for (size_t i = 0; i < GENERAL; i++)
                assert_int_equal(general[i], 0);
        for (size_t i = 0; i < sizeof vectors; i++) {
                bool is_callers = i / VECTOR_BYTES >= 8 && i / VECTOR_BYTES < 16 && i % VECTOR_BYTES < 8;

                assert_int_equal(vectors[i], is_callers ? FILL : 0);
        }
}

/* SVE: the first predicate, and the rest of a long vector, seen by the predicate that is true everywhere. */
static void so_are_those_of_sve(void **state)
{
        unsigned char seen[256], predicate[32];

        (void)state;
        if ((getauxval(AT_HWCAP) & (1ul << 22)) == 0)
                return;
        memset(seen, FILL, sizeof seen);
        memset(predicate, FILL, sizeof predicate);
        __asm__ volatile(".arch_extension sve\n\t"
                         "ptrue p3.b\n\t"
                         "ptrue p12.b\n\t"
                         "mov z5.b, #0x5a\n\t"
                         "mov z9.b, #0x5a\n\t"
                         "fmov d9, xzr" : : : "v5", "v9");
        registers_wipe();
        __asm__ volatile("str p3, [%1]\n\t"
                         "str p12, [%1, #1, mul vl]\n\t"
                         "ptrue p0.b\n\t"
                         "st1b z5.b, p0, [%0]\n\t"
                         ".arch_extension nosve" : : "r"(seen), "r"(predicate) : "memory");
        assert_int_equal(seen[0] | seen[15], 0);
        assert_int_equal(predicate[0] | predicate[1], 0);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_that_a_function_may_change_are_zero_afterwards),
        cmocka_unit_test(so_are_those_of_sve),
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

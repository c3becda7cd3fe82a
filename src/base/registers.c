/* Vector registers, all of them: also those that no instruction of this program names, for libsodium and libc choose
 * theirs by the CPU.
 *
 * x86-64: XRSTOR with no component present sets SSE, AVX, masks and AVX-512 to their first state at once; vzeroall
 * would leave zmm16 to zmm31 (Intel SDM volume 1, 13.8.1). MXCSR is kept, x87 and protection keys are not touched. */
#include "base/registers.h"

#if defined __x86_64__

#include <cpuid.h>
#include <stdalign.h>
#include <stdint.h>

/* SSE, AVX, opmask, upper halves of zmm0 to zmm15, zmm16 to zmm31. */
#define VECTOR_COMPONENTS 0xe6u

/* Those that the kernel has enabled; 0 without XSAVE. */
static uint32_t enabled_components(void)
{
        uint32_t a, b, c, d, low = 0, high;

        if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_OSXSAVE))
                __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return low & VECTOR_COMPONENTS;
}

static void wipe_sse(void)
{
        __asm__ volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
                         "pxor %%xmm\\n, %%xmm\\n\n\t"
                         ".endr" : : : "memory");
}

void registers_wipe(void)
{
        static _Atomic uint32_t known; /* with bit 0 set: asked */
        struct {
                alignas(64) uint32_t legacy[128];
                uint64_t header[8]; /* XSTATE_BV = 0: everything asked for is to be as it was first */
        } area = {0};
        uint32_t mask = known;

        if (mask == 0)
                known = mask = enabled_components() | 1;
        if (mask == 1) {
                wipe_sse();
                return;
        }
        __asm__ volatile("stmxcsr 24(%0)\n\t"
                         "xrstor (%0)"
                         : : "r"(&area), "a"(mask & ~1u), "d"(0)
                         : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                           "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

#elif defined __aarch64__

/* The lower halves of v8 to v15 belong to the caller (AAPCS64, 6.1.2): only their upper halves go. SVE's are longer
 * than these, and writing a V register clears the rest of its Z register. */
void registers_wipe(void)
{
        __asm__ volatile(".irp n,0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
                         "movi v\\n\\().2d, #0\n\t"
                         ".endr\n\t"
                         ".irp n,8,9,10,11,12,13,14,15\n\t"
                         "mov v\\n\\().8b, v\\n\\().8b\n\t"
                         ".endr"
                         : : : "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19",
                           "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

#else

/* Not known for this CPU. */
void registers_wipe(void)
{
}

#endif

/* Every register that a function may leave changed, also those that no instruction of this program names: libsodium and libc
 * choose theirs by the CPU. Those that a function must give back as they were hold what is the caller's.
 *
 * x86-64: XRSTOR with no component present sets x87, SSE, AVX, masks, AVX-512, AMX and APX to their first state at once; vzeroall
 * would leave zmm16 to zmm31, masks and x87 (Intel SDM volume 1, 13.8.1). MXCSR and the x87 control word are kept, protection keys are not
 * touched. */
#include "base/registers.h"

#if defined __x86_64__

#include <cpuid.h>
#include <stdalign.h>
#include <stdint.h>

/* x87, SSE, AVX, opmask, upper halves of zmm0 to zmm15, zmm16 to zmm31; AMX tiles; the second half of APX's general registers. */
#define CLOBBERED_COMPONENTS 0xe00e7u

#define VECTOR_REGISTERS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
                "xmm13", "xmm14", "xmm15"

/* What XRSTOR loads: XSTATE_BV = 0, so everything asked for becomes as it was first. Nothing of it is read but the header, yet the CPU
 * faults unless all of it could be: hence not on the stack, where it might reach past the end. Never written. */
static struct {
        alignas(64) unsigned char bytes[16384];
} first_state;

/* Those that the kernel has enabled; 0 without XSAVE. */
static uint32_t enabled_components(void)
{
        uint32_t a, b, c, d, low, high;

        if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !__get_cpuid_count(0xd, 0, &a, &b, &c, &d) || b > sizeof first_state)
                return 0;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return low & CLOBBERED_COMPONENTS;
}

/* For a CPU without XSAVE. */
static void wipe_sse_and_x87(void)
{
        __asm__ volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
                         "pxor %%xmm\\n, %%xmm\\n\n\t"
                         ".endr\n\t"
                         "emms\n\t"
                         ".rept 8\n\t"
                         "fldz\n\t"
                         ".endr\n\t"
                         ".rept 8\n\t"
                         "fstp %%st(0)\n\t"
                         ".endr" : : : "memory", VECTOR_REGISTERS);
}

static void restore_first_state(uint32_t components)
{
        uint32_t mxcsr;
        uint16_t x87_control;

        __asm__ volatile("stmxcsr %0\n\t"
                         "fnstcw %1\n\t"
                         "xrstor (%2)\n\t"
                         "fldcw %1\n\t"
                         "ldmxcsr %0"
                         : "=m"(mxcsr), "=m"(x87_control)
                         : "r"(&first_state), "a"(components), "d"(0)
                         : "memory", VECTOR_REGISTERS);
}

/* Named for the assembler. */
__attribute__((used)) static void wipe_wide(void) __asm__("registers_wipe_wide");

static void wipe_wide(void)
{
        static _Atomic uint32_t known; /* with bit 31 set: asked */
        uint32_t components = known;

        if (components == 0)
                known = components = enabled_components() | 1u << 31;
        if (components == 1u << 31)
                wipe_sse_and_x87();
        else
                restore_first_state(components & ~(1u << 31));
}

/* Without a prologue that would save one of them and an epilogue that would bring it back. */
__attribute__((naked)) void registers_wipe(void)
{
        __asm__("sub $8, %rsp\n\t"
                ".cfi_def_cfa_offset 16\n\t"
                "xor %eax, %eax\n\t"
                "call registers_wipe_wide\n\t"
                ".irp r,eax,ecx,edx,esi,edi,r8d,r9d,r10d,r11d\n\t"
                "xor %\\r, %\\r\n\t"
                ".endr\n\t"
                "add $8, %rsp\n\t"
                ".cfi_def_cfa_offset 8\n\t"
                "ret");
}

#elif defined __aarch64__

#include <sys/auxv.h>

#ifndef HWCAP_SVE
#define HWCAP_SVE (1ul << 22)
#endif

/* The lower halves of v8 to v15 belong to the caller (AAPCS64, 6.1.2): only their upper halves go. SVE's are longer than these, and
 * writing a V register clears the rest of its Z register. */
static void wipe_vectors(void)
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

static void wipe_predicates(void)
{
        __asm__ volatile(".arch_extension sve\n\t"
                         ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
                         "pfalse p\\n\\().b\n\t"
                         ".endr\n\t"
                         "wrffr p0.b\n\t"
                         ".arch_extension nosve" : : : "memory");
}

void registers_wipe(void)
{
        wipe_vectors();
        if (getauxval(AT_HWCAP) & HWCAP_SVE)
                wipe_predicates();
        __asm__ volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n\t"
                         "mov x\\n, #0\n\t"
                         ".endr"
                         : : : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                           "x16", "x17", "cc");
}

#else

/* Not known for this CPU. */
void registers_wipe(void)
{
}

#endif

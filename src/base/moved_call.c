/* An ordinary call, but for one instruction that puts the stack pointer elsewhere.
 *
 * The frame pointer holds on to the caller's stack, and the unwind information (CFI) says so: exceptions, thread cancellation and a
 * debugger's backtrace go through as through any other frame. Calls and returns stay paired, so shadow stacks agree.
 *
 * It has the name under which gdb knows a function that goes on on another stack: at any other one gdb stops where a caller stands at a lower
 * address than what it called. A local symbol, so that it meets no other of that name (gcc's, of -fsplit-stack).
 *
 * x86-64: System V ABI, 3.2. aarch64: AAPCS64; the return address is signed where the CPU can (hint 25 is PACIASP, hint 29
 * AUTIASP), which DW_CFA_AARCH64_negate_ra_state tells the unwinder. */
#include "base/moved_call.h"

#if MOVED_CALL_IS_THERE

int on_other_stack(int (*fn)(void *arg), void *arg, void *top) __asm__("__morestack");

int moved_call(int (*fn)(void *arg), void *arg, void *top)
{
        return on_other_stack(fn, arg, top);
}

#else

/* Never called. */
int moved_call(int (*fn)(void *arg), void *arg, void *top)
{
        (void)top;
        return fn(arg);
}

#endif

#if defined __x86_64__

__asm__(".pushsection .text\n"
        ".type __morestack, @function\n"
        "__morestack:\n"
        ".cfi_startproc\n\t"
        "push %rbp\n\t"
        ".cfi_def_cfa_offset 16\n\t"
        ".cfi_offset %rbp, -16\n\t"
        "mov %rsp, %rbp\n\t"
        ".cfi_def_cfa_register %rbp\n\t"
        "mov %rdx, %rsp\n\t" /* from here on the other stack */
        "mov %rdi, %rax\n\t"
        "mov %rsi, %rdi\n\t"
        "call *%rax\n\t"
        "leave\n\t" /* and back */
        ".cfi_def_cfa %rsp, 8\n\t"
        "ret\n"
        ".cfi_endproc\n"
        ".size __morestack, . - __morestack\n"
        ".popsection");

#elif defined __aarch64__

__asm__(".pushsection .text\n"
        ".type __morestack, %function\n"
        "__morestack:\n"
        ".cfi_startproc\n\t"
        "hint 25\n\t"
        ".cfi_negate_ra_state\n\t"
        "stp x29, x30, [sp, -16]!\n\t"
        ".cfi_def_cfa_offset 16\n\t"
        ".cfi_offset 29, -16\n\t"
        ".cfi_offset 30, -8\n\t"
        "mov x29, sp\n\t"
        ".cfi_def_cfa_register 29\n\t"
        "mov sp, x2\n\t" /* from here on the other stack */
        "mov x9, x0\n\t"
        "mov x0, x1\n\t"
        "blr x9\n\t"
        "mov sp, x29\n\t" /* and back */
        ".cfi_def_cfa_register 31\n\t"
        "ldp x29, x30, [sp], 16\n\t"
        ".cfi_def_cfa_offset 0\n\t"
        ".cfi_restore 29\n\t"
        ".cfi_restore 30\n\t"
        "hint 29\n\t"
        ".cfi_negate_ra_state\n\t"
        "ret\n"
        ".cfi_endproc\n"
        ".size __morestack, . - __morestack\n"
        ".popsection");

#endif

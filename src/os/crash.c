/* A core file holds the registers of all threads and the signal frames on their stacks. So a handler stands in for the signals that write
 * one, and goes this way:
 *
 *   1. its first instructions clear the registers that its own prologues would save to the stack;
 *   2. the registers in the signal frame are set to zero, all but those that say where the thread was;
 *   3. the other threads are sent SIGSEGV, which clean calls do not block (or another such signal, where the application has a handler for
 *      that), do the same with theirs, and wait for the end;
 *   4. last_wish() wipes the secrets;
 *   5. the default action is put back, the same signal is queued again with all that it said, and the handler returns.
 *
 * The signal then strikes at the place where it first did: core, debugger and parent see the true frame, cause and signal. Not reached: a
 * thread that blocks the signal, a stack overflow without an alternate stack, SIGKILL. Signals that the application handles are left to it. */
#include "os/crash.h"

#include "base/fatal.h"
#include "base/registers.h"
#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined __x86_64__ || defined __aarch64__

enum { PARK_MS = 1000, NEAR_BYTES = 8 << 20 };

static void (*wish)(void);
static _Atomic pid_t dying; /* the thread whose signal ends the process */

__attribute__((used)) void crash_handle(int number, siginfo_t *info, void *context);
void crash_enter(int number, siginfo_t *info, void *context);
static atomic_uint n_parked;

/* ---- 2: the signal frame ---- */

/* Whether a frame pointer points to a frame, and is no data. */
static bool is_near(uint64_t pointer, uint64_t stack)
{
        return pointer >= stack && pointer - stack < NEAR_BYTES;
}

#if defined __x86_64__

/* The legacy area begins with control words, and ends with the kernel's words about what follows it (uapi/asm/sigcontext.h). */
enum { FX_REGISTERS = 32, FX_WORDS = 464, FX_BYTES = 512, MAGIC = 0x46505853 };

static void clear_vectors(unsigned char *area)
{
        uint32_t magic, n_bytes;

        if (area == NULL)
                return;
        memcpy(&magic, area + FX_WORDS, sizeof magic);
        memcpy(&n_bytes, area + FX_WORDS + 16, sizeof n_bytes);
        memset(area + FX_REGISTERS, 0, FX_WORDS - FX_REGISTERS);
        if (magic == MAGIC && n_bytes > FX_BYTES)
                memset(area + FX_BYTES, 0, n_bytes - FX_BYTES); /* XSTATE_BV = 0: everything as it was first */
}

static void clear_frame(ucontext_t *c)
{
        static const int holding[] = {REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
                                      REG_R15, REG_RDI, REG_RSI, REG_RBX, REG_RDX, REG_RAX, REG_RCX};
        greg_t *r = c->uc_mcontext.gregs;

        for (size_t i = 0; i < sizeof holding / sizeof *holding; i++)
                r[holding[i]] = 0;
        if (!is_near((uint64_t)r[REG_RBP], (uint64_t)r[REG_RSP]))
                r[REG_RBP] = 0;
        clear_vectors((unsigned char *)c->uc_mcontext.fpregs);
}

#else

/* Records of magic, size and contents, up to an empty one; the contents of all that hold registers go (uapi/asm/sigcontext.h). */
enum { RECORD_BYTES = 8, FPSIMD_MAGIC_WORD = 0x46508001, FPSIMD_REGISTERS = 16, SVE_MAGIC_WORD = 0x53564501, SVE_REGISTERS = 16 };

static void clear_vectors(unsigned char *area, size_t area_bytes)
{
        uint32_t record[2];

        for (size_t at = 0; at + sizeof record <= area_bytes; at += record[1]) {
                memcpy(record, area + at, sizeof record);
                if (record[0] == 0 || record[1] < sizeof record || record[1] > area_bytes - at)
                        return;
                if ((record[0] == FPSIMD_MAGIC_WORD || record[0] == SVE_MAGIC_WORD) && record[1] > FPSIMD_REGISTERS)
                        memset(area + at + FPSIMD_REGISTERS, 0, record[1] - FPSIMD_REGISTERS);
        }
}

static void clear_frame(ucontext_t *c)
{
        mcontext_t *m = &c->uc_mcontext;

        for (unsigned i = 0; i < 29; i++)
                m->regs[i] = 0;
        if (!is_near(m->regs[29], m->sp))
                m->regs[29] = 0;
        clear_vectors((unsigned char *)m->__reserved, sizeof m->__reserved);
}

#endif

/* ---- 3: the other threads ---- */

static _Noreturn void park(void)
{
        registers_wipe();
        atomic_fetch_add(&n_parked, 1);
        for (;;)
                syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

/* What getdents64(2) fills in. */
struct entry {
        uint64_t inode, offset;
        uint16_t n_bytes;
        uint8_t type;
        char name[];
};

static pid_t number_of(const char *name)
{
        pid_t n = 0;

        while (*name >= '0' && *name <= '9')
                n = 10 * n + (*name++ - '0');
        return n;
}

/* One that strikes in clean calls too and still comes to this handler; 0 where the application has taken them all over. */
static int signal_for_others(void)
{
        static const int never_blocked[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
        struct sigaction now;

        for (size_t i = 0; i < sizeof never_blocked / sizeof *never_blocked; i++)
                if (sigaction(never_blocked[i], NULL, &now) == 0 && now.sa_sigaction == crash_enter)
                        return never_blocked[i];
        return 0;
}

/* Sends every thread but this one a signal; how many there are. */
static unsigned call_others(int number)
{
        _Alignas(struct entry) char list[2048];
        pid_t pid = getpid(), me = (pid_t)syscall(SYS_gettid);
        int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        unsigned n_others = 0;
        long n;

        if (fd < 0)
                return 0;
        while ((n = syscall(SYS_getdents64, fd, list, sizeof list)) > 0)
                for (long at = 0; at < n; at += ((struct entry *)(void *)(list + at))->n_bytes) {
                        pid_t thread = number_of(((struct entry *)(void *)(list + at))->name);

                        if (thread != 0 && thread != me && syscall(SYS_tgkill, pid, thread, number) == 0)
                                n_others++;
                }
        close(fd);
        return n_others;
}

static void park_others(void)
{
        struct timespec millisecond = {0, 1000000};
        int number = signal_for_others();

        for (unsigned i = 0; i < PARK_MS && number != 0 && atomic_load(&n_parked) < call_others(number); i++)
                nanosleep(&millisecond, NULL);
}

/* ---- the handler ---- */

/* A misuse met by last_wish() comes here a second time, in the same thread, and must not wait for itself. */
void crash_handle(int number, siginfo_t *info, void *context)
{
        UNCANCELLED;
        struct sigaction usual = {.sa_handler = SIG_DFL};
        int kept = errno;
        pid_t me = (pid_t)syscall(SYS_gettid), none = 0;

        clear_frame(context);
        if (atomic_compare_exchange_strong(&dying, &none, me)) {
                park_others();
                wish();
        } else if (none != me) {
                park();
        }
        registers_wipe();
        sigaction(number, &usual, NULL);
        syscall(SYS_rt_tgsigqueueinfo, getpid(), me, number, info); /* waits, being blocked, for the return */
        errno = kept;
}

#if defined __x86_64__
__asm__(".pushsection .text\n"
        ".globl crash_enter\n"
        ".hidden crash_enter\n"
        ".type crash_enter, @function\n"
        "crash_enter:\n\t"
        "endbr64\n\t"
        ".irp r,eax,ecx,ebx,ebp,r8d,r9d,r10d,r11d,r12d,r13d,r14d,r15d\n\t"
        "xor %\\r, %\\r\n\t"
        ".endr\n\t"
        "jmp crash_handle\n"
        ".size crash_enter, . - crash_enter\n"
        ".popsection");
#else
__asm__(".pushsection .text\n"
        ".globl crash_enter\n"
        ".hidden crash_enter\n"
        ".type crash_enter, %function\n"
        "crash_enter:\n\t"
        "hint 34\n\t" /* BTI c */
        ".irp n,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29\n\t"
        "mov x\\n, #0\n\t"
        ".endr\n\t"
        "b crash_handle\n"
        ".size crash_enter, . - crash_enter\n"
        ".popsection");
#endif

static bool stand_in(int number)
{
        struct sigaction before, action = {.sa_sigaction = crash_enter, .sa_flags = SA_SIGINFO | SA_ONSTACK};

        if (sigaction(number, NULL, &before) != 0)
                return false;
        if (before.sa_handler != SIG_DFL) /* the application's own, or ignored */
                return true;
        sigfillset(&action.sa_mask);
        return sigaction(number, &action, NULL) == 0;
}

/* The end by a sentence goes the same way, whatever has become of the handler. */
static void stand_in_for_abort(void)
{
        signal(SIGABRT, SIG_DFL);
        stand_in(SIGABRT);
}

int crash_catch(void (*last_wish)(void))
{
        static const int with_core[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT, SIGQUIT, SIGXCPU, SIGXFSZ};

        wish = last_wish;
        for (size_t i = 0; i < sizeof with_core / sizeof *with_core; i++)
                if (!stand_in(with_core[i]))
                        return KEEPMUM_ESYSTEM;
        fatal_set_end(stand_in_for_abort);
        return 0;
}

#else

int crash_catch(void (*last_wish)(void))
{
        (void)last_wish;
        return KEEPMUM_ENOTSUP;
}

#endif

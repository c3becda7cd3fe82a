/* KEEPMUM_WIPE_ON_CRASH: a program dies with a key in every register that can hold one, in one thread or in two. Its core has no piece of the
 * key, and tells the true place, signal and cause. Without the flag the core is full of it. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/memory_scan.h"
#include "outside/sandbox.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined __x86_64__

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { KEY_BYTES = 64, CAUSE_ADDRESS = 8 };

enum deed { FAULT, DIVIDE, ABORT, QUIT, MISUSE, DEEDS };
enum company { ALONE, WITH_A_USER, WITH_A_CLEAN_USER, COMPANIES };

/* ---- the program that dies ---- */

extern const char crash_fault[], crash_divide[];
static atomic_bool is_loaded;

/* The key in all vector registers, and its first eight bytes in all general ones but rbp, whose value is an address in this program. */
#define LOAD_ALL                                                                             \
        ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"                                   \
        "movdqu (%%rax), %%xmm\\n\n\t"                                                       \
        ".endr\n\t"                                                                          \
        ".irp r,rcx,rdx,rsi,rdi,r8,r9,r10,r11,rbx,r12,r13,r14,r15\n\t"                       \
        "mov (%%rax), %%\\r\n\t"                                                             \
        ".endr\n\t"
#define LOAD_AVX512                                                                          \
        ".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"                         \
        "vmovdqu64 (%0), %%zmm\\n\n\t"                                                       \
        ".endr\n\t"                                                                          \
        ".irp n,0,1,2,3,4,5,6,7\n\t"                                                         \
        "kmovw (%0), %%k\\n\n\t"                                                             \
        ".endr"

static void load_avx512(const void *key)
{
        if (__builtin_cpu_supports("avx512f"))
                __asm__ volatile(LOAD_AVX512 : : "r"(key));
}

static int hold(void *key)
{
        load_avx512(key);
        atomic_store(&is_loaded, true);
        __asm__ volatile(LOAD_ALL "1: pause\n\tjmp 1b" : : "a"(key));
        return 0;
}

static void *hold_in_thread(void *key)
{
        return (void *)(intptr_t)hold(key);
}

static void *hold_in_clean_call(void *key)
{
        return (void *)(intptr_t)keepmum_call_clean(NULL, hold, key, 0);
}

__attribute__((noinline)) static void die_with(void *key, enum deed deed)
{
        load_avx512(key);
        if (deed == FAULT)
                __asm__ volatile(LOAD_ALL ".globl crash_fault\ncrash_fault:\n\tmovl $1, 8" : : "a"(key));
        if (deed == DIVIDE)
                __asm__ volatile(LOAD_ALL "xor %%ecx, %%ecx\n\t.globl crash_divide\ncrash_divide:\n\tdiv %%ecx" : : "a"(key));
        if (deed == ABORT)
                abort();
        if (deed == QUIT)
                raise(SIGQUIT);
        keepmum_destroy(NULL);
}

static void allow_core(void)
{
        static const struct sandbox_rule none_hidden = {SYS_memfd_secret, -1, 0, ENOSYS};
        struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
        FILE *filter = fopen("/proc/self/coredump_filter", "w");

        if (filter == NULL || setrlimit(RLIMIT_CORE, &unlimited) != 0)
                _exit(96);
        fprintf(filter, "0x7f");
        fclose(filter);
        prctl(PR_SET_DUMPABLE, 1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sandbox_answer(&none_hidden, 1);
}

/* The key comes on standard input. The places of the crash go to standard output. */
static void die(enum deed deed, enum company company, unsigned flags)
{
        const void *places[] = {crash_fault, crash_divide};
        keepmum_secret s;
        pthread_t thread;
        void *key;

        allow_core();
        expect_int(write(STDOUT_FILENO, places, sizeof places), sizeof places);
        expect_int(keepmum_read_fd(&s, STDIN_FILENO, 1000, 0), 0);
        if (flags != 0)
                expect_int(keepmum_harden_process(flags), 0);
        close(STDERR_FILENO);
        expect_int(keepmum_open_write(s, &key, NULL), 0);
        if (company != ALONE) {
                pthread_create(&thread, NULL, company == WITH_A_USER ? hold_in_thread : hold_in_clean_call, key);
                while (!atomic_load(&is_loaded))
                        usleep(1000);
                usleep(10000);
        }
        die_with(key, deed);
}

/* ---- the one that looks ---- */

static char directory[] = "/tmp/keepmum-crash.XXXXXX";
static struct needle needle;
static unsigned char key_bytes[KEY_BYTES];

struct death {
        int signal_number;
        uint64_t places[DEEDS]; /* of the first two deeds */
        size_t n_copies;
        struct elf_prstatus first; /* the thread that died */
        siginfo_t info;
        unsigned n_threads;
};

/* The notes of a core that tell of threads. */
static void read_notes(struct death *d, const unsigned char *notes, size_t n_bytes)
{
        for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= n_bytes;) {
                const Elf64_Nhdr *h = (const void *)(notes + at);
                const unsigned char *what = notes + at + sizeof *h + ((h->n_namesz + 3u) & ~3u);

                if (h->n_type == NT_PRSTATUS && d->n_threads++ == 0)
                        memcpy(&d->first, what, sizeof d->first);
                if (h->n_type == NT_SIGINFO)
                        memcpy(&d->info, what, sizeof d->info);
                at = (size_t)(what - notes) + ((h->n_descsz + 3u) & ~3u);
        }
}

static void read_core(struct death *d, int fd)
{
        static unsigned char notes[1 << 18];
        struct findings f = {0};
        Elf64_Ehdr head;
        Elf64_Phdr part;

        scan_file(&f, &needle, 1, fd, "core");
        d->n_copies = f.n_copies;
        if (d->n_copies > 0 && d->n_copies < 9)
                findings_show(&f, "core");
        assert_int_equal(pread(fd, &head, sizeof head, 0), sizeof head);
        assert_int_equal(pread(fd, &part, sizeof part, (off_t)head.e_phoff), sizeof part);
        assert_int_equal(part.p_type, PT_NOTE);
        assert_true(part.p_filesz <= sizeof notes);
        assert_int_equal(pread(fd, notes, part.p_filesz, (off_t)part.p_offset), part.p_filesz);
        read_notes(d, notes, part.p_filesz);
}

static bool find_core(struct death *d)
{
        DIR *all = opendir(directory);
        struct dirent *e;
        bool is_found = false;

        while ((e = readdir(all)) != NULL) {
                char path[512];
                int fd;

                if (strncmp(e->d_name, "core", 4) != 0)
                        continue;
                snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
                assert_true((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0);
                read_core(d, fd);
                close(fd);
                unlink(path);
                is_found = true;
        }
        closedir(all);
        return is_found;
}

static struct death death_of(enum deed deed, enum company company, unsigned flags)
{
        struct death d = {0};
        char words[3][16];
        int in[2], out[2], status;
        pid_t pid;

        snprintf(words[0], sizeof words[0], "%d", (int)deed);
        snprintf(words[1], sizeof words[1], "%d", (int)company);
        snprintf(words[2], sizeof words[2], "%u", flags);
        assert_ok(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC));
        fflush(NULL);
        if ((pid = fork()) == 0) { /* a program of its own: this one has looked for keys before */
                forked_default_signals();
                dup2(in[0], STDIN_FILENO);
                dup2(out[1], STDOUT_FILENO);
                if (chdir(directory) == 0)
                        execl("/proc/self/exe", "crash", words[0], words[1], words[2], (char *)NULL);
                _exit(95);
        }
        close(in[0]);
        close(out[1]);
        assert_int_equal(write(in[1], key_bytes, KEY_BYTES), KEY_BYTES);
        close(in[1]);
        assert_int_equal(read(out[0], d.places, 2 * sizeof *d.places), 2 * sizeof *d.places);
        close(out[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        d.signal_number = WTERMSIG(status);
        assert_true(find_core(&d));
        return d;
}

static void without_the_flag_a_core_is_full_of_the_key(void **state)
{
        struct death d = death_of(FAULT, ALONE, 0);

        (void)state;
        assert_int_equal(d.signal_number, SIGSEGV);
        assert_true(d.n_copies >= 10);
        d = death_of(ABORT, WITH_A_USER, 0);
        assert_true(d.n_copies >= 10);
}

static void a_fault_leaves_a_core_without_it_that_tells_the_place(void **state)
{
        (void)state;
        for (unsigned company = 0; company < COMPANIES; company++) {
                struct death d = death_of(FAULT, company, KEEPMUM_WIPE_ON_CRASH);

                assert_int_equal(d.n_copies, 0);
                assert_int_equal(d.signal_number, SIGSEGV);
                assert_int_equal(d.first.pr_cursig, SIGSEGV);
                assert_int_equal(d.first.pr_reg[16], d.places[FAULT]); /* rip */
                assert_int_equal(d.info.si_code, SEGV_MAPERR);
                assert_int_equal((uintptr_t)d.info.si_addr, CAUSE_ADDRESS);
                assert_int_equal(d.n_threads, company == ALONE ? 1 : 2);
        }
}

static void so_does_a_division_by_zero(void **state)
{
        struct death d = death_of(DIVIDE, WITH_A_USER, KEEPMUM_WIPE_ON_CRASH);

        (void)state;
        assert_int_equal(d.n_copies, 0);
        assert_int_equal(d.signal_number, SIGFPE);
        assert_int_equal(d.first.pr_reg[16], d.places[DIVIDE]);
        assert_int_equal(d.info.si_code, FPE_INTDIV);
}

static void so_do_abort_and_a_signal_of_ones_own(void **state)
{
        (void)state;
        for (unsigned company = 0; company < COMPANIES; company++) {
                struct death d = death_of(ABORT, company, KEEPMUM_WIPE_ON_CRASH);

                assert_int_equal(d.n_copies, 0);
                assert_int_equal(d.signal_number, SIGABRT);
                d = death_of(QUIT, company, KEEPMUM_WIPE_ON_CRASH | KEEPMUM_NO_NEW_PRIVS);
                assert_int_equal(d.n_copies, 0);
                assert_int_equal(d.signal_number, SIGQUIT);
        }
}

static void so_does_the_end_by_a_sentence(void **state)
{
        (void)state;
        for (unsigned company = 0; company < COMPANIES; company++) {
                struct death d = death_of(MISUSE, company, KEEPMUM_WIPE_ON_CRASH);

                assert_int_equal(d.n_copies, 0);
                assert_int_equal(d.signal_number, SIGABRT);
        }
}

static void on_fault(int number)
{
        _exit(number);
}

static void fault_with_own_handler(void *arg)
{
        signal(SIGSEGV, on_fault);
        expect_int(keepmum_harden_process(KEEPMUM_WIPE_ON_CRASH), 0);
        *(volatile int *)arg = 1;
}

static void a_handler_of_the_application_stays(void **state)
{
        (void)state;
        assert_int_equal(forked_run(fault_with_own_handler, NULL).exit_code, SIGSEGV);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_flag_a_core_is_full_of_the_key),
        cmocka_unit_test(a_fault_leaves_a_core_without_it_that_tells_the_place),
        cmocka_unit_test(so_does_a_division_by_zero),
        cmocka_unit_test(so_do_abort_and_a_signal_of_ones_own),
        cmocka_unit_test(so_does_the_end_by_a_sentence),
        cmocka_unit_test(a_handler_of_the_application_stays),
};

int main(int argc, char **argv)
{
        char pattern[256] = "";
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
        struct rlimit limit;
        int n_failed;

        if (argc == 4) {
                die((enum deed)atoi(argv[1]), (enum company)atoi(argv[2]), (unsigned)atoi(argv[3]));
                return 94;
        }
        if (!sandbox_is_meaningful())
                forked_skip_all("a sanitizer writes no core file");
        if (f == NULL || fgets(pattern, sizeof pattern, f) == NULL || strchr(pattern, '/') != NULL || strncmp(pattern, "core", 4) != 0)
                forked_skip_all("the machine sends core files elsewhere (/proc/sys/kernel/core_pattern)");
        fclose(f);
        if (getrlimit(RLIMIT_CORE, &limit) != 0 || (limit.rlim_max != RLIM_INFINITY && geteuid() != 0))
                forked_skip_all("core files are forbidden here (ulimit -H -c)");
        if (mkdtemp(directory) == NULL || getrandom(key_bytes, sizeof key_bytes, 0) != KEY_BYTES)
                return 99;
        needle_make(&needle, "key", key_bytes, sizeof key_bytes);
        n_failed = cmocka_run_group_tests(tests, NULL, NULL);
        rmdir(directory);
        return n_failed != 0 ? 1 : 0;
}

#else

int main(void)
{
        forked_skip_all("registers are filled on x86-64 only");
}

#endif

/* The target. It takes the canary byte by byte from a function and puts each where it belongs, so that no copy stands
 * where none is said to be. */
#include "outside/audit_target.h"

#include <elf.h>
#include <fcntl.h>
#include <keepmum.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACE_BYTES = 16384, LARGE_BYTES = 65536 };

/* Not to be folded into a constant array; four times 0xff make base64 and base64url differ at any alignment. */
__attribute__((noinline)) unsigned char canary_byte(size_t i)
{
        uint32_t x = (uint32_t)i * 2654435761u + 12345u;

        __asm__ volatile("" : "+r"(x));
        x = (x ^ x >> 15) * 2246822519u;
        return i >= 10 && i < 14 ? 0xff : (unsigned char)(x >> 13);
}

/* ---- planting ---- */

static volatile unsigned char *plant(volatile unsigned char *to, size_t from, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                *to++ = canary_byte(from + i);
        return to;
}

static void plant_hex(volatile unsigned char *to, const char *digits)
{
        for (size_t i = 0; i < CANARY_BYTES; i++) {
                *to++ = (unsigned char)digits[canary_byte(i) >> 4];
                *to++ = (unsigned char)digits[canary_byte(i) & 15];
        }
}

static void plant_utf16(volatile unsigned char *to, int is_big)
{
        for (size_t i = 0; i < CANARY_BYTES; i++) {
                to[2 * i + (is_big ? 1 : 0)] = canary_byte(i);
                to[2 * i + (is_big ? 0 : 1)] = 0;
        }
}

static unsigned with_neighbours(size_t i, size_t n_before)
{
        return i < n_before ? '<' : i - n_before < CANARY_BYTES ? canary_byte(i - n_before) : '>';
}

/* The base64 text of n_before bytes, the canary, and some more. */
static void plant_base64(volatile unsigned char *to, size_t n_before, const char *two_more)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

        for (size_t i = 0; i < CANARY_BYTES + 6; i += 3) {
                unsigned v = with_neighbours(i, n_before) << 16 | with_neighbours(i + 1, n_before) << 8 |
                             with_neighbours(i + 2, n_before);

                for (int shift = 18; shift >= 0; shift -= 6) {
                        unsigned six = v >> shift & 63;

                        *to++ = (unsigned char)(six < 62 ? digits[six] : two_more[six - 62]);
                }
        }
}

static volatile unsigned char *map_place(enum target_place place, int flags, int fd)
{
        void *at = (void *)(uintptr_t)PLACE_ADDRESS(place);
        void *p = mmap(at, PLACE_BYTES, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE | flags, fd, 0);

        if (p != at)
                _exit(90);
        return p;
}

static volatile unsigned char *map_memory(enum target_place place)
{
        return map_place(place, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void plant_forms(void)
{
        volatile unsigned char *p = map_memory(PLACE_WHOLE);

        plant(p + 101, 0, CANARY_BYTES);
        plant(p + 4096 - 7, 0, CANARY_BYTES);
        plant(p + PLACE_BYTES - CANARY_BYTES, 0, CANARY_BYTES);
        p = map_memory(PLACE_HEX);
        plant_hex(p, "0123456789abcdef");
        plant_hex(p + 1001, "0123456789abcdef");
        plant_hex(p + 2002, "0123456789ABCDEF");
        p = map_memory(PLACE_UTF16);
        plant_utf16(p + 100, 0);
        plant_utf16(p + 300, 1);
        p = map_memory(PLACE_BASE64);
        for (size_t i = 0; i < 3; i++) {
                plant_base64(p + 100 * i, i, "+/");
                plant_base64(p + 1000 + 100 * i, i, "-_");
        }
        p = map_memory(PLACE_PARTS);
        plant(p + 103, 0, CANARY_BYTES / 2);
        plant(p + 202, CANARY_BYTES / 2, CANARY_BYTES / 2);
        plant(p + 301, 4, 8);
        plant(p + 401, 4, 7);
}

static void plant_kinds(void)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        int fd = memfd_create("planted", MFD_CLOEXEC);
        volatile unsigned char *p;

        if (fd < 0 || ftruncate(fd, PLACE_BYTES) != 0)
                _exit(91);
        p = map_place(PLACE_MEMFD, MAP_SHARED, fd);
        plant(p + 77, 0, CANARY_BYTES);
        p = map_memory(PLACE_CLOSED);
        plant(p + 5, 0, CANARY_BYTES);
        if (mprotect((void *)(uintptr_t)p, PLACE_BYTES, PROT_NONE) != 0)
                _exit(92);
        p = map_memory(PLACE_KEPT);
        plant(p + 8, 0, CANARY_BYTES);
        if (syscall(SYS_mlock, p, PLACE_BYTES) != 0 || madvise((void *)(uintptr_t)p, PLACE_BYTES, MADV_DONTDUMP) != 0)
                _exit(93);
        p = map_memory(PLACE_TWO);
        plant(p + page - 9, 0, CANARY_BYTES);
        if (mprotect((void *)(uintptr_t)(p + page), PLACE_BYTES - page, PROT_READ) != 0)
                _exit(94);
}

/* So that copies stand at all alignments, and across all borders of what a reader takes at once. */
static void plant_many(void)
{
        volatile unsigned char *p =
                mmap(NULL, MANY * MANY_STEP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (size_t i = 0; i < MANY; i++) {
                plant(p + i * MANY_STEP, 0, CANARY_BYTES);
                plant_hex(p + i * MANY_STEP + 1000, "0123456789abcdef");
                plant(p + i * MANY_STEP + 2000, CANARY_BYTES / 2, CANARY_BYTES / 2);
                plant(p + i * MANY_STEP + 3000, 0, CANARY_BYTES - 1); /* the first half, and more */
                plant(p + i * MANY_STEP + 3000 + CANARY_BYTES - 1, 0, CANARY_BYTES);
        }
}

/* A secret that is open or closed, hidden or not. The canary goes in by a pipe, byte by byte. */
static void hold_secret(unsigned flags, int is_open)
{
        keepmum_secret s;
        const void *bytes;
        int p[2];

        if (pipe2(p, O_CLOEXEC) != 0)
                _exit(95);
        for (size_t i = 0; i < CANARY_BYTES; i++) {
                unsigned char c = canary_byte(i);

                if (write(p[1], &c, 1) != 1)
                        _exit(95);
        }
        close(p[1]);
        if (keepmum_read_fd(&s, p[0], 1000, flags) != 0 || (is_open && keepmum_open_read(s, &bytes, NULL) != 0))
                _exit(96);
        close(p[0]);
}

/* ---- the program ---- */

static void say_ready(void)
{
        if (write(STDOUT_FILENO, "r", 1) != 1)
                _exit(97);
        close(STDOUT_FILENO);
}

static void end_with_core(void)
{
        struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
        int fd = open("/proc/self/coredump_filter", O_WRONLY);

        if (fd < 0 || write(fd, "0x7f", 4) != 4 || setrlimit(RLIMIT_CORE, &unlimited) != 0)
                _exit(98);
        prctl(PR_SET_DUMPABLE, 1);
        signal(SIGABRT, SIG_DFL);
        say_ready();
        abort();
}

_Noreturn void target_main(char **words)
{
        const char *what = words[1];
        volatile unsigned char on_stack[CANARY_BYTES];
        volatile unsigned char *on_heap = malloc(CANARY_BYTES);

        alarm(120);
        if (strcmp(what, "forms") == 0 || strcmp(what, "core") == 0) {
                plant_forms();
                plant_kinds();
        }
        if (strcmp(what, "heap and stack") == 0) {
                plant(on_stack, 0, CANARY_BYTES);
                plant(on_heap, 0, CANARY_BYTES);
        }
        if (strcmp(what, "many") == 0)
                plant_many();
        if (strcmp(what, "hidden") == 0)
                hold_secret(KEEPMUM_HIDDEN, 1);
        if (strcmp(what, "secrets") == 0) {
                hold_secret(KEEPMUM_NOT_HIDDEN, 0);
                hold_secret(KEEPMUM_NOT_HIDDEN, 1);
        }
        if (strcmp(what, "large") == 0)
                plant(mmap(NULL, 2 * LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0,
                      LARGE_BYTES);
        if (strcmp(what, "core") == 0)
                end_with_core();
        say_ready();
        for (;;) {
                pause();
                __asm__ volatile("" : : "r"(on_stack) : "memory"); /* its place is not another's meanwhile */
        }
}

pid_t target_start(const char *what)
{
        int out[2];
        char c;

        if (pipe2(out, O_CLOEXEC) != 0)
                return -1;
        pid_t pid = fork();
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(out[1], STDOUT_FILENO);
                execl("/proc/self/exe", "target", what, (char *)NULL);
                _exit(99);
        }
        close(out[1]);
        bool is_ready = read(out[0], &c, 1) == 1;
        close(out[0]);
        if (is_ready)
                return pid;
        target_end(pid);
        return -1;
}

void target_end(pid_t pid)
{
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

/* ---- a core file ---- */

static size_t put_note(unsigned char *to)
{
        static const char name[] = "/a/planted/file";
        Elf64_Nhdr note = {.n_namesz = 5, .n_descsz = 5 * 8 + sizeof name, .n_type = NT_FILE};
        uint64_t words[5] = {1, 4096, MADE_ADDRESS, MADE_ADDRESS + 4096, 0};

        memcpy(to, &note, sizeof note);
        memcpy(to + sizeof note, "CORE\0\0\0", 8);
        memcpy(to + sizeof note + 8, words, sizeof words);
        memcpy(to + sizeof note + 8 + sizeof words, name, sizeof name);
        return sizeof note + 8 + sizeof words + (sizeof name + 3) / 4 * 4;
}

void made_core(struct made_core *c)
{
        Elf64_Ehdr e = {.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = 1, .e_phoff = sizeof e,
                        .e_ehsize = sizeof e, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2};
        Elf64_Phdr p[2] = {{.p_type = PT_NOTE, .p_offset = MADE_NOTE_AT},
                           {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = MADE_DATA_AT,
                            .p_vaddr = MADE_ADDRESS, .p_filesz = 4096, .p_memsz = 4096}};

        *c = (struct made_core){.n_bytes = MADE_DATA_AT + 4096};
        memcpy(e.e_ident, ELFMAG, SELFMAG);
        e.e_ident[EI_CLASS] = ELFCLASS64;
        e.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
        p[0].p_filesz = put_note(c->bytes + MADE_NOTE_AT);
        memcpy(c->bytes, &e, sizeof e);
        memcpy(c->bytes + sizeof e, p, sizeof p);
        plant(c->bytes + MADE_DATA_AT + 1000, 0, CANARY_BYTES);
        plant_hex(c->bytes + MADE_DATA_AT + 2000, "0123456789abcdef");
}

void made_core_write(const struct made_core *c, const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, c->bytes, c->n_bytes) != (ssize_t)c->n_bytes || close(fd) != 0)
                abort();
}

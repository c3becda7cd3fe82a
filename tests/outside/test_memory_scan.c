/* The scanner that says "nothing found" elsewhere must find: this program, run again, keeps what it reads from
 * standard input in one place and form, and comes to its end. What is kept is random, so that it can stand nowhere
 * else. */
#include "outside/traced.h"

#include "unit/harness.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

enum { KEPT_BYTES = 32, BIG_BYTES = 5 << 20, IN_BIG = BIG_BYTES / 65536 + 1 };

/* ---- the one that keeps ---- */

static unsigned char *new_pages(size_t n_bytes)
{
        unsigned char *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
                _exit(90);
        return p;
}

/* The compiler may not leave out what was written there. */
static void stays(const void *p)
{
        __asm__ volatile("" : : "r"(p) : "memory");
}

static void keep_on_heap(const unsigned char *source)
{
        unsigned char *p = malloc(KEPT_BYTES);

        memcpy(p, source, KEPT_BYTES);
        stays(p);
}

static void keep_in_freed_memory(const unsigned char *source)
{
        unsigned char *p = malloc(KEPT_BYTES);

        memcpy(p, source, KEPT_BYTES);
        stays(p);
        free(p); /* its first 16 bytes are overwritten */
}

static __attribute__((noinline)) void keep_on_dead_stack(const unsigned char *source)
{
        unsigned char frame[512];

        memcpy(frame, source, KEPT_BYTES);
        stays(frame);
}

static void keep_first_half(const unsigned char *source)
{
        memcpy(new_pages(page()) + 100, source, KEPT_BYTES / 2);
}

static void keep_second_half(const unsigned char *source)
{
        memcpy(new_pages(page()) + 100, source + KEPT_BYTES / 2, KEPT_BYTES / 2);
}

static void keep_eight_bytes(const unsigned char *source)
{
        memcpy(new_pages(page()) + 101, source + 5, FRAGMENT_BYTES);
}

static void keep_seven_bytes(const unsigned char *source)
{
        memcpy(new_pages(page()) + 101, source + 5, FRAGMENT_BYTES - 1);
}

static void keep_utf16(const unsigned char *source)
{
        unsigned char *p = new_pages(page());

        for (size_t i = 0; i < KEPT_BYTES; i++)
                p[2 * i + 1] = source[i]; /* at an odd address */
}

static void keep_hex(const unsigned char *source)
{
        sodium_bin2hex((char *)new_pages(page()), page(), source, KEPT_BYTES);
}

static void keep_hex_upper(const unsigned char *source)
{
        char *p = (char *)new_pages(page());

        sodium_bin2hex(p, page(), source, KEPT_BYTES);
        for (; *p != '\0'; p++)
                if (*p >= 'a')
                        *p = (char)(*p - 'a' + 'A');
}

/* In the middle of other bytes. */
static void keep_base64_at(size_t n_before, const unsigned char *source)
{
        unsigned char *p = new_pages(page()), around[KEPT_BYTES + 10];

        memset(around, 0xa5, sizeof around);
        memcpy(around + n_before, source, KEPT_BYTES);
        sodium_bin2base64((char *)p, page(), around, sizeof around, sodium_base64_VARIANT_ORIGINAL);
        sodium_memzero(around, sizeof around);
}

static void keep_base64_0(const unsigned char *source)
{
        keep_base64_at(3, source);
}

static void keep_base64_1(const unsigned char *source)
{
        keep_base64_at(4, source);
}

static void keep_base64_2(const unsigned char *source)
{
        keep_base64_at(5, source);
}

static void keep_in_shut_page(const unsigned char *source)
{
        unsigned char *p = new_pages(page());

        memcpy(p, source, KEPT_BYTES);
        mprotect(p, page(), PROT_NONE);
}

static void keep_in_locked_page(const unsigned char *source)
{
        unsigned char *p = new_pages(page());

        if (mlock(p, page()) != 0 || madvise(p, page(), MADV_DONTDUMP) != 0)
                _exit(91);
        memcpy(p, source, KEPT_BYTES);
}

static void keep_in_locked_page_of_cores(const unsigned char *source)
{
        unsigned char *p = new_pages(page());

        if (mlock(p, page()) != 0)
                _exit(91);
        memcpy(p, source, KEPT_BYTES);
}

/* Wherever the scanner may cut a large mapping: around each multiple of 64 KiB, and at both ends. */
static void keep_everywhere(const unsigned char *source)
{
        unsigned char *p = new_pages(BIG_BYTES);

        memcpy(p, source, KEPT_BYTES);
        for (size_t at = 65536, shift = 0; at < BIG_BYTES; at += 65536, shift++)
                memcpy(p + at - shift % KEPT_BYTES, source, KEPT_BYTES);
        memcpy(p + BIG_BYTES - KEPT_BYTES, source, KEPT_BYTES);
}

static void forbid_reading(const unsigned char *source)
{
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        keep_on_heap(source);
}

static void keep_nothing(const unsigned char *source)
{
        (void)source;
}

/* In two vector registers, and the page they came from is gone: no instruction of a compiler comes between. */
static void keep_in_registers(const unsigned char *source)
{
#if defined __x86_64__
        __asm__ volatile("movdqu (%%rdi), %%xmm6\n\t"
                         "movdqu 16(%%rdi), %%xmm15\n\t"
                         "syscall\n\t"
                         "mov %[exit_group], %%eax\n\t"
                         "xor %%edi, %%edi\n\t"
                         "syscall"
                         :
                         : "a"(SYS_munmap), "D"(source), "S"(page()), [exit_group] "i"(SYS_exit_group)
                         : "rcx", "r11", "xmm6", "xmm15", "memory");
#endif
        (void)source;
}

static const struct {
        const char *what;
        void (*keep)(const unsigned char *source);
        enum form form;
        size_t n_copies, n_outside;
} places[] = {
        {"nowhere", keep_nothing, FORM_WHOLE, 0, 0},
        {"on the heap", keep_on_heap, FORM_WHOLE, 1, 1},
        {"in freed memory", keep_in_freed_memory, FORM_SECOND_HALF, 1, 1},
        {"on the dead stack", keep_on_dead_stack, FORM_WHOLE, 1, 1},
        {"the first half", keep_first_half, FORM_FIRST_HALF, 1, 1},
        {"the second half", keep_second_half, FORM_SECOND_HALF, 1, 1},
        {"eight bytes", keep_eight_bytes, FORM_FRAGMENT, 1, 1},
        {"seven bytes, which do not count", keep_seven_bytes, FORM_FRAGMENT, 0, 0},
        {"as UTF-16", keep_utf16, FORM_UTF16, 1, 1},
        {"as hexadecimal", keep_hex, FORM_HEX, 1, 1},
        {"as upper case hexadecimal", keep_hex_upper, FORM_HEX_UPPER, 1, 1},
        {"as base64", keep_base64_0, FORM_BASE64_0, 1, 1},
        {"as base64, one byte later", keep_base64_1, FORM_BASE64_1, 1, 1},
        {"as base64, two bytes later", keep_base64_2, FORM_BASE64_2, 1, 1},
        {"in a page that is shut", keep_in_shut_page, FORM_WHOLE, 1, 1},
        {"in a locked page, not dumped", keep_in_locked_page, FORM_WHOLE, 1, 0},
        {"in a locked page that is dumped", keep_in_locked_page_of_cores, FORM_WHOLE, 1, 1},
        {"in a process that is not dumpable", forbid_reading, FORM_WHOLE, 1, 1},
        {"across the cuts of a large mapping", keep_everywhere, FORM_WHOLE, IN_BIG, IN_BIG},
};

static void keep_and_end(void (*keep)(const unsigned char *source))
{
        unsigned char *source = new_pages(page());

        if (read(STDIN_FILENO, source, KEPT_BYTES) != KEPT_BYTES)
                _exit(92);
        keep(source);
        munmap(source, page());
        _exit(0);
}

/* ---- the one that looks ---- */

static void start_keeper(struct traced *t, struct needle *n, const char *argument)
{
        const char *const words[] = {"/proc/self/exe", argument, NULL};
        unsigned char kept[KEPT_BYTES];
        int in[2];

        assert_int_equal(getrandom(kept, sizeof kept, 0), sizeof kept);
        needle_make(n, "what is kept", kept, sizeof kept);
        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(write(in[1], kept, sizeof kept), sizeof kept);
        traced_start(t, words, &(struct traced_way){.in = in[0], .out = -1, .err = -1});
        close(in[0]);
        close(in[1]);
}

static void every_place_and_form_is_found_just_once(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(places); i++) {
                struct findings f = {0};
                struct needle n;
                struct traced t;
                char argument[16];

                snprintf(argument, sizeof argument, "%zu", i);
                start_keeper(&t, &n, argument);
                traced_to_exit(&t);
                traced_scan(&f, &n, 1, &t, false);
                assert_int_equal(traced_end(&t), 0);
                if (f.n_copies != places[i].n_copies || f.of[places[i].form] != places[i].n_copies)
                        findings_show(&f, places[i].what);
                assert_int_equal(f.of[places[i].form], places[i].n_copies);
                assert_int_equal(f.n_copies, places[i].n_copies);
                assert_int_equal(f.n_outside, places[i].n_outside);
                assert_int_equal(f.unread_bytes, 0);
                assert_true(f.read_bytes > 1 << 20);
        }
}

static void vector_registers_are_looked_into(void **state)
{
        struct findings memory = {0}, registers = {0};
        struct needle n;
        struct traced t;

        (void)state;
        start_keeper(&t, &n, "registers");
        traced_to_exit(&t);
        traced_scan(&memory, &n, 1, &t, false);
        traced_scan_registers(&registers, &n, 1, &t);
        traced_end(&t);
#if defined __x86_64__
        assert_int_equal(memory.n_copies, 0);
        assert_int_equal(registers.of[FORM_FIRST_HALF], 1);
        assert_int_equal(registers.of[FORM_SECOND_HALF], 1);
#endif
        assert_true(registers.read_bytes > 256);
}

static void arguments_and_environment_are_looked_into(void **state)
{
        const char *const words[] = {"/proc/self/exe", "words", "q9Zr4-given-as-an-argument", NULL};
        struct findings f = {0};
        struct needle argument, variable;
        struct traced t;

        (void)state;
        needle_make(&argument, "an argument", words[2], strlen(words[2]));
        needle_make(&variable, "a variable", "hT3kw-given-as-a-variable", 25);
        setenv("SCAN_CONTROL", "hT3kw-given-as-a-variable", 1);
        traced_start(&t, words, &(struct traced_way){.in = -1, .out = -1, .err = -1});
        traced_to_exit(&t);
        traced_scan_words(&f, &argument, 1, &t);
        assert_int_equal(f.of[FORM_WHOLE], 1);
        traced_scan_words(&f, &variable, 1, &t);
        assert_int_equal(f.of[FORM_WHOLE], 2);
        traced_end(&t);
}

static void a_file_is_looked_into_to_its_last_byte(void **state)
{
        char path[] = "/tmp/memory-scan.XXXXXX";
        int fd = mkstemp(path);
        struct findings f = {0};
        unsigned char kept[KEPT_BYTES];
        struct needle n;

        (void)state;
        assert_true(fd >= 0);
        unlink(path);
        assert_int_equal(getrandom(kept, sizeof kept, 0), sizeof kept);
        needle_make(&n, "what is kept", kept, sizeof kept);
        for (off_t at = 0; at <= 3 << 20; at += (1 << 20) - 7)
                assert_int_equal(pwrite(fd, kept, sizeof kept, at), sizeof kept);
        scan_file(&f, &n, 1, fd, "a file");
        assert_int_equal(f.of[FORM_WHOLE], 4);
        assert_int_equal(f.n_copies, 4);
        close(fd);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_and_form_is_found_just_once),
        cmocka_unit_test(vector_registers_are_looked_into),
        cmocka_unit_test(arguments_and_environment_are_looked_into),
        cmocka_unit_test(a_file_is_looked_into_to_its_last_byte),
};

int main(int n_words, char **words)
{
        if (n_words == 2)
                keep_and_end(strcmp(words[1], "registers") == 0 ? keep_in_registers : places[atoi(words[1])].keep);
        if (n_words > 2)
                return 0;
        if (!traced_is_possible())
                return 77;
        alarm(120);
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

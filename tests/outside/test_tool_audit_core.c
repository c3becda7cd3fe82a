/* secretctl audit: the core file of a target, core files made by hand, and core files that lie. */
#include "cmocka_main.h"
#include "json.h"
#include "outside/audit_run.h"
#include "outside/sandbox.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The name of the core file that a target leaves in this directory; "" where the machine sends it elsewhere. */
static void make_real_core(char name[static 256])
{
        char pattern[64] = "";
        FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");

        name[0] = '\0';
        if (f == NULL || fgets(pattern, sizeof pattern, f) == NULL || strncmp(pattern, "core", 4) != 0 ||
            strchr(pattern, '/') != NULL)
                return;
        fclose(f);
        pid_t pid = target_start("core");
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        DIR *d = opendir(".");
        for (struct dirent *e; (e = readdir(d)) != NULL;)
                if (strncmp(e->d_name, "core", 4) == 0)
                        snprintf(name, 256, "./%.250s", e->d_name);
        closedir(d);
}

static void of_a_core_file_the_same_is_counted(void **state)
{
        char name[256];

        (void)state;
        if (sandbox_is_meaningful()) /* a sanitizer's process has its own memory where the target wants its places */
                make_real_core(name);
        if (!sandbox_is_meaningful() || name[0] == '\0') {
                print_message("a sanitizer, or a machine that sends core files elsewhere\n");
                return;
        }
        struct run r = audit_subject(name, "--json");
        assert_int_equal(r.status, FOUND);
        assert_true(json_is_valid(r.out, r.n_out));
        assert_planted(r.out, false);
        const char *sums = strstr(r.out, "\"mappings_left_out\": 0");
        assert_int_equal(number_behind(sums, "\"total\": "), PLANTED - 1); /* one is not dumped */
        assert_has(r.out, "\"name\": \"/memfd:planted (deleted)\", \"locked\": null");
        assert_has(r.out, "\"pid\": null,\n  \"core\": \"./core");
        run_free(&r);
}

static void a_core_file_made_by_hand_is_read(void **state)
{
        struct made_core c;

        (void)state;
        made_core(&c);
        made_core_write(&c, "0core");
        struct run r = audit_subject("0core", NULL);
        assert_int_equal(r.status, FOUND);
        assert_has(r.out, "core file 0core: 2 copies");
        assert_has(r.out, "\n000007000000-000007001000 rw-- /a/planted/file\n    1 whole, 1 hexadecimal\n");
        run_free(&r);
        memcpy(c.bytes + MADE_NOTE_AT + 60, c.bytes + MADE_DATA_AT + 1000, CANARY_BYTES / 2); /* as a register would */
        made_core_write(&c, "0core");
        r = audit_subject("0core", NULL);
        assert_has(r.out, "[registers and other notes]\n    1 first half\n");
        run_free(&r);
        assert_int_equal(rename("0core", "123456789"), 0);
        r = audit_subject("123456789", NULL); /* a number is a process */
        assert_int_equal(r.status, 6);
        run_free(&r);
        r = audit_subject("./123456789", NULL);
        assert_int_equal(r.status, FOUND);
        run_free(&r);
}

/* What is done to a good one; where a number of n bytes stands, and what it becomes. */
static const struct lie {
        const char *name;
        size_t at, n_bytes;
        uint64_t value;
        size_t cut_at; /* 0: not cut */
        int status;
        const char *says;
} lies[] = {
#define IN_HEADER(field) offsetof(Elf64_Ehdr, field)
#define IN_SEGMENT(i, field) sizeof(Elf64_Ehdr) + (i) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field)
        {"empty", 0, 0, 0, SIZE_MAX, 2, "is no core file"},
        {"text", 0, 4, 0x74786574, 0, 2, "is no core file"},
        {"a program", IN_HEADER(e_type), 2, ET_EXEC, 0, 2, "is a program"},
        {"32 bits", EI_CLASS, 1, ELFCLASS32, 0, 2, "32-bit"},
        {"another class", EI_CLASS, 1, 77, 0, 9, "damaged"},
        {"the other byte order", EI_DATA, 1, ELFDATA2MSB, 0, 2, "another byte order"},
        {"zstd", 0, 4, 0xfd2fb528, 0, 2, "is compressed"},
        {"lz4", 0, 4, 0x184d2204, 0, 2, "is compressed"},
        {"gzip", 0, 2, 0x8b1f, 0, 2, "is compressed"},
        {"cut in its header", 0, 0, 0, 20, 9, "is cut off"},
        {"cut in its headers", 0, 0, 0, 100, 9, "is cut off"},
        {"cut in its memory", 0, 0, 0, MADE_DATA_AT + 2000, 9, "has 10192 of at least 12288 bytes"},
        {"headers behind its end", IN_HEADER(e_phoff), 8, 1 << 20, 0, 9, "is cut off"},
        {"headers at a negative place", IN_HEADER(e_phoff), 8, UINT64_MAX - 8, 0, 9, "damaged"},
        {"headers of another size", IN_HEADER(e_phentsize), 2, 32, 0, 9, "damaged"},
        {"no segments", IN_HEADER(e_phnum), 2, 0, 0, 9, "damaged"},
        {"many segments", IN_HEADER(e_phnum), 2, 60000, 0, 9, "is cut off"},
        {"more than 16 bits of segments", IN_HEADER(e_phnum), 2, PN_XNUM, 0, 9, "damaged"},
        {"a segment behind its end", IN_SEGMENT(1, p_offset), 8, 1 << 20, 0, 9, "is cut off"},
        {"a segment at a negative place", IN_SEGMENT(1, p_offset), 8, UINT64_MAX - 100, 0, 9, "damaged"},
        {"an endless segment", IN_SEGMENT(1, p_filesz), 8, UINT64_MAX, 0, 9, "damaged"},
        {"more in the file than in memory", IN_SEGMENT(1, p_memsz), 8, 100, 0, 9, "damaged"},
        {"addresses that wrap", IN_SEGMENT(1, p_vaddr), 8, UINT64_MAX - 100, 0, 9, "damaged"},
        {"segments of the same bytes", IN_SEGMENT(0, p_filesz), 8, 8192, 0, FOUND, NULL},
        {"an endless note", IN_SEGMENT(0, p_filesz), 8, UINT64_MAX - 4096, 0, 9, "damaged"},
        {"memory that is not there", IN_SEGMENT(1, p_memsz), 8, UINT64_C(1) << 47, 0, FOUND, NULL},
        {"a note of a wrong size", MADE_NOTE_AT + 4, 4, UINT32_MAX, 0, FOUND, NULL},
        {"a note of no size", MADE_NOTE_AT, 8, 0, 0, FOUND, NULL},
        {"a note with a long name", MADE_NOTE_AT, 4, UINT32_MAX, 0, FOUND, NULL},
        {"a note of many files", MADE_NOTE_AT + 20, 8, UINT64_MAX / 24, 0, FOUND, NULL},
        {"a file with a name that does not end", MADE_NOTE_AT + 4, 4, 48, 0, FOUND, NULL},
};

static bool is_answered(const struct lie *lie)
{
        struct made_core c;

        made_core(&c);
        memcpy(c.bytes + lie->at, &lie->value, lie->n_bytes); /* these machines are little-endian, or see below */
        if (lie->cut_at != 0)
                c.n_bytes = lie->cut_at == SIZE_MAX ? 0 : lie->cut_at;
        made_core_write(&c, "lie");
        struct run r = audit_subject("lie", NULL);
        bool is_right = r.status == lie->status && (lie->says == NULL || strstr(r.err, lie->says) != NULL);
        if (!is_right)
                print_error("%s: %d: %s%s\n", lie->name, r.status, r.out, r.err);
        run_free(&r);
        return is_right;
}

static void a_core_file_that_lies_is_told_and_harms_nobody(void **state)
{
        size_t n_wrong = 0;

        (void)state;
        if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
                return;
        for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
                n_wrong += !is_answered(&lies[i]);
        assert_int_equal(n_wrong, 0);
}

static void segments_longer_together_than_the_file_are_damage(void **state)
{
        struct made_core c;
        Elf64_Phdr p;

        (void)state;
        made_core(&c);
        memcpy(&p, c.bytes + sizeof(Elf64_Ehdr) + sizeof p, sizeof p);
        p.p_offset = 0;
        p.p_filesz = p.p_memsz = c.n_bytes;
        for (size_t i = 0; i < 2; i++)
                memcpy(c.bytes + sizeof(Elf64_Ehdr) + i * sizeof p, &p, sizeof p);
        made_core_write(&c, "lie");
        struct run r = audit_subject("lie", NULL);
        assert_int_equal(r.status, 9);
        run_free(&r);
}

/* A terabyte of nothing, and the canary behind it: seconds if holes were read, and gigabytes if they were kept. */
static void a_sparse_core_file_costs_no_more_than_it_holds(void **state)
{
        struct made_core c;
        struct rusage used;
        Elf64_Phdr p;

        (void)state;
        made_core(&c);
        memcpy(&p, c.bytes + sizeof(Elf64_Ehdr) + sizeof p, sizeof p);
        p.p_filesz = p.p_memsz = UINT64_C(1) << 40;
        memcpy(c.bytes + sizeof(Elf64_Ehdr) + sizeof p, &p, sizeof p);
        made_core_write(&c, "sparse");
        int fd = open("sparse", O_WRONLY);
        if (ftruncate(fd, (off_t)(MADE_DATA_AT + p.p_filesz)) != 0) {
                close(fd);
                return; /* not on this file system */
        }
        assert_int_equal(pwrite(fd, c.bytes + MADE_DATA_AT + 1000, CANARY_BYTES,
                                (off_t)(MADE_DATA_AT + p.p_filesz - CANARY_BYTES)), CANARY_BYTES);
        close(fd);
        struct run r = audit_subject("sparse", "--json");
        assert_int_equal(r.status, FOUND);
        assert_has(r.out, "\"copies\": " COPIES(2, 0, 0, 0, 0, 0, 1, 0, 0, 0));
        assert_in_range(number_behind(r.out, "\"searched_kb\": "), 4, 1024);
        run_free(&r);
        assert_int_equal(getrusage(RUSAGE_CHILDREN, &used), 0);
        assert_in_range(used.ru_maxrss, 0, 100 << 10); /* of all children of this program, in kB */
}

static void what_is_no_file_is_refused(void **state)
{
        static const struct {
                const char *path;
                int status;
                const char *says;
        } rows[] = {{"fifo", 2, "no regular file"},
                    {".", 2, "no regular file"},
                    {"/dev/zero", 2, "no regular file"},
                    {"missing", 6, "not found"},
                    {"", 6, "not found"},
                    {"99999999999", 2, "no process number"},
                    {"0", 2, "no process number"}};

        (void)state;
        assert_int_equal(mkfifo("fifo", 0600), 0);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct run r = audit_subject(rows[i].path, NULL);

                assert_int_equal(r.status, rows[i].status);
                assert_has(r.err, rows[i].says);
                run_free(&r);
        }
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(of_a_core_file_the_same_is_counted),
        TOOL_TEST(a_core_file_made_by_hand_is_read),
        TOOL_TEST(a_core_file_that_lies_is_told_and_harms_nobody),
        TOOL_TEST(segments_longer_together_than_the_file_are_damage),
        TOOL_TEST(a_sparse_core_file_costs_no_more_than_it_holds),
        TOOL_TEST(what_is_no_file_is_refused),
};

int main(int n_words, char **words)
{
        if (n_words == 2)
                target_main(words);
        tool_path();
        alarm(300); /* nothing here may hang a build */
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

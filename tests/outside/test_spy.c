/* A spy: another process, root if the tester is, that tries to read secrets out of a process by every road Linux has. The spy is the
 * test; its victim is a child, so that it may be traced also by an unprivileged tester. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { KEY_BYTES = 32, SECRETMEM_MAGIC = 0x5345434d };

/* So that the key stands in no table of the compiler's; another one for each victim, which inherits what this process has read before. */
static volatile unsigned seed = 40;

struct victim {
        pid_t pid;
        int mem;
        unsigned char *key; /* address in the victim */
};

enum keeping { IN_MALLOC, CLOSED, OPEN };

static void keep(enum keeping how, unsigned flags, int tell, int wait)
{
        unsigned char *at = malloc(KEY_BYTES);
        keepmum_secret s;
        const void *bytes;

        if (how == IN_MALLOC) {
                for (size_t i = 0; i < KEY_BYTES; i++)
                        at[i] = byte_of(seed, i);
        } else {
                expect_int(make_with(&s, KEY_BYTES, flags, seed), 0);
                expect_int(keepmum_open_read(s, &bytes, NULL), 0);
                at = (unsigned char *)(uintptr_t)bytes;
                if (how == CLOSED)
                        keepmum_close(s);
        }
        expect_int(write(tell, &at, sizeof at), sizeof at);
        expect_int(read(wait, &at, 1), 0);
        _exit(0);
}

static int release[2];

static struct victim begin(enum keeping how, unsigned flags)
{
        struct victim v;
        int told[2];
        char path[64];

        seed = seed + 1;
        assert_ok(pipe(told));
        assert_ok(pipe(release));
        v.pid = fork();
        if (v.pid == 0) {
                close(release[1]);
                keep(how, flags, told[1], release[0]);
        }
        close(told[1]);
        close(release[0]);
        assert_int_equal(read(told[0], &v.key, sizeof v.key), sizeof v.key);
        close(told[0]);
        snprintf(path, sizeof path, "/proc/%d/mem", (int)v.pid);
        v.mem = open(path, O_RDONLY | O_CLOEXEC);
        return v;
}

static void end(struct victim *v)
{
        int status;

        close(v->mem);
        close(release[1]);
        assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
        assert_int_equal(status, 0);
}

static bool is_key(const unsigned char *p)
{
        for (size_t i = 0; i < KEY_BYTES; i++)
                if (p[i] != byte_of(seed, i))
                        return false;
        return true;
}

/* ---- the roads ---- */

static bool read_by_mem(const struct victim *v)
{
        unsigned char got[KEY_BYTES] = {0};

        return pread(v->mem, got, KEY_BYTES, (off_t)(uintptr_t)v->key) == KEY_BYTES && is_key(got);
}

static bool read_by_vm_readv(const struct victim *v)
{
        unsigned char got[KEY_BYTES] = {0};
        struct iovec here = {got, KEY_BYTES}, there = {v->key, KEY_BYTES};

        return process_vm_readv(v->pid, &here, 1, &there, 1, 0) == KEY_BYTES && is_key(got);
}

static bool read_by_ptrace(const struct victim *v)
{
        unsigned char got[KEY_BYTES] = {0};
        bool is_read = true;
        int status;

        assert_ok(ptrace(PTRACE_ATTACH, v->pid, NULL, NULL));
        assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
        for (size_t i = 0; i < KEY_BYTES; i += sizeof(long)) {
                long word;

                errno = 0;
                word = ptrace(PTRACE_PEEKDATA, v->pid, v->key + i, NULL);
                is_read &= errno == 0;
                memcpy(got + i, &word, sizeof word);
        }
        assert_ok(ptrace(PTRACE_DETACH, v->pid, NULL, NULL));
        return is_read && is_key(got);
}

/* How often the key stands anywhere in the victim's memory, as /proc/PID/mem gives it. */
static size_t copies_in_memory(const struct victim *v)
{
        unsigned char *buffer = malloc((size_t)1 << 20);
        char path[64], line[512];
        size_t n = 0;
        FILE *maps;

        snprintf(path, sizeof path, "/proc/%d/maps", (int)v->pid);
        maps = fopen(path, "r");
        assert_non_null(maps);
        while (fgets(line, sizeof line, maps) != NULL) {
                unsigned long from, to;

                assert_int_equal(sscanf(line, "%lx-%lx", &from, &to), 2);
                for (; from < to && to - from < (size_t)1 << 30; from += (1 << 20) - KEY_BYTES) {
                        size_t want = to - from < (size_t)1 << 20 ? to - from : (size_t)1 << 20;
                        ssize_t got = pread(v->mem, buffer, want, (off_t)from);

                        for (ssize_t i = 0; i + KEY_BYTES <= got; i++)
                                n += buffer[i] == byte_of(seed, 0) && is_key(buffer + i);
                        if (got < KEY_BYTES)
                                break;
                }
        }
        fclose(maps);
        free(buffer);
        return n;
}

/* Whether any descriptor of the victim is secret memory, by its name or by taking it over. */
static bool has_secret_descriptor(const struct victim *v)
{
        int pidfd = (int)syscall(SYS_pidfd_open, v->pid, 0);
        bool has = false;

        for (int fd = 0; fd < 256; fd++) {
                char path[64], name[256] = "";
                struct statfs fs;
                int taken;

                snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)v->pid, fd);
                has |= readlink(path, name, sizeof name - 1) > 0 && strstr(name, "secretmem") != NULL;
                taken = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
                if (taken >= 0) {
                        has |= fstatfs(taken, &fs) == 0 && (unsigned long)fs.f_type == SECRETMEM_MAGIC;
                        close(taken);
                }
        }
        close(pidfd);
        return has;
}

/* /proc/PID/map_files/FROM-TO opens what is mapped. */
static bool opens_by_map_files(const struct victim *v)
{
        uintptr_t from = (uintptr_t)page_of(v->key);
        char path[128];
        int fd;

        snprintf(path, sizeof path, "/proc/%d/map_files/%lx-%lx", (int)v->pid, (unsigned long)from, (unsigned long)(from + page()));
        fd = open(path, O_RDONLY);
        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

/* ---- */

static void the_spy_reads_what_is_in_malloc(void **state)
{
        struct victim v = begin(IN_MALLOC, 0);

        (void)state;
        assert_true(read_by_mem(&v));
        assert_true(read_by_vm_readv(&v));
        assert_true(read_by_ptrace(&v));
        assert_true(copies_in_memory(&v) >= 1);
        end(&v);
}

static void ordinary_locked_memory_is_open_to_a_spy_as_documented(void **state)
{
        struct victim v = begin(OPEN, KEEPMUM_NOT_HIDDEN);

        (void)state;
        assert_true(read_by_mem(&v));
        assert_true(read_by_vm_readv(&v));
        assert_true(read_by_ptrace(&v));
        end(&v);
        v = begin(CLOSED, KEEPMUM_NOT_HIDDEN);
        assert_false(read_by_vm_readv(&v)); /* PROT_NONE stops this road alone */
        end(&v);
}

static void assert_nothing_is_read(enum keeping how)
{
        struct victim v = begin(how, KEEPMUM_HIDDEN);

        assert_false(read_by_mem(&v));
        assert_false(read_by_vm_readv(&v));
        assert_false(read_by_ptrace(&v));
        assert_int_equal(copies_in_memory(&v), 0);
        assert_false(has_secret_descriptor(&v));
        assert_false(opens_by_map_files(&v));
        end(&v);
}

static void a_closed_hidden_secret_is_not_read_by_any_road(void **state)
{
        (void)state;
        assert_nothing_is_read(CLOSED);
}

static void an_open_hidden_secret_is_not_read_either(void **state)
{
        (void)state;
        assert_nothing_is_read(OPEN);
}

static void a_descriptor_of_secret_memory_would_be_noticed(void **state)
{
        struct victim v = {.pid = getpid()};
        int fd = (int)syscall(447 /* memfd_secret */, 0);

        (void)state;
        assert_true(fd >= 0);
        assert_true(has_secret_descriptor(&v));
        close(fd);
        assert_false(has_secret_descriptor(&v));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_spy_reads_what_is_in_malloc),
        cmocka_unit_test(ordinary_locked_memory_is_open_to_a_spy_as_documented),
        cmocka_unit_test(a_closed_hidden_secret_is_not_read_by_any_road),
        cmocka_unit_test(an_open_hidden_secret_is_not_read_either),
        cmocka_unit_test(a_descriptor_of_secret_memory_would_be_noticed),
};

static void try_hidden(void *arg)
{
        keepmum_secret s;

        (void)arg;
        _exit(keepmum_create(&s, 1, KEEPMUM_HIDDEN) == 0 ? 0 : 1);
}

int main(void)
{
        struct victim v;
        bool can_spy;

        if (IS_SANITIZED)
                forked_skip_all("a sanitizer keeps copies of its own");
        if (forked_run(try_hidden, NULL).exit_code != 0)
                forked_skip_all("this kernel has no memfd_secret");
        v = begin(IN_MALLOC, 0);
        can_spy = v.mem >= 0 && read_by_mem(&v);
        end(&v);
        if (!can_spy)
                forked_skip_all("this user may not read its own child's memory");
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

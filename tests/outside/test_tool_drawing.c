/* The picture that secretctl inspect draws, compared with what the kernel shows of the same process, read by other
 * means. */
#include "json.h"
#include "outside/inspected.h"
#include "outside/pty.h"

#include <fcntl.h>
#include <keepmum.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BREAK_KB = 256, BSS_KB = 300, SECRET_BYTES = 32, PAGES = 20000, HIGHEST_PICTURE = 700 };

static char many_zeroes[BSS_KB * KB];

static void *sleep_on(void *arg)
{
        return pause() == 0 ? NULL : arg;
}

static void have_all_kinds(void)
{
        keepmum_secret s;
        pthread_t thread;
        void *bytes, *at = sbrk(BREAK_KB * KB);

        if (at == (void *)-1 || pthread_create(&thread, NULL, sleep_on, NULL) != 0)
                _exit(1);
        memset(at, 1, BREAK_KB * KB);
        memset(many_zeroes, 1, sizeof many_zeroes);
        if (keepmum_create(&s, SECRET_BYTES, 0) != 0 || keepmum_open_write(s, &bytes, NULL) != 0)
                _exit(1);
        keepmum_close(s);
        if (syscall(SYS_mlock, fill(LOCKED_KB * KB, MAP_PRIVATE), LOCKED_KB * KB) != 0)
                _exit(1);
        usleep(50000); /* the thread sleeps, then its stack pointer is told */
}

static void assert_in_order(const char *text, const char *const parts[], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const char *found = strstr(text, parts[i]);

                if (found == NULL)
                        fail_msg("no \"%s\" there or behind what stands before it:\n%s", parts[i], text);
                text = found + strlen(parts[i]);
        }
}

static void the_picture_has_stack_heap_bss_data_and_text_from_the_top_down(void **state)
{
        static const char *const parts[] = {"| stack ", "v|\n", "| brk heap", "^|\n", "| bss ", "| data of test_tool_drawing",
                                            "| text of test_tool_drawing", " nothing ~\n", "kB  ", "\ntext  "};
        pid_t pid = start_child(have_all_kinds);
        struct run r = inspect(pid, NULL);

        (void)state;
        end_child(pid);
        assert_int_equal(r.status, 0);
        assert_in_order(r.out, parts, sizeof parts / sizeof parts[0]);
        assert_non_null(strstr(r.out, " of secrets between guards"));
        assert_non_null(strstr(r.out, "| locked, no-dump, no-fork"));
        assert_non_null(strstr(r.out, "| libc.so.6, "));
        assert_true(strstr(r.out, "| stack of thread ") != NULL || strstr(r.out, "a thread's stack?") != NULL);
        for (size_t i = 0; i < r.n_out; i++)
                assert_true(r.out[i] == '\n' || (r.out[i] >= ' ' && r.out[i] <= '~'));
        run_free(&r);
}

static void a_threads_stack_is_told_where_the_kernel_tells_it(void **state)
{
        pid_t pid = start_child(have_all_kinds);
        char path[64], line[64];
        int thread = 0;

        (void)state;
        snprintf(path, sizeof path, "ls /proc/%d/task | tail -n 1", (int)pid);
        FILE *f = popen(path, "r");
        assert_int_equal(fscanf(f, "%d", &thread), 1);
        pclose(f);
        assert_true(thread > 0 && thread != pid);
        snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", (int)pid, thread);
        struct run r = inspect(pid, NULL), json = inspect(pid, "--json");
        bool is_told = access(path, R_OK) == 0 && geteuid() == 0;
        end_child(pid);
        snprintf(line, sizeof line, "| stack of thread %d ", thread);
        if (is_told)
                assert_non_null(strstr(r.out, line));
        snprintf(line, sizeof line, "\"thread\": %d}", thread);
        const char *at = strstr(json.out, line);
        if (is_told) { /* nameless, and above a guard */
                assert_non_null(at);
                while (strncmp(at, "{\"group\"", 8) != 0)
                        at--;
                static const char nameless[] = "\"permissions\": \"rw-p\", \"name\": \"\",";

                assert_int_equal(strncmp(strstr(at, "\"permissions\": "), nameless, sizeof nameless - 1), 0);
        }
        run_free(&r);
        run_free(&json);
}

/* All boundaries that the kernel shows of a process, sorted as they come. */
static size_t read_boundaries(pid_t pid, uint64_t at[], size_t n_room, uint64_t *size_kb, uint64_t *rss_kb)
{
        char path[64], line[4096];
        size_t n = 0;

        snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        *size_kb = *rss_kb = 0;
        while (fgets(line, sizeof line, f) != NULL) {
                unsigned long long start, end, kb;

                if (sscanf(line, "%llx-%llx ", &start, &end) == 2 && n + 2 <= n_room) {
                        at[n++] = start;
                        at[n++] = end;
                } else if (sscanf(line, "Size: %llu kB", &kb) == 1) {
                        *size_kb += kb;
                } else if (sscanf(line, "Rss: %llu kB", &kb) == 1) {
                        *rss_kb += kb;
                }
        }
        fclose(f);
        return n;
}

static bool is_boundary(uint64_t address, const uint64_t at[], size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (at[i] == address)
                        return true;
        return false;
}

static void its_addresses_and_sums_are_those_of_the_kernel(void **state)
{
        static uint64_t at[4000];
        uint64_t size_kb, rss_kb, before = UINT64_MAX, last = 0, address;
        pid_t pid = start_child(have_all_kinds);
        size_t n = read_boundaries(pid, at, 4000, &size_kb, &rss_kb), n_borders = 0;
        struct run r = inspect(pid, NULL), json = inspect(pid, "--json");

        (void)state;
        end_child(pid);
        for (char *line = strtok(r.out, "\n"); line != NULL && strncmp(line, "kB ", 3) != 0; line = strtok(NULL, "\n")) {
                char *end;

                address = strtoull(line, &end, 16);
                if (strncmp(end, " +-", 3) != 0)
                        continue;
                if (n_borders++ == 0)
                        assert_int_equal(address, at[n - 1]);
                assert_true(address < before);
                assert_true(is_boundary(address, at, n));
                before = last = address;
        }
        assert_true(n_borders > 10);
        assert_int_equal(last, at[0]);
        const char *total = strstr(json.out, "\"total\": ");
        assert_non_null(total);
        assert_int_equal(number_behind(total, "\"size_kb\": "), size_kb);
        assert_in_range(number_behind(total, "\"resident_kb\": "), rss_kb - 64, rss_kb + 64);
        assert_int_equal(number_behind(total, "\"locked_kb\": ") >= LOCKED_KB, 1);
        run_free(&r);
        run_free(&json);
}

static struct pty terminal;

/* Runs a line of shell on a terminal; T is the tool. */
static void on_terminal(const char *line)
{
        const char *words[] = {"/bin/sh", "-c", line, NULL};

        setenv("T", tool_path(), 1);
        pty_start(&terminal, words, -1);
        assert_int_equal(pty_end(&terminal, 20000), 0);
}

static void lines_and_colour_are_for_terminals(void **state)
{
        (void)state;
        on_terminal("LC_ALL=C.UTF-8 exec $T inspect");
        assert_non_null(strstr(terminal.seen, "\u250c\u2500\u2500"));
        assert_non_null(strstr(terminal.seen, "\u2193\u2502"));
        assert_non_null(strstr(terminal.seen, "\033[32m"));
        assert_non_null(strstr(terminal.seen, "\033[31m#"));
        on_terminal("LC_ALL=C NO_COLOR=1 exec $T inspect");
        assert_null(strchr(terminal.seen, '\033'));
        assert_null(strchr(terminal.seen, '\342'));
        assert_non_null(strstr(terminal.seen, "+--"));
}

static void it_is_as_wide_as_the_terminal(void **state)
{
        char border[120];

        (void)state;
        on_terminal("stty cols 100 && LC_ALL=C exec $T inspect");
        memset(border, '-', sizeof border - 1);
        border[0] = '+';
        memcpy(border + 82, "+\r\n", 4);
        assert_non_null(strstr(terminal.seen, border));
}

static void map_evil_name(void)
{
        int fd = open("evil\033[31mname\302\2332J", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || ftruncate(fd, 4096) != 0 || mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
                _exit(1);
}

static void a_name_cannot_speak_to_the_terminal(void **state)
{
        pid_t pid = start_child(map_evil_name);
        char line[128];

        (void)state;
        snprintf(line, sizeof line, "NO_COLOR=1 LC_ALL=C exec $T inspect %d", (int)pid);
        on_terminal(line);
        struct run r = inspect(pid, NULL);
        end_child(pid);
        assert_null(strchr(terminal.seen, '\033'));
        assert_null(strstr(terminal.seen, "\302\233"));
        assert_non_null(strstr(terminal.seen, "evil\\x1b[31mname\\xc2\\x9b2J"));
        assert_non_null(strstr(r.out, "| evil\\x1b[31mname\\xc2\\x9b2J "));
        run_free(&r);
}

static void of_a_process_that_has_ended_it_says_so(void **state)
{
        pid_t pid = fork();
        siginfo_t info;

        (void)state;
        if (pid == 0)
                _exit(0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        struct run r = inspect(pid, NULL), json = inspect(pid, "--json");
        waitpid(pid, NULL, 0);
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, "has no memory: it has ended"));
        assert_int_equal(json.status, 0);
        assert_true(json_is_valid(json.out, json.n_out));
        assert_non_null(strstr(json.out, "\"mappings\": [\n  ]"));
        run_free(&r);
        run_free(&json);
}

/* Every second page has other permissions. */
static void have_many_mappings(void)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (size_t i = 0; p != MAP_FAILED && i < PAGES; i += 2)
                if (mprotect(p + i * page, page, PROT_READ) != 0)
                        _exit(1);
}

static void twenty_thousand_mappings_are_a_picture_still(void **state)
{
        pid_t pid = start_child(have_many_mappings);
        struct timespec from, to;

        (void)state;
        clock_gettime(CLOCK_MONOTONIC, &from);
        struct run r = inspect(pid, NULL);
        clock_gettime(CLOCK_MONOTONIC, &to);
        end_child(pid);
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, "| anonymous memory, 20,0"));
        size_t n_lines = 0;
        for (const char *p = r.out, *end = strstr(r.out, "\nkB  "); p < end; p++)
                n_lines += *p == '\n';
        assert_in_range(n_lines, 20, HIGHEST_PICTURE);
        assert_in_range(to.tv_sec - from.tv_sec, 0, 10); /* 0.3 s; a search of each mapping in all others takes longer */
        run_free(&r);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(the_picture_has_stack_heap_bss_data_and_text_from_the_top_down),
        TOOL_TEST(a_threads_stack_is_told_where_the_kernel_tells_it),
        TOOL_TEST(its_addresses_and_sums_are_those_of_the_kernel),
        TOOL_TEST(lines_and_colour_are_for_terminals),
        TOOL_TEST(it_is_as_wide_as_the_terminal),
        TOOL_TEST(a_name_cannot_speak_to_the_terminal),
        TOOL_TEST(of_a_process_that_has_ended_it_says_so),
        TOOL_TEST(twenty_thousand_mappings_are_a_picture_still),
};

MAIN(tests)

/* One child process at a time, with nothing in its environment but the allocator.
 *
 * The peak of resident memory that the kernel tells of a child is never below what its parent had when it forked. So the program that
 * this is part of stays small: it allocates next to nothing and has the smallest C library alone beside it. */
#include "heap_run.h"

#include "need.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double ms_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static double ms_of(struct timeval t)
{
        return (double)t.tv_sec * 1e3 + (double)t.tv_usec * 1e-3;
}

/* heap_load lies beside this program. */
static void load_path(char path[static 4096])
{
        ssize_t n = readlink("/proc/self/exe", path, 4000);

        need(n > 0, "/proc/self/exe cannot be read");
        path[n] = '\0';
        strcpy(strrchr(path, '/') + 1, "heap_load");
}

_Noreturn static void become(const char *pattern, unsigned n_threads, const struct heap_allocator *a, int out)
{
        char path[4096], preload[4096] = "", threads[12];
        const char *library = a->library != NULL ? a->library : "libc.so.6";
        char *argv[] = {path, (char *)(uintptr_t)pattern, threads, (char *)(uintptr_t)library, NULL};
        char *environment[] = {preload, NULL};

        load_path(path);
        snprintf(threads, sizeof threads, "%u", n_threads);
        if (a->library != NULL)
                snprintf(preload, sizeof preload, "LD_PRELOAD=%s", a->library);
        else
                environment[0] = NULL;
        dup2(out, STDOUT_FILENO);
        execve(path, argv, environment);
        _exit(127);
}

static unsigned long long read_answer(int in)
{
        char text[64] = "";
        size_t n = 0;
        ssize_t got;

        while (n < sizeof text - 1 && (got = read(in, text + n, sizeof text - 1 - n)) > 0)
                n += (size_t)got;
        return strtoull(text, NULL, 10);
}

struct heap_sample heap_run(const char *pattern, unsigned n_threads, const struct heap_allocator *a)
{
        struct heap_sample s;
        struct rusage usage;
        int ends[2], status;
        double start;
        pid_t pid;

        need(pipe(ends) == 0 && fflush(NULL) == 0, "no pipe");
        start = ms_now();
        need((pid = fork()) >= 0, "no child");
        if (pid == 0)
                become(pattern, n_threads, a, ends[1]);
        close(ends[1]);
        s.answer = read_answer(ends[0]);
        close(ends[0]);
        need(wait4(pid, &status, 0, &usage) == pid, "wait4 failed");
        s.wall_ms = ms_now() - start;
        s.cpu_ms = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
        s.peak_kb = (double)usage.ru_maxrss;
        if (status != 0) {
                fprintf(stderr, "bench: %s with %u threads failed under %s (status 0x%x)\n", pattern, n_threads, a->name, (unsigned)status);
                exit(1);
        }
        return s;
}

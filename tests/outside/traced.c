/* ptrace(2), and the few files of /proc that tell of a process. A failure here is the tester's: it ends the program. */
#include "outside/traced.h"

#include "outside/forked.h"
#include "outside/sandbox.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static _Noreturn void stop(const char *what)
{
        perror(what);
        exit(99);
}

static void wait_for(struct traced *t)
{
        t->is_running = false;
        while (waitpid(t->pid, &t->wait_status, 0) != t->pid)
                if (errno != EINTR)
                        stop("waitpid");
}

static bool has_event(const struct traced *t, int event)
{
        return WIFSTOPPED(t->wait_status) && t->wait_status >> 8 == (SIGTRAP | event << 8);
}

/* Unless it runs already. */
static void go_on(struct traced *t, enum __ptrace_request how, int signal_number)
{
        if (!t->is_running && ptrace(how, t->pid, NULL, (void *)(intptr_t)signal_number) != 0)
                stop("ptrace");
        wait_for(t);
}

/* ---- to become the program ---- */

static _Noreturn void become(const char *const words[], const struct traced_way *way)
{
        static const struct sandbox_rule none_hidden = {SYS_memfd_secret, -1, 0, ENOSYS};

        forked_default_signals();
        if (way->terminal == NULL)
                setsid();
        if (way->in >= 0)
                dup2(way->in, STDIN_FILENO);
        if (way->out >= 0)
                dup2(way->out, STDOUT_FILENO);
        if (way->err >= 0)
                dup2(way->err, STDERR_FILENO);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
                _exit(126);
        raise(SIGSTOP);
        if (way->forbids_hidden)
                sandbox_answer(&none_hidden, 1);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
}

static pid_t start(const char *const words[], const struct traced_way *way)
{
        pid_t pid;

        fflush(NULL);
        if (way->terminal != NULL) {
                way->terminal->n_seen = way->terminal->n_passed = 0;
                way->terminal->seen[0] = '\0';
                pid = way->terminal->pid = forkpty(&way->terminal->master, NULL, NULL, NULL);
        } else {
                pid = fork();
        }
        if (pid < 0)
                stop("fork");
        if (pid == 0)
                become(words, way);
        return pid;
}

static int open_in_proc(pid_t pid, const char *name)
{
        char path[64];
        int fd;

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
        if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                stop(path);
        return fd;
}

void traced_start(struct traced *t, const char *const words[], const struct traced_way *way)
{
        long options = PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;

        *t = (struct traced){.pid = start(words, way)};
        wait_for(t);
        if (!WIFSTOPPED(t->wait_status) || ptrace(PTRACE_SETOPTIONS, t->pid, NULL, (void *)(intptr_t)options) != 0)
                stop("PTRACE_TRACEME");
        while (!has_event(t, PTRACE_EVENT_EXEC)) {
                if (has_event(t, PTRACE_EVENT_EXIT))
                        stop(words[0]);
                go_on(t, PTRACE_CONT, 0);
        }
        t->mem = open_in_proc(t->pid, "mem");
        t->smaps = open_in_proc(t->pid, "smaps");
        t->environ = open_in_proc(t->pid, "environ");
}

bool traced_is_possible(void)
{
        int status = 0;
        pid_t pid;

        if (!sandbox_is_meaningful()) {
                fprintf(stderr, "skipped: a sanitizer keeps shadows of the memory, and copies in them\n");
                return false;
        }
        fflush(NULL);
        if ((pid = fork()) < 0)
                stop("fork");
        if (pid == 0)
                _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 1);
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return true;
        fprintf(stderr, "skipped: this system does not let a program trace its own child by ptrace(2)\n");
        return false;
}

/* ---- to let it run ---- */

static int pending_signal(const struct traced *t)
{
        int number = WSTOPSIG(t->wait_status);

        return t->wait_status >> 16 == 0 && number != SIGTRAP && number != (SIGTRAP | 0x80) ? number : 0;
}

static void note_call(struct traced *t)
{
        struct __ptrace_syscall_info i;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, (void *)sizeof i, &i) <= 0)
                stop("PTRACE_GET_SYSCALL_INFO");
        t->call.is_begun = i.op == PTRACE_SYSCALL_INFO_ENTRY;
        if (t->call.is_begun) {
                t->call.number = i.entry.nr;
                t->call.first_argument = i.entry.args[0];
        } else if (i.op == PTRACE_SYSCALL_INFO_EXIT) {
                t->call.result = i.exit.rval;
        }
}

bool traced_to_next_call(struct traced *t)
{
        do {
                go_on(t, PTRACE_SYSCALL, pending_signal(t));
                if (!WIFSTOPPED(t->wait_status))
                        stop("it ended without a stop");
                if (has_event(t, PTRACE_EVENT_EXIT))
                        return false;
        } while (WSTOPSIG(t->wait_status) != (SIGTRAP | 0x80));
        note_call(t);
        return true;
}

void traced_run(struct traced *t)
{
        if (ptrace(PTRACE_CONT, t->pid, NULL, (void *)(intptr_t)pending_signal(t)) != 0)
                stop("ptrace");
        t->is_running = true;
}

void traced_to_exit(struct traced *t)
{
        while (!has_event(t, PTRACE_EVENT_EXIT)) {
                go_on(t, PTRACE_CONT, pending_signal(t));
                if (!WIFSTOPPED(t->wait_status))
                        stop("it ended without a stop");
        }
}

int traced_end(struct traced *t)
{
        traced_to_exit(t);
        go_on(t, PTRACE_CONT, 0);
        close(t->mem);
        close(t->smaps);
        close(t->environ);
        return WIFEXITED(t->wait_status) ? WEXITSTATUS(t->wait_status) : 128 + WTERMSIG(t->wait_status);
}

/* ---- to look at it ---- */

void traced_scan(struct findings *f, const struct needle *all, size_t n_all, const struct traced *t,
                 bool is_only_changing)
{
        scan_process(f, all, n_all, t->mem, t->smaps, is_only_changing);
}

void traced_scan_registers(struct findings *f, const struct needle *all, size_t n_all, const struct traced *t)
{
        static const struct {
                int note;
                const char *name;
        } sets[] = {
                {NT_PRSTATUS, "general registers"},
#if defined __x86_64__
                {NT_X86_XSTATE, "vector registers"}, /* parts of a register stand apart: hence fragments */
#else
                {NT_PRFPREG, "vector registers"},
#endif
        };
        unsigned char bytes[16384];

        for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
                struct iovec v = {bytes, sizeof bytes};

                if (ptrace(PTRACE_GETREGSET, t->pid, (void *)(intptr_t)sets[i].note, &v) != 0)
                        stop(sets[i].name);
                scan_bytes(f, all, n_all, bytes, v.iov_len, sets[i].name);
        }
}

static size_t read_all(int fd, char *text, size_t text_bytes)
{
        ssize_t n = pread(fd, text, text_bytes, 0);

        return n > 0 ? (size_t)n : 0;
}

void traced_scan_words(struct findings *f, const struct needle *all, size_t n_all, const struct traced *t)
{
        static char text[1 << 17];
        int cmdline = open_in_proc(t->pid, "cmdline");

        scan_bytes(f, all, n_all, text, read_all(cmdline, text, sizeof text), "cmdline");
        scan_bytes(f, all, n_all, text, read_all(t->environ, text, sizeof text), "environ");
        close(cmdline);
}

long traced_locked_kb(const struct traced *t)
{
        char text[8192];
        int fd = open_in_proc(t->pid, "status");
        size_t n = read_all(fd, text, sizeof text - 1);

        close(fd);
        text[n] = '\0';
        const char *at = strstr(text, "VmLck:");
        return at != NULL ? strtol(at + 6, NULL, 10) : -1;
}

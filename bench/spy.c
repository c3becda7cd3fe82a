/* A spy, its roads, and what it wants: a secret's bytes, which it knows when it sees them. */
#include "spy.h"

#include "need.h"
#include "victim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const spy_road_names[SPY_ROADS] = {
        [SPY_MEM] = "/proc/PID/mem", [SPY_VM_READV] = "process_vm_readv", [SPY_PTRACE] = "ptrace"};

enum { THE_SECRET, THE_OPEN_ONE };

/* ---- whom it spies on ---- */

struct places {
        const void *at[2];
};

static void keep_one(void *arg)
{
        static uint64_t readable[KEEPER_WORDS];
        const struct keeper *k = arg;
        struct places p;
        bool is_closed;

        keeper_write(readable, THE_OPEN_ONE);
        need(k->make(k, THE_SECRET, &is_closed) && is_closed, "a secret could not be made");
        p = (struct places){{k->place(THE_SECRET), readable}};
        victim_tell(&p, sizeof p);
        victim_wait();
}

/* ---- the roads ---- */

static bool read_by_mem(pid_t pid, const void *at, uint64_t *got)
{
        char path[64];
        bool is_read;
        int fd;

        snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
        if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                return false;
        is_read = pread(fd, got, KEEPER_BYTES, (off_t)(uintptr_t)at) == KEEPER_BYTES;
        close(fd);
        return is_read;
}

static bool read_by_vm_readv(pid_t pid, const void *at, uint64_t *got)
{
        struct iovec here = {got, KEEPER_BYTES}, there = {(void *)(uintptr_t)at, KEEPER_BYTES};

        return process_vm_readv(pid, &here, 1, &there, 1, 0) == KEEPER_BYTES;
}

static bool read_by_ptrace(pid_t pid, const void *at, uint64_t *got)
{
        bool is_read = true;

        if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) != 0)
                return false;
        need(waitpid(pid, NULL, 0) == pid, "waitpid failed");
        for (size_t i = 0; i < KEEPER_BYTES; i += sizeof(long)) {
                errno = 0;
                long word = ptrace(PTRACE_PEEKDATA, pid, (const char *)at + i, NULL);
                is_read &= errno == 0;
                memcpy((char *)got + i, &word, sizeof word);
        }
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
        return is_read;
}

static bool (*const roads[SPY_ROADS])(pid_t pid, const void *at, uint64_t *got) = {
        [SPY_MEM] = read_by_mem, [SPY_VM_READV] = read_by_vm_readv, [SPY_PTRACE] = read_by_ptrace};

static bool leads_to(enum spy_road road, pid_t pid, const struct places *p, size_t which)
{
        uint64_t got[KEEPER_WORDS] = {0};

        return roads[road](pid, p->at[which], got) && keeper_is_same(got, which);
}

const char *spy_on(struct spying *s, const struct keeper *k)
{
        const char *why = NULL;
        struct places p;
        struct victim v;

        *s = (struct spying){0};
        keeper_renew();
        victim_start(&v, keep_one, (void *)(uintptr_t)k);
        if (victim_hear(&v, &p, sizeof p) != 0)
                why = "the process that kept the secret ended by itself";
        for (enum spy_road road = 0; why == NULL && road < SPY_ROADS; road++) {
                if (!leads_to(road, v.pid, &p, THE_OPEN_ONE))
                        why = "another process's memory may not be read here";
                s->is_read[road] = leads_to(road, v.pid, &p, THE_SECRET);
                s->is_read_at_all |= s->is_read[road];
        }
        victim_end(&v);
        return why;
}

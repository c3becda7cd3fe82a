/* The system calls on memory, one function each.
 *
 * Always true: a raw mlock(2) is used, since the sanitizers turn libc's into a call that does nothing; errno is the kernel's
 * cause when an error is returned. docs/kernel-promises.md has the facts these functions rest on. */
#include "os/page.h"

#include "base/fatal.h"

#include <errno.h>
#include <keepmum.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { RESERVE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

size_t page_bytes(void)
{
        static size_t known; /* the same value from every thread */
        size_t n = __atomic_load_n(&known, __ATOMIC_RELAXED);

        if (n == 0) {
                n = (size_t)sysconf(_SC_PAGESIZE);
                __atomic_store_n(&known, n, __ATOMIC_RELAXED);
        }
        return n;
}

/* Why a mapping was refused. EAGAIN is the lock limit (memfd_secret, mlockall); ENOMEM is memory, or the limit of mappings: see
 * process_mappings_are_used_up(). */
static int refused(void)
{
        if (errno == EAGAIN)
                return KEEPMUM_ELIMIT;
        return errno == ENOMEM ? KEEPMUM_ENOMEM : KEEPMUM_ESYSTEM;
}

static int map(void **where, void *at, size_t n_bytes, int prot, int flags, int fd, uint64_t offset)
{
        void *p = mmap(at, n_bytes, prot, flags, fd, (off_t)offset);

        if (p == MAP_FAILED)
                return refused();
        *where = p;
        return 0;
}

int page_reserve(void **base, size_t n_bytes)
{
        return map(base, NULL, n_bytes, PROT_NONE, RESERVE, -1, 0);
}

void page_release(void *base, size_t n_bytes)
{
        int kept = errno;

        /* At the very limit of mappings the kernel may refuse to split one that it merged: the addresses then stay reserved. */
        must(munmap(base, n_bytes) == 0 || errno == ENOMEM, "munmap of own memory failed");
        errno = kept;
}

int page_vacate(void *at, size_t n_bytes)
{
        return map(&at, at, n_bytes, PROT_NONE, RESERVE | MAP_FIXED, -1, 0);
}

void page_plug(void *at, size_t n_bytes)
{
        void *p = mmap(at, n_bytes, PROT_NONE, RESERVE | MAP_FIXED_NOREPLACE, -1, 0);

        if (p != MAP_FAILED && p != at) /* a kernel before 4.17 takes the address as a hint */
                page_release(p, n_bytes);
}

int page_map_anonymous(void *at, size_t n_bytes)
{
        return map(&at, at, n_bytes, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

int page_map_file(void *at, size_t n_bytes, int fd, uint64_t offset)
{
        return map(&at, at, n_bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, offset);
}

int page_map_table(void **table, size_t n_bytes)
{
        size_t guard = page_bytes(), total = n_bytes + 2 * guard;
        void *base;
        int err = page_reserve(&base, total);

        if (err != 0)
                return err;
        err = map(table, (char *)base + guard, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (err != 0)
                page_release(base, total);
        return err;
}

/* mlock(2): ENOMEM and EAGAIN are the limit, as is EPERM under a limit of 0; any other EPERM, and ENOSYS, is a refusal. */
int page_lock(void *at, size_t n_bytes)
{
        struct rlimit limit;
        int cause;

        if (syscall(SYS_mlock, at, n_bytes) == 0)
                return 0;
        cause = errno;
        if (cause == ENOMEM || cause == EAGAIN)
                return KEEPMUM_ELIMIT;
        if (cause == EPERM && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == 0) {
                errno = cause;
                return KEEPMUM_ELIMIT;
        }
        errno = cause;
        return KEEPMUM_ENOLOCK;
}

size_t page_lock_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > SIZE_MAX)
                return SIZE_MAX;
        return (size_t)limit.rlim_cur;
}

int page_no_dump(void *at, size_t n_bytes)
{
        return madvise(at, n_bytes, MADV_DONTDUMP) == 0 ? 0 : KEEPMUM_ENODUMP;
}

int page_no_fork(void *at, size_t n_bytes)
{
        return madvise(at, n_bytes, MADV_DONTFORK) == 0 ? 0 : KEEPMUM_ENOFORK;
}

int page_wipe_on_fork(void *at, size_t n_bytes)
{
        return madvise(at, n_bytes, MADV_WIPEONFORK) == 0 ? 0 : KEEPMUM_ENOFORK;
}

void page_no_huge(void *at, size_t n_bytes)
{
        int kept = errno;

        (void)madvise(at, n_bytes, MADV_NOHUGEPAGE); /* EINVAL where the kernel has no huge pages: nothing to forbid */
        errno = kept;
}

/* getrandom(2) into each page: it needs no descriptor (none may be left, and a chroot may lack /dev/zero), works on secret
 * memory, where MADV_POPULATE_WRITE does not, and answers EFAULT where a store would raise SIGBUS. */
int page_prefault(void *at, size_t n_bytes)
{
        char *p = at;

        for (size_t i = 0; i < n_bytes; i += page_bytes()) {
                if (!page_probe_writable(p + i)) {
                        errno = ENOMEM;
                        return KEEPMUM_ENOMEM;
                }
                p[i] = 0;
        }
        return 0;
}

int page_open_first(void *at, size_t n_bytes)
{
        return page_set_write(at, n_bytes) == 0 ? 0 : KEEPMUM_ENOGUARD;
}

int page_close_first(void *at, size_t n_bytes)
{
        return page_set_none(at, n_bytes) == 0 ? 0 : KEEPMUM_ENOGUARD;
}

int page_set_none(void *at, size_t n_bytes)
{
        return mprotect(at, n_bytes, PROT_NONE);
}

int page_set_read(void *at, size_t n_bytes)
{
        return mprotect(at, n_bytes, PROT_READ);
}

int page_set_write(void *at, size_t n_bytes)
{
        return mprotect(at, n_bytes, PROT_READ | PROT_WRITE);
}

bool page_probe_writable(void *at)
{
        long n;

        do
                n = syscall(SYS_getrandom, at, (size_t)1, GRND_NONBLOCK);
        while (n < 0 && errno == EINTR);
        must(n == 1 || errno == EFAULT, "getrandom failed");
        return n == 1;
}

/* futex(2) compares the word there with a number, and waits for no time at all where they are the same. */
bool page_probe_readable(const void *at)
{
        static const struct timespec no_time;
        long n;

        do
                n = syscall(SYS_futex, at, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &no_time, NULL, 0);
        while (n < 0 && errno == EINTR);
        must(n == 0 || errno == EAGAIN || errno == ETIMEDOUT || errno == EFAULT, "futex failed");
        return n == 0 || errno != EFAULT;
}

/* madvise(2): MADV_DONTNEED is EINVAL for locked memory, and drops the contents of any other. */
int page_probe_locked(bool *is_locked, void *at, size_t n_bytes)
{
        *is_locked = madvise(at, n_bytes, MADV_DONTNEED) != 0;
        return !*is_locked || errno == EINVAL ? 0 : KEEPMUM_ESYSTEM;
}

void page_scramble(void *at, size_t n_bytes)
{
        char *p = at;
        size_t done = 0;

        while (done < n_bytes) {
                long n = syscall(SYS_getrandom, p + done, n_bytes - done, GRND_NONBLOCK);

                if (n > 0)
                        done += (size_t)n;
                else if (errno == EFAULT)
                        page_open_write(at, n_bytes);
                else
                        must(errno == EINTR, "getrandom failed");
        }
}

/* ---- for the heap's ranges ---- */

bool page_discard(void *at, size_t n_bytes)
{
        int kept = errno;
        bool is_done = madvise(at, n_bytes, MADV_DONTNEED) == 0;

        errno = kept;
        return is_done;
}

bool page_find_residents(unsigned char *residents, void *at, size_t n_bytes)
{
        int kept = errno;
        bool is_known = mincore(at, n_bytes, residents) == 0;

        errno = kept;
        return is_known;
}

size_t page_address_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur > SIZE_MAX) /* RLIM_INFINITY is the largest value */
                return SIZE_MAX;
        return (size_t)limit.rlim_cur;
}

/* ---- for the heap's large blocks ---- */

enum { ASIDE = MAP_PRIVATE | MAP_ANONYMOUS };

void *page_set_aside(size_t n_bytes)
{
        int kept = errno;
        void *base = mmap(NULL, n_bytes, PROT_NONE, ASIDE, -1, 0);

        errno = kept;
        return base == MAP_FAILED ? NULL : base;
}

/* A new mapping over the old one: one call instead of madvise and mprotect, and the charge is given back. */
bool page_empty(void *at, size_t n_bytes)
{
        int kept = errno;
        bool is_done = mmap(at, n_bytes, PROT_NONE, ASIDE | MAP_FIXED, -1, 0) == at;

        errno = kept;
        return is_done;
}

bool page_unmap(void *base, size_t n_bytes)
{
        int kept = errno;
        bool is_done = munmap(base, n_bytes) == 0;

        must(is_done || errno == ENOMEM, "munmap of own memory failed");
        errno = kept;
        return is_done;
}

bool page_move(void *to, size_t to_bytes, void *from, size_t from_bytes)
{
        int kept = errno;
        bool is_done = mremap(from, from_bytes, to_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;

        errno = kept;
        return is_done;
}

/* What the hole's neighbours look like proves nothing: another thread's closed mapping there becomes one with them. */
bool page_mend(void *hole, size_t hole_bytes)
{
        int kept = errno;
        void *p = mmap(hole, hole_bytes, PROT_NONE, ASIDE | MAP_FIXED_NOREPLACE, -1, 0);

        if (p != MAP_FAILED && p != hole) /* a kernel before 4.17 takes the address as a hint */
                (void)page_unmap(p, hole_bytes);
        errno = kept;
        return p == hole;
}

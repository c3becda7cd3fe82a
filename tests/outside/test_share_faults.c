/* The failure sweep of couriers: every system call of sharing and receiving fails in turn, once and from then on. The answer is a named error or
 * success; no descriptor, mapping or locked byte stays behind, the secret is as it was, and a courier that was not received can be. And a child
 * that is made in the middle has nothing of it. Linked with --wrap for each call below. */
#include "unit/harness.h"

#include "outside/courier.h"
#include "outside/forked.h"
#include "outside/seen.h"
#include "outside/countdown.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

/* ---- the calls ---- */

static void *guest; /* what was kept from children last: may be opened in vain, as no slot may */

WRAP(void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t offset), (at, n, prot, flags, fd, offset), MAP_FAILED)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
WRAP(int, fstatfs, (int fd, struct statfs *out), (fd, out), -1)
WRAP(int, fstat, (int fd, struct stat *out), (fd, out), -1)
WRAP(ssize_t, pread, (int fd, void *bytes, size_t n, off_t at), (fd, bytes, n, at), -1)
WRAP(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at), -1)

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
        va_list rest;
        int argument;

        va_start(rest, command);
        argument = va_arg(rest, int);
        va_end(rest);
        return fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

static bool watches;
static size_t most_locked_kb; /* while a guest came in, if somebody watches */

static bool clones_now;
static pid_t born;
static int told_to_look[2];

static bool can_read(const void *at)
{
        int ends[2];
        bool can;

        expect(pipe(ends) == 0);
        can = write(ends[1], at, 1) == 1;
        close(ends[0]);
        close(ends[1]);
        return can;
}

static void look_around(void *address)
{
        char c;

        close(told_to_look[1]);
        alarm(30);
        _exit(read(told_to_look[0], &c, 1) == 1 && !can_read(address) ? 0 : 1);
}

int __real_madvise(void *at, size_t n, int advice);
int __wrap_madvise(void *at, size_t n, int advice);
int __wrap_madvise(void *at, size_t n, int advice)
{
        if (clones_now && advice == MADV_DONTFORK) {
                clones_now = false;
                if ((born = _Fork()) == 0)
                        look_around(at);
        }
        if (advice == MADV_DONTFORK)
                guest = at;
        if (watches && locked_kb() > most_locked_kb)
                most_locked_kb = locked_kb();
        return fails("madvise") ? -1 : __real_madvise(at, n, advice);
}

int __real_mprotect(void *at, size_t n, int prot);
int __wrap_mprotect(void *at, size_t n, int prot);
int __wrap_mprotect(void *at, size_t n, int prot)
{
        return at == guest && fails("mprotect") ? -1 : __real_mprotect(at, n, prot);
}

/* memfd_secret fails, and the look whether a page is there. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
        va_list rest;
        long a[6];

        va_start(rest, number);
        for (size_t i = 0; i < n_of(a); i++)
                a[i] = va_arg(rest, long);
        va_end(rest);
        if (number == SYS_memfd_secret && fails("memfd_secret"))
                return -1;
        if (number == SYS_futex && (void *)(a[0] & -(long)page()) == guest && fails("futex")) {
                errno = EFAULT;
                return -1;
        }
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- the sweep ---- */

enum { N = 5000, SHARING, RECEIVING };

static const struct deed {
        const char *name;
        int what;
        bool is_hidden;
        size_t least_sites;
} deeds[] = {
        {"share_hidden", SHARING, true, 7},
        {"share_plain", SHARING, false, 5},
        {"receive_hidden", RECEIVING, true, 7},
        {"receive_plain", RECEIVING, false, 8},
};

struct site {
        const struct deed *deed;
        long number;
        bool is_lasting;
        int cause;
};

struct left {
        size_t descriptors, open_mappings, unaccounted_kb, secrets, opens, used_slots;
};

/* Shared memory that can be read: a slot that is open, or a courier. */
static size_t count_open_mappings(void)
{
        struct view v = view_of_self();
        size_t n = 0;

        for (size_t i = 0; i < v.n; i++)
                n += v.all[i].perms[3] == 's' && v.all[i].perms[0] == 'r';
        view_free(&v);
        return n;
}

static struct left count_left(void)
{
        return (struct left){count_descriptors(), count_open_mappings(), locked_kb() - stat_of(KEEPMUM_STAT_LOCKED_BYTES) / 1024,
                             stat_of(KEEPMUM_STAT_SECRETS), stat_of(KEEPMUM_STAT_OPENS),
                             stat_of(KEEPMUM_STAT_SLOTS) - stat_of(KEEPMUM_STAT_FREE_SLOTS)};
}

static bool is_named(int err)
{
#define NAME(name, value, exit_code, sentence) err == value ||
        return KEEPMUM_ERRORS(NAME) false;
#undef NAME
}

/* What the answer has to mean for the courier: its bytes are with the receiver; or lost on the way, and wiped; or all there still. */
static void expect_courier(int err, int fd, int kept, keepmum_secret got)
{
        expect_int(__real_fcntl(fd, F_GETFD) < 0, err == 0);
        expect_int(got.bits != 0, err == 0);
        if (err != 0) {
                int again = keepmum_receive_fd(&got, fd, KEEPMUM_NOT_HIDDEN);

                expect(again == 0 || (again == KEEPMUM_ETAKEN && err == KEEPMUM_EIO));
                if (again != 0)
                        close(fd);
        }
        if (got.bits != 0) {
                expect_int(look_for(got, 9, N, N), 0);
                expect(courier_is_used_up(kept));
                keepmum_destroy(&got);
        }
        close(kept);
}

/* Tells by exit code whether the failing call was reached: 1, else 0. */
static void fail_at(void *arg)
{
        const struct site *at = arg;
        unsigned flags = at->deed->is_hidden ? KEEPMUM_HIDDEN : KEEPMUM_NOT_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED;
        struct left before, after;
        keepmum_secret s, got = {0};
        int err, fd = -1, kept = -1;

        expect_int(make_with(&s, N, flags, 9), 0);
        expect_int(make_with(&got, N, KEEPMUM_NOT_HIDDEN, 1), 0); /* a slot for what comes */
        keepmum_destroy(&got);
        if (at->deed->what == RECEIVING) {
                expect_int(keepmum_share_fd(s, &fd), 0);
                kept = dup(fd);
        }
        count_left();
        before = count_left();
        cause = at->cause;
        is_lasting = at->is_lasting;
        guest = NULL;
        countdown = at->number;
        err = at->deed->what == SHARING ? keepmum_share_fd(s, &fd) : keepmum_receive_fd(&got, fd, KEEPMUM_NOT_HIDDEN);
        countdown = -1;
        if (err != 0 && !is_named(err))
                dprintf(2, "%s failing gives %d\n", failed, err);
        expect(err == 0 || is_named(err));
        if (at->deed->what == SHARING && err != 0) {
                expect_int(fd, -1);
                expect_int(keepmum_share_fd(s, &fd), 0);
        }
        if (at->deed->what == SHARING) {
                kept = dup(fd);
                expect_int(keepmum_receive_fd(&got, fd, KEEPMUM_NOT_HIDDEN), 0);
                expect_courier(0, fd, kept, got);
        } else {
                expect_courier(err, fd, kept, got);
                before.descriptors -= 2;
        }
        after = count_left();
        expect_int(look_for(s, 9, N, N), 0);
        expect_int(after.descriptors, before.descriptors);
        expect_int(after.open_mappings, 0);
        expect_int(after.unaccounted_kb, before.unaccounted_kb);
        expect_int(after.secrets, before.secrets);
        expect_int(after.opens, before.opens);
        expect_int(after.used_slots, before.used_slots);
        _exit(has_fired ? 1 : 0);
}

static size_t sweep(const struct deed *deed, bool lasts, int why)
{
        struct site at = {deed, 0, lasts, why};
        int code = 1;

        for (; code == 1 && at.number < 500; at.number++) {
                struct ending e = forked_run(fail_at, &at);

                code = e.exit_code;
                if (code != 0 && code != 1)
                        fail_msg("%s, call %ld %s, cause %d: exit code %d, signal %d: %s", deed->name, at.number,
                                 lasts ? "and all later" : "once", why, e.exit_code, e.signal_number, e.said);
        }
        return (size_t)at.number - 1;
}

static void each_call_fails_in_turn(void **state)
{
        static const int causes[] = {ENOMEM, EPERM, EAGAIN, EMFILE, ENOSYS, EIO};
        const struct deed *deed = *state;

        for (size_t i = 0; i < n_of(causes); i++) {
                size_t n = sweep(deed, false, causes[i]);

                if (i == 0)
                        print_message("# %s: %zu sites\n", deed->name, n);
                assert_true(n >= deed->least_sites);
                sweep(deed, true, causes[i]);
        }
}

/* ---- a child in the middle ---- */

static void share_and_be_cloned(void *arg)
{
        keepmum_secret s, got;
        int fd, status;

        expect_int(make_with(&s, 32, KEEPMUM_HIDDEN, 9), 0);
        expect_int(make_with(&got, 32, KEEPMUM_NOT_HIDDEN, 9), 0);
        keepmum_destroy(&got);
        expect_int(pipe(told_to_look), 0);
        clones_now = *(int *)arg == SHARING;
        expect_int(keepmum_share_fd(s, &fd), 0);
        clones_now = *(int *)arg == RECEIVING;
        expect_int(keepmum_receive_fd(&got, fd, KEEPMUM_NOT_HIDDEN), 0);
        expect(!clones_now && born > 0);
        expect_int(look_for(got, 9, 32, 32), 0);
        expect_int(write(told_to_look[1], "g", 1), 1);
        expect_int(waitpid(born, &status, 0), born);
        expect_int(status, 0);
}

static void a_child_made_in_the_middle_finds_the_courier_closed(void **state)
{
        static int moments[] = {SHARING, RECEIVING};

        (void)state;
        for (size_t i = 0; i < n_of(moments); i++)
                assert_true(forked_passes(share_and_be_cloned, &moments[i]));
}

/* ---- the budget meanwhile ---- */

static void share_in_the_budget(void *arg)
{
        keepmum_secret s[20], got;
        int fd;

        (void)arg;
        expect_int(keepmum_set_lock_budget(4 * page()), 0);
        for (unsigned i = 0; i < n_of(s); i++)
                expect_int(make_with(&s[i], 32, 0, i), 0);
        watches = true;
        for (unsigned i = 0; i < n_of(s); i++) {
                expect_int(keepmum_share_fd(s[i], &fd), 0);
                expect_int(keepmum_receive_fd(&got, fd, 0), 0);
                expect_int(look_for(got, i, 32, 32), 0);
                keepmum_destroy(&got);
        }
        expect(most_locked_kb > 0 && most_locked_kb <= 4 * page() / 1024);
}

static void the_budget_holds_while_a_courier_is_mapped(void **state)
{
        (void)state;
        assert_true(forked_passes(share_in_the_budget, NULL));
}

int main(void)
{
        struct CMUnitTest tests[n_of(deeds) + 2];
        size_t n = 0;
        int hidden;

        if (IS_SANITIZED)
                forked_skip_all("a sanitizer's own calls would fail");
        hidden = courier_forge(true, 1);
        for (size_t i = 0; i < n_of(deeds); i++)
                if (hidden >= 0 || !deeds[i].is_hidden)
                        tests[n++] = (struct CMUnitTest){deeds[i].name, each_call_fails_in_turn, NULL, NULL, (void *)(uintptr_t)&deeds[i]};
        if (hidden >= 0) {
                tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_child_made_in_the_middle_finds_the_courier_closed);
                tests[n++] = (struct CMUnitTest)cmocka_unit_test(the_budget_holds_while_a_courier_is_mapped);
        }
        return _cmocka_run_group_tests("share_faults", tests, n, NULL, NULL) != 0 ? 1 : 0;
}

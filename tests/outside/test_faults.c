/* The failure sweep: every system call and allocation of create, take, resize, read_fd, clone, seal_all and of opening where all slots are taken
 * is made to fail in turn, once and from then on. The result is a named error or success; nothing is left behind, and other secrets are
 * as they were, sealed or not. Linked with --wrap for each call below. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"
#include "outside/countdown.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum_heap.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* ---- the calls ---- */

WRAP(void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t offset), (at, n, prot, flags, fd, offset), MAP_FAILED)
WRAP(int, madvise, (void *at, size_t n, int advice), (at, n, advice), -1)
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(void *, keepmum_heap_malloc, (size_t n), (n), NULL)

/* EAGAIN would be waited for, as it should. */
ssize_t __real_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n);
ssize_t __wrap_read(int fd, void *bytes, size_t n)
{
        return cause != EAGAIN && fails("read") ? -1 : __real_read(fd, bytes, n);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
        return fails("open") ? -1 : __real_open(path, flags, 0);
}

/* mlock and memfd_secret fail; futex and getrandom are others' business. */
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
        if ((number == SYS_mlock || number == 447) && fails(number == SYS_mlock ? "mlock" : "memfd_secret"))
                return -1;
        return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* While a chunk is made a failing mprotect is an error; later it ends the process, deliberately. */
static bool mprotect_may_fail;
int __real_mprotect(void *at, size_t n, int prot);
int __wrap_mprotect(void *at, size_t n, int prot);
int __wrap_mprotect(void *at, size_t n, int prot)
{
        return mprotect_may_fail && fails("mprotect") ? -1 : __real_mprotect(at, n, prot);
}

/* ---- what is done ---- */

static keepmum_secret kept[3], crowd[20]; /* the crowd has not enough slots for all of it */
static int input[2];

static int do_create(keepmum_secret *s)
{
        return keepmum_create(s, 100, 0);
}

static int do_create_ordinary(keepmum_secret *s)
{
        return keepmum_create(s, 5 * page(), KEEPMUM_NOT_HIDDEN);
}

static int do_create_large(keepmum_secret *s)
{
        return keepmum_create(s, 300000, 0);
}

static int do_create_unlocked(keepmum_secret *s)
{
        return keepmum_create(s, 3 * page(), KEEPMUM_ACCEPT_UNLOCKED);
}

static int do_take(keepmum_secret *s)
{
        unsigned char bytes[200];
        int err;

        memset(bytes, 7, sizeof bytes);
        err = keepmum_take(s, bytes, sizeof bytes, 0);
        for (size_t i = 0; i < sizeof bytes; i++)
                expect_int(bytes[i], err == 0 ? 0 : 7);
        return err;
}

static int do_resize(keepmum_secret *s)
{
        keepmum_secret one = kept[2];
        int err = keepmum_resize(one, 20 * page());

        *s = (keepmum_secret){0};
        if (err != 0)
                return err;
        mprotect_may_fail = false;
        countdown = -1;
        expect_int(keepmum_resize(one, 300), 0);
        return 0;
}

static int do_read_fd(keepmum_secret *s)
{
        expect_int(pipe(input), 0);
        for (int i = 0; i < 10; i++) {
                static const char some[3000] = "some";

                expect_int(write(input[1], some, sizeof some), sizeof some);
        }
        close(input[1]);
        int err = keepmum_read_fd(s, input[0], 1 << 20, 0);
        close(input[0]);
        return err;
}

static int read_one(keepmum_secret one)
{
        const void *bytes;
        int err = keepmum_open_read(one, &bytes, NULL);

        if (err == 0)
                keepmum_close(one);
        return err;
}

static int do_open_sealed(keepmum_secret *s)
{
        int err = 0;

        (void)s;
        for (size_t i = 0; i < n_of(crowd) && err == 0; i++)
                err = read_one(crowd[i]);
        return err;
}

static int do_write_sealed(keepmum_secret *s)
{
        int err = 0;

        (void)s;
        for (unsigned i = 0; i < n_of(crowd) && err == 0; i++)
                err = fill_with(crowd[i], i);
        return err;
}

static int do_clone(keepmum_secret *s)
{
        int err = keepmum_clone(s, crowd[n_of(crowd) - 1]);

        if (err != 0)
                return err;
        expect_int(look_for(*s, n_of(crowd) - 1, 100, 100) & ~1, read_one(*s) & ~1);
        keepmum_destroy(s);
        return keepmum_clone(s, crowd[0]);
}

static int do_resize_sealed(keepmum_secret *s)
{
        int err = keepmum_resize(crowd[3], 2 * page());

        (void)s;
        if (err != 0)
                return err;
        countdown = -1;
        return keepmum_resize(crowd[3], 100);
}

static int do_seal_all(keepmum_secret *s)
{
        (void)s;
        return keepmum_seal_all();
}

struct deed {
        const char *name;
        int (*act)(keepmum_secret *s);
        bool mprotect_may_fail; /* it only makes chunks, it opens nothing */
        bool is_crowded;
        size_t least_sites;
};

static const struct deed deeds[] = {
        {"create", do_create, true, false, 12},
        {"create_ordinary", do_create_ordinary, true, false, 12},
        {"create_large", do_create_large, true, false, 8},
        {"create_unlocked", do_create_unlocked, true, false, 10},
        {"take", do_take, false, false, 8},
        {"resize", do_resize, false, false, 8},
        {"read_fd", do_read_fd, false, false, 15},
        {"take_amid_crowd", do_take, false, true, 1},
        {"open_sealed", do_open_sealed, false, true, 1},
        {"write_sealed", do_write_sealed, false, true, 8},
        {"clone", do_clone, false, true, 1},
        {"resize_sealed", do_resize_sealed, false, true, 2},
        {"seal_all", do_seal_all, false, true, 1},
};

/* ---- the sweep ---- */

struct left {
        size_t descriptors, secrets, opens, used_slots, slots_kb;
        size_t locked;
};

static struct left count_left(void)
{
        struct left l = {
                .descriptors = count_descriptors(),
                .secrets = stat_of(KEEPMUM_STAT_SECRETS),
                .opens = stat_of(KEEPMUM_STAT_OPENS),
                .used_slots = stat_of(KEEPMUM_STAT_SLOTS) - stat_of(KEEPMUM_STAT_FREE_SLOTS),
                .slots_kb = stat_of(KEEPMUM_STAT_LOCKED_BYTES) / 1024,
                .locked = locked_kb(),
        };

        return l;
}

/* Slots that could not be given back while every call failed can be now. */
static void give_back_what_is_unused(void)
{
        keepmum_secret s;

        mprotect_may_fail = false;
        expect_int(keepmum_set_lock_budget(3 * page()), 0);
        expect_int(keepmum_create(&s, 40 * page(), 0), KEEPMUM_ELIMIT);
        expect_int(keepmum_set_lock_budget(0), 0);
}

static const char *name_of(int error)
{
#define NAME(name, value, exit_code, sentence) \
        if (error == value)                    \
                return #name;
        KEEPMUM_ERRORS(NAME)
        return NULL;
}

struct site {
        const struct deed *deed;
        long number;
        bool is_lasting, is_first_use;
        int cause;
};

/* Every third one is always sealed. */
static void make_crowd(void)
{
        for (unsigned i = 0; i < n_of(crowd); i++)
                expect_int(make_with(&crowd[i], 100, i % 3 == 0 ? KEEPMUM_SEALED : 0, i), 0);
}

static void expect_crowd(void)
{
        for (unsigned i = 0; i < n_of(crowd); i++)
                expect_int(look_for(crowd[i], i, 100, 100), 0);
}

/* Tells by exit code whether the failing call was reached: 1, else 0. */
static void fail_at(void *arg)
{
        const struct site *at = arg;
        struct left before, after;
        unsigned stay = 0;
        keepmum_secret s = {0};
        int err;

        count_descriptors();
        if (at->deed->mprotect_may_fail)
                stay = KEEPMUM_STAY; /* to seal one would be to open it */
        if (at->deed->is_crowded)
                expect_int(keepmum_set_lock_budget(12 * page()), 0);
        for (unsigned i = 0; !at->is_first_use && i < n_of(kept); i++)
                expect_int(make_with(&kept[i], 100 + 200 * i, stay | (i == 1 ? KEEPMUM_NOT_HIDDEN : 0), i), 0);
        if (at->deed->is_crowded)
                make_crowd();
        while (!at->is_first_use && !at->deed->is_crowded && stat_of(KEEPMUM_STAT_FREE_SLOTS) > (stat_of(KEEPMUM_STAT_HIDDEN_SLOTS) > 0 ? 3 : 0))
                expect_int(keepmum_create(&s, 1, stay), 0); /* no slot is free but in the ordinary chunk beside hidden ones */
        memset(&before, 0, sizeof before);
        if (!at->is_first_use)
                before = count_left();
        cause = at->cause;
        is_lasting = at->is_lasting;
        mprotect_may_fail = at->deed->mprotect_may_fail;
        countdown = at->number;
        err = at->deed->act(&s);
        countdown = -1;
        if (err != 0 && name_of(err) == NULL)
                dprintf(2, "%s failing gives %d\n", failed, err);
        expect(err == 0 || name_of(err) != NULL);
        if (!at->is_first_use) {
                give_back_what_is_unused();
                after = count_left();
                if (err != 0 || at->deed->act == do_resize) {
                        expect_int(after.secrets, before.secrets);
                        expect(after.used_slots <= before.used_slots); /* some may be sealed now */
                }
                expect_int(after.descriptors, before.descriptors);
                expect_int(after.opens, before.opens);
                expect_int(after.locked - before.locked, after.slots_kb - before.slots_kb); /* what is locked is accounted for */
                for (unsigned i = 0; i < n_of(kept); i++)
                        expect_int(look_for(kept[i], i, 100 + 200 * (i == 2 ? 1 : i), i == 2 && err == 0 && at->deed->act == do_resize ? 300 : 100 + 200 * i), 0);
        }
        if (at->deed->is_crowded)
                expect_crowd();
        if (err == 0 && s.bits != 0) {
                unsigned promises;

                expect_int(keepmum_state(s, &promises), 0);
                expect(promises & KEEPMUM_IS_NODUMP && promises & KEEPMUM_IS_NOFORK && promises & KEEPMUM_IS_GUARDED);
                if (at->deed->act != do_create_unlocked)
                        expect(promises & KEEPMUM_IS_LOCKED);
                expect_int(keepmum_verify(s, &promises), 0);
                expect(promises & KEEPMUM_IS_NODUMP && promises & KEEPMUM_IS_NOFORK && promises & KEEPMUM_IS_GUARDED);
        }
        expect_int(make_with(&s, 70000, 0, 1), 0); /* all works again */
        expect_int(look_for(s, 1, 70000, 70000), 0);
        _exit(has_fired ? 1 : 0);
}

/* The sealing key's page was opened to be filled, and can never be closed again. */
static bool is_deliberate_end(const struct site *at, const struct ending *e)
{
        return at->is_first_use && at->is_lasting && e->signal_number == SIGABRT &&
               strcmp(e->said, "keepmum: mprotect of a slot failed\n") == 0;
}

/* The number of sites; each failed in turn. */
static size_t sweep(const struct deed *deed, bool lasts, bool is_first_use, int why)
{
        struct site at = {deed, 0, lasts, is_first_use, why};
        int code = 1;

        for (; code == 1 && at.number < 2000; at.number++) {
                struct ending e = forked_run(fail_at, &at);

                code = is_deliberate_end(&at, &e) ? 1 : e.exit_code;
                if (code != 0 && code != 1)
                        fail_msg("%s, call %ld %s, cause %d: exit code %d, signal %d: %s", deed->name, at.number,
                                 lasts ? "and all later" : "once", why, e.exit_code, e.signal_number, e.said);
        }
        return (size_t)at.number - 1;
}

static void each_call_fails_in_turn(void **state)
{
        const struct deed *deed = *state;
        size_t n = sweep(deed, false, false, ENOMEM);

        print_message("# %s: %zu sites\n", deed->name, n);
        assert_true(n >= deed->least_sites);
        sweep(deed, true, false, ENOMEM);
        sweep(deed, false, false, EPERM);
        sweep(deed, false, false, EAGAIN); /* the lock limit */
}

static void the_first_use_survives_every_failure(void **state)
{
        size_t n = sweep(&deeds[0], false, true, ENOMEM);

        (void)state;
        print_message("# first use: %zu sites\n", n);
        assert_true(n >= 30);
        sweep(&deeds[0], true, true, ENOMEM);
        sweep(&deeds[0], false, true, EPERM);
}

/* Nothing stays mapped when the same failure comes again and again. */
static void fail_a_hundred_times(void *arg)
{
        keepmum_secret s;
        size_t mappings = 0, kb = 0, locked = 0;

        (void)arg;
        expect_int(make_with(&kept[0], 100, 0, 0), 0);
        for (int round = 0; round < 110; round++) {
                cause = ENOMEM;
                is_lasting = true;
                mprotect_may_fail = true;
                countdown = round % 10;
                expect(keepmum_create(&s, 16 * page(), 0) != 0);
                countdown = -1;
                if (round == 9) {
                        mappings = count_mappings();
                        kb = address_space_kb();
                        locked = locked_kb();
                }
        }
        expect_int(count_mappings(), mappings);
        expect_int(address_space_kb(), kb);
        expect_int(locked_kb(), locked);
        expect_int(look_for(kept[0], 0, 100, 100), 0);
}

static void failures_leave_no_mapping_behind(void **state)
{
        (void)state;
        assert_true(forked_passes(fail_a_hundred_times, NULL));
}

int main(void)
{
        struct CMUnitTest tests[n_of(deeds) + 2];

        if (IS_SANITIZED)
                forked_skip_all("a sanitizer's own calls would fail");
        for (size_t i = 0; i < n_of(deeds); i++)
                tests[i] = (struct CMUnitTest){deeds[i].name, each_call_fails_in_turn, NULL, NULL, (void *)(uintptr_t)&deeds[i]};
        tests[n_of(deeds)] = (struct CMUnitTest)cmocka_unit_test(the_first_use_survives_every_failure);
        tests[n_of(deeds) + 1] = (struct CMUnitTest)cmocka_unit_test(failures_leave_no_mapping_behind);
        return _cmocka_run_group_tests("faults", tests, n_of(tests), NULL, NULL) != 0 ? 1 : 0;
}

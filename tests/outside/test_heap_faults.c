/* The heap's failure sweep: every system call it makes under a mixed load is made to fail in turn, once and from then
 * on. An allocation may fail, with ENOMEM, and nothing else may: no block loses a byte, none is refused at its free,
 * and when the fault has gone all works again and nothing is lost.
 *
 * Linked with --wrap for each call below. */
#include "outside/heap_load.h"

#include "outside/seen.h"
#include "outside/wrapped.h"

#include <stdio.h>
#include <sys/mman.h>

/* ---- the calls ---- */

static struct fault {
        const char *name; /* the call that fails; NULL: any */
        long number;      /* how many go well before */
        bool is_lasting;
} fault;
static bool is_on;
static long n_calls;
static bool has_fired;

/* The threads of the load work one after the other. */
static bool fails(const char *name)
{
        if (!is_on || (fault.name != NULL && strcmp(fault.name, name) != 0))
                return false;
        if (n_calls++ < fault.number || (n_calls - 1 > fault.number && !fault.is_lasting))
                return false;
        has_fired = true;
        errno = ENOMEM;
        return true;
}

WRAP(void *, mmap, (void *at, size_t n, int prot, int flags, int fd, off_t offset), (at, n, prot, flags, fd, offset),
     MAP_FAILED)
WRAP(int, munmap, (void *at, size_t n), (at, n), -1)
WRAP(int, mprotect, (void *at, size_t n, int prot), (at, n, prot), -1)
WRAP(int, madvise, (void *at, size_t n, int advice), (at, n, advice), -1)
WRAP(void *, sbrk, (intptr_t by), (by), (void *)-1)
WRAP(int, pthread_setspecific, (pthread_key_t key, const void *value), (key, value), ENOMEM)
WRAP(int, pthread_key_create, (pthread_key_t *key, void (*end)(void *)), (key, end), EAGAIN)

/* The kernel may fail before it unmaps what stood at the new place, or after. */
static bool unmaps_before_it_fails;
void *__real_mremap(void *at, size_t n, size_t n_new, int flags, void *there);
void *__wrap_mremap(void *at, size_t n, size_t n_new, int flags, void *there);
void *__wrap_mremap(void *at, size_t n, size_t n_new, int flags, void *there)
{
        if (!fails("mremap"))
                return __real_mremap(at, n, n_new, flags, there);
        if (unmaps_before_it_fails && (flags & MREMAP_FIXED) != 0)
                __real_munmap(there, n_new);
        errno = ENOMEM;
        return MAP_FAILED;
}

/* ---- the sweep ---- */

static bool is_first_use;

/* Tells by its exit code whether the failing call was reached: 1, else 0. */
static void fail_there(void *arg)
{
        fault = *(const struct fault *)arg;
        if (!is_first_use)
                expect_all_works();
        is_on = true;
        load();
        drop_all();
        is_on = false;
        drop_all(); /* what could not be given back while all failed */
        expect_nothing_left();
        expect_all_works();
        _exit(has_fired ? 1 : 0);
}

static size_t sweep(const char *name, bool is_lasting)
{
        struct fault at = {name, 0, is_lasting};
        int code = 1;

        for (; code == 1 && at.number < 2000; at.number++) {
                struct ending e = forked_run(fail_there, &at);

                code = e.exit_code;
                if (code != 0 && code != 1)
                        fail_msg("%s, call %ld %s%s: exit code %d, signal %d: %s", name, at.number,
                                 is_lasting ? "and all later" : "once", is_first_use ? ", from the first use on" : "",
                                 e.exit_code, e.signal_number, e.said);
        }
        return (size_t)at.number - 1;
}

static const struct call {
        const char *name;
        size_t least_sites, least_sites_first;
        const char *label;
} calls[] = {
        {"sbrk", 0, 8, NULL},
        {"mmap", 15, 25, NULL},
        {"munmap", 8, 8, NULL},
        {"mprotect", 4, 6, NULL},
        {"madvise", 8, 8, NULL},
        {"mremap", 5, 5, NULL},
        {"mremap", 5, 5, "mremap, the new place unmapped"},
        {"pthread_setspecific", 1, 1, NULL},
        {"pthread_key_create", 0, 1, NULL},
};

static void each_call_fails_in_turn(void **state)
{
        const struct call *call = *state;

        unmaps_before_it_fails = call->label != NULL;
        for (int first = 0; first < 2; first++) {
                size_t n;

                is_first_use = first != 0;
                n = sweep(call->name, false);
                print_message("# %s%s: %zu sites\n", call->name, is_first_use ? ", first use" : "", n);
                assert_true(n >= (is_first_use ? call->least_sites_first : call->least_sites));
                sweep(call->name, true);
        }
}

static void everything_fails_from_any_call_on(void **state)
{
        (void)state;
        for (int first = 0; first < 2; first++) {
                is_first_use = first != 0;
                assert_true(sweep(NULL, true) >= 40);
        }
}

/* ---- again and again ---- */

/* One call at a time: where mremap, mmap and munmap all fail at once, a guard page of the place that was to be moved to
 * stays for ever. */
static void fail_a_hundred_times(void *arg)
{
        size_t kb = 0, mappings = 0, books = 0;

        (void)arg;
        unmaps_before_it_fails = true; /* what stands there still cannot be told from somebody else's: it is given up */
        fault.is_lasting = true;
        for (size_t round = 0; round < 15 * n_of(calls); round++) {
                fault.name = calls[round % n_of(calls)].name;
                fault.number = (long)(round / n_of(calls)) % 5;
                n_calls = 0;
                is_on = true;
                load();
                drop_all();
                is_on = false;
                drop_all();
                if (round == 5 * n_of(calls) - 1) {
                        kb = address_space_kb();
                        mappings = count_mappings();
                        books = heap_stat(KEEPMUM_HEAP_STAT_BOOKS);
                }
        }
        expect_nothing_left();
        expect(address_space_kb() <= kb + 1024);
        expect(count_mappings() <= mappings + 64); /* each page of guarded blocks becomes one at its first use */
        expect_int(heap_stat(KEEPMUM_HEAP_STAT_BOOKS), books);
}

static void failures_that_repeat_use_nothing_up(void **state)
{
        (void)state;
        assert_true(forked_passes(fail_a_hundred_times, NULL));
}

int main(void)
{
        static const struct CMUnitTest others[] = {
                cmocka_unit_test(everything_fails_from_any_call_on),
                cmocka_unit_test(failures_that_repeat_use_nothing_up),
        };
        struct CMUnitTest tests[n_of(calls) + n_of(others)];

        if (IS_SANITIZED)
                forked_skip_all("a sanitizer's own calls would fail");
        for (size_t i = 0; i < n_of(calls); i++)
                tests[i] = (struct CMUnitTest){calls[i].label != NULL ? calls[i].label : calls[i].name,
                                               each_call_fails_in_turn, NULL, NULL, (void *)(uintptr_t)&calls[i]};
        memcpy(tests + n_of(calls), others, sizeof others);
        return _cmocka_run_group_tests("faults of the heap", tests, n_of(tests), NULL, NULL) != 0 ? 1 : 0;
}

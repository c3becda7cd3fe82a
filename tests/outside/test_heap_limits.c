/* The heap at its limits: of address space, of data, of mappings, and with a break that cannot move. Each is ENOMEM or
 * another way to the same end; no block loses a byte, every free goes on, and when the limit has gone all works again.
 */
#include "outside/heap_load.h"

#include "outside/seen.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { MANY = 40000 };
static char *many[MANY];

static void limit_to(int resource, size_t n_bytes)
{
        struct rlimit limit = {n_bytes, RLIM_INFINITY};

        if (resource == RLIMIT_AS)
                expect_int(setrlimit(RLIMIT_AS, &limit), 0);
        else
                expect_int(setrlimit(RLIMIT_DATA, &limit), 0);
}

/* Until none is to be had: their total size. */
static size_t take_until_refused(size_t n_bytes)
{
        size_t n = 0, kept = 0;

        for (; n < MANY; n++) {
                errno = 0;
                many[n] = keepmum_heap_malloc(n_bytes);
                if (many[n] == NULL)
                        break;
                expect(is_zero(many[n], n_bytes));
                fill(many[n], n_bytes, (unsigned)n);
        }
        expect_int(errno, ENOMEM);
        expect_int(n < MANY, 1);
        for (size_t i = 0; i < n; i++)
                expect(holds(many[i], n_bytes, (unsigned)i));
        if (n > 1) {
                expect(keepmum_heap_realloc(many[0], 2 * n_bytes + ((size_t)64 << 20)) == NULL);
                expect_int(errno, ENOMEM);
                expect(holds(many[0], n_bytes, 0));
        }
        kept = n * n_bytes;
        keepmum_heap_check();
        while (n-- > 0)
                keepmum_heap_free(many[n]);
        keepmum_heap_trim();
        return kept;
}

struct limit {
        int resource;
        size_t n_bytes;
        bool is_first_use;
};
static size_t each;

/* The limit is reached twice: what was taken and given back is there again. The books need a part of it. */
static void reach(void *arg)
{
        const struct limit *l = arg;
        size_t used = 8 << 20, got;

        if (!l->is_first_use)
                expect_all_works();
        if (l->resource == RLIMIT_AS)
                used = address_space_kb() * 1024;
        limit_to(l->resource, used + l->n_bytes);
        for (int round = 0; round < 2; round++) {
                got = take_until_refused(each);
                if (l->n_bytes > 1 << 20 && got < l->n_bytes / 2)
                        dprintf(STDERR_FILENO, "only %zu KiB of %zu\n", got >> 10, l->n_bytes >> 10);
                expect(l->n_bytes <= 1 << 20 || got >= l->n_bytes / 2);
        }
        limit_to(l->resource, RLIM_INFINITY);
        expect_all_works();
}

static void a_limit_is_ENOMEM_and_no_more(void **state)
{
        static const struct limit limits[] = {
                {RLIMIT_AS, 32 << 20, false}, {RLIMIT_AS, 36 << 20, true}, {RLIMIT_AS, 1 << 20, true},
                {RLIMIT_DATA, 32 << 20, false}, {RLIMIT_DATA, 32 << 20, true}, {RLIMIT_DATA, 1 << 20, true},
        };

        (void)state;
        for (size_t i = 0; i < n_of(limits) * n_of(sizes); i++) {
                struct limit l = limits[i / n_of(sizes)];

                each = sizes[i % n_of(sizes)];
                if (each >= 1000 && !forked_passes(reach, &l))
                        fail_msg("%s, %zu MiB%s, in blocks of %zu",
                                 l.resource == RLIMIT_AS ? "RLIMIT_AS" : "RLIMIT_DATA", l.n_bytes >> 20,
                                 l.is_first_use ? " from the first use on" : "", each);
        }
}

/* Somebody's page stands right above the break: it cannot move any more. */
static void block_the_break(void *arg)
{
        size_t n;

        if (arg != NULL)
                expect_all_works();
        expect(mmap((void *)(((uintptr_t)sbrk(0) + page() - 1) & ~(page() - 1)), page(), PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED);
        for (n = 0; n < 4000; n++) {
                many[n] = keepmum_heap_malloc(10000);
                expect(many[n] != NULL && is_zero(many[n], 10000));
                fill(many[n], 10000, (unsigned)n);
        }
        keepmum_heap_check();
        while (n-- > 0) {
                expect(holds(many[n], 10000, (unsigned)n));
                keepmum_heap_free(many[n]);
        }
        expect_all_works();
}

static void a_break_that_cannot_move_is_replaced(void **state)
{
        static int used;

        (void)state;
        assert_true(forked_passes(block_the_break, NULL));
        assert_true(forked_passes(block_the_break, &used));
}

/* Single pages that the kernel cannot join, until n_left mappings are to be had. */
static void use_up_mappings(size_t n_left)
{
        FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
        size_t most = 0, n;
        char *base;

        if (f == NULL || fscanf(f, "%zu", &most) != 1 || most > 200000)
                _exit(0); /* too many to use up */
        fclose(f);
        n = most - count_mappings() - n_left;
        base = mmap(NULL, (n + 2) * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        expect(base != MAP_FAILED);
        for (size_t i = 0; i + 1 < n; i += 2)
                if (mprotect(base + (i + 1) * page(), page(), PROT_READ) != 0)
                        break;
}

static void run_out_of_mappings(void *arg)
{
        static const size_t left[] = {40, 20, 9, 4, 1, 0};

        if (arg != NULL)
                expect_all_works();
        use_up_mappings(left[arg != NULL ? *(size_t *)arg % 8 : 2]);
        load();
        load();
        for (size_t i = 0; i < n_of(blocks); i++)
                drop(&blocks[i]);
        keepmum_heap_check();
        load();
        drop_all();
}

static void no_mapping_left_is_ENOMEM_and_frees_go_on(void **state)
{
        (void)state;
        assert_true(forked_passes(run_out_of_mappings, NULL));
        for (size_t i = 0; i < 6; i++)
                assert_true(forked_passes(run_out_of_mappings, &i));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_ENOMEM_and_no_more),
        cmocka_unit_test(a_break_that_cannot_move_is_replaced),
        cmocka_unit_test(no_mapping_left_is_ENOMEM_and_frees_go_on),
};

int main(void)
{
        if (IS_SANITIZED)
                forked_skip_all("a sanitizer's own mappings would fail");
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

/* The heap's death table: what is done to a block, what is called next, and the exact words of the end; or the fault,
 * where the design lets the misuse itself fault. Each in a child, at sizes of small slots, of a medium run and of a
 * large mapping.
 *
 * One small block in about a thousand stands against a guard page and faults where others are found out by their
 * canaries: the usual rows take a block that does not, the guarded rows one that does (KEEPMUM_HEAP_STAT_GUARDED
 * tells). */
#include "outside/heap_blocks.h"
#include "outside/heap_misuses.h"

#include "heap/misuse.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { MISUSES = 2043 };

/* How it ends. */
enum end {
        NOT_HERE, /* this size has no such row */
        FAULT,    /* SIGSEGV, nothing said */
        FREED,
        NO_BLOCK, /* the sentence depends on the call */
        NOT_LIVE, /* either of these: a slot that nobody was given yet */
        OVERRUN,
        UNDERRUN,
        AFTER_FREE,
        BESIDE, /* as keepmum_heap_check() sees it: the block's end, its neighbour's start, or a free slot */
};

/* ---- what is called next ---- */

static void by_free(char *p, size_t n_bytes)
{
        (void)n_bytes;
        keepmum_heap_free(p);
}

static void by_growing(char *p, size_t n_bytes)
{
        expect(keepmum_heap_realloc(p, n_bytes + 100000) != NULL);
}

static void by_shrinking(char *p, size_t n_bytes)
{
        expect(keepmum_heap_realloc(p, n_bytes - 8) != NULL);
}

static void by_size(char *p, size_t n_bytes)
{
        expect(keepmum_heap_usable_size(p) != n_bytes + 1);
}

static void by_check(char *p, size_t n_bytes)
{
        (void)p;
        (void)n_bytes;
        keepmum_heap_check();
}

/* Takes blocks and gives them back until this one comes again. Each free puts a random one of at most 64 out of the
 * quarantine, each allocation takes a random one of the 8 on top of the cache: 50,000 rounds do not miss it. */
static void by_reuse(char *p, size_t n_bytes)
{
        static char *kept[16];

        for (unsigned i = 0; i < 50000; i++) {
                char **at = &kept[i % n_of(kept)];

                keepmum_heap_free(*at);
                *at = keepmum_heap_malloc(n_bytes);
                expect(*at != p); /* silent harm */
        }
}

static size_t n_bytes_elsewhere;

static void *reuse_here(void *p)
{
        by_reuse(p, n_bytes_elsewhere);
        return NULL;
}

/* A thread that begins takes over the cache, and the quarantine, of one that ended. */
static void by_reuse_elsewhere(char *p, size_t n_bytes)
{
        n_bytes_elsewhere = n_bytes;
        in_another_thread(reuse_here, p);
}

static _Atomic int n_ready;

static void *free_at_once(void *p)
{
        n_ready++;
        while (n_ready < 2)
                ;
        keepmum_heap_free(p);
        return NULL;
}

static void by_racing_frees(char *p, size_t n_bytes)
{
        pthread_t t;

        (void)n_bytes;
        expect_int(pthread_create(&t, NULL, free_at_once, p), 0);
        free_at_once(p);
        pthread_join(t, NULL);
}

static const struct finder {
        const char *name;
        void (*call)(char *p, size_t n_bytes);
        const char *freed, *no_block;
} finders[] = {
        {"free", by_free, HEAP_FREE_TWICE, HEAP_FREE_NO_BLOCK},
        {"growing realloc", by_growing, HEAP_REALLOC_FREED, HEAP_REALLOC_NO_BLOCK},
        {"shrinking realloc", by_shrinking, HEAP_REALLOC_FREED, HEAP_REALLOC_NO_BLOCK},
        {"usable_size", by_size, HEAP_SIZE_FREED, HEAP_SIZE_NO_BLOCK},
        {"check", by_check, NULL, NULL},
        {"reuse", by_reuse, NULL, NULL},
        {"reuse in another thread", by_reuse_elsewhere, NULL, NULL},
        {"racing frees", by_racing_frees, HEAP_FREE_TWICE, NULL},
};

enum {
        BY_FREE = 1,
        BY_REALLOC = 2 | 4,
        BY_SIZE = 8,
        BY_CHECK = 16,
        BY_REUSE = 32,
        BY_REUSE_ELSEWHERE = 64,
        BY_RACE = 128,
        BY_CALLS = BY_FREE | BY_REALLOC | BY_SIZE,    /* for what is no live block */
        BY_LOOKING = BY_FREE | BY_REALLOC | BY_CHECK, /* for what was written beside */
};

/* ---- the table ---- */

static const struct row {
        const char *name;
        char *(*act)(char *p, size_t n_bytes);
        unsigned finders;
        enum end small, medium, large;
        bool is_guarded;
} rows[] = {
#define ROW(act, ...) {#act, misuse_##act, __VA_ARGS__, false}
#define GUARDED(act, ...) {#act, misuse_##act, __VA_ARGS__, NOT_HERE, NOT_HERE, true}
        ROW(free_it, BY_CALLS, FREED, FREED, FREED),
        ROW(free_in_another_thread, BY_CALLS, FREED, FREED, FREED),
        ROW(nothing, BY_RACE, FREED, FREED, FREED),
        ROW(free_and_allocate_another_size, BY_CALLS, FREED, NOT_HERE, FREED),
        ROW(free_and_allocate_the_same_size, BY_CALLS, FREED, NOT_HERE, NOT_HERE),
        ROW(free_twice_around_an_allocation, BY_CALLS, FREED, FREED, FREED),
        ROW(move_away, BY_CALLS, FREED, FREED, FREED),
        ROW(step_1, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(step_16, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(step_back_16, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(step_to_a_page_within, BY_CALLS, NOT_HERE, NO_BLOCK, NO_BLOCK),
        ROW(stack_address, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(global_address, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(code_address, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(foreign_mapping, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(block_of_libc, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(wild_low, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(wild_high, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(wild_letters, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(far_above, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(neighbour_never_given, BY_CALLS, NOT_LIVE, NOT_HERE, NOT_HERE),
        ROW(overrun_by_1, BY_LOOKING, OVERRUN, OVERRUN, OVERRUN),
        ROW(overrun_by_8, BY_LOOKING, OVERRUN, OVERRUN, OVERRUN),
        ROW(overrun_by_64, BY_FREE | BY_REALLOC, OVERRUN, OVERRUN, OVERRUN),
        ROW(overrun_by_64, BY_CHECK, BESIDE, OVERRUN, OVERRUN),
        ROW(copy_a_string_one_too_long, BY_LOOKING, OVERRUN, OVERRUN, OVERRUN),
        ROW(overrun_after_a_resize, BY_LOOKING, OVERRUN, OVERRUN, OVERRUN),
        ROW(overrun_to_the_page_after_the_last, BY_FREE, NOT_HERE, NOT_HERE, FAULT),
        ROW(underrun_by_1, BY_FREE, UNDERRUN, UNDERRUN, NOT_HERE),
        ROW(underrun_by_8, BY_FREE, UNDERRUN, UNDERRUN, NOT_HERE),
        ROW(underrun_above_a_freed_one, BY_FREE, UNDERRUN, UNDERRUN, NOT_HERE),
        ROW(underrun_by_1, BY_CHECK, BESIDE, BESIDE, NOT_HERE),
        ROW(underrun_by_8, BY_CHECK, BESIDE, BESIDE, NOT_HERE),
        ROW(underrun_above_a_freed_one, BY_CHECK, BESIDE, BESIDE, NOT_HERE),
        ROW(underrun_itself_by_1, BY_FREE, NOT_HERE, NOT_HERE, FAULT),
        ROW(write_the_head_after_free, BY_REUSE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(write_the_middle_after_free, BY_REUSE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(write_the_last_byte_after_free, BY_REUSE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(write_behind_the_end_after_free, BY_REUSE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(write_two_pointers_after_free, BY_REUSE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(write_after_free_where_nothing_was, BY_REUSE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(write_after_a_free_in_another_thread, BY_REUSE_ELSEWHERE | BY_CHECK, AFTER_FREE, AFTER_FREE, FAULT),
        ROW(read_at_once_after_free, BY_FREE, NOT_HERE, NOT_HERE, FAULT),
        ROW(forge_a_chunk_of_glibc, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(forge_a_freed_chunk_behind, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        ROW(forge_a_descriptor, BY_CALLS, NO_BLOCK, NO_BLOCK, NO_BLOCK),
        GUARDED(free_it, BY_CALLS, FREED),
        GUARDED(nothing, BY_RACE, FREED),
        GUARDED(step_16, BY_CALLS, NO_BLOCK),
        GUARDED(step_back_16, BY_CALLS, NO_BLOCK),
        GUARDED(overrun_by_1, BY_LOOKING, OVERRUN),
        GUARDED(overrun_by_8, BY_LOOKING, OVERRUN),
        GUARDED(overrun_by_64, BY_FREE, FAULT),
        GUARDED(copy_a_string_one_too_long, BY_LOOKING, OVERRUN),
        GUARDED(underrun_itself_by_1, BY_LOOKING, UNDERRUN),
        GUARDED(write_at_once_after_free, BY_FREE, FAULT),
        GUARDED(read_at_once_after_free, BY_FREE, FAULT),
};

static const size_t sizes[] = {40, 1000, 10000, 300000, 2000000};
static size_t n_tried, n_stopped, n_silent;

struct trial {
        const struct row *row;
        const struct finder *finder;
        size_t n_bytes;
};

static enum end end_of(const struct row *row, size_t n_bytes)
{
        if (row->is_guarded && n_bytes + 16 > page())
                return NOT_HERE;
        return n_bytes < 16384 ? row->small : n_bytes < 1048576 ? row->medium : row->large;
}

static void do_it(void *arg)
{
        const struct trial *t = arg;
        char *p = t->row->is_guarded ? guarded_block(t->n_bytes) : usual_block(t->n_bytes);

        memset(p, 'a', t->n_bytes);
        t->finder->call(blind(t->row->act(blind(p), t->n_bytes)), t->n_bytes);
}

static bool is_said(const char *said, const char *words)
{
        char line[100];

        snprintf(line, sizeof line, "keepmum: %s\n", words);
        return strcmp(said, line) == 0;
}

static bool is_as_expected(const struct ending *e, enum end end, const struct finder *finder)
{
        const char *s = e->said;

        if (end == FAULT)
                return e->signal_number == SIGSEGV && s[0] == '\0';
        if (e->signal_number != SIGABRT)
                return false;
        switch (end) {
        case FREED:
                return is_said(s, finder->freed);
        case NO_BLOCK:
                return is_said(s, finder->no_block);
        case NOT_LIVE:
                return is_said(s, finder->freed) || is_said(s, finder->no_block);
        case OVERRUN:
                return is_said(s, HEAP_OVERRUN);
        case UNDERRUN:
                return is_said(s, HEAP_UNDERRUN);
        case AFTER_FREE:
                return is_said(s, HEAP_WRITE_AFTER_FREE);
        default:
                return is_said(s, HEAP_OVERRUN) || is_said(s, HEAP_UNDERRUN) || is_said(s, HEAP_WRITE_AFTER_FREE);
        }
}

/* A race is tried more often. */
static size_t try_out(struct trial *t)
{
        size_t n_wrong = 0;

        for (int i = 0; i < (t->finder->call == by_racing_frees ? 100 : 1); i++) {
                struct ending e = forked_run(do_it, t);

                n_tried++;
                n_stopped += e.signal_number != 0;
                n_silent += e.signal_number == 0 && e.exit_code == 98;
                if (is_as_expected(&e, end_of(t->row, t->n_bytes), t->finder))
                        continue;
                n_wrong++;
                print_error("%zu bytes%s, found by %s: exit code %d, signal %d, said: %s\n", t->n_bytes,
                            t->row->is_guarded ? " at a guard page" : "", t->finder->name, e.exit_code, e.signal_number,
                            e.said[0] != '\0' ? e.said : "nothing\n");
        }
        return n_wrong;
}

static void dies_as_the_row_says(void **state)
{
        struct trial t = {.row = *state};
        size_t n_wrong = 0;

        for (size_t i = 0; i < n_of(sizes); i++)
                for (size_t f = 0; f < n_of(finders); f++) {
                        t.n_bytes = sizes[i];
                        t.finder = &finders[f];
                        if (t.row->finders & 1u << f && end_of(t.row, t.n_bytes) != NOT_HERE)
                                n_wrong += try_out(&t);
                }
        assert_int_equal(n_wrong, 0);
}

/* ---- whatever the size, whatever stands beside ---- */

static size_t some_size; /* of the block below, or of the only one */

static void overrun_some_size(void *arg)
{
        char *p = usual_block(some_size);

        (void)arg;
        p[some_size] ^= 1;
        keepmum_heap_free(p);
}

/* A large block of whole pages ends where its guard page begins. */
static void a_byte_past_the_end_is_found_at_every_size(void **state)
{
        (void)state;
        for (size_t i = 0; i < 400; i++) {
                size_t power = (size_t)16 << (i / 4 % 16), border = power + i % 4 * power / 4;
                struct ending e;

                some_size = i < 64 ? i : border - i / 64 % 3;
                e = forked_run(overrun_some_size, NULL);
                if (!is_said(e.said, HEAP_OVERRUN) &&
                    !(e.signal_number == SIGSEGV && some_size >= 1048576 && some_size % page() == 0))
                        fail_msg("a write to byte %zu of %zu: exit code %d, signal %d, said: %s", some_size, some_size,
                                 e.exit_code, e.signal_number, e.said);
                n_tried++;
                n_stopped++;
        }
}

static void underrun_above_some_size(void *arg)
{
        char *p[64], **lower = NULL, **upper = NULL;

        for (size_t i = 0; i < n_of(p); i++)
                p[i] = usual_block(some_size);
        for (size_t i = 0; i < n_of(p); i++)
                for (size_t k = 0; k < n_of(p); k++)
                        if (p[k] == p[i] + (some_size + 16) / 16 * 16) {
                                lower = &p[i];
                                upper = &p[k];
                        }
        expect(upper != NULL);
        (*upper)[-1] ^= 1;
        keepmum_heap_free(arg != NULL ? *lower : *upper);
}

static void a_byte_before_the_start_is_found_whatever_stands_there(void **state)
{
        (void)state;
        for (some_size = 0; some_size < 128; some_size++)
                for (int by_owner = 0; by_owner < 2; by_owner++) {
                        struct ending e = forked_run(underrun_above_some_size, by_owner != 0 ? &some_size : NULL);

                        if (!is_said(e.said, by_owner != 0 ? HEAP_OVERRUN : HEAP_UNDERRUN))
                                fail_msg("a write below a block, above one of %zu, found at the free of the %s: exit "
                                         "code %d, signal %d, said: %s",
                                         some_size, by_owner != 0 ? "lower" : "upper", e.exit_code, e.signal_number,
                                         e.said);
                        n_tried++;
                        n_stopped++;
                }
}

static void every_misuse_was_tried_and_stopped(void **state)
{
        (void)state;
        print_message("# misuses: %zu tried, %zu stopped (%.1f %%), %zu of the others did silent harm\n", n_tried,
                      n_stopped, 100.0 * (double)n_stopped / (double)n_tried, n_silent);
        assert_int_equal(n_tried, MISUSES);
        assert_int_equal(n_stopped, MISUSES);
        assert_int_equal(n_silent, 0);
}

int main(void)
{
        static const struct CMUnitTest after[] = {
                cmocka_unit_test(a_byte_past_the_end_is_found_at_every_size),
                cmocka_unit_test(a_byte_before_the_start_is_found_whatever_stands_there),
                cmocka_unit_test(every_misuse_was_tried_and_stopped),
        };
        static char names[n_of(rows)][80];
        struct CMUnitTest tests[n_of(rows) + n_of(after)];

        if (HAS_OTHER_WATCHERS)
                forked_skip_all("a tool that watches the blocks ends the misuse first, in its own words");
        for (size_t i = 0; i < n_of(rows); i++) {
                snprintf(names[i], sizeof names[i], "%s%s", rows[i].name, rows[i].is_guarded ? " [guarded]" : "");
                tests[i] = (struct CMUnitTest){names[i], dies_as_the_row_says, NULL, NULL, (void *)(uintptr_t)&rows[i]};
        }
        memcpy(tests + n_of(rows), after, sizeof after);
        return _cmocka_run_group_tests("the death table of the heap", tests, n_of(tests), NULL, NULL) != 0 ? 1 : 0;
}

/* Misuse of large and of guarded blocks: each row's child ends with its sentence, or faults. */
#include "unit/heap_large_testing.h"

#include "heap/tools.h"

/* ---- deaths ---- */

enum { ODD = 600 * KIB + 100 }; /* leaves a slack of almost a page */

static volatile unsigned char sink;

/* Not looked at by AddressSanitizer, which would find it first where the heap tells it of slack (heap/tools.h). */
__attribute__((no_sanitize_address)) static void write_at(const volatile void *p, long offset)
{
        *((volatile unsigned char *)(uintptr_t)p + offset) ^= 0x55;
}

__attribute__((no_sanitize_address)) static void read_at(const volatile void *p, long offset)
{
        sink = *((const volatile unsigned char *)p + offset);
}

__attribute__((no_sanitize_address)) static void terminate(volatile unsigned char *p, long offset)
{
        p[offset] = 0;
}

static void *large_freed(size_t n_bytes)
{
        unsigned char *p = make(n_bytes);

        memset(p, 1, n_bytes);
        large_free(p);
        return p;
}

static void *guarded_made(size_t n_bytes)
{
        void *p = guarded_allocate(n_bytes);

        expect(p != NULL);
        return p;
}

static void *guarded_freed(size_t n_bytes)
{
        void *p = guarded_made(n_bytes);

        guarded_free(p);
        return p;
}

static void overrun_and_free(long offset)
{
        unsigned char *p = make(ODD);

        write_at(p, ODD + offset);
        large_free(p);
}

static void overrun_guarded_and_free(long offset)
{
        void *p = guarded_made(40);

        write_at(p, offset);
        guarded_free(p);
}

static void free_large_again(void) { large_free(large_freed(MIB)); }
static void free_large_again_that_held_little(void)
{
        void *p = make(MIB);

        large_free(p);
        large_free(p);
}
static void free_what_resize_left(void)
{
        unsigned char *p = make(MIB);

        expect(large_resize(p, 2 * MIB) != p);
        large_free(p);
}
static void free_inside_large(void) { large_free(make(MIB) + 16); }
static void free_next_page_of_large(void) { large_free(make(MIB) + 4096); }
static void free_fence_of_large(void) { large_free(make(MIB) - 16); }
static void free_inside_freed_large(void) { large_free((char *)large_freed(MIB) + 64); }
static void resize_freed_large(void) { expect(large_resize(large_freed(MIB), 2 * MIB) == NULL); }
static void resize_inside_large(void) { expect(large_resize(make(MIB) + 16, 2 * MIB) == NULL); }
static void size_of_freed_large(void)
{
        size_t n;

        large_size(large_freed(MIB), &n, HEAP_ACT_SIZE);
}
static void size_inside_large(void)
{
        size_t n;

        large_size(make(MIB) + 1, &n, HEAP_ACT_SIZE);
}
static void overrun_by_1(void) { overrun_and_free(0); }
static void overrun_at_8(void) { overrun_and_free(7); }
static void overrun_at_64(void) { overrun_and_free(63); }
static void overrun_at_end_of_slack(void) { overrun_and_free((long)(open_bytes_of(ODD) - ODD) - 1); }
static void overrun_by_a_terminator(void)
{
        unsigned char *p = make(ODD);

        terminate(p, ODD);
        large_free(p);
}
static void overrun_and_resize(void)
{
        unsigned char *p = make(ODD);

        write_at(p, ODD);
        expect(large_resize(p, MIB) == NULL);
}
static void overrun_a_resized_one(void)
{
        unsigned char *p = large_resize(make(MIB), ODD);

        write_at(p, ODD + 20);
        large_free(p);
}
static void overrun_and_check(void)
{
        write_at(make(ODD), ODD + 1);
        large_check();
}
static void overrun_all_pages(void) { write_at(make(MIB), MIB); }
static void overrun_all_slack(void) { write_at(make(ODD), (long)open_bytes_of(ODD)); }
static void underrun_large(void) { write_at(make(MIB), -1); }
static void read_freed_large(void) { read_at(large_freed(MIB), 0); }
static void write_freed_large(void) { write_at(large_freed(MIB), MIB - 1); }
static void write_what_resize_left(void)
{
        unsigned char *p = make(MIB);

        expect(large_resize(p, 2 * MIB) != p);
        write_at(p, 5);
}

static void free_guarded_again(void) { guarded_free(guarded_freed(40)); }
static void free_inside_guarded(void) { guarded_free((char *)guarded_made(40) + 16); }
static void free_fence_of_guarded(void) { guarded_free((char *)guarded_made(48) + 48); }
static void size_of_freed_guarded(void)
{
        size_t n;

        guarded_size(guarded_freed(40), &n, HEAP_ACT_SIZE);
}
static void realloc_of_freed_guarded(void)
{
        size_t n;

        guarded_size(guarded_freed(40), &n, HEAP_ACT_REALLOC);
}
static void overrun_guarded_by_1(void) { overrun_guarded_and_free(40); }
static void overrun_guarded_by_8(void) { overrun_guarded_and_free(47); }
static void overrun_guarded_by_9(void) { overrun_guarded_and_free(48); }
static void underrun_guarded_by_1(void) { overrun_guarded_and_free(-1); }
static void underrun_guarded_by_64(void) { overrun_guarded_and_free(-64); }
static void underrun_guarded_by_4000(void) { overrun_guarded_and_free(-4000); }
static void underrun_guarded_and_check(void)
{
        write_at(guarded_made(40), -9);
        guarded_check();
}
static void read_freed_guarded(void) { read_at(guarded_freed(40), 0); }
static void write_freed_guarded(void) { write_at(guarded_freed(40), 39); }

#define FAULTS NULL

static const struct death {
        const char *name;
        void (*act)(void);
        const char *sentence; /* FAULTS: SIGSEGV instead */
} deaths[] = {
#define ROW(act, sentence) {#act, act, sentence}
        ROW(free_large_again, HEAP_FREE_TWICE),
        ROW(free_large_again_that_held_little, HEAP_FREE_TWICE),
        ROW(free_what_resize_left, HEAP_FREE_TWICE),
        ROW(free_inside_large, HEAP_FREE_NO_BLOCK),
        ROW(free_next_page_of_large, HEAP_FREE_NO_BLOCK),
        ROW(free_fence_of_large, HEAP_FREE_NO_BLOCK),
        ROW(free_inside_freed_large, HEAP_FREE_NO_BLOCK),
        ROW(resize_freed_large, HEAP_REALLOC_FREED),
        ROW(resize_inside_large, HEAP_REALLOC_NO_BLOCK),
        ROW(size_of_freed_large, HEAP_SIZE_FREED),
        ROW(size_inside_large, HEAP_SIZE_NO_BLOCK),
        ROW(overrun_by_1, HEAP_OVERRUN),
        ROW(overrun_at_8, HEAP_OVERRUN),
        ROW(overrun_at_64, HEAP_OVERRUN),
        ROW(overrun_at_end_of_slack, HEAP_OVERRUN),
        ROW(overrun_by_a_terminator, HEAP_OVERRUN),
        ROW(overrun_and_resize, HEAP_OVERRUN),
        ROW(overrun_a_resized_one, HEAP_OVERRUN),
        ROW(overrun_and_check, HEAP_OVERRUN),
        ROW(overrun_all_pages, FAULTS),
        ROW(overrun_all_slack, FAULTS),
        ROW(underrun_large, FAULTS),
        ROW(read_freed_large, FAULTS),
        ROW(write_freed_large, FAULTS),
        ROW(write_what_resize_left, FAULTS),
        ROW(free_guarded_again, HEAP_FREE_TWICE),
        ROW(free_inside_guarded, HEAP_FREE_NO_BLOCK),
        ROW(free_fence_of_guarded, HEAP_FREE_NO_BLOCK),
        ROW(size_of_freed_guarded, HEAP_SIZE_FREED),
        ROW(realloc_of_freed_guarded, HEAP_REALLOC_FREED),
        ROW(overrun_guarded_by_1, HEAP_OVERRUN),
        ROW(overrun_guarded_by_8, HEAP_OVERRUN),
        ROW(overrun_guarded_by_9, FAULTS),
        ROW(underrun_guarded_by_1, HEAP_UNDERRUN),
        ROW(underrun_guarded_by_64, HEAP_UNDERRUN),
        ROW(underrun_guarded_by_4000, HEAP_UNDERRUN),
        ROW(underrun_guarded_and_check, HEAP_UNDERRUN),
        ROW(read_freed_guarded, FAULTS),
        ROW(write_freed_guarded, FAULTS),
};

static void act_of(void *death)
{
        ((const struct death *)death)->act();
}

static void misuse_ends_the_process_in_these_words(void **unused)
{
        int n_wrong = 0;

        (void)unused;
        for (size_t i = 0; i < n_of(deaths); i++) {
                struct death death = deaths[i];
                char wanted[128] = "";
                struct ending e;

                if (death.act == overrun_and_check && tools_watch()) /* the tool looks instead */
                        continue;
                if (death.sentence != FAULTS)
                        snprintf(wanted, sizeof wanted, "keepmum: %s\n", death.sentence);
                e = forked_run(act_of, &death);
                if (e.signal_number == (death.sentence != FAULTS ? SIGABRT : SIGSEGV) && strcmp(e.said, wanted) == 0)
                        continue;
                n_wrong++;
                print_error("%s: signal %d, code %d, said: %s\n", death.name, e.signal_number, e.exit_code, e.said);
        }
        assert_int_equal(n_wrong, 0);
}

struct race {
        pthread_barrier_t start;
        void *block;
        bool (*free)(void *p);
};

static void *free_at_the_start(void *race)
{
        struct race *r = race;

        pthread_barrier_wait(&r->start);
        r->free(r->block);
        return NULL;
}

static void race_two_frees(void *race)
{
        struct race *r = race;
        pthread_t other;

        expect_int(pthread_barrier_init(&r->start, NULL, 2), 0);
        expect_int(pthread_create(&other, NULL, free_at_the_start, r), 0);
        free_at_the_start(r);
        pthread_join(other, NULL);
}

static void of_two_racing_frees_one_dies(void **unused)
{
        (void)unused;
        for (int i = 0; i < 20; i++) {
                struct race r = {.block = i % 2 == 0 ? make(4 * MIB) : guarded_allocate(64),
                                 .free = i % 2 == 0 ? large_free : guarded_free};
                struct ending e;

                if (i % 2 == 0)
                        memset(r.block, 1, 4 * MIB); /* clearing it takes a while */
                e = forked_run(race_two_frees, &r);
                assert_int_equal(e.signal_number, SIGABRT);
                assert_string_equal(e.said, "keepmum: " HEAP_FREE_TWICE "\n");
                assert_true(r.free(r.block));
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(misuse_ends_the_process_in_these_words),
        cmocka_unit_test(of_two_racing_frees_one_dies),
};

MAIN_OF_LARGE_TESTS

/* The death table: a misuse, the signal it ends with, and the exact words. Each row happens in a child, in secret memory (where the
 * machine has it) and in ordinary locked memory. The rows: test_death_handles, test_death_memory, test_death_records. */
#ifndef TESTS_OUTSIDE_DEATH_TABLE_H
#define TESTS_OUTSIDE_DEATH_TABLE_H

#include "unit/harness.h"

#include "outside/forked.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned memory; /* the flag of the run */

static inline keepmum_secret make_of(size_t n_bytes, unsigned flags)
{
        keepmum_secret s;

        expect_int(make_with(&s, n_bytes, memory | flags, 1), 0);
        return s;
}

static inline keepmum_secret make(size_t n_bytes)
{
        return make_of(n_bytes, 0);
}

static inline volatile unsigned char *written(keepmum_secret s)
{
        void *bytes;

        expect_int(keepmum_open_write(s, &bytes, NULL), 0);
        return bytes;
}

static inline const volatile unsigned char *read_only(keepmum_secret s)
{
        const void *bytes;

        expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        return bytes;
}

struct misuse {
        const char *name;
        void (*act)(void);
        int signal_number;
        const char *words;
};

#define ABORTS(act, words) {#act, act, SIGABRT, "keepmum: " words "\n"}
#define FAULTS(act) {#act, act, SIGSEGV, ""}

static inline void act_out(void *arg)
{
        ((const struct misuse *)arg)->act();
}

static inline void dies_as_the_row_says(void **state)
{
        struct misuse m = *(const struct misuse *)*state;
        struct ending e = forked_run(act_out, &m);

        assert_string_equal(e.said, m.words);
        assert_int_equal(e.exit_code, -1);
        assert_int_equal(e.signal_number, m.signal_number);
}

/* The same acts without the misuse. */
static inline void behave(void *arg)
{
        keepmum_secret s = make(100);

        (void)arg;
        written(s)[99] = 1;
        keepmum_close(s);
        expect(read_only(s)[99] == 1);
        keepmum_close(s);
        keepmum_destroy(&s);
        keepmum_destroy(&s);
}

static inline void a_program_without_a_misuse_lives(void **state)
{
        (void)state;
        assert_true(forked_passes(behave, NULL));
}

static inline int death_table_in(const char *group, unsigned flag, const struct misuse *misuses, size_t n)
{
        char (*names)[96] = calloc(n, sizeof *names);
        struct CMUnitTest *tests = calloc(n + 1, sizeof *tests);
        int n_failed;

        if (names == NULL || tests == NULL)
                abort();
        memory = flag;
        for (size_t i = 0; i < n; i++) {
                snprintf(names[i], sizeof names[i], "%s [%s]", misuses[i].name, flag == 0 ? "usual" : "not hidden");
                tests[i] = (struct CMUnitTest){names[i], dies_as_the_row_says, NULL, NULL, (void *)(uintptr_t)&misuses[i]};
        }
        tests[n] = (struct CMUnitTest)cmocka_unit_test(a_program_without_a_misuse_lives);
        n_failed = _cmocka_run_group_tests(group, tests, n + 1, NULL, NULL);
        free(tests);
        free(names);
        return n_failed;
}

/* What main() returns. */
static inline int death_table(const struct misuse *misuses, size_t n)
{
        int n_failed = death_table_in("usual memory", 0, misuses, n);

        n_failed += death_table_in("not hidden", KEEPMUM_NOT_HIDDEN, misuses, n);
        return n_failed != 0 ? 1 : 0;
}

#endif

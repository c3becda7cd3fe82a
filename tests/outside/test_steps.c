/* Constant time, as far as instructions go: a child converts secrets of one size and different bytes, and is stepped through it; the way it
 * takes, every address of an instruction, is the same for all of them. (Which data it touches is not seen; the conversions look nothing
 * up in tables.) A comparison that stops at the first difference is the control. */
#include "unit/harness.h"

#include "outside/traced.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#if defined __x86_64__

enum { BYTES = 33, TEXT_BYTES = 2 * BYTES + 1, VARIANTS = 6, MOST_STEPS = 200000 };

static unsigned char plain[BYTES];
static volatile int seen;
static char text[TEXT_BYTES];
static size_t n_text;

static int naive_compare(const void *a, const void *b, size_t n)
{
        const volatile unsigned char *p = a, *q = b; /* no compiler makes one step of it */

        for (size_t i = 0; i < n; i++)
                if (p[i] != q[i])
                        return 1;
        return 0;
}

static void compare_naively(void)
{
        seen = naive_compare(plain, "\x01\x02\x03\x04", 4);
}

static keepmum_secret source, made;

static void convert_by(int (*f)(keepmum_secret *, keepmum_secret, unsigned), unsigned flags)
{
        if (f(&made, source, flags) != 0)
                _exit(3);
        keepmum_destroy(&made);
}

static void to_hex(void)
{
        convert_by(keepmum_to_hex, 0);
}

static void from_hex(void)
{
        convert_by(keepmum_from_hex, 0);
}

static void to_base64(void)
{
        convert_by(keepmum_to_base64, 0);
}

static void from_base64(void)
{
        convert_by(keepmum_from_base64, KEEPMUM_BASE64_URL);
}

static void compare(void)
{
        bool is_same;

        if (keepmum_equal(source, source, &is_same) != 0)
                _exit(3);
}

static const struct row {
        const char *name;
        void (*act)(void);
        bool wants_hex, wants_base64, is_control;
} rows[] = {
        {"a naive comparison", compare_naively, false, false, true}, {"to_hex", to_hex, false, false, false},
        {"from_hex", from_hex, true, false, false},                  {"to_base64", to_base64, false, false, false},
        {"from_base64", from_base64, false, true, false},            {"equal", compare, false, false, false},
};

/* Bytes of all kinds: low, high, digits' own. */
static void make_variant(unsigned v)
{
        static const unsigned char fills[VARIANTS] = {0, 0xff, 0x01, 0xfb, 0x69, 0xa6};

        memset(plain, fills[v], sizeof plain);
        if (v >= 2)
                for (size_t i = 0; i < sizeof plain; i++)
                        plain[i] = v == 2 ? (unsigned char)(i + 1) : (unsigned char)(plain[i] ^ (i * 37));
}

static void make_source(const struct row *r)
{
        unsigned char bytes[TEXT_BYTES];

        n_text = BYTES;
        memcpy(bytes, plain, BYTES);
        if (r->wants_hex) {
                sodium_bin2hex(text, sizeof text, plain, BYTES);
                n_text = 2 * BYTES;
                memcpy(bytes, text, n_text);
        } else if (r->wants_base64) {
                sodium_bin2base64(text, sizeof text, plain, BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
                n_text = strlen(text);
                memcpy(bytes, text, n_text);
        }
        if (keepmum_take(&source, bytes, n_text, 0) != 0)
                _exit(4);
}

/* Stops before and after each act. */
static _Noreturn void act_out(const struct row *r)
{
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        for (unsigned v = 0; v < VARIANTS + 1; v++) { /* the first one twice: it finds no slots yet */
                make_variant(v == 0 ? 0 : v - 1);
                make_source(r);
                raise(SIGSTOP);
                r->act();
                raise(SIGSTOP);
                keepmum_destroy(&source);
        }
        _exit(0);
}

static void go(pid_t pid, enum __ptrace_request how, int *status)
{
        assert_int_equal(ptrace(how, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, status, 0), pid);
}

/* A number for the way from one stop to the next. */
static uint64_t way_of(pid_t pid, size_t *n_steps)
{
        uint64_t hash = 14695981039346656037u;
        int status;

        for (*n_steps = 0; *n_steps < MOST_STEPS; ++*n_steps) {
                struct user_regs_struct regs;

                go(pid, PTRACE_SINGLESTEP, &status);
                assert_true(WIFSTOPPED(status));
                if (WSTOPSIG(status) == SIGSTOP)
                        break;
                assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
                hash = (hash ^ regs.rip) * 1099511628211u;
        }
        assert_in_range(*n_steps, 10, MOST_STEPS - 1);
        return hash;
}

/* How many ways there are for VARIANTS inputs. */
static unsigned count_ways(const struct row *r)
{
        uint64_t ways[VARIANTS] = {0};
        unsigned n_ways = 0;
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0)
                act_out(r);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        go(pid, PTRACE_CONT, &status); /* through the first act, whose way is not asked for, */
        go(pid, PTRACE_CONT, &status); /* and on to the second */
        for (unsigned v = 0; v < VARIANTS; v++) {
                size_t n_steps;
                uint64_t way = way_of(pid, &n_steps);
                bool is_new = true;

                for (unsigned i = 0; i < n_ways; i++)
                        is_new &= ways[i] != way;
                if (is_new)
                        ways[n_ways++] = way;
                go(pid, PTRACE_CONT, &status);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return n_ways;
}

static void takes_one_way(void **state)
{
        const struct row *r = *state;
        unsigned n_ways = count_ways(r);

        if (r->is_control)
                assert_true(n_ways > 1);
        else
                assert_int_equal(n_ways, 1);
}

int main(void)
{
        struct CMUnitTest tests[n_of(rows)];

        if (!traced_is_possible())
                return 77;
        for (size_t i = 0; i < n_of(rows); i++)
                tests[i] = (struct CMUnitTest){rows[i].name, takes_one_way, NULL, NULL, (void *)(uintptr_t)&rows[i]};
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

#else

int main(void)
{
        fprintf(stderr, "skipped: instructions are followed on x86-64 only\n");
        return 77;
}

#endif

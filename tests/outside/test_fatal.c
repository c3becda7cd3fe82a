/* The way to the end: the hook, the sentence, the signal, and what an application may try to stay alive. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void misuse(void)
{
        keepmum_destroy(NULL);
}

#define WORDS "keepmum: destroy of a null pointer\n"

static void say(const char *sentence)
{
        dprintf(STDERR_FILENO, "hook: %s\n", sentence);
}

static void die_with_hook(void *arg)
{
        (void)arg;
        keepmum_on_fatal(say);
        misuse();
}

static void the_hook_runs_first_and_once(void **state)
{
        struct ending e = forked_run(die_with_hook, NULL);

        (void)state;
        assert_string_equal(e.said, "hook: destroy of a null pointer\n" WORDS);
        assert_int_equal(e.signal_number, SIGABRT);
}

static void misuse_again(const char *sentence)
{
        say(sentence);
        keepmum_close((keepmum_secret){0});
}

static void die_with_bad_hook(void *arg)
{
        (void)arg;
        keepmum_on_fatal(misuse_again);
        misuse();
}

static void a_hook_that_misuses_ends_the_process_too(void **state)
{
        struct ending e = forked_run(die_with_bad_hook, NULL);

        (void)state;
        assert_string_equal(e.said, "hook: destroy of a null pointer\nkeepmum: close of no secret\n");
        assert_int_equal(e.signal_number, SIGABRT);
}

static void wipe_and_say(const char *sentence)
{
        keepmum_wipe_all();
        say(sentence);
}

static void die_with_wiping_hook(void *arg)
{
        keepmum_secret s;

        (void)arg;
        expect_int(make_with(&s, 10, 0, 1), 0);
        keepmum_on_fatal(wipe_and_say);
        misuse();
}

static void a_hook_may_wipe_all(void **state)
{
        struct ending e = forked_run(die_with_wiping_hook, NULL);

        (void)state;
        assert_string_equal(e.said, "hook: destroy of a null pointer\n" WORDS);
        assert_int_equal(e.signal_number, SIGABRT);
}

static void die_with_hook_removed(void *arg)
{
        (void)arg;
        keepmum_on_fatal(say);
        keepmum_on_fatal(NULL);
        misuse();
}

static void a_removed_hook_does_not_run(void **state)
{
        (void)state;
        assert_string_equal(forked_run(die_with_hook_removed, NULL).said, WORDS);
}

/* ---- staying alive ---- */

static sigjmp_buf back;

static void jump_back(int signal_number)
{
        (void)signal_number;
        siglongjmp(back, 1);
}

static void misuse_and_jump(int signal_number)
{
        signal(signal_number, jump_back);
        if (sigsetjmp(back, 1) != 0)
                _exit(0); /* alive */
        misuse();
}

static void catch_sigabrt(void *arg)
{
        (void)arg;
        misuse_and_jump(SIGABRT);
}

static void a_handler_of_sigabrt_cannot_jump_out(void **state)
{
        struct ending e = forked_run(catch_sigabrt, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_string_equal(e.said, WORDS);
}

static void block_sigabrt(void *arg)
{
        sigset_t all;

        (void)arg;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        signal(SIGABRT, SIG_IGN);
        misuse();
}

static void sigabrt_blocked_and_ignored_ends_it_all_the_same(void **state)
{
        (void)state;
        assert_int_equal(forked_run(block_sigabrt, NULL).signal_number, SIGABRT);
}

static void break_stderr(void *arg)
{
        int p[2];

        (void)arg;
        expect_int(pipe(p), 0);
        close(p[0]);
        dup2(p[1], STDERR_FILENO);
        misuse_and_jump(SIGPIPE);
}

static void a_handler_of_sigpipe_cannot_jump_out_either(void **state)
{
        (void)state;
        assert_int_equal(forked_run(break_stderr, NULL).signal_number, SIGABRT);
}

static void close_stderr(void *arg)
{
        (void)arg;
        close(STDERR_FILENO);
        misuse();
}

static void a_closed_standard_error_leaves_the_signal(void **state)
{
        struct ending e = forked_run(close_stderr, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_string_equal(e.said, "");
}

static void raise_in_hook(const char *sentence)
{
        (void)sentence;
        siglongjmp(back, 1);
}

/* Leaving the hook by a jump cannot be prevented; it gains nothing. */
static void jump_out_of_hook(void *arg)
{
        static keepmum_secret s;
        keepmum_secret other;
        const void *bytes;

        (void)arg;
        expect_int(make_with(&s, 10, 0, 1), 0);
        keepmum_on_fatal(raise_in_hook);
        if (sigsetjmp(back, 1) == 0)
                misuse();
        expect_int(keepmum_open_read(s, &bytes, NULL), KEEPMUM_EWIPED);
        expect_int(keepmum_create(&other, 10, 0), KEEPMUM_EWIPED);
}

static void jump_before_the_first_secret(void *arg)
{
        keepmum_secret none = {0}, other;

        (void)arg;
        keepmum_on_fatal(raise_in_hook);
        if (sigsetjmp(back, 1) == 0)
                keepmum_close(none);
        expect_int(keepmum_create(&other, 10, 0), KEEPMUM_EWIPED);
}

static void so_does_one_before_the_first_secret(void **state)
{
        struct ending e = forked_run(jump_before_the_first_secret, NULL);

        (void)state;
        assert_string_equal(e.said, "");
        assert_int_equal(e.exit_code, 0);
}

static void a_jump_out_of_the_hook_leaves_a_library_that_refuses(void **state)
{
        struct ending e = forked_run(jump_out_of_hook, NULL);

        (void)state;
        assert_int_equal(e.exit_code, 0);
}

/* The sentence goes out whole: one write. */
static void a_sentence_is_one_write(void **state)
{
        (void)state;
        for (int i = 0; i < 20; i++)
                assert_string_equal(forked_run(catch_sigabrt, NULL).said, WORDS);
}

/* No byte of a secret is in what is said: the sentence after a write beside a secret full of letters. */
static void write_beside_letters(void *arg)
{
        keepmum_secret s;
        void *bytes;

        (void)arg;
        expect_int(keepmum_create(&s, 100, 0), 0);
        expect_int(keepmum_open_write(s, &bytes, NULL), 0);
        memset((char *)bytes - 200, 'Q', 300);
        keepmum_close(s);
}

static void no_byte_of_a_secret_is_said(void **state)
{
        struct ending e = forked_run(write_beside_letters, NULL);

        (void)state;
        assert_int_equal(e.signal_number, SIGABRT);
        assert_string_equal(e.said, "keepmum: a write beside a secret\n");
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hook_runs_first_and_once),
        cmocka_unit_test(a_hook_that_misuses_ends_the_process_too),
        cmocka_unit_test(a_hook_may_wipe_all),
        cmocka_unit_test(a_removed_hook_does_not_run),
        cmocka_unit_test(a_handler_of_sigabrt_cannot_jump_out),
        cmocka_unit_test(sigabrt_blocked_and_ignored_ends_it_all_the_same),
        cmocka_unit_test(a_handler_of_sigpipe_cannot_jump_out_either),
        cmocka_unit_test(a_closed_standard_error_leaves_the_signal),
        cmocka_unit_test(a_jump_out_of_the_hook_leaves_a_library_that_refuses),
        cmocka_unit_test(so_does_one_before_the_first_secret),
        cmocka_unit_test(a_sentence_is_one_write),
        cmocka_unit_test(no_byte_of_a_secret_is_said),
};

MAIN_OF_TESTS

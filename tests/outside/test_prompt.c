/* The prompt, as a person meets it: this program, run anew on a pseudo-terminal, asks; the test types. What was got is told in hexadecimal, so
 * that what was typed must not be on the screen at all. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

enum { PATIENCE_MS = 10000 };

/* ---- the program that asks ---- */

static void tell(int err, keepmum_secret s)
{
        const void *bytes;
        size_t n;

        printf("result %d ", err);
        if (err == 0 && keepmum_open_read(s, &bytes, &n) == 0) {
                for (size_t i = 0; i < n && n < 1000; i++)
                        printf("%02x", ((const unsigned char *)bytes)[i]);
                if (n >= 1000)
                        printf("%zu bytes, last %02x", n, ((const unsigned char *)bytes)[n - 1]);
                keepmum_close(s);
                keepmum_destroy(&s);
        }
}

static bool is_same_terminal(const struct termios *before)
{
        struct termios now;

        return tcgetattr(STDOUT_FILENO, &now) == 0 && now.c_iflag == before->c_iflag && now.c_oflag == before->c_oflag &&
               now.c_cflag == before->c_cflag && now.c_lflag == before->c_lflag && memcmp(now.c_cc, before->c_cc, sizeof now.c_cc) == 0;
}

static void come_back(int signal_number)
{
        static const char words[] = "handler ran;";

        (void)signal_number;
        if (write(STDOUT_FILENO, words, sizeof words - 1) < 0)
                _exit(93);
}

static int ask(const char *max_bytes, const char *on_interrupt)
{
        struct sigaction act = {.sa_handler = come_back}, after;
        keepmum_secret s = {0};
        struct termios before;
        int err;

        if (strcmp(on_interrupt, "default") == 0)
                act.sa_handler = SIG_DFL;
        if (strcmp(on_interrupt, "ignore") == 0)
                act.sa_handler = SIG_IGN;
        sigaction(SIGINT, &act, NULL);
        sigaction(SIGTERM, &act, NULL);
        if (tcgetattr(STDOUT_FILENO, &before) != 0)
                return 92;
        if (strcmp(on_interrupt, "cancel") == 0)
                pthread_cancel(pthread_self());
        err = keepmum_prompt(&s, "Key: ", (size_t)atoi(max_bytes), 0);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
        tell(err, s);
        sigaction(SIGINT, NULL, &after);
        printf(" %s terminal, %s handler.\n", is_same_terminal(&before) ? "same" : "CHANGED",
               after.sa_handler == act.sa_handler ? "same" : "CHANGED");
        return 0;
}

/* A shell with one job: tells when it stops, and lets it go on. */
static int be_shell(void)
{
        pid_t job = fork();
        int status;

        signal(SIGTTOU, SIG_IGN);
        setpgid(job, job);
        if (job == 0) {
                tcsetpgrp(STDIN_FILENO, getpid());
                signal(SIGTTOU, SIG_DFL);
                exit(ask("100", "default"));
        }
        while (waitpid(job, &status, WUNTRACED) == job) {
                struct termios now;

                tcsetpgrp(STDIN_FILENO, getpid());
                tcgetattr(STDIN_FILENO, &now);
                printf("%s by %d, echo %s.\n", WIFSTOPPED(status) ? "stopped" : "ended",
                       WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status), now.c_lflag & ECHO ? "on" : "off");
                fflush(stdout);
                if (!WIFSTOPPED(status))
                        break;
                tcsetpgrp(STDIN_FILENO, job);
                kill(job, SIGCONT);
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the person ---- */

static struct pty p;

static void start(const char *what, const char *max_bytes, const char *on_interrupt)
{
        const char *const words[] = {"/proc/self/exe", what, max_bytes, on_interrupt, NULL};

        pty_start(&p, words, -1);
        assert_true(pty_expect(&p, "Key: ", PATIENCE_MS));
        for (int i = 0; i < 500 && pty_has_echo(&p); i++)
                usleep(1000);
        assert_false(pty_has_echo(&p));
}

/* Whether typing gives this result, shown as "ERROR HEX". */
static void assert_typed(const char *typed, const char *max_bytes, const char *result)
{
        char words[400];

        start("ask", max_bytes, "default");
        pty_send(&p, typed);
        snprintf(words, sizeof words, "result %s same terminal, same handler.", result);
        assert_true(pty_expect(&p, words, PATIENCE_MS));
        assert_true(pty_has_echo(&p));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
}

static void what_is_typed_is_got_and_never_shown(void **state)
{
        (void)state;
        assert_typed("hunter2\r", "100", "0 68756e74657232");
        assert_null(strstr(p.seen, "hunter"));
        assert_null(strstr(p.seen, "*"));
        assert_typed("hunter2\n", "100", "0 68756e74657232");
        assert_typed("  two words  \r", "100", "0 202074776f20776f7264732020");
}

static void echo_would_be_noticed(void **state)
{
        static const char *const words[] = {"/proc/self/exe", "wait", NULL};

        (void)state;
        pty_start(&p, words, -1);
        assert_true(pty_expect(&p, "Key: ", PATIENCE_MS));
        pty_send(&p, "shown\n"); /* at a terminal whose echo is on */
        assert_true(pty_expect(&p, "shown", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
}

static void erase_takes_the_last_character(void **state)
{
        (void)state;
        assert_typed("abX\177c\r", "100", "0 616263");
        assert_typed("abX\bc\r", "100", "0 616263");
        assert_typed("\177\177a\177\177b\r", "100", "0 62");
}

static void erase_takes_a_whole_character_of_utf8(void **state)
{
        (void)state;
        assert_typed("a\303\251\342\202\254\360\237\230\200\177\177\177b\r", "100", "0 6162");
        assert_typed("a\303\251\177\303\244\r", "100", "0 61c3a4");
}

static void erase_word_takes_the_last_word(void **state)
{
        (void)state;
        assert_typed("one two  \027three\r", "100", "0 6f6e65207468726565");
        assert_typed("one\027\027two\r", "100", "0 74776f");
}

static void kill_takes_the_line(void **state)
{
        (void)state;
        assert_typed("one two\025three\r", "100", "0 7468726565");
}

static void what_is_too_long_is_answered_by_the_bell_and_not_taken(void **state)
{
        size_t bells = 0;

        (void)state;
        assert_typed("abcdefg\r", "4", "0 61626364");
        for (const char *c = p.seen; *c != '\0'; c++)
                bells += *c == '\a';
        assert_int_equal(bells, 3);
        assert_typed("abcdefg\177X\r", "4", "0 61626358");
}

static void an_empty_line_and_the_end_are_errors_of_their_own(void **state)
{
        (void)state;
        assert_typed("\r", "100", "-3 ");
        assert_typed("abc\025\r", "100", "-3 ");
        assert_typed("\004", "100", "-18 ");
        assert_typed("abc\004", "100", "0 616263");
}

static void an_interrupt_restores_the_terminal_and_is_raised(void **state)
{
        (void)state;
        start("ask", "100", "default");
        pty_send(&p, "abc\003");
        assert_int_equal(pty_end(&p, PATIENCE_MS), 128 + SIGINT);
        assert_null(strstr(p.seen, "abc"));
        start("ask", "100", "default");
        kill(p.pid, SIGTERM);
        assert_int_equal(pty_end(&p, PATIENCE_MS), 128 + SIGTERM);
}

static void echo_is_on_after_a_death_by_signal(void **state)
{
        (void)state;
        start("shell", "", "");
        pty_send(&p, "abc\003");
        assert_true(pty_expect(&p, "ended by 2, echo on.", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 128 + SIGINT);
        assert_null(strstr(p.seen, "result"));
}

static void after_a_handler_that_returns_it_is_canceled(void **state)
{
        (void)state;
        start("ask", "100", "handle");
        pty_send(&p, "abc\003");
        assert_true(pty_expect(&p, "handler ran;", PATIENCE_MS));
        assert_true(pty_expect(&p, "result -18  same terminal, same handler.", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
        start("ask", "100", "handle");
        kill(p.pid, SIGTERM);
        assert_true(pty_expect(&p, "handler ran;", PATIENCE_MS));
        assert_true(pty_expect(&p, "result -18  same terminal, same handler.", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
}

/* The one that has a handler must not hide the one that has none. */
static void of_two_signals_none_is_lost(void **state)
{
        (void)state;
        start("ask", "100", "handle");
        kill(p.pid, SIGSTOP);
        kill(p.pid, SIGHUP);
        kill(p.pid, SIGTERM);
        kill(p.pid, SIGALRM);
        kill(p.pid, SIGCONT);
        assert_int_not_equal(pty_end(&p, PATIENCE_MS), 0);
}

static void an_ignored_signal_stays_ignored(void **state)
{
        (void)state;
        start("ask", "100", "ignore");
        kill(p.pid, SIGTERM);
        kill(p.pid, SIGINT);
        usleep(20000);
        pty_send(&p, "abc\r");
        assert_true(pty_expect(&p, "result 0 616263 same terminal, same handler.", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
}

static void a_stop_restores_the_terminal_and_asks_again_afterwards(void **state)
{
        (void)state;
        start("shell", "", "");
        for (int i = 0; i < 3; i++) {
                pty_send(&p, "abc\032");
                assert_true(pty_expect(&p, "stopped by 20, echo on.", PATIENCE_MS));
                assert_true(pty_expect(&p, "Key: ", PATIENCE_MS));
                for (int k = 0; k < 500 && pty_has_echo(&p); k++)
                        usleep(1000);
        }
        pty_send(&p, "def\r"); /* what was typed before the stop is gone */
        assert_true(pty_expect(&p, "result 0 646566 same terminal, same handler.", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
        assert_null(strstr(p.seen, "abc"));
}

static void a_hang_up_ends_it(void **state)
{
        int status;

        (void)state;
        start("ask", "100", "default");
        close(p.master);
        assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGHUP : WIFEXITED(status));
}

static void the_longest_line_fits(void **state)
{
        enum { MOST = 65536 };
        static char piece[1025];

        (void)state;
        start("ask", "65536", "default");
        memset(piece, 'k', 1024);
        for (int i = 0; i < MOST / 1024; i++) {
                pty_send(&p, piece);
                usleep(1500);
        }
        pty_send(&p, "\r");
        assert_true(pty_expect(&p, "result 0 65536 bytes, last 6b same terminal", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
}

static void a_cancelled_thread_still_restores_the_terminal(void **state)
{
        (void)state;
        start("ask", "100", "cancel");
        pty_send(&p, "abc\r");
        assert_true(pty_expect(&p, "result 0 616263 same terminal, same handler.", PATIENCE_MS));
        assert_int_equal(pty_end(&p, PATIENCE_MS), 0);
}

static void ask_without_terminal(void *arg)
{
        keepmum_secret s = {5};

        (void)arg;
        setsid();
        expect_int(keepmum_prompt(&s, "Key: ", 10, 0), KEEPMUM_ENOTTY);
        expect_int(keepmum_prompt(&s, NULL, 0, 0), KEEPMUM_EINVAL);
        expect_int(keepmum_prompt(NULL, NULL, 10, 0), KEEPMUM_EINVAL);
        expect_int(keepmum_prompt(&s, NULL, 65537, 0), KEEPMUM_ETOOBIG);
        expect_int(s.bits, 5);
        expect_int(stat_of(KEEPMUM_STAT_SECRETS), 0);
}

static void without_a_terminal_it_says_so(void **state)
{
        (void)state;
        assert_true(forked_passes(ask_without_terminal, NULL));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_typed_is_got_and_never_shown),
        cmocka_unit_test(echo_would_be_noticed),
        cmocka_unit_test(erase_takes_the_last_character),
        cmocka_unit_test(erase_takes_a_whole_character_of_utf8),
        cmocka_unit_test(erase_word_takes_the_last_word),
        cmocka_unit_test(kill_takes_the_line),
        cmocka_unit_test(what_is_too_long_is_answered_by_the_bell_and_not_taken),
        cmocka_unit_test(an_empty_line_and_the_end_are_errors_of_their_own),
        cmocka_unit_test(an_interrupt_restores_the_terminal_and_is_raised),
        cmocka_unit_test(echo_is_on_after_a_death_by_signal),
        cmocka_unit_test(after_a_handler_that_returns_it_is_canceled),
        cmocka_unit_test(of_two_signals_none_is_lost),
        cmocka_unit_test(an_ignored_signal_stays_ignored),
        cmocka_unit_test(a_stop_restores_the_terminal_and_asks_again_afterwards),
        cmocka_unit_test(a_hang_up_ends_it),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(a_cancelled_thread_still_restores_the_terminal),
        cmocka_unit_test(without_a_terminal_it_says_so),
};

int main(int argc, char **argv)
{
        if (argc > 3 && strcmp(argv[1], "ask") == 0)
                return ask(argv[2], argv[3]);
        if (argc > 1 && strcmp(argv[1], "shell") == 0)
                return be_shell();
        if (argc > 1 && strcmp(argv[1], "wait") == 0) {
                printf("Key: ");
                fflush(stdout);
                return getchar() == EOF;
        }
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

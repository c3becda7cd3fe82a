/* secretctl as a person meets it: at a terminal, typing. These pay for Argon2id, so there are few unlockings. */
#include "cmocka_main.h"
#include "pty.h"
#include "tool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pty terminal; /* large */

#define START(...) pty_start(&terminal, (const char *const[]){tool_path(), __VA_ARGS__, NULL}, -1)

enum { LONG_MS = 30000, SHORT_MS = 10000 };

static void first_use_is_add_and_then_get(void **state)
{
        (void)state;
        START("add", "mail");
        pty_answer(&terminal, "new passphrase for ", "correct horse");
        pty_answer(&terminal, "the same again: ", "correct horse");
        pty_answer(&terminal, "secret for mail: ", "tr0ub4dor");
        pty_answer(&terminal, "the same again: ", "tr0ub4dor");
        assert_int_equal(pty_end(&terminal, LONG_MS), 0);
        assert_null(strstr(terminal.seen, "horse"));
        assert_null(strstr(terminal.seen, "tr0ub4dor"));

        START("get", "mail");
        pty_answer(&terminal, "passphrase for ", "correct horse");
        assert_true(pty_expect(&terminal, "unlocking ...", LONG_MS));
        assert_true(pty_expect(&terminal, "tr0ub4dor\r\n", LONG_MS));
        assert_int_equal(pty_end(&terminal, LONG_MS), 0);

        START("get", "mail");
        pty_answer(&terminal, "passphrase for ", "correct horsf");
        assert_true(pty_expect(&terminal, "wrong passphrase", LONG_MS));
        assert_int_equal(pty_end(&terminal, LONG_MS), 5);
        assert_null(strstr(terminal.seen, "tr0ub4dor"));
}

static void two_different_passphrases_make_no_vault(void **state)
{
        (void)state;
        START("add", "mail");
        pty_answer(&terminal, "new passphrase for ", "one");
        pty_answer(&terminal, "the same again: ", "two");
        assert_true(pty_expect(&terminal, "not the same", SHORT_MS));
        assert_int_equal(pty_end(&terminal, SHORT_MS), 1);
        assert_int_equal(count_files(".local"), 0);
}

static void end_of_file_at_the_prompt_is_an_abort(void **state)
{
        (void)state;
        START("add", "mail");
        assert_true(pty_expect(&terminal, "new passphrase for ", SHORT_MS));
        while (pty_has_echo(&terminal))
                usleep(10000);
        pty_send(&terminal, "\004");
        assert_int_equal(pty_end(&terminal, SHORT_MS), 3);
}

static void an_interrupt_at_the_prompt_gives_the_echo_back(void **state)
{
        int slave;

        (void)state;
        START("add", "mail");
        slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY); /* or the terminal would be gone with the program */
        assert_true(slave >= 0);
        assert_true(pty_expect(&terminal, "new passphrase for ", SHORT_MS));
        while (pty_has_echo(&terminal))
                usleep(10000);
        pty_send(&terminal, "half a pass\003");
        usleep(100000);
        for (int i = 0; i < 500 && !pty_has_echo(&terminal); i++)
                usleep(10000);
        assert_true(pty_has_echo(&terminal));
        close(slave);
        assert_int_equal(pty_end(&terminal, SHORT_MS), 128 + SIGINT);
        assert_null(strstr(terminal.seen, "half"));
}

static void remove_asks_and_takes_only_yes(void **state)
{
        (void)state;
        assert_int_equal(tool_add("mail", "x"), 0);
        START("remove", TOOL_KEY, "mail");
        assert_true(pty_expect(&terminal, "remove mail for good? [y/N] ", SHORT_MS));
        pty_send(&terminal, "\r");
        assert_int_equal(pty_end(&terminal, SHORT_MS), 3);
        assert_true(tool_holds("mail", "x", 1));

        START("remove", TOOL_KEY, "mail");
        assert_true(pty_expect(&terminal, "[y/N] ", SHORT_MS));
        pty_send(&terminal, "y\r");
        assert_int_equal(pty_end(&terminal, SHORT_MS), 0);
        assert_int_equal(TOOL("get", TOOL_KEY, "mail"), 6);
}

static void an_empty_typed_secret_is_not_stored(void **state)
{
        (void)state;
        START("add", TOOL_KEY, "mail");
        pty_answer(&terminal, "secret for mail: ", "");
        assert_true(pty_expect(&terminal, "no secret was typed", SHORT_MS));
        assert_int_equal(pty_end(&terminal, SHORT_MS), 3);
}

static void a_secret_shown_at_a_terminal_cannot_steer_it(void **state)
{
        (void)state;
        assert_int_equal(tool_add("mail", "a\033]0;title\007b\n\302\233c"), 0);
        START("get", TOOL_KEY, "mail");
        assert_true(pty_expect(&terminal, "a\\x1b]0;title\\x07b\r\n\\xc2\\x9bc\r\n", SHORT_MS));
        assert_true(pty_expect(&terminal, "exact bytes", SHORT_MS));
        assert_int_equal(pty_end(&terminal, SHORT_MS), 0);
        assert_null(strchr(terminal.seen, '\033'));
}

static void a_name_shown_at_a_terminal_cannot_steer_it(void **state)
{
        (void)state;
        assert_int_equal(tool_add("mail", "x"), 0);
        START("get", TOOL_KEY, "no\033[2Jname\342\200\256");
        assert_true(pty_expect(&terminal, "no\\x1b[2Jname\\xe2\\x80\\xae", SHORT_MS));
        assert_int_equal(pty_end(&terminal, SHORT_MS), 6);
        assert_null(strchr(terminal.seen, '\033'));
}

static void colour_is_for_terminals_without_no_color(void **state)
{
        (void)state;
        START("inspect");
        assert_int_equal(pty_end(&terminal, SHORT_MS), 0);
        assert_non_null(strstr(terminal.seen, "\033[1m"));
        setenv("NO_COLOR", "1", 1);
        START("inspect");
        assert_int_equal(pty_end(&terminal, SHORT_MS), 0);
        assert_null(strchr(terminal.seen, '\033'));
        assert_non_null(strstr(terminal.seen, "a secret of this process"));
}

static void a_descriptor_that_is_a_terminal_is_refused(void **state)
{
        (void)state;
        START("add", "--passphrase-fd", "0", "--generate", "mail");
        assert_true(pty_expect(&terminal, "is a terminal", SHORT_MS));
        assert_int_equal(pty_end(&terminal, SHORT_MS), 2);
        START("add", TOOL_KEY, "--secret-fd=0", "mail");
        assert_true(pty_expect(&terminal, "is a terminal", SHORT_MS));
        assert_int_equal(pty_end(&terminal, SHORT_MS), 2);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(first_use_is_add_and_then_get),
        TOOL_TEST(two_different_passphrases_make_no_vault),
        TOOL_TEST(end_of_file_at_the_prompt_is_an_abort),
        TOOL_TEST(an_interrupt_at_the_prompt_gives_the_echo_back),
        TOOL_TEST(remove_asks_and_takes_only_yes),
        TOOL_TEST(an_empty_typed_secret_is_not_stored),
        TOOL_TEST(a_secret_shown_at_a_terminal_cannot_steer_it),
        TOOL_TEST(a_name_shown_at_a_terminal_cannot_steer_it),
        TOOL_TEST(colour_is_for_terminals_without_no_color),
        TOOL_TEST(a_descriptor_that_is_a_terminal_is_refused),
};

MAIN(tests)

/* Every verb as a script uses it, and the exit code for each way it can go wrong. */
#include "cmocka_main.h"
#include "json.h"
#include "tool.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VAULT ".local/share/secretctl/vault"
#define RUN(...) tool_run_with(NULL, 0, (const char *const[]){__VA_ARGS__, NULL})

static void what_is_added_can_be_got_listed_shown_renamed_and_removed(void **state)
{
        struct run r;

        (void)state;
        assert_int_equal(TOOL("add", TOOL_KEY, "--generate=12", "b", "--user", "ann", "--url=https://x.example",
                              "--tags", "home,work"), 0);
        assert_int_equal(tool_add("a", "hunter2"), 0);
        assert_true(tool_holds("a", "hunter2", 7));
        r = RUN("list", TOOL_KEY);
        assert_string_equal(r.out, "a\nb\n");
        run_free(&r);
        r = RUN("show", TOOL_KEY, "b");
        assert_non_null(strstr(r.out, "user:    ann\nurl:     https://x.example\ntags:    home,work\nadded:   20"));
        run_free(&r);
        assert_int_equal(TOOL("rename", TOOL_KEY, "a", "c d"), 0);
        assert_true(tool_holds("c d", "hunter2", 7));
        assert_int_equal(TOOL("get", TOOL_KEY, "a"), 6);
        assert_int_equal(TOOL("remove", "--yes", TOOL_KEY, "c d"), 0);
        assert_int_equal(TOOL("get", TOOL_KEY, "c d"), 6);
        assert_int_equal(TOOL("remove", "--yes", TOOL_KEY, "b"), 0);
        r = RUN("list", TOOL_KEY);
        assert_int_equal(r.status, 0);
        assert_int_equal(r.n_out, 0);
        run_free(&r);
}

static void the_vault_and_its_directory_are_for_the_user_alone(void **state)
{
        struct stat is;

        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(stat(VAULT, &is), 0);
        assert_int_equal(is.st_mode & 07777, 0600);
        assert_int_equal(stat(".local/share/secretctl", &is), 0);
        assert_int_equal(is.st_mode & 07777, 0700);
        assert_int_equal(stat(".local/state/secretctl", &is), 0);
        assert_int_equal(is.st_mode & 07777, 0700);
}

static void the_vault_is_where_it_is_said_to_be(void **state)
{
        (void)state;
        mkdir("mine", 0700);
        assert_int_equal(TOOL("add", TOOL_KEY, "--generate", "a", "--vault", "mine/v"), 0);
        assert_int_equal(access("mine/v", F_OK), 0);
        setenv("SECRETCTL_VAULT", "mine/v", 1);
        assert_int_equal(TOOL("show", TOOL_KEY, "a"), 0);
        unsetenv("SECRETCTL_VAULT");
        assert_int_equal(TOOL("show", TOOL_KEY, "a"), 6);
        char data[4200];
        snprintf(data, sizeof data, "%s/data", getenv("HOME"));
        setenv("XDG_DATA_HOME", data, 1);
        assert_int_equal(tool_add("b", "x"), 0);
        assert_int_equal(access("data/secretctl/vault", F_OK), 0);
        struct run r = RUN("add", TOOL_KEY, "--generate", "a", "--vault", "missing/v");
        assert_int_equal(r.status, 6);
        assert_non_null(strstr(r.err, "there is no directory missing"));
        run_free(&r);
        assert_int_not_equal(access("missing", F_OK), 0);
}

static void json_is_json_and_has_the_promised_fields(void **state)
{
        struct run r;

        (void)state;
        assert_int_equal(TOOL("add", TOOL_KEY, "--generate", "q\"\\ \303\251", "--user", "\"", "--tags", "a,,b\\"), 0);
        r = RUN("list", TOOL_KEY, "--json");
        assert_int_equal(r.status, 0);
        assert_true(json_is_valid(r.out, r.n_out));
        assert_non_null(strstr(r.out, "\"name\": \"q\\\"\\\\ \303\251\", \"user\": \"\\\"\", \"url\": \"\", "
                                      "\"tags\": [\"a\", \"b\\\\\"], \"added\": \"20"));
        run_free(&r);
        r = RUN("show", "--json", TOOL_KEY, "q\"\\ \303\251");
        assert_true(json_is_valid(r.out, r.n_out));
        run_free(&r);
        r = RUN("inspect", "--json");
        assert_true(json_is_valid(r.out, r.n_out));
        run_free(&r);
        assert_int_equal(TOOL("remove", "--yes", TOOL_KEY, "q\"\\ \303\251"), 0);
        r = RUN("list", TOOL_KEY, "--json");
        assert_string_equal(r.out, "[]\n");
        run_free(&r);
}

static void the_json_check_itself_finds_what_is_wrong(void **state)
{
        static const char *const wrong[] = {"", "[", "[1,]", "{\"a\"}", "{\"a\":1,}", "\"\n\"", "\"\\x\"", "[] []",
                                            "01", "tru", "\"\xff\""};

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
                assert_false(json_is_valid(wrong[i], strlen(wrong[i])));
        assert_true(json_is_valid("{\"a\": [1, -2.5e3, true, null, \"\\u00e9\"]}\n", 40));
}

static void missing_entries_and_missing_vaults_are_not_found(void **state)
{
        struct run r;

        (void)state;
        r = RUN("get", TOOL_KEY, "a");
        assert_int_equal(r.status, 6);
        assert_non_null(strstr(r.err, "there is no vault at "));
        run_free(&r);
        assert_int_equal(tool_add("a", "x"), 0);
        r = RUN("get", TOOL_KEY, "b");
        assert_int_equal(r.status, 6);
        assert_string_equal(r.err, "secretctl: no entry is named b\nsecretctl: hint: secretctl list shows the names\n");
        assert_int_equal(r.n_out, 0);
        run_free(&r);
        assert_int_equal(TOOL("show", TOOL_KEY, "b"), 6);
        assert_int_equal(TOOL("rename", TOOL_KEY, "b", "c"), 6);
        assert_int_equal(TOOL("remove", "--yes", TOOL_KEY, "b"), 6);
}

static void a_second_entry_of_a_name_exists_already(void **state)
{
        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(tool_add("b", "y"), 0);
        assert_int_equal(TOOL("add", TOOL_KEY, "--generate", "a"), 7);
        assert_int_equal(TOOL("rename", TOOL_KEY, "a", "b"), 7);
        assert_true(tool_holds("a", "x", 1));
        assert_true(tool_holds("b", "y", 1));
}

static void a_locked_vault_never_looks_like_a_missing_entry(void **state)
{
        struct run r;

        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        r = RUN("get", "b"); /* no key, no terminal to ask at */
        assert_int_equal(r.status, 4);
        assert_non_null(strstr(r.err, "locked"));
        run_free(&r);
        assert_int_equal(TOOL("get", "--key-file", "missing", "a"), 4);
        r = tool_run_with("secret words\n", 13, (const char *const[]){"get", "--passphrase-fd=0", "a", NULL});
        assert_int_equal(r.status, 4); /* this vault has no slot for a passphrase */
        run_free(&r);
        r = tool_run_with("", 0, (const char *const[]){"get", "--passphrase-fd=0", "a", NULL});
        assert_int_equal(r.status, 4);
        run_free(&r);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void a_wrong_or_short_key_file_is_told(void **state)
{
        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        write_file("other", "another key file, also of 32 bytes", 0600);
        assert_int_equal(TOOL("get", "--key-file=other", "a"), 5);
        write_file("short", "31 bytes are one byte too short", 0600);
        assert_int_equal(TOOL("get", "--key-file=short", "a"), 2);
}

static void a_flipped_byte_is_damage_and_nothing_is_served(void **state)
{
        char byte;
        int fd;
        struct run r;

        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(tool_add("b", "y"), 0);
        fd = open(VAULT, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, 4096 + 140), 1); /* inside the first sealed head */
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, 4096 + 140), 1);
        close(fd);
        r = RUN("get", TOOL_KEY, "b");
        assert_int_equal(r.status, 9);
        assert_non_null(strstr(r.err, "damaged at offset 4096"));
        assert_non_null(strstr(r.err, "secretctl: hint: "));
        assert_int_equal(r.n_out, 0);
        run_free(&r);
        assert_int_equal(TOOL("list", TOOL_KEY), 9);
        assert_int_equal(TOOL("add", TOOL_KEY, "--generate", "c"), 9);
}

static void an_older_copy_of_the_vault_is_refused_until_accepted(void **state)
{
        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        assert_int_equal(system("cp -p " VAULT " backup"), 0);
        assert_int_equal(tool_add("b", "y"), 0);
        assert_int_equal(system("cp -p backup " VAULT), 0);
        assert_int_equal(TOOL("list", TOOL_KEY), 13);
        assert_int_equal(TOOL("list", TOOL_KEY, "--accept-rollback"), 0);
        assert_int_equal(TOOL("list", TOOL_KEY), 0);
}

static void a_vault_that_others_may_write_is_refused(void **state)
{
        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        chmod(VAULT, 0666);
        assert_int_equal(TOOL("get", TOOL_KEY, "a"), 8);
        chmod(VAULT, 0600);
        assert_true(tool_holds("a", "x", 1));
}

static void wrong_usage_is_2_and_says_what_and_how(void **state)
{
        static const char *const wrong[][6] = {
                {NULL}, {"frob"}, {"get"}, {"get", "a", "b"}, {"get", "--json", "a"}, {"list", "x"}, {"rename", "a"},
                {"get", "--frob", "a"}, {"get", "-x", "a"}, {"get", "--key-file"}, {"get", "--passphrase-fd", "x", "a"},
                {"get", "--passphrase-fd=-1", "a"}, {"generate", "--length", "0"}, {"generate", "--length=5000"},
                {"generate", "--length=1x"}, {"generate", "--characters="}, {"generate", "--characters=a"},
                {"generate", "--characters=aba"}, {"generate", "--characters=a\303\251"},
                {"generate", "--no-symbols", "--characters=ab"}, {"generate", "--no-symbols=1"},
                {"generate", "--vault=x"},
                {"add", TOOL_KEY, "a", "--no-symbols"}, {"add", TOOL_KEY, "a", "--generate", "--secret-fd=5"},
                {"add", TOOL_KEY, ""}, {"add", TOOL_KEY, "a\nb"}, {"add", TOOL_KEY, "a\xff"}, {"inspect", "x"},
                {"inspect", "0"},
                {"inspect", "-1"}, {"help", "frob"}, {"help", "add", "get"}, {"add", "--passphrase-fd=0", "a"},
                {"get", "--vault=", "a"},
                {"add", TOOL_KEY, "--generat", "a"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                struct run r = tool_run_with(NULL, 0, wrong[i]);

                if (r.status != 2)
                        print_error("row %zu: %s\n", i, wrong[i][0] != NULL ? wrong[i][0] : "");
                assert_int_equal(r.status, 2);
                assert_int_equal(strncmp(r.err, "secretctl: ", 11), 0);
                assert_int_equal(r.n_out, 0);
                for (const char *line = r.err; *line != '\0'; line = strchr(line, '\n') + 1)
                        assert_int_not_equal(*(strchr(line, '\n') - 1), '.');
                run_free(&r);
        }
        assert_int_equal(access(VAULT, F_OK), -1);
}

static void a_passphrase_in_arguments_or_environment_is_refused(void **state)
{
        static const char *const wrong[][5] = {
                {"get", "--passphrase", "hunter2", "a"}, {"get", "--passphrase=hunter2", "a"},
                {"get", "--password=hunter2", "a"},
                {"add", "a", "--pass", "hunter2"}, {"add", TOOL_KEY, "a", "hunter2"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                struct run r = tool_run_with(NULL, 0, wrong[i]);

                assert_int_equal(r.status, 2);
                assert_non_null(strstr(r.err, "never taken from the command line"));
                assert_non_null(strstr(r.err, "secretctl: hint: "));
                assert_null(strstr(r.err, "hunter2"));
                run_free(&r);
        }
        setenv("SECRETCTL_PASSPHRASE", "hunter2", 1);
        struct run r = RUN("add", TOOL_KEY, "--generate", "a");
        assert_int_equal(r.status, 2);
        assert_non_null(strstr(r.err, "never taken from the environment"));
        assert_null(strstr(r.err, "hunter2"));
        run_free(&r);
        assert_int_equal(TOOL("generate"), 0);
        unsetenv("SECRETCTL_PASSPHRASE");
}

static void remove_without_a_terminal_wants_yes(void **state)
{
        struct run r;

        (void)state;
        assert_int_equal(tool_add("a", "x"), 0);
        r = RUN("remove", TOOL_KEY, "a");
        assert_int_equal(r.status, 2);
        assert_non_null(strstr(r.err, "hint: give --yes"));
        run_free(&r);
        assert_true(tool_holds("a", "x", 1));
}

/* One vault, one Argon2id for each unlocking: by descriptor, by an askpass program, by one that gives up. */
static void a_passphrase_comes_by_descriptor_or_program(void **state)
{
        struct run r;

        (void)state;
        write_file("askpass", "#!/bin/sh\necho 'pass words'\n", 0700);
        write_file("giveup", "#!/bin/sh\nexit 1\n", 0700);
        r = tool_run_with("pass words", 10, (const char *const[]){"add", "--passphrase-fd=0", "--generate", "a", NULL});
        assert_int_equal(r.status, 0);
        run_free(&r);
        r = tool_run_with("pass words\n", 11, (const char *const[]){"show", "--passphrase-fd", "0", "a", NULL});
        assert_int_equal(r.status, 0);
        run_free(&r);
        setenv("SECRETCTL_ASKPASS", "./giveup", 1);
        assert_int_equal(TOOL("show", "--askpass", "./askpass", "a"), 0);
        /* what is named on the command line is not for the program that asks */
        write_file("thief", "#!/bin/sh\ncat <&3 >stolen 2>/dev/null\necho 'pass words'\n", 0700);
        setenv("TOOL", tool_path(), 1);
        assert_int_equal(system("printf kept >s; \"$TOOL\" add --askpass ./thief --secret-fd 3 theft 3<s && test ! -s stolen"), 0);
        assert_int_equal(TOOL("show", "a"), 3);
        setenv("SECRETCTL_ASKPASS", "./missing", 1);
        assert_int_equal(TOOL("show", "a"), 4);
        unsetenv("SECRETCTL_ASKPASS");
        r = tool_run_with("pass wordz\n", 11, (const char *const[]){"show", "--passphrase-fd", "0", "a", NULL});
        assert_int_equal(r.status, 5);
        run_free(&r);
}

static void generated_passwords_are_of_the_set_and_of_the_length(void **state)
{
        size_t seen[128] = {0};

        (void)state;
        for (int i = 0; i < 20; i++) {
                struct run r = RUN("generate", "--length", "4096");

                assert_int_equal(r.n_out, 4096);
                for (size_t k = 0; k < r.n_out; k++)
                        seen[r.out[k] & 127]++;
                run_free(&r);
        }
        size_t total = 0;
        /* 871 expected, the standard deviation is 29; the remainder alone gives 960 and 640 */
        for (char c = '!'; c <= '~'; c++) {
                assert_in_range(seen[(int)c], 871 - 190, 871 + 190);
                total += seen[(int)c];
        }
        assert_int_equal(total, 20 * 4096);
        struct run r = RUN("generate"), again = RUN("generate");
        assert_int_equal(r.n_out, 20);
        assert_memory_not_equal(r.out, again.out, 20);
        run_free(&r);
        run_free(&again);
        r = RUN("generate", "--no-symbols", "--length=200");
        assert_int_equal(strspn(r.out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), 200);
        run_free(&r);
}

static void help_and_version_explain_and_succeed(void **state)
{
        struct run r = RUN("--version");

        (void)state;
        assert_int_equal(strncmp(r.out, "secretctl ", 10), 0);
        assert_int_equal(r.status, 0);
        run_free(&r);
        assert_int_equal(TOOL("--help"), 0);
        assert_int_equal(TOOL("-h"), 0);
        assert_int_equal(TOOL("help", "add"), 0);
        assert_int_equal(TOOL("add", "--help"), 0);
        r = RUN("help", "exit-codes");
        assert_non_null(strstr(r.out, " 6  not found\n"));
        assert_non_null(strstr(r.out, "13  rolled back\n"));
        run_free(&r);
}

static const struct CMUnitTest tests[] = {
        TOOL_TEST(what_is_added_can_be_got_listed_shown_renamed_and_removed),
        TOOL_TEST(the_vault_and_its_directory_are_for_the_user_alone),
        TOOL_TEST(the_vault_is_where_it_is_said_to_be),
        TOOL_TEST(json_is_json_and_has_the_promised_fields),
        TOOL_TEST(the_json_check_itself_finds_what_is_wrong),
        TOOL_TEST(missing_entries_and_missing_vaults_are_not_found),
        TOOL_TEST(a_second_entry_of_a_name_exists_already),
        TOOL_TEST(a_locked_vault_never_looks_like_a_missing_entry),
        TOOL_TEST(a_wrong_or_short_key_file_is_told),
        TOOL_TEST(a_flipped_byte_is_damage_and_nothing_is_served),
        TOOL_TEST(an_older_copy_of_the_vault_is_refused_until_accepted),
        TOOL_TEST(a_vault_that_others_may_write_is_refused),
        TOOL_TEST(wrong_usage_is_2_and_says_what_and_how),
        TOOL_TEST(a_passphrase_in_arguments_or_environment_is_refused),
        TOOL_TEST(remove_without_a_terminal_wants_yes),
        TOOL_TEST(a_passphrase_comes_by_descriptor_or_program),
        TOOL_TEST(generated_passwords_are_of_the_set_and_of_the_length),
        TOOL_TEST(help_and_version_explain_and_succeed),
};

MAIN(tests)

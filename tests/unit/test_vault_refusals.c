/* What the vault refuses: names, sizes, arguments, keys, files and directories; and the ends of programs that ask for what is not there. */
#include "vault_testing.h"

#include <sys/resource.h>

static void vault_refuses_a_second_entry_of_the_same_name(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p), *w;

        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(add(v, "a", "2"), KEEPMUM_EEXISTS);
        w = reopen(p);
        assert_int_equal(add(w, "b", "3"), 0);
        assert_int_equal(add(v, "b", "4"), KEEPMUM_EEXISTS); /* v learns of b only under the lock */
        expect_secret(v, "a", "1");
        expect_secret(v, "b", "3");
        keepmum_vault_close(v);
        keepmum_vault_close(w);
}

/* A child's death, and its words. */
static void dies_saying(void misuse(keepmum_vault *v), keepmum_vault *v, const char *words)
{
        char said[128] = "";
        int ends[2], status;
        pid_t child;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        if (child == 0) {
                signal(SIGABRT, SIG_DFL);
                setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
                dup2(ends[1], STDERR_FILENO);
                misuse(v);
                _exit(0);
        }
        close(ends[1]);
        assert_true(read(ends[0], said, sizeof said - 1) >= 0);
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_string_equal(said, words);
}

static void ask_beyond_the_count(keepmum_vault *v)
{
        (void)keepmum_vault_text(v, keepmum_vault_count(v), KEEPMUM_VAULT_NAME);
}

static void ask_for_a_fifth_text(keepmum_vault *v)
{
        (void)keepmum_vault_text(v, 0, (enum keepmum_vault_text)4);
}

static void vault_ends_a_program_that_asks_for_what_is_not(void **state)
{
        keepmum_vault *v = begin(*state);

        assert_int_equal(add(v, "a", "1"), 0);
        dies_saying(ask_beyond_the_count, v, "keepmum: vault: no entry has this number\n");
        dies_saying(ask_for_a_fifth_text, v, "keepmum: vault: no text of this kind\n");
        keepmum_vault_close(v);
}

static void vault_refuses_what_is_too_big(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        char *text = malloc(16386);
        keepmum_secret s;

        assert_int_equal(keepmum_create(&s, KEEPMUM_VAULT_MAX_SECRET_BYTES + 1, 0), 0);
        assert_int_equal(keepmum_vault_add(v, "a", s, NULL, NULL, NULL), KEEPMUM_ETOOBIG);
        keepmum_destroy(&s);
        memset(text, 'x', 16385);
        text[16385] = '\0';
        assert_int_equal(keepmum_vault_add(v, "a", NONE, text, NULL, NULL), KEEPMUM_ETOOBIG);
        text[16384] = '\0';
        assert_int_equal(keepmum_vault_add(v, "a", NONE, text, text, text), 0);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_string_equal(keepmum_vault_text(v, 0, KEEPMUM_VAULT_TAGS), text);
        keepmum_vault_close(v);
        free(text);
}

static void vault_refuses_names_that_are_not_clean_text(void **state)
{
        static const char *const bad[] = {
                "",
                "a\nb",
                "\x1b[2J",
                "tab\t",
                "\x7f",
                "\xc2\x80",
                "\xc2\x9f",
                "\xff",
                "\xc0\xaf",
                "\xe0\x80\xaf",
                "cut\xe2\x82",
                "\xed\xa0\x80",
                "\xf4\x90\x80\x80",
                "\xf8\x88\x80\x80\x80",
                "\x80",
        };
        static const char *const good[] = {
                "a", " ", "\xc2\xa0", "Gr\xc3\xbc\xc3\x9f\x65", "\xe2\x82\xac", "\xf0\x9f\x94\x91", "a/b"};
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        char name[1026];

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(add(v, bad[i], "1"), KEEPMUM_EBADNAME);
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
                assert_int_equal(add(v, good[i], "1"), 0);
        memset(name, 'n', 1025);
        name[1025] = '\0';
        assert_int_equal(add(v, name, "1"), KEEPMUM_EBADNAME);
        name[1024] = '\0';
        assert_int_equal(add(v, name, "1"), 0);
        assert_int_equal(keepmum_vault_add(v, "b", NONE, "a\nb", NULL, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_add(v, "b", NONE, NULL, "\xff", NULL), KEEPMUM_EINVAL);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_count(v), sizeof good / sizeof *good + 1);
        keepmum_vault_close(v);
}

static void vault_with_a_key_file_alone_is_locked_to_a_passphrase(void **state)
{
        const struct place *p = *state;
        keepmum_secret passphrase = secret_of("x");
        keepmum_vault *v = begin(p);

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, passphrase, NONE, 0), KEEPMUM_ELOCKED);
        keepmum_destroy(&passphrase);
}

static void vault_refuses_bad_arguments(void **state)
{
        const struct place *p = *state;
        keepmum_secret brief = secret_of("thirty-one bytes are too few.."), s;
        keepmum_vault *v;
        size_t number;

        assert_int_equal(keepmum_vault_create(&v, p->vault, NULL, NONE, NONE), KEEPMUM_ELOCKED);
        assert_int_equal(keepmum_vault_create(&v, p->vault, NULL, NONE, brief), KEEPMUM_EEMPTY);
        assert_int_equal(keepmum_vault_create(NULL, p->vault, NULL, NONE, p->key_file), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_create(&v, NULL, NULL, NONE, p->key_file), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, p->key_file, 2), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, p->key_file, 0), KEEPMUM_ENOTFOUND);
        assert_int_equal(keepmum_vault_open(&v, "/nonexistent/v", NULL, NONE, p->key_file, 0), KEEPMUM_ENOTFOUND);
        v = begin(p);
        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(keepmum_vault_add(v, NULL, NONE, NULL, NULL, NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_get(v, NULL, &s), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_find(v, "a", NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_find(v, "", &number), KEEPMUM_ENOTFOUND);
        assert_int_equal(keepmum_vault_rename(v, "a", NULL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_vault_remove(v, NULL), KEEPMUM_EINVAL);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_create(&v, p->vault, NULL, NONE, p->key_file), KEEPMUM_EEXISTS);
        keepmum_vault_close(NULL);
        keepmum_destroy(&brief);
}

static void vault_refuses_a_secret_that_is_open_for_writing(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        keepmum_secret s = secret_of("x");
        void *bytes;

        assert_int_equal(keepmum_open_write(s, &bytes, NULL), 0);
        assert_int_equal(keepmum_vault_add(v, "a", s, NULL, NULL, NULL), KEEPMUM_EBUSY);
        keepmum_close(s);
        assert_int_equal(keepmum_vault_add(v, "a", s, NULL, NULL, NULL), 0);
        keepmum_destroy(&s);
        keepmum_vault_close(v);
}

static void vault_refuses_files_and_directories_that_others_may_change(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        char link[128];

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        assert_int_equal(chmod(p->vault, 0620), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EUNSAFE);
        assert_int_equal(chmod(p->vault, 0602), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EUNSAFE);
        assert_int_equal(chmod(p->vault, 0644), 0);
        assert_int_equal(chmod(p->dir, 0770), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EUNSAFE);
        assert_int_equal(keepmum_vault_create(&v, p->other, NULL, NONE, p->key_file), KEEPMUM_EUNSAFE);
        assert_int_equal(chmod(p->dir, 01777), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EUNSAFE);
        assert_int_equal(chmod(p->dir, 0755), 0);
        snprintf(link, sizeof link, "%s/link", p->dir);
        assert_int_equal(symlink("v", link), 0);
        assert_int_equal(keepmum_vault_open(&v, link, NULL, NONE, p->key_file, 0), 0);
        assert_int_equal(add(v, "b", "2"), 0);
        keepmum_vault_close(v);
        assert_int_equal(unlink(link), 0);
        assert_int_equal(symlink("/tmp", link), 0);
        assert_true(keepmum_vault_open(&v, link, NULL, NONE, p->key_file, 0) < 0);
        if (geteuid() == 0) { /* a link that belongs to somebody else */
                assert_int_equal(unlink(link), 0);
                assert_int_equal(symlink("v", link), 0);
                assert_int_equal(lchown(link, 12345, 12345), 0);
                assert_int_equal(keepmum_vault_open(&v, link, NULL, NONE, p->key_file, 0), KEEPMUM_EUNSAFE);
                assert_int_equal(chown(p->vault, 12345, 12345), 0);
                assert_int_equal(try_open(&v, p), KEEPMUM_EUNSAFE);
        }
}

static void vault_opens_only_regular_files(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v;

        assert_int_equal(mkdir(p->vault, 0700), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EIO);
        assert_int_equal(rmdir(p->vault), 0);
        assert_int_equal(mkfifo(p->vault, 0600), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EIO);
}

static void act_on_a_number_too_far(const struct place *p)
{
        const struct rlimit no_core = {0, 0};
        keepmum_vault *v = reopen(p);

        close(STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &no_core);
        keepmum_vault_text(v, 1, KEEPMUM_VAULT_NAME);
}

static void vault_aborts_on_a_number_beyond_the_last(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        int status;
        pid_t child;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        child = fork();
        if (child == 0) {
                struct place here = *p;

                here.key_file = secret_of("0123456789 contents of a key file 0123456789");
                act_on_a_number_too_far(&here);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_refuses_a_second_entry_of_the_same_name),
                test(vault_ends_a_program_that_asks_for_what_is_not),
                test(vault_refuses_what_is_too_big),
                test(vault_refuses_names_that_are_not_clean_text),
                test(vault_with_a_key_file_alone_is_locked_to_a_passphrase),
                test(vault_refuses_bad_arguments),
                test(vault_refuses_a_secret_that_is_open_for_writing),
                test(vault_refuses_files_and_directories_that_others_may_change),
                test(vault_opens_only_regular_files),
                test(vault_aborts_on_a_number_beyond_the_last),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

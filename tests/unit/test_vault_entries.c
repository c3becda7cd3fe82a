/* What a user of the vault meets: entries go in, come back, change their names, go. What it refuses: test_vault_refusals. */
#include "vault_testing.h"

static void vault_gives_back_what_was_added(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        keepmum_secret s = secret_of("hunter2");
        int64_t added = 0, changed = 1;
        size_t number = 9;

        assert_int_equal(access(p->vault, F_OK), -1);
        assert_int_equal(keepmum_vault_add(v, "mail", s, "me", "https://example.org", "a,b"), 0);
        keepmum_destroy(&s);
        expect_secret(v, "mail", "hunter2");
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_warnings(v), 0);
        expect_secret(v, "mail", "hunter2");
        assert_int_equal(keepmum_vault_count(v), 1);
        assert_int_equal(keepmum_vault_find(v, "mail", &number), 0);
        assert_int_equal(number, 0);
        assert_string_equal(keepmum_vault_text(v, 0, KEEPMUM_VAULT_NAME), "mail");
        assert_string_equal(keepmum_vault_text(v, 0, KEEPMUM_VAULT_USER), "me");
        assert_string_equal(keepmum_vault_text(v, 0, KEEPMUM_VAULT_URL), "https://example.org");
        assert_string_equal(keepmum_vault_text(v, 0, KEEPMUM_VAULT_TAGS), "a,b");
        keepmum_vault_times(v, 0, &added, &changed);
        assert_true(added > 1600000000000 && added == changed);
        keepmum_vault_close(v);
}

static void vault_file_is_private_and_nothing_else_is_left(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct stat st;
        char path[128];

        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(stat(p->vault, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_nlink, 1);
        snprintf(path, sizeof path, "%s.new", p->vault);
        assert_int_equal(access(path, F_OK), -1);
        keepmum_vault_close(v);
}

static void vault_renames_and_keeps_secret_and_texts(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        keepmum_secret s = secret_of("one");
        int64_t added, changed;
        size_t number;

        assert_int_equal(keepmum_vault_add(v, "b", s, "user", NULL, "tag"), 0);
        keepmum_destroy(&s);
        assert_int_equal(add(v, "c", "two"), 0);
        usleep(3000);
        assert_int_equal(keepmum_vault_rename(v, "b", "c"), KEEPMUM_EEXISTS);
        assert_int_equal(keepmum_vault_rename(v, "b", "b"), KEEPMUM_EEXISTS);
        assert_int_equal(keepmum_vault_rename(v, "x", "y"), KEEPMUM_ENOTFOUND);
        assert_int_equal(keepmum_vault_rename(v, "b", ""), KEEPMUM_EBADNAME);
        assert_int_equal(keepmum_vault_rename(v, "b", "z"), 0);
        for (int round = 0; round < 2; round++) {
                assert_int_equal(keepmum_vault_find(v, "b", &number), KEEPMUM_ENOTFOUND);
                assert_int_equal(keepmum_vault_find(v, "z", &number), 0);
                assert_int_equal(number, 1);
                assert_string_equal(keepmum_vault_text(v, 1, KEEPMUM_VAULT_USER), "user");
                assert_string_equal(keepmum_vault_text(v, 1, KEEPMUM_VAULT_URL), "");
                assert_string_equal(keepmum_vault_text(v, 1, KEEPMUM_VAULT_TAGS), "tag");
                keepmum_vault_times(v, 1, &added, &changed);
                assert_true(changed > added);
                expect_secret(v, "z", "one");
                keepmum_vault_close(v);
                v = reopen(p);
        }
        assert_int_equal(keepmum_vault_rename(v, "z", "b"), 0);
        expect_secret(v, "b", "one");
        keepmum_vault_close(v);
}

/* What keepmum_vault_text() said may be given back, although another handle makes the entries be read again. */
static void vault_takes_its_own_texts(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p), *other;
        char name[32];
        size_t number;

        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof name, "%03d", i);
                assert_int_equal(add(v, name, "x"), 0);
        }
        assert_int_equal(keepmum_vault_add(v, "zzz", NONE, "me", "", ""), 0);
        other = reopen(p);
        for (int i = 0; i < 90; i++) {
                snprintf(name, sizeof name, "%03d", i);
                assert_int_equal(keepmum_vault_remove(other, name), 0);
        }
        keepmum_vault_close(other);
        assert_int_equal(keepmum_vault_find(v, "zzz", &number), 0);
        assert_int_equal(keepmum_vault_add(v, "copy", NONE, keepmum_vault_text(v, number, KEEPMUM_VAULT_USER), NULL, NULL), 0);
        assert_int_equal(keepmum_vault_find(v, "copy", &number), 0);
        assert_string_equal(keepmum_vault_text(v, number, KEEPMUM_VAULT_USER), "me");
        assert_int_equal(keepmum_vault_remove(v, keepmum_vault_text(v, number, KEEPMUM_VAULT_NAME)), 0);
        assert_int_equal(keepmum_vault_find(v, "copy", &number), KEEPMUM_ENOTFOUND);
        keepmum_vault_close(v);
}

static void vault_removes_and_takes_the_name_again(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        keepmum_secret s;

        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(add(v, "b", "2"), 0);
        assert_int_equal(keepmum_vault_remove(v, "a"), 0);
        assert_int_equal(keepmum_vault_remove(v, "a"), KEEPMUM_ENOTFOUND);
        assert_int_equal(keepmum_vault_get(v, "a", &s), KEEPMUM_ENOTFOUND);
        assert_int_equal(keepmum_vault_count(v), 1);
        assert_int_equal(add(v, "a", "3"), 0);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_count(v), 2);
        expect_secret(v, "a", "3");
        assert_int_equal(keepmum_vault_remove(v, "a"), 0);
        assert_int_equal(keepmum_vault_remove(v, "b"), 0);
        assert_int_equal(keepmum_vault_count(v), 0);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_count(v), 0);
        keepmum_vault_close(v);
}

static void vault_keeps_an_empty_secret_apart_from_none(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        keepmum_secret s;

        assert_int_equal(add(v, "empty", ""), 0);
        assert_int_equal(keepmum_vault_get(v, "empty", &s), KEEPMUM_EEMPTY);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_get(v, "empty", &s), KEEPMUM_EEMPTY);
        assert_int_equal(keepmum_vault_get(v, "none", &s), KEEPMUM_ENOTFOUND);
        keepmum_vault_close(v);
}

static void fill(keepmum_secret s, unsigned seed)
{
        void *bytes;
        size_t n_bytes;

        assert_int_equal(keepmum_open_write(s, &bytes, &n_bytes), 0);
        for (size_t i = 0; i < n_bytes; i++)
                ((unsigned char *)bytes)[i] = (unsigned char)((i * 2654435761u + seed) >> 7);
        keepmum_close(s);
}

/* Sizes around every edge of the padding, and the largest. */
static void vault_gives_back_secrets_of_every_size_class(void **state)
{
        static const size_t sizes[] = {1, 55, 56, 57, 120, 121, 248, 504, 1016, 2040, 2041, 4088, 4089, 65536, 1 << 20};
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        char name[32];

        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                keepmum_secret s;

                assert_int_equal(keepmum_create(&s, sizes[i], 0), 0);
                fill(s, (unsigned)i);
                snprintf(name, sizeof name, "size %zu", sizes[i]);
                assert_int_equal(keepmum_vault_add(v, name, s, NULL, NULL, NULL), 0);
                keepmum_destroy(&s);
        }
        keepmum_vault_close(v);
        v = reopen(p);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                keepmum_secret expected, s;
                bool is_equal = false;

                assert_int_equal(keepmum_create(&expected, sizes[i], 0), 0);
                fill(expected, (unsigned)i);
                snprintf(name, sizeof name, "size %zu", sizes[i]);
                assert_int_equal(keepmum_vault_get(v, name, &s), 0);
                assert_int_equal(keepmum_equal(expected, s, &is_equal), 0);
                assert_true(is_equal);
                keepmum_destroy(&s);
                keepmum_destroy(&expected);
        }
        keepmum_vault_close(v);
}

/* A random walk of adds, renames and removes against a plain array: contents and order must agree at every look. */
static void vault_numbers_entries_in_byte_order_of_their_names(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        bool is_there[64] = {false};
        char name[16], other[16];
        size_t number;

        srand(7);
        for (int step = 0; step < 600; step++) {
                int a = rand() % 64, b = rand() % 64;
                int what = rand() % 4;

                snprintf(name, sizeof name, "n%02d", a);
                snprintf(other, sizeof other, "n%02d", b);
                if (what <= 1) {
                        assert_int_equal(add(v, name, name), is_there[a] ? KEEPMUM_EEXISTS : 0);
                        is_there[a] = true;
                } else if (what == 2) {
                        int want = !is_there[a] ? KEEPMUM_ENOTFOUND : is_there[b] ? KEEPMUM_EEXISTS : 0;

                        assert_int_equal(keepmum_vault_rename(v, name, other), want);
                        if (want == 0) {
                                is_there[a] = false;
                                is_there[b] = true;
                        }
                } else {
                        assert_int_equal(keepmum_vault_remove(v, name), is_there[a] ? 0 : KEEPMUM_ENOTFOUND);
                        is_there[a] = false;
                }
                if (step % 7 == 0 || step > 590) {
                        size_t n = 0;

                        if (step % 49 == 0 && access(p->vault, F_OK) == 0) {
                                keepmum_vault_close(v);
                                v = reopen(p);
                        }
                        for (int i = 0; i < 64; i++) {
                                snprintf(name, sizeof name, "n%02d", i);
                                assert_int_equal(keepmum_vault_find(v, name, &number),
                                                 is_there[i] ? 0 : KEEPMUM_ENOTFOUND);
                                if (!is_there[i])
                                        continue;
                                assert_int_equal(number, n);
                                assert_string_equal(keepmum_vault_text(v, n, KEEPMUM_VAULT_NAME), name);
                                n++;
                        }
                        assert_int_equal(keepmum_vault_count(v), n);
                }
        }
        keepmum_vault_close(v);
}

static void vault_opens_by_passphrase_or_by_key_file(void **state)
{
        const struct place *p = *state;
        keepmum_secret passphrase = secret_of("correct horse"), typo = secret_of("correct horsf");
        keepmum_vault *v;

        assert_int_equal(keepmum_vault_create(&v, p->vault, NULL, passphrase, p->key_file), 0);
        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, passphrase, NONE, 0), 0);
        expect_secret(v, "a", "1");
        assert_int_equal(add(v, "b", "2"), 0);
        keepmum_vault_close(v);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, typo, NONE, 0), KEEPMUM_EWRONGKEY);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, p->wrong, 0), KEEPMUM_EWRONGKEY);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, NONE, NONE, 0), KEEPMUM_ELOCKED);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, typo, p->key_file, 0), 0);
        expect_secret(v, "b", "2");
        keepmum_vault_close(v);
        keepmum_destroy(&passphrase);
        keepmum_destroy(&typo);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_gives_back_what_was_added),
                test(vault_file_is_private_and_nothing_else_is_left),
                test(vault_renames_and_keeps_secret_and_texts),
                test(vault_takes_its_own_texts),
                test(vault_removes_and_takes_the_name_again),
                test(vault_keeps_an_empty_secret_apart_from_none),
                test(vault_gives_back_secrets_of_every_size_class),
                test(vault_numbers_entries_in_byte_order_of_their_names),
                test(vault_opens_by_passphrase_or_by_key_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

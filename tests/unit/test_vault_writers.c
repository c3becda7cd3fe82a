/* Many writers, and files that change under a writer or a reader: nothing acknowledged is lost, nothing is reported saved that is not. Full
 * disks: test_vault_disk. */
#include "vault_testing.h"

#include "os/file.h"

enum { ADDERS = 8, ADDS = 25 };

static void expect_exit(pid_t child, int code)
{
        int status;

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), code);
}

static int add_many(const struct place *p, int number)
{
        keepmum_vault *v;
        char name[32];

        if (try_open(&v, p) != 0)
                return 1;
        for (int i = 0; i < ADDS; i++) {
                snprintf(name, sizeof name, "%d of %d", i, number);
                if (add(v, name, name) != 0)
                        return 2;
        }
        keepmum_vault_close(v);
        return 0;
}

static void vault_loses_nothing_to_eight_parallel_writers(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        pid_t children[ADDERS];
        char name[32];

        assert_int_equal(add(v, "first", "1"), 0);
        for (int i = 0; i < ADDERS; i++)
                children[i] = child_that_runs(add_many, p, i);
        for (int i = 0; i < 20; i++) { /* readers beside them never see anything wrong */
                keepmum_vault *reader = reopen(p);

                assert_int_equal(keepmum_vault_warnings(reader), 0);
                keepmum_vault_close(reader);
        }
        for (int i = 0; i < ADDERS; i++)
                expect_exit(children[i], 0);
        assert_int_equal(add(v, "last", "2"), 0);
        for (int round = 0; round < 2; round++) {
                assert_int_equal(keepmum_vault_count(v), ADDERS * ADDS + 2);
                for (int i = 0; i < ADDERS; i++) {
                        for (int j = 0; j < ADDS; j++) {
                                snprintf(name, sizeof name, "%d of %d", j, i);
                                expect_secret(v, name, name);
                        }
                }
                keepmum_vault_close(v);
                v = reopen(p);
        }
        keepmum_vault_close(v);
}

static int add_the_first(const struct place *p, int number)
{
        keepmum_vault *v;
        char name[32];
        int err = keepmum_vault_create(&v, p->vault, NULL, NONE, p->key_file);

        snprintf(name, sizeof name, "%d", number);
        if (err == 0)
                err = add(v, name, name);
        if (err == 0) {
                expect_secret(v, name, name);
                keepmum_vault_close(v);
        }
        return err == 0 ? 0 : err == KEEPMUM_EEXISTS ? 7 : 1;
}

static void vault_is_made_by_one_of_many_that_begin_it(void **state)
{
        const struct place *p = *state;

        for (int round = 0; round < 10; round++) {
                pid_t children[ADDERS];
                int n_made = 0, winner = -1;
                char name[128];
                keepmum_vault *v;

                for (int i = 0; i < ADDERS; i++)
                        children[i] = child_that_runs(add_the_first, p, i);
                for (int i = 0; i < ADDERS; i++) {
                        int status;

                        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7));
                        if (WEXITSTATUS(status) == 0) {
                                n_made++;
                                winner = i;
                        }
                }
                assert_int_equal(n_made, 1);
                v = reopen(p);
                assert_int_equal(keepmum_vault_count(v), 1);
                snprintf(name, sizeof name, "%d", winner);
                expect_secret(v, name, name);
                keepmum_vault_close(v);
                snprintf(name, sizeof name, "%s.new", p->vault);
                assert_int_equal(access(name, F_OK), -1);
                assert_int_equal(unlink(p->vault), 0);
        }
}

static int add_one(const struct place *p, int number)
{
        keepmum_vault *v;

        (void)number;
        if (try_open(&v, p) != 0)
                return 1;
        if (add(v, "waited", "for the lock") != 0)
                return 2;
        expect_secret(v, "waited", "for the lock");
        expect_secret(v, "new", "in the new file");
        keepmum_vault_close(v);
        return 0;
}

static void copy_file(const char *from, const char *to)
{
        struct bytes b = slurp(from);

        spill(to, b.p, b.n);
        free(b.p);
}

/* Waits until somebody waits for a lock of this file. */
static void wait_for_waiter(const char *path)
{
        struct stat st;
        char want[64], line[256];

        assert_int_equal(stat(path, &st), 0);
        snprintf(want, sizeof want, ":%lu ", (unsigned long)st.st_ino);
        for (int i = 0; i < 500; i++) {
                FILE *f = fopen("/proc/locks", "re");
                bool is_there = false;

                assert_non_null(f);
                while (fgets(line, sizeof line, f) != NULL)
                        is_there = is_there || (strstr(line, "->") != NULL && strstr(line, want) != NULL);
                fclose(f);
                if (is_there)
                        return;
                usleep(10000);
        }
        fail_msg("nobody waits");
}

static void vault_writer_that_waited_over_a_rename_writes_to_the_new_file(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p), *w;
        struct file locked;
        pid_t child;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        assert_int_equal(file_open_write(&locked, p->vault), 0);
        assert_int_equal(file_lock_exclusive(&locked), 0);
        child = child_that_runs(add_one, p, 0);
        wait_for_waiter(p->vault);
        copy_file(p->vault, p->other); /* a whole new file, with one entry more */
        assert_int_equal(keepmum_vault_open(&w, p->other, NULL, NONE, p->key_file, 0), 0);
        assert_int_equal(add(w, "new", "in the new file"), 0);
        keepmum_vault_close(w);
        assert_int_equal(rename(p->other, p->vault), 0);
        file_close(&locked);
        expect_exit(child, 0);
        v = reopen(p);
        assert_int_equal(keepmum_vault_count(v), 3);
        expect_secret(v, "waited", "for the lock");
        expect_secret(v, "new", "in the new file");
        keepmum_vault_close(v);
}

static void vault_writer_refuses_another_or_an_older_file_in_its_place(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p), *w;

        assert_int_equal(add(v, "a", "1"), 0);
        copy_file(p->vault, p->other);
        assert_int_equal(add(v, "b", "2"), 0);
        assert_int_equal(rename(p->other, p->vault), 0);
        assert_int_equal(add(v, "c", "3"), KEEPMUM_EROLLEDBACK); /* an older copy */
        assert_int_equal(keepmum_vault_create(&w, p->other, NULL, NONE, p->key_file), 0);
        assert_int_equal(add(w, "x", "y"), 0);
        keepmum_vault_close(w);
        assert_int_equal(rename(p->other, p->vault), 0);
        assert_int_equal(add(v, "c", "3"), KEEPMUM_EROLLEDBACK); /* another vault */
        assert_int_equal(unlink(p->vault), 0);
        assert_int_equal(add(v, "c", "3"), KEEPMUM_ENOTFOUND);
        expect_secret(v, "b", "2"); /* what was read is still there */
        keepmum_vault_close(v);
}

/* In place, so that the inode stays. */
static void vault_writer_sees_that_its_file_was_overwritten(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p), *w;
        struct bytes older, b;

        assert_int_equal(add(v, "a", "1"), 0);
        older = slurp(p->vault);
        assert_int_equal(add(v, "b", "2"), 0);
        spill(p->vault, older.p, older.n);
        assert_int_equal(add(v, "c", "3"), KEEPMUM_EROLLEDBACK);
        b = slurp(p->vault);
        assert_int_equal(b.n, older.n);
        free(b.p);
        keepmum_vault_close(v);

        v = reopen(p);
        assert_int_equal(add(v, "b", "2"), 0);
        copy_file(p->vault, p->other); /* of the same length, with another record at its end */
        assert_int_equal(truncate(p->other, (off_t)older.n), 0);
        assert_int_equal(keepmum_vault_open(&w, p->other, NULL, NONE, p->key_file, 0), 0);
        assert_int_equal(add(w, "c", "3"), 0);
        keepmum_vault_close(w);
        copy_file(p->other, p->vault);
        assert_int_equal(add(v, "d", "4"), KEEPMUM_EROLLEDBACK);
        assert_int_equal(unlink(p->other), 0);
        assert_int_equal(keepmum_vault_create(&w, p->other, NULL, NONE, p->key_file), 0); /* and another vault */
        for (char name[] = "a"; name[0] < 'f'; name[0]++)
                assert_int_equal(add(w, name, name), 0);
        keepmum_vault_close(w);
        copy_file(p->other, p->vault);
        assert_int_equal(add(v, "x", "5"), KEEPMUM_EROLLEDBACK);
        keepmum_vault_close(v);
        free(older.p);
}

static void vault_saves_after_a_crash_left_a_stale_new_file(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        char path[128];

        snprintf(path, sizeof path, "%s.new", p->vault);
        spill(path, "half a vault", 12);
        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(access(path, F_OK), -1);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(link(p->vault, path), 0); /* killed between link and unlink */
        assert_int_equal(add(v, "b", "2"), 0);
        assert_int_equal(access(path, F_OK), -1);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_count(v), 2);
        keepmum_vault_close(v);
}

static void vault_cut_under_a_reader_is_an_error_and_no_signal(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p), *reader;
        char large[250];
        keepmum_secret s;

        memset(large, 'x', sizeof large - 1);
        large[sizeof large - 1] = '\0';
        for (char name[] = "a"; name[0] <= 'z'; name[0]++)
                assert_int_equal(add(v, name, large), 0);
        keepmum_vault_close(v);
        reader = reopen(p);
        assert_int_equal(truncate(p->vault, 5000), 0);
        assert_int_equal(keepmum_vault_get(reader, "z", &s), KEEPMUM_EDAMAGED);
        assert_true(keepmum_vault_detail() > 5000);
        expect_secret(reader, "a", large);
        assert_int_equal(truncate(p->vault, 0), 0);
        assert_int_equal(keepmum_vault_get(reader, "a", &s), KEEPMUM_EDAMAGED);
        assert_int_equal(add(reader, "new", "x"), KEEPMUM_EROLLEDBACK);
        keepmum_vault_close(reader);
}

static int open_and_count(const struct place *p, int number)
{
        keepmum_vault *v;

        (void)number;
        if (try_open(&v, p) != 0)
                return 1;
        return keepmum_vault_warnings(v) == 0 ? (int)keepmum_vault_count(v) : 100;
}

/* A writer is in the middle of its append: the reader waits for it and then sees all. */
static void vault_reader_waits_for_a_writer_before_it_calls_a_tail_torn(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct bytes whole;
        struct file f;
        pid_t child;

        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(add(v, "b", "2"), 0);
        keepmum_vault_close(v);
        whole = slurp(p->vault);
        assert_int_equal(file_open_write(&f, p->vault), 0);
        assert_int_equal(file_lock_exclusive(&f), 0);
        assert_int_equal(file_truncate(&f, whole.n - 100), 0);
        child = child_that_runs(open_and_count, p, 0);
        wait_for_waiter(p->vault);
        assert_int_equal(file_write(&f, whole.n - 100, whole.p + whole.n - 100, 100), 0);
        file_close(&f);
        expect_exit(child, 2);
        free(whole.p);
}

/* A whole tail needs no lock: a reader goes on while a writer holds it. */
static void vault_reader_waits_for_nobody(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct file f;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        assert_int_equal(file_open_write(&f, p->vault), 0);
        assert_int_equal(file_lock_exclusive(&f), 0);
        alarm(20);
        v = reopen(p);
        expect_secret(v, "a", "1");
        alarm(0);
        keepmum_vault_close(v);
        file_close(&f);
}

static int read_only_as_another_user(const struct place *p, int number)
{
        keepmum_vault *v;

        if (geteuid() == 0 && (chown(p->dir, 12345, 12345) != 0 || chown(p->vault, 12345, 12345) != 0 ||
                               setgid(12345) != 0 || setuid(12345) != 0))
                return 1;
        if (chmod(p->vault, 0400) != 0 || try_open(&v, p) != 0)
                return 2;
        expect_secret(v, "a", "1");
        if (add(v, "b", "2") != KEEPMUM_EDENIED)
                return 3;
        expect_secret(v, "a", "1");
        keepmum_vault_close(v);
        if (chmod(p->vault, 0) != 0 || try_open(&v, p) != KEEPMUM_EDENIED)
                return 4;
        if (chmod(p->vault, 0600) != 0 || chmod(p->dir, 0500) != 0 || try_open(&v, p) != 0 || add(v, "b", "2") != 0)
                return 5;
        if (keepmum_vault_create(&v, p->other, NULL, NONE, p->key_file) != 0 || add(v, "a", "1") != KEEPMUM_EDENIED)
                return 6;
        return number;
}

static void vault_that_may_only_be_read_is_read(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        expect_exit(child_that_runs(read_only_as_another_user, p, 0), 0);
        assert_int_equal(chmod(p->dir, 0700), 0);
        if (geteuid() == 0)
                assert_int_equal(chown(p->dir, 0, 0), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_loses_nothing_to_eight_parallel_writers),
                test(vault_is_made_by_one_of_many_that_begin_it),
                test(vault_writer_that_waited_over_a_rename_writes_to_the_new_file),
                test(vault_writer_refuses_another_or_an_older_file_in_its_place),
                test(vault_writer_sees_that_its_file_was_overwritten),
                test(vault_saves_after_a_crash_left_a_stale_new_file),
                test(vault_cut_under_a_reader_is_an_error_and_no_signal),
                test(vault_reader_waits_for_a_writer_before_it_calls_a_tail_torn),
                test(vault_reader_waits_for_nobody),
                test(vault_that_may_only_be_read_is_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

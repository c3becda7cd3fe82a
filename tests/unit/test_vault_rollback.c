/* The rollback state: an older or a forked file is seen, a state never runs ahead of the file, and losing it is only
 * a warning. */
#include "vault_testing.h"

#include "vault/rollback.h"

static int open_with_state(keepmum_vault **v, const struct place *p, unsigned flags)
{
        return keepmum_vault_open(v, p->vault, p->state, NONE, p->key_file, flags);
}

static void expect_rolled_back(const struct place *p)
{
        keepmum_vault *v;

        assert_int_equal(open_with_state(&v, p, 0), KEEPMUM_EROLLEDBACK);
}

static void expect_warnings(const struct place *p, unsigned flags, unsigned warnings)
{
        keepmum_vault *v;

        assert_int_equal(open_with_state(&v, p, flags), 0);
        assert_int_equal(keepmum_vault_warnings(v), warnings);
        keepmum_vault_close(v);
}

static keepmum_vault *begin_with_state(const struct place *p)
{
        keepmum_vault *v;

        assert_int_equal(keepmum_vault_create(&v, p->vault, p->state, NONE, p->key_file), 0);
        return v;
}

/* Where the one state file in the directory is. */
static void state_file(char *path, size_t n_bytes, const struct place *p)
{
        struct bytes b = slurp(p->vault);
        int n = snprintf(path, n_bytes, "%s/", p->state);

        for (int i = 0; i < VAULT_ID_BYTES; i++)
                n += snprintf(path + n, n_bytes - (size_t)n, "%02x", b.p[HEADER_AT_VAULT_ID + i]);
        free(b.p);
}

static void vault_sees_that_an_older_copy_was_put_in_its_place(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        struct bytes older;

        assert_int_equal(add(v, "a", "1"), 0);
        older = slurp(p->vault);
        assert_int_equal(add(v, "b", "2"), 0);
        assert_int_equal(keepmum_vault_warnings(v), 0);
        keepmum_vault_close(v);
        expect_warnings(p, 0, 0);
        spill(p->vault, older.p, older.n);
        expect_rolled_back(p);
        assert_int_equal(try_open(&v, p), 0); /* without a state nobody can see it */
        keepmum_vault_close(v);
        expect_rolled_back(p);
        expect_warnings(p, KEEPMUM_VAULT_ACCEPT_ROLLBACK, 0);
        expect_warnings(p, 0, 0); /* accepted once, it is the right one */
        free(older.p);
}

static void vault_sees_that_a_copy_went_its_own_way(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        struct bytes older;

        assert_int_equal(add(v, "a", "1"), 0);
        older = slurp(p->vault);
        assert_int_equal(add(v, "b", "2"), 0);
        keepmum_vault_close(v);
        spill(p->vault, older.p, older.n);
        v = reopen(p); /* elsewhere, without our state */
        assert_int_equal(add(v, "b", "another"), 0);
        expect_rolled_back(p); /* as far, but another tag */
        assert_int_equal(add(v, "c", "3"), 0);
        assert_int_equal(add(v, "d", "4"), 0);
        keepmum_vault_close(v);
        expect_rolled_back(p); /* further, but over another record */
        expect_warnings(p, KEEPMUM_VAULT_ACCEPT_ROLLBACK, 0);
        expect_warnings(p, 0, 0);
        free(older.p);
}

static void vault_state_moves_on_with_what_others_append(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        struct bytes older;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        v = reopen(p); /* another machine appends */
        assert_int_equal(add(v, "b", "2"), 0);
        older = slurp(p->vault);
        assert_int_equal(add(v, "c", "3"), 0);
        keepmum_vault_close(v);
        expect_warnings(p, 0, 0); /* a reader saw all three */
        spill(p->vault, older.p, older.n);
        expect_rolled_back(p);
        free(older.p);
}

static void vault_writer_looks_at_the_state_under_the_lock(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        struct bytes older;
        keepmum_vault *w;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        assert_int_equal(open_with_state(&v, p, 0), 0);
        assert_int_equal(open_with_state(&w, p, 0), 0);
        older = slurp(p->vault);
        assert_int_equal(add(w, "b", "2"), 0);
        keepmum_vault_close(w);
        spill(p->vault, older.p, older.n); /* v has never seen b, but the state has */
        assert_int_equal(add(v, "c", "3"), KEEPMUM_EROLLEDBACK);
        keepmum_vault_close(v);
        free(older.p);
}

static void vault_is_seen_for_the_first_time_once(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct stat st;
        char path[160];

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        expect_warnings(p, 0, KEEPMUM_VAULT_FIRST_SEEN);
        expect_warnings(p, 0, 0);
        assert_int_equal(stat(p->state, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        state_file(path, sizeof path, p);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_size, 64);
        strcat(path, ".new");
        assert_int_equal(stat(path, &st), -1);
}

static void vault_state_that_cannot_be_understood_counts_as_a_rollback(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        char path[160];
        struct bytes b;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        state_file(path, sizeof path, p);
        b = slurp(path);
        spill(path, b.p, 63);
        expect_rolled_back(p);
        b.p[64] = 0;
        spill(path, b.p, 65);
        expect_rolled_back(p);
        b.p[16] ^= 1;
        spill(path, b.p, 64);
        expect_rolled_back(p);
        spill(path, b.p, 0);
        expect_rolled_back(p);
        expect_warnings(p, KEEPMUM_VAULT_ACCEPT_ROLLBACK, 0);
        expect_warnings(p, 0, 0);
        assert_int_equal(unlink(path), 0);
        expect_warnings(p, 0, KEEPMUM_VAULT_FIRST_SEEN);
        free(b.p);
}

static void vault_state_goes_by_generation_first(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        struct rollback_state st = {.generation = 2, .seq = 1};
        struct bytes b;

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        b = slurp(p->vault);
        assert_int_equal(rollback_save(p->state, b.p + HEADER_AT_VAULT_ID, &st), 0);
        expect_rolled_back(p); /* the file is of generation 1 */
        st.generation = 1;
        st.seq = 99;
        assert_int_equal(rollback_save(p->state, b.p + HEADER_AT_VAULT_ID, &st), 0); /* never back */
        assert_int_equal(rollback_load(&st, p->state, b.p + HEADER_AT_VAULT_ID), 0);
        assert_int_equal(st.generation, 2);
        assert_int_equal(st.seq, 1);
        free(b.p);
}

static void vault_without_a_place_for_its_state_says_so(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v;

        spill(p->state, "", 0); /* a file where the directory should be */
        v = begin_with_state(p);
        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(keepmum_vault_warnings(v), KEEPMUM_VAULT_STATE_NOT_SAVED);
        keepmum_vault_close(v);
        assert_int_equal(unlink(p->state), 0);
        assert_int_equal(mkdir(p->state, 0777), 0);
        assert_int_equal(chmod(p->state, 0777), 0);
        assert_int_equal(open_with_state(&v, p, 0), KEEPMUM_EUNSAFE);
}

static int open_many(const struct place *p)
{
        keepmum_vault *v;

        for (int i = 0; i < 20; i++) {
                if (open_with_state(&v, p, 0) != 0 || keepmum_vault_warnings(v) != 0)
                        return 1;
                keepmum_vault_close(v);
        }
        return 0;
}

/* Readers in other processes, each saving states, while a writer appends and saves: no false alarm. */
static void vault_state_raises_no_false_alarm_beside_a_writer(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin_with_state(p);
        pid_t children[4];
        char name[16];
        int status;

        assert_int_equal(add(v, "first", "1"), 0);
        for (int i = 0; i < 4; i++) {
                children[i] = fork();
                if (children[i] == 0) {
                        struct place here = *p;

                        here.key_file = secret_of("0123456789 contents of a key file 0123456789");
                        _exit(open_many(&here));
                }
        }
        for (int i = 0; i < 60; i++) {
                snprintf(name, sizeof name, "%d", i);
                assert_int_equal(add(v, name, name), 0);
        }
        for (int i = 0; i < 4; i++) {
                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(keepmum_vault_warnings(v), 0);
        keepmum_vault_close(v);
        expect_warnings(p, 0, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_sees_that_an_older_copy_was_put_in_its_place),
                test(vault_sees_that_a_copy_went_its_own_way),
                test(vault_state_moves_on_with_what_others_append),
                test(vault_writer_looks_at_the_state_under_the_lock),
                test(vault_is_seen_for_the_first_time_once),
                test(vault_state_that_cannot_be_understood_counts_as_a_rollback),
                test(vault_state_goes_by_generation_first),
                test(vault_without_a_place_for_its_state_says_so),
                test(vault_state_raises_no_false_alarm_beside_a_writer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

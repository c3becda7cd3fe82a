/* A disk that is full: what is there stays whole, and nothing is reported saved that is not. */
#include "vault_testing.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

static void limit_file_size(size_t n_bytes)
{
        const struct rlimit limit = {n_bytes, RLIM_INFINITY};

        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The file may grow by less than a record: the write is short, then fails. */
static void vault_is_unharmed_by_a_full_disk(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct bytes before, after;

        signal(SIGXFSZ, SIG_IGN);
        limit_file_size(4000);
        assert_int_equal(add(v, "a", "1"), KEEPMUM_ENOSPACE);
        limit_file_size(4200);
        assert_int_equal(add(v, "a", "1"), KEEPMUM_ENOSPACE);
        assert_int_equal(access(p->vault, F_OK), -1);
        limit_file_size(RLIM_INFINITY);
        assert_int_equal(add(v, "a", "1"), 0); /* the same handle goes on */
        before = slurp(p->vault);
        for (size_t room = 0; room < 320; room += 19) {
                limit_file_size(before.n + room);
                assert_int_equal(add(v, "b", "2"), KEEPMUM_ENOSPACE);
                assert_int_equal(keepmum_vault_remove(v, "a"), room >= 256 ? 0 : KEEPMUM_ENOSPACE);
                if (room >= 256)
                        break;
                after = slurp(p->vault);
                assert_int_equal(after.n, before.n);
                assert_memory_equal(after.p, before.p, before.n);
                free(after.p);
        }
        limit_file_size(RLIM_INFINITY);
        assert_int_equal(add(v, "b", "2"), 0);
        expect_secret(v, "b", "2");
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_warnings(v), 0);
        assert_int_equal(keepmum_vault_count(v), 1);
        keepmum_vault_close(v);
        free(before.p);
}

enum { NOT_ALLOWED = 77 };

/* A file system of four pages, in a mount namespace of its own. */
static int fill_a_small_disk(const struct place *p, int number)
{
        keepmum_vault *v;
        char name[32];
        int n = 0, err = 0;

        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("tmpfs", p->dir, "tmpfs", 0, "size=16k,mode=0700") != 0)
                return NOT_ALLOWED;
        v = begin(p);
        while (err == 0) {
                snprintf(name, sizeof name, "%d", n);
                err = add(v, name, name);
                n += err == 0;
        }
        if (err != KEEPMUM_ENOSPACE || keepmum_vault_count(v) != (size_t)n || n < 10)
                return 1;
        keepmum_vault_close(v);
        v = reopen(p);
        for (int i = 0; i < n; i++) {
                snprintf(name, sizeof name, "%d", i);
                expect_secret(v, name, name);
        }
        return keepmum_vault_warnings(v) == 0 && keepmum_vault_count(v) == (size_t)n ? number : 2;
}

static void vault_on_a_disk_that_is_full_keeps_what_it_has(void **state)
{
        int status;
        pid_t child = child_that_runs(fill_a_small_disk, *state, 0);

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == NOT_ALLOWED) { /* not root, a container, a chroot */
                print_message("no mount(2) here: RLIMIT_FSIZE alone tells, in the tests before and after\n");
                return;
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* One byte at a time, the first save of all: either a whole vault or no file. */
static void vault_begins_whole_or_not_at_all(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        char path[128];
        int err = -1;

        signal(SIGXFSZ, SIG_IGN);
        snprintf(path, sizeof path, "%s.new", p->vault);
        for (size_t limit = 4090; err != 0; limit++) {
                limit_file_size(limit);
                err = add(v, "a", "1");
                assert_int_equal(err, limit < 4096 + 320 ? KEEPMUM_ENOSPACE : 0);
                assert_int_equal(access(p->vault, F_OK), err == 0 ? 0 : -1);
                assert_int_equal(access(path, F_OK), -1);
        }
        limit_file_size(RLIM_INFINITY);
        keepmum_vault_close(v);
        keepmum_vault_close(reopen(p));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_is_unharmed_by_a_full_disk),
                test(vault_on_a_disk_that_is_full_keeps_what_it_has),
                test(vault_begins_whole_or_not_at_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

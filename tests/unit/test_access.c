/* Opening and closing: who may, how often, from which thread, and what is left when a secret is destroyed meanwhile. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/sandbox.h"
#include "outside/seen.h"
#include "secret/record.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

static keepmum_secret make(size_t n_bytes)
{
        keepmum_secret s;

        assert_ok(make_with(&s, n_bytes, 0, 1));
        return s;
}

static unsigned state_of(keepmum_secret s)
{
        unsigned promises = 0;

        assert_ok(keepmum_state(s, &promises));
        return promises;
}

static void assert_perms(const void *at, const char *perms)
{
        struct view v = view_of_self();

        assert_non_null(view_at(&v, at));
        assert_string_equal(view_at(&v, at)->perms, perms);
        view_free(&v);
}

static void the_page_is_open_only_between_open_and_close(void **state)
{
        keepmum_secret s = make(40);
        const unsigned char *at = place_of(s);
        const void *bytes;
        void *writable;
        size_t n;

        (void)state;
        assert_perms(at, "---s");
        assert_ok(keepmum_open_read(s, &bytes, &n));
        assert_int_equal(n, 40);
        assert_perms(at, "r--s");
        assert_true(state_of(s) & KEEPMUM_IS_OPEN);
        keepmum_close(s);
        assert_perms(at, "---s");
        assert_false(state_of(s) & KEEPMUM_IS_OPEN);
        assert_ok(keepmum_open_write(s, &writable, NULL));
        assert_perms(at, "rw-s");
        assert_true(state_of(s) & KEEPMUM_IS_OPEN);
        keepmum_close(s);
        assert_perms(at, "---s");
        keepmum_destroy(&s);
        assert_perms(at, "---s");
}

static void reading_nests_and_only_the_last_close_shuts(void **state)
{
        keepmum_secret s = make(40);
        const unsigned char *at = place_of(s);
        const void *bytes;

        (void)state;
        for (int i = 0; i < 10; i++) {
                assert_ok(keepmum_open_read(s, &bytes, NULL));
                assert_ptr_equal(bytes, at);
        }
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 10);
        for (int i = 0; i < 10; i++) {
                assert_perms(at, "r--s");
                keepmum_close(s);
        }
        assert_perms(at, "---s");
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
        keepmum_destroy(&s);
}

static void busy_is_what_the_rules_say(void **state)
{
        keepmum_secret s = make(40);
        const void *bytes = NULL;
        void *writable = NULL;
        size_t n = 7;

        (void)state;
        assert_ok(keepmum_open_write(s, &writable, NULL));
        assert_int_equal(keepmum_open_read(s, &bytes, &n), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_open_write(s, &writable, &n), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_resize(s, 41), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_fill_random(s), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_write_fd(s, 1), KEEPMUM_EBUSY);
        keepmum_close(s);
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        assert_int_equal(keepmum_open_write(s, &writable, &n), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_resize(s, 40), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_resize(s, 2 * page()), KEEPMUM_EBUSY);
        assert_int_equal(keepmum_fill_random(s), KEEPMUM_EBUSY);
        keepmum_close(s);
        assert_int_equal(n, 7);
        assert_ok(look_for(s, 1, 40, 40));
        keepmum_destroy(&s);
}

static void opens_are_counted_up_to_their_limit(void **state)
{
        keepmum_secret s = make(8);
        const void *bytes;

        (void)state;
        for (int i = 0; i < WORD_MAX_OPENS; i++)
                if (keepmum_open_read(s, &bytes, NULL) != 0)
                        fail_msg("open number %d", i);
        assert_int_equal(keepmum_open_read(s, &bytes, NULL), KEEPMUM_ELIMIT);
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), WORD_MAX_OPENS);
        keepmum_close(s);
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        for (int i = 0; i < WORD_MAX_OPENS; i++)
                keepmum_close(s);
        assert_perms(bytes, "---s");
        assert_ok(look_for(s, 1, 8, 8));
        keepmum_destroy(&s);
}

/* ---- other threads ---- */

static void *close_it(void *s)
{
        keepmum_close(*(keepmum_secret *)s);
        return NULL;
}

static void *open_it(void *s)
{
        const void *bytes;

        return keepmum_open_read(*(keepmum_secret *)s, &bytes, NULL) == 0 ? s : NULL;
}

static void *destroy_it(void *s)
{
        keepmum_secret copy = *(keepmum_secret *)s;

        keepmum_destroy(&copy);
        return NULL;
}

static void *in_a_thread(void *(*fn)(void *), keepmum_secret *s)
{
        pthread_t t;
        void *result;

        assert_ok(pthread_create(&t, NULL, fn, s));
        assert_ok(pthread_join(t, &result));
        return result;
}

static void any_thread_may_close(void **state)
{
        keepmum_secret s = make(8);
        void *writable;

        (void)state;
        assert_ok(keepmum_open_write(s, &writable, NULL));
        in_a_thread(close_it, &s);
        assert_perms(writable, "---s");
        assert_ptr_equal(in_a_thread(open_it, &s), &s);
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 1); /* a thread that ended leaves its open standing */
        assert_perms(writable, "r--s");
        keepmum_close(s);
        assert_perms(writable, "---s");
        keepmum_destroy(&s);
}

/* ---- destroying an open one ---- */

static void assert_stale(keepmum_secret s)
{
        const void *bytes;
        void *writable;
        size_t n;
        unsigned promises;
        bool equal;

        assert_int_equal(keepmum_open_read(s, &bytes, NULL), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_open_write(s, &writable, NULL), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_size(s, &n), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_resize(s, 5), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_state(s, &promises), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_verify(s, &promises), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_equal(s, s, &equal), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_fill_random(s), KEEPMUM_ESTALE);
        assert_int_equal(keepmum_write_fd(s, 1), KEEPMUM_ESTALE);
}

static void after_destroy_every_function_says_stale(void **state)
{
        keepmum_secret s = make(8), copy = s;

        (void)state;
        keepmum_destroy(&s);
        assert_stale(copy);
        s = make(8); /* the record is in use again */
        assert_stale(copy);
        keepmum_destroy(&s);
        assert_stale(copy);
}

static void readers_keep_a_destroyed_secret_until_their_last_close(void **state)
{
        keepmum_secret s = make(40), copy = s;
        uint64_t secrets = stat_of(KEEPMUM_STAT_SECRETS);
        const void *bytes;

        (void)state;
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        keepmum_destroy(&s);
        assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), secrets - 1);
        assert_stale(copy);
        for (size_t i = 0; i < 40; i++)
                assert_int_equal(((const unsigned char *)bytes)[i], byte_of(1, i));
        keepmum_close(copy);
        assert_int_equal(((const unsigned char *)bytes)[3], byte_of(1, 3));
        keepmum_close(copy);
        assert_perms(bytes, "---s");
        s = make(40);
        assert_ptr_equal(place_of(s), bytes);
        keepmum_destroy(&s);
}

static void a_writer_keeps_a_secret_destroyed_elsewhere(void **state)
{
        keepmum_secret s = make(40);
        void *writable;

        (void)state;
        assert_ok(keepmum_open_write(s, &writable, NULL));
        in_a_thread(destroy_it, &s);
        assert_stale(s);
        memset(writable, 9, 40);
        keepmum_close(s);
        assert_perms(writable, "---s");
        assert_stale(s);
}

static void destroy_by_the_writer_itself_closes_first(void **state)
{
        keepmum_secret s = make(40), copy = s;
        void *writable;

        (void)state;
        assert_ok(keepmum_open_write(s, &writable, NULL));
        keepmum_destroy(&s);
        assert_perms(writable, "---s");
        assert_stale(copy);
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
}

static void what_was_destroyed_is_wiped_on_every_way(void **state)
{
        const void *at = NULL, *bytes;

        (void)state;
        for (int way = 0; way < 4; way++) {
                keepmum_secret s = make(64), copy = s;
                void *writable;

                if (way == 1)
                        assert_ok(keepmum_open_read(s, &bytes, NULL));
                if (way >= 2)
                        assert_ok(keepmum_open_write(s, &writable, NULL));
                if (way == 3)
                        in_a_thread(destroy_it, &s);
                else
                        keepmum_destroy(&s);
                if (way == 1 || way == 3)
                        keepmum_close(copy);
                assert_ok(keepmum_create(&s, page(), 0)); /* takes the slot, and shows all of it */
                assert_ok(keepmum_open_read(s, &bytes, NULL));
                for (size_t i = 0; i < page(); i++)
                        assert_int_equal(((const unsigned char *)bytes)[i], 0);
                if (at != NULL)
                        assert_ptr_equal(at, bytes);
                at = bytes;
                keepmum_close(s);
                keepmum_destroy(&s);
        }
}

/* ---- system calls ---- */

static const int needed[] = {SYS_mprotect, SYS_futex};

static void bracket_with_mprotect_alone(void *arg)
{
        keepmum_secret s;
        const void *bytes;
        void *writable;

        (void)arg;
        expect_int(make_with(&s, 40, 0, 1), 0);
        sandbox_allow_only(needed, n_of(needed));
        for (int i = 0; i < 100; i++) {
                if (keepmum_open_read(s, &bytes, NULL) != 0)
                        _exit(1);
                keepmum_close(s);
                if (keepmum_open_write(s, &writable, NULL) != 0)
                        _exit(2);
                keepmum_close(s);
        }
        keepmum_destroy(&s);
        for (int i = 0; i < 100; i++) {
                if (keepmum_create(&s, 40, 0) != 0 || fill_with(s, 2) != 0)
                        _exit(3);
                keepmum_destroy(&s);
        }
}

static void a_bracket_needs_mprotect_alone(void **state)
{
        (void)state;
        if (sandbox_is_meaningful())
                assert_true(forked_passes(bracket_with_mprotect_alone, NULL));
}

static void nest_without_the_kernel(void *arg)
{
        keepmum_secret s, fresh;
        const void *bytes;
        size_t n;
        unsigned promises;

        (void)arg;
        expect_int(make_with(&s, 40, 0, 1), 0);
        expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        expect_int(keepmum_create(&fresh, 40, 0), 0);
        keepmum_destroy(&fresh);
        sandbox_allow_only(needed + 1, 1);
        for (int i = 0; i < 100; i++) {
                if (keepmum_open_read(s, &bytes, NULL) != 0 || keepmum_size(s, &n) != 0 || keepmum_state(s, &promises) != 0)
                        _exit(1);
                keepmum_close(s);
                if (keepmum_create(&fresh, 40, 0) != 0)
                        _exit(2);
                keepmum_destroy(&fresh); /* never written */
        }
        if (*(int *)arg != 0)
                keepmum_close(s); /* the outermost: mprotect */
}

static void nested_opens_and_unwritten_secrets_need_no_system_call(void **state)
{
        int with_last_close = 0;

        (void)state;
        if (!sandbox_is_meaningful())
                return;
        assert_true(forked_passes(nest_without_the_kernel, &with_last_close));
        with_last_close = 1;
        assert_int_equal(forked_run(nest_without_the_kernel, &with_last_close).signal_number, SIGSYS);
}

static void errno_is_left_alone_where_nothing_failed(void **state)
{
        keepmum_secret s;
        const void *bytes;

        (void)state;
        errno = 77;
        assert_ok(keepmum_create(&s, 3, 0));
        assert_ok(fill_with(s, 1));
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        keepmum_close(s);
        assert_ok(keepmum_resize(s, 10000));
        keepmum_destroy(&s);
        assert_int_equal(errno, 77);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bracket_needs_mprotect_alone), /* children of a process that has not used the library */
        cmocka_unit_test(nested_opens_and_unwritten_secrets_need_no_system_call),
        cmocka_unit_test(the_page_is_open_only_between_open_and_close),
        cmocka_unit_test(reading_nests_and_only_the_last_close_shuts),
        cmocka_unit_test(busy_is_what_the_rules_say),
        cmocka_unit_test(opens_are_counted_up_to_their_limit),
        cmocka_unit_test(any_thread_may_close),
        cmocka_unit_test(after_destroy_every_function_says_stale),
        cmocka_unit_test(readers_keep_a_destroyed_secret_until_their_last_close),
        cmocka_unit_test(a_writer_keeps_a_secret_destroyed_elsewhere),
        cmocka_unit_test(destroy_by_the_writer_itself_closes_first),
        cmocka_unit_test(what_was_destroyed_is_wiped_on_every_way),
        cmocka_unit_test(errno_is_left_alone_where_nothing_failed),
};

MAIN_OF_TESTS

/* The reading rule, what is torn: every cut, every stretch of zeroes at the end, every unfinished append, no matter where. It is cut off before
 * the next save. What is damage: test_vault_damage. */
#include "unit/vault_sample.h"

static void vault_takes_every_cut_for_torn(void **state)
{
        const struct place *p = *state;
        struct sample s;
        keepmum_vault *v;
        size_t n_taken;

        sample_make(&s, p);
        for (size_t n = HEADER_BYTES; n < s.file.n; n++) {
                size_t n_whole = record_of(&s, n);
                bool is_clean = n == s.at[n_whole];

                assert_int_equal(judge(&s, s.file.p, n, &n_taken), is_clean ? WALK_CLEAN : WALK_TORN);
                assert_int_equal(n_taken, n_whole);
        }
        for (size_t n = s.file.n - 1; n > 0; n -= n > HEADER_BYTES ? 13 : 512) {
                assert_int_equal(truncate(p->vault, (off_t)n), 0);
                if (n >= HEADER_BYTES) {
                        v = reopen(p);
                        assert_int_equal(keepmum_vault_warnings(v) == KEEPMUM_VAULT_TORN_TAIL,
                                         n != s.at[record_of(&s, n)]);
                        keepmum_vault_close(v);
                        if (n < HEADER_BYTES + 13)
                                n = HEADER_BYTES;
                } else {
                        assert_int_equal(try_open(&v, p), KEEPMUM_EDAMAGED);
                        assert_int_equal(keepmum_vault_detail(), n);
                        if (n <= 512)
                                break;
                }
        }
        sample_free(&s);
}

static void vault_takes_every_stretch_of_zeroes_at_the_end_for_torn(void **state)
{
        struct sample s;
        size_t n_taken;
        unsigned char *longer;

        sample_make(&s, *state);
        longer = calloc(1, s.file.n + FRAME_MAX_RECORD_BYTES + 1);
        memcpy(longer, s.file.p, s.file.n);
        for (size_t n = 1; n <= FRAME_MAX_RECORD_BYTES; n = n < 1100 ? n + 1 : n * 2) {
                assert_int_equal(judge(&s, longer, s.file.n + n, &n_taken), WALK_TORN);
                assert_int_equal(n_taken, 5);
        }
        assert_int_equal(judge(&s, longer, s.file.n + FRAME_MAX_RECORD_BYTES, &n_taken), WALK_TORN);
        assert_int_equal(judge(&s, longer, s.file.n + FRAME_MAX_RECORD_BYTES + 1, &n_taken), WALK_DAMAGED);
        memset(longer + s.file.n, 0xa5, 4096);
        for (size_t n = 1; n < 4096; n++)
                assert_int_equal(judge(&s, longer, s.file.n + n, &n_taken), n < 32 ? WALK_TORN : WALK_DAMAGED);
        free(longer);
        sample_free(&s);
}

/* A crash in the last append: any of its sectors may be missing (zero), any length may be reached. */
static void vault_never_takes_part_of_an_append(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct sample s;
        unsigned char *copy;
        size_t n_taken, from, edges[16], n_edges = 0;

        assert_int_equal(add(v, "a", "1"), 0);
        assert_int_equal(
                add(v, "b",
                    "a secret of so many bytes that its record reaches over several sectors of the disk............."
                    ".................................................................................................."
                    "."),
                0);
        assert_int_equal(keepmum_vault_rename(v, "a", "c"), 0);
        assert_int_equal(keepmum_vault_rename(v, "b", "d"), 0);
        keepmum_vault_close(v);
        sample_read(&s, p);
        copy = malloc(s.file.n);
        for (size_t last = 1; last < s.n_records; last++) {
                size_t n = s.at[last + 1];

                from = s.at[last];
                n_edges = 0;
                for (size_t at = from; at < n; at = (at / 512 + 1) * 512)
                        edges[n_edges++] = at;
                edges[n_edges] = n;
                for (unsigned missing = 0; missing < 1u << n_edges; missing++) {
                        memcpy(copy, s.file.p, s.file.n);
                        for (size_t i = 0; i < n_edges; i++)
                                if (missing >> i & 1)
                                        memset(copy + edges[i], 0, edges[i + 1] - edges[i]);
                        for (size_t size = from + 1; size <= n; size++) {
                                enum walk_end want = missing == 0 && size == n ? WALK_CLEAN : WALK_TORN;

                                assert_int_equal(judge(&s, copy, size, &n_taken), want);
                                assert_int_equal(n_taken, want == WALK_CLEAN ? last + 1 : last);
                        }
                }
        }
        free(copy);
        sample_free(&s);
}

static void vault_cuts_a_torn_tail_before_it_saves(void **state)
{
        const struct place *p = *state;
        struct sample s;
        keepmum_vault *v;
        struct bytes b;

        sample_make(&s, p);
        s.file.p = realloc(s.file.p, s.file.n + 5000); /* more than the next record will cover */
        memset(s.file.p + s.file.n, 0x11, 5000);
        memset(s.file.p + s.file.n + 1000, 0, 2000);
        spill(p->vault, s.file.p, s.file.n + 5000);
        v = reopen(p);
        assert_int_equal(keepmum_vault_warnings(v), KEEPMUM_VAULT_TORN_TAIL);
        b = slurp(p->vault);
        assert_int_equal(b.n, s.file.n + 5000); /* a reader changes nothing */
        free(b.p);
        assert_int_equal(add(v, "five", "5"), 0);
        keepmum_vault_close(v);
        v = reopen(p);
        assert_int_equal(keepmum_vault_warnings(v), 0);
        assert_int_equal(keepmum_vault_count(v), 3);
        expect_secret(v, "three", "first secret");
        expect_secret(v, "five", "5");
        keepmum_vault_close(v);
        sample_free(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_takes_every_cut_for_torn),
                test(vault_takes_every_stretch_of_zeroes_at_the_end_for_torn),
                test(vault_never_takes_part_of_an_append),
                test(vault_cuts_a_torn_tail_before_it_saves),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

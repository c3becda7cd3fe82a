/* The parser of smaps: real text, text in pieces, and text no kernel writes. */
#include "unit/harness.h"

#include "outside/seen.h"
#include "secret/smaps.h"

#include <stdio.h>
#include <stdlib.h>

static const char two[] = "7f0000001000-7f0000002000 ---s 00001000 00:01 77                          /secretmem (deleted)\n"
                          "Size:                  4 kB\n"
                          "Rss:                   4 kB\n"
                          "Swap:                  0 kB\n"
                          "Locked:                4 kB\n"
                          "THPeligible:           0\n"
                          "ProtectionKey:         0\n"
                          "VmFlags: mr mw me ms dc lo dd sd \n"
                          "7f0000002000-7f0000005000 rw-p 00000000 00:00 0 \n"
                          "Rss:                   0 kB\n"
                          "Swap:                 12 kB\n"
                          "VmFlags: rd wr wf sl\n";

struct list {
        struct mapping m[2048];
        size_t n, stop_at;
};

static struct list got;

static bool keep(void *context, const struct mapping *m)
{
        struct list *l = context;

        assert_true(l->n < n_of(l->m));
        l->m[l->n++] = *m;
        return l->n != l->stop_at;
}

/* Whether the text was accepted, fed in pieces. */
static bool parse(const char *text, size_t n_bytes, size_t piece)
{
        struct smaps s;

        got.n = 0;
        smaps_begin(&s, keep, &got);
        for (size_t i = 0; i < n_bytes; i += piece)
                smaps_feed(&s, text + i, n_bytes - i < piece ? n_bytes - i : piece);
        return smaps_end(&s);
}

static bool accepts(const char *text)
{
        return parse(text, strlen(text), strlen(text));
}

static void look_at_two(void)
{
        assert_int_equal(got.n, 2);
        assert_int_equal(got.m[0].start, 0x7f0000001000);
        assert_int_equal(got.m[0].end, 0x7f0000002000);
        assert_string_equal(got.m[0].perms, "---s");
        assert_int_equal(got.m[0].offset, 0x1000);
        assert_int_equal(got.m[0].inode, 77);
        assert_string_equal(got.m[0].name, "/secretmem (deleted)");
        assert_int_equal(got.m[0].flags, MAPPING_LOCKED | MAPPING_NO_DUMP | MAPPING_NO_FORK);
        assert_int_equal(got.m[0].rss_kb, 4);
        assert_int_equal(got.m[0].locked_kb, 4);
        assert_int_equal(got.m[0].swap_kb, 0);
        assert_string_equal(got.m[1].perms, "rw-p");
        assert_string_equal(got.m[1].name, "");
        assert_int_equal(got.m[1].flags, MAPPING_WIPE_ON_FORK | MAPPING_SEALED);
        assert_int_equal(got.m[1].swap_kb, 12);
        assert_int_equal(got.m[1].locked_kb, 0);
}

static void a_text_means_the_same_in_pieces_of_any_size(void **state)
{
        (void)state;
        for (size_t piece = 1; piece <= sizeof two; piece++) {
                assert_true(parse(two, sizeof two - 1, piece));
                look_at_two();
        }
}

/* Only a cut behind a newline leaves whole lines. */
static void a_text_cut_within_a_line_is_refused(void **state)
{
        (void)state;
        for (size_t n = 1; n < sizeof two - 1; n++)
                assert_int_equal(parse(two, n, n), two[n - 1] == '\n');
}

static void an_empty_text_has_no_mapping(void **state)
{
        (void)state;
        assert_true(accepts(""));
        assert_int_equal(got.n, 0);
}

static void odd_texts_are_refused(void **state)
{
        static const char *const odd[] = {
                "\n",
                "Rss: 4 kB\n",
                "hello\n",
                "1000 rw-p 00000000 00:00 0\n",
                "1000-1000 rw-p 00000000 00:00 0\n",
                "2000-1000 rw-p 00000000 00:00 0\n",
                "-1000 rw-p 00000000 00:00 0\n",
                "1000- rw-p 00000000 00:00 0\n",
                "1000-2000 rw- 00000000 00:00 0\n",
                "1000-2000 wr-p 00000000 00:00 0\n",
                "1000-2000 rw-q 00000000 00:00 0\n",
                "1000-2000 rw-pp 00000000 00:00 0\n",
                "1000-2000 rw-p  00:00 0\n",
                "1000-2000 rw-p 00000000 0000 0\n",
                "1000-2000 rw-p 00000000 00:00 \n",
                "1000-2000 rw-p 00000000 00:00 x\n",
                "1000-2000 RW-P 00000000 00:00 0\n",
                "10000000000000000-20000000000000000 rw-p 00000000 00:00 0\n",
                "1000-2000 rw-p 00000000 00:00 99999999999999999999999\n",
                "1000-2000 rw-p 00000000 00:00 0\nRss: 4\n",
                "1000-2000 rw-p 00000000 00:00 0\nRss: kB\n",
                "1000-2000 rw-p 00000000 00:00 0\nLocked: 4 MB\n",
                "1000-2000 rw-p 00000000 00:00 0\nLocked: -4 kB\n",
                "1000-2000 rw-p 00000000 00:00 0\nLocked: 99999999999999999999 kB\n",
                "1000-2000 rw-p 00000000 00:00 0\nno colon\n",
                "1000-2000 rw-p 00000000 00:00 0\n: 4 kB\n",
                "1000-2000 rw-p 00000000 00:00 0\n\n",
                "1000-2000 rw-p 00000000 00:00 0",
        };

        (void)state;
        for (size_t i = 0; i < n_of(odd); i++)
                if (accepts(odd[i]))
                        fail_msg("accepted: %s", odd[i]);
}

static void a_name_glued_to_the_inode_is_refused(void **state)
{
        (void)state;
        assert_false(accepts("1000-2000 rw-p 00000000 00:00 5/secretmem\n"));
}

static void a_zero_byte_is_refused(void **state)
{
        static const char text[] = "1000-2000 rw-p 00000000 00:00 0 a\0b\nRss: 4 kB\n";

        (void)state;
        assert_false(parse(text, sizeof text - 1, sizeof text));
}

static void unknown_keys_and_flags_are_passed_over(void **state)
{
        (void)state;
        assert_true(accepts("1000-2000 rw-p 00000000 00:00 0\nNew_Key:   what ever\nVmFlags: zz lo   q dd abc lox\nLocked_x: 9 kB\n"));
        assert_int_equal(got.m[0].flags, MAPPING_LOCKED | MAPPING_NO_DUMP);
        assert_int_equal(got.m[0].locked_kb, 0);
}

static void flags_need_their_two_letters_alone(void **state)
{
        (void)state;
        assert_true(accepts("1000-2000 rw-p 00000000 00:00 0\nVmFlags: lodd l o d dd1\n"));
        assert_int_equal(got.m[0].flags, 0);
}

static void a_flag_is_of_its_mapping_alone(void **state)
{
        (void)state;
        assert_true(accepts("1000-2000 rw-p 00000000 00:00 0\nVmFlags: lo\n2000-3000 rw-p 00000000 00:00 0\nVmFlags: dd\n"));
        assert_int_equal(got.m[0].flags, MAPPING_LOCKED);
        assert_int_equal(got.m[1].flags, MAPPING_NO_DUMP);
}

static void a_long_name_is_cut_and_the_rest_still_read(void **state)
{
        char text[9000];
        int n = snprintf(text, sizeof text, "1000-2000 rw-p 00000000 00:00 0    /%08000d\nVmFlags: lo\n", 7);

        (void)state;
        assert_true(parse(text, (size_t)n, 100));
        assert_int_equal(got.n, 1);
        assert_int_equal(got.m[0].flags, MAPPING_LOCKED);
        assert_int_equal(strlen(got.m[0].name), sizeof got.m[0].name - 1);
}

static void the_caller_can_stop(void **state)
{
        (void)state;
        got.stop_at = 1;
        assert_true(accepts(two));
        assert_int_equal(got.n, 1);
        got.stop_at = 0;
}

static int by_start(const void *a, const void *b)
{
        const struct mapping *p = a, *q = b;

        return p->start < q->start ? -1 : p->start > q->start;
}

static void the_real_file_is_read_as_another_reader_reads_it(void **state)
{
        struct view v;

        (void)state;
        got.n = 0;
        assert_ok(smaps_read("/proc/self/smaps", keep, &got));
        v = view_of_self();
        qsort(got.m, got.n, sizeof *got.m, by_start);
        assert_in_range(got.n, 10, n_of(got.m));
        for (size_t i = 0; i < got.n; i++) {
                const struct seen *m = view_at(&v, (const void *)(uintptr_t)got.m[i].start);

                if (m == NULL || m->end != got.m[i].end)
                        continue; /* the heap has grown meanwhile */
                assert_string_equal(m->perms, got.m[i].perms);
                assert_int_equal(seen_has(m, "dd"), (got.m[i].flags & MAPPING_NO_DUMP) != 0);
                assert_memory_equal(m->name, got.m[i].name, strlen(m->name));
        }
        view_free(&v);
}

static void files_that_are_not_there_are_named_errors(void **state)
{
        (void)state;
        assert_int_equal(smaps_read("/proc/self/no-such-file", keep, &got), KEEPMUM_ENOTFOUND);
        assert_int_equal(smaps_read("/proc/self", keep, &got), KEEPMUM_ESYSTEM); /* a directory: read(2) fails */
        assert_int_equal(smaps_read("/proc/self/status", keep, &got), KEEPMUM_ESYSTEM);
}

/* Whatever it is, it ends, and mappings are sane. */
static void noise_does_no_harm(void **state)
{
        static const char alphabet[] = "0123456789abcdef-rwxps: \n\0kBVmFlagslodcRss/";
        char text[400];
        unsigned x = 12345;

        (void)state;
        for (int round = 0; round < 20000; round++) {
                size_t n = 0;

                for (; n < sizeof text - 1; n++) {
                        x = x * 1664525 + 1013904223;
                        text[n] = (x >> 24) % 3 != 0 && n < sizeof two - 1 ? two[n] : alphabet[(x >> 16) % (sizeof alphabet - 1)];
                }
                parse(text, n, 1 + x % 50);
                for (size_t i = 0; i < got.n; i++)
                        assert_true(got.m[i].start < got.m[i].end);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_means_the_same_in_pieces_of_any_size),
        cmocka_unit_test(a_text_cut_within_a_line_is_refused),
        cmocka_unit_test(an_empty_text_has_no_mapping),
        cmocka_unit_test(odd_texts_are_refused),
        cmocka_unit_test(a_name_glued_to_the_inode_is_refused),
        cmocka_unit_test(a_zero_byte_is_refused),
        cmocka_unit_test(unknown_keys_and_flags_are_passed_over),
        cmocka_unit_test(flags_need_their_two_letters_alone),
        cmocka_unit_test(a_flag_is_of_its_mapping_alone),
        cmocka_unit_test(a_long_name_is_cut_and_the_rest_still_read),
        cmocka_unit_test(the_caller_can_stop),
        cmocka_unit_test(the_real_file_is_read_as_another_reader_reads_it),
        cmocka_unit_test(files_that_are_not_there_are_named_errors),
        cmocka_unit_test(noise_does_no_harm),
};

MAIN_OF_TESTS

/* Hexadecimal and base64, secret to secret: the answers of RFC 4648 and of this file's own slow conversion, every length, every byte. */
#include "unit/harness.h"

#include "outside/forked.h"

#include <stdio.h>
#include <stdlib.h>

enum { LONGEST = 300, URL = KEEPMUM_BASE64_URL };

typedef int conversion(keepmum_secret *out, keepmum_secret s, unsigned flags);

static keepmum_secret secret_of(const void *bytes, size_t n_bytes)
{
        unsigned char copy[2 * LONGEST + 1];
        keepmum_secret s;

        memcpy(copy, bytes, n_bytes);
        assert_ok(keepmum_take(&s, copy, n_bytes, 0));
        return s;
}

static bool holds(keepmum_secret s, const void *bytes, size_t n_bytes)
{
        const void *inside;
        size_t n;
        bool is_same;

        assert_ok(keepmum_open_read(s, &inside, &n));
        is_same = n == n_bytes && memcmp(inside, bytes, n) == 0;
        keepmum_close(s);
        return is_same;
}

/* Whether from becomes to. Both secrets are ended. */
static bool becomes(conversion *f, const void *from, size_t n_from, const void *to, size_t n_to, unsigned flags)
{
        keepmum_secret s = secret_of(from, n_from), made = {0};
        bool is_right = f(&made, s, flags) == 0 && holds(made, to, n_to) && holds(s, from, n_from);

        keepmum_destroy(&made);
        keepmum_destroy(&s);
        return is_right;
}

/* What is no text of this kind makes nothing. */
static int refusal(conversion *f, const void *from, size_t n_from, unsigned flags)
{
        keepmum_secret s = secret_of(from, n_from), made = {77};
        uint64_t before = stat_of(KEEPMUM_STAT_SECRETS);
        int err = f(&made, s, flags);

        if (err != 0) {
                assert_int_equal(made.bits, 77);
                assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), before);
        } else {
                keepmum_destroy(&made);
        }
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
        keepmum_destroy(&s);
        return err;
}

/* ---- by hand ---- */

static size_t hex_by_hand(char *text, const unsigned char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                snprintf(text + 2 * i, 3, "%02x", bytes[i]);
        return 2 * n_bytes;
}

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char of_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t base64_by_hand(char *text, const unsigned char *bytes, size_t n_bytes, unsigned flags)
{
        const char *digits = flags & URL ? of_urls : standard;
        size_t n = 0;

        for (size_t bit = 0; bit < 8 * n_bytes; bit += 6) {
                unsigned v = 0;

                for (size_t i = bit; i < bit + 6; i++)
                        v = v << 1 | (i < 8 * n_bytes ? bytes[i / 8] >> (7 - i % 8) & 1u : 0u);
                text[n++] = digits[v];
        }
        while (!(flags & URL) && n % 4 != 0)
                text[n++] = '=';
        return n;
}

/* ---- known answers ---- */

static void base64_is_that_of_rfc_4648(void **state)
{
        static const struct {
                const char *plain, *text;
        } rows[] = {{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

        (void)state;
        for (size_t i = 0; i < n_of(rows); i++) {
                size_t n_digits = strcspn(rows[i].text, "=");

                assert_true(becomes(keepmum_to_base64, rows[i].plain, i + 1, rows[i].text, strlen(rows[i].text), 0));
                assert_true(becomes(keepmum_from_base64, rows[i].text, strlen(rows[i].text), rows[i].plain, i + 1, 0));
                assert_true(becomes(keepmum_to_base64, rows[i].plain, i + 1, rows[i].text, n_digits, URL));
                assert_true(becomes(keepmum_from_base64, rows[i].text, n_digits, rows[i].plain, i + 1, URL));
        }
        assert_true(becomes(keepmum_to_base64, "\xfb\xff\xfe", 3, "+//+", 4, 0));
        assert_true(becomes(keepmum_to_base64, "\xfb\xff\xfe", 3, "-__-", 4, URL));
}

static void hexadecimal_is_lower_case_and_read_in_both(void **state)
{
        (void)state;
        assert_true(becomes(keepmum_to_hex, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8, "0123456789abcdef", 16, 0));
        assert_true(becomes(keepmum_from_hex, "0123456789abcdef", 16, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8, 0));
        assert_true(becomes(keepmum_from_hex, "0123456789ABCDEF", 16, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8, 0));
        assert_true(becomes(keepmum_from_hex, "aBCd", 4, "\xab\xcd", 2, 0));
}

/* ---- everything ---- */

static void every_length_comes_back(void **state)
{
        unsigned char bytes[LONGEST];
        char text[2 * LONGEST + 1];

        (void)state;
        for (size_t n = 1; n <= LONGEST; n++) {
                size_t n_text;

                for (size_t i = 0; i < n; i++)
                        bytes[i] = byte_of((unsigned)n, i);
                n_text = hex_by_hand(text, bytes, n);
                assert_true(becomes(keepmum_to_hex, bytes, n, text, n_text, 0));
                assert_true(becomes(keepmum_from_hex, text, n_text, bytes, n, KEEPMUM_EXACT_END));
                for (unsigned flags = 0; flags <= URL; flags += URL) {
                        n_text = base64_by_hand(text, bytes, n, flags);
                        assert_true(becomes(keepmum_to_base64, bytes, n, text, n_text, flags));
                        assert_true(becomes(keepmum_from_base64, text, n_text, bytes, n, flags | KEEPMUM_NOT_HIDDEN));
                }
        }
}

static void every_byte_comes_back_at_every_place_of_three(void **state)
{
        (void)state;
        for (unsigned v = 0; v < 256; v++) {
                for (size_t place = 0; place < 3; place++) {
                        unsigned char bytes[3] = {0x5a, 0xa5, 0xff};
                        char text[8];
                        size_t n_text;

                        bytes[place] = (unsigned char)v;
                        n_text = hex_by_hand(text, bytes, 3);
                        assert_true(becomes(keepmum_to_hex, bytes, 3, text, n_text, 0));
                        assert_true(becomes(keepmum_from_hex, text, n_text, bytes, 3, 0));
                        n_text = base64_by_hand(text, bytes, 3, 0);
                        assert_true(becomes(keepmum_to_base64, bytes, 3, text, n_text, 0));
                        assert_true(becomes(keepmum_from_base64, text, n_text, bytes, 3, 0));
                }
        }
}

/* Each of the 256 characters at each place of a text: right or refused as the alphabet says. */
static void every_character_is_a_digit_or_refused(void **state)
{
        (void)state;
        for (unsigned c = 0; c < 256; c++) {
                for (size_t place = 0; place < 4; place++) {
                        bool is_hex = c != 0 && strchr("0123456789abcdefABCDEF", (int)c) != NULL;
                        bool is_standard = c != 0 && strchr(standard, (int)c) != NULL, is_url = c != 0 && strchr(of_urls, (int)c) != NULL;
                        char text[4] = {'A', 'B', 'C', 'E'};

                        text[place] = (char)c;
                        assert_int_equal(refusal(keepmum_from_hex, text, 4, 0), is_hex ? 0 : KEEPMUM_EINVAL);
                        if (c != '=')
                                assert_int_equal(refusal(keepmum_from_base64, text, 4, 0), is_standard ? 0 : KEEPMUM_EINVAL);
                        assert_int_equal(refusal(keepmum_from_base64, text, 4, URL), is_url ? 0 : KEEPMUM_EINVAL);
                }
        }
}

static void what_is_not_the_one_right_text_is_refused(void **state)
{
        static const struct {
                conversion *from;
                const char *text;
                unsigned flags;
        } rows[] = {
                {keepmum_from_hex, "a", 0},
                {keepmum_from_hex, "abc", 0},
                {keepmum_from_hex, "0x12", 0},
                {keepmum_from_hex, "ab\n", 0},
                {keepmum_from_hex, "ab cd", 0},
                {keepmum_from_base64, "=", 0},
                {keepmum_from_base64, "====", 0},
                {keepmum_from_base64, "Z===", 0},
                {keepmum_from_base64, "Zg=", 0},
                {keepmum_from_base64, "Zg", 0},
                {keepmum_from_base64, "Zm8", 0},
                {keepmum_from_base64, "Z", 0},
                {keepmum_from_base64, "Zm9vZ", 0},
                {keepmum_from_base64, "Zh==", 0}, /* bits that stand for nothing */
                {keepmum_from_base64, "Zm9=", 0},
                {keepmum_from_base64, "Zg==Zg==", 0},
                {keepmum_from_base64, "Zm9v\n", 0},
                {keepmum_from_base64, "Zm9v\n\n\n\n", 0},
                {keepmum_from_base64, "Zm9v====", 0},
                {keepmum_from_base64, "Zg=a", 0},
                {keepmum_from_base64, "=Zg=", 0},
                {keepmum_from_base64, "Zg==", URL},
                {keepmum_from_base64, "Zm8=", URL},
                {keepmum_from_base64, "Zh", URL},
                {keepmum_from_base64, "Z", URL},
                {keepmum_from_base64, "Zm9vZ", URL},
        };

        (void)state;
        for (size_t i = 0; i < n_of(rows); i++)
                assert_int_equal(refusal(rows[i].from, rows[i].text, strlen(rows[i].text), rows[i].flags), KEEPMUM_EINVAL);
}

/* ---- errors ---- */

static void arguments_and_states_are_named(void **state)
{
        static conversion *const all[] = {keepmum_to_hex, keepmum_from_hex, keepmum_to_base64, keepmum_from_base64};
        keepmum_secret s = secret_of("abcd", 4), none = {0}, out = {77}, gone;
        void *bytes;

        (void)state;
        for (size_t i = 0; i < n_of(all); i++) {
                assert_int_equal(all[i](NULL, s, 0), KEEPMUM_EINVAL);
                assert_int_equal(all[i](&out, none, 0), KEEPMUM_EINVAL);
                assert_int_equal(all[i](&out, s, 1u << 30), KEEPMUM_EINVAL);
                assert_int_equal(all[i](&out, s, KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN), KEEPMUM_EINVAL);
                assert_ok(keepmum_open_write(s, &bytes, NULL));
                assert_int_equal(all[i](&out, s, 0), KEEPMUM_EBUSY);
                keepmum_close(s);
        }
        assert_int_equal(keepmum_to_hex(&out, s, URL), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_from_hex(&out, s, URL), KEEPMUM_EINVAL);
        gone = s;
        keepmum_destroy(&s);
        for (size_t i = 0; i < n_of(all); i++)
                assert_int_equal(all[i](&out, gone, 0), KEEPMUM_ESTALE);
        assert_int_equal(out.bits, 77);
}

static void a_text_longer_than_any_secret_is_too_big(void **state)
{
        keepmum_secret s, out = {77};

        (void)state;
        if (keepmum_create(&s, KEEPMUM_MAX_BYTES, KEEPMUM_ACCEPT_UNLOCKED) != 0)
                return;
        assert_int_equal(keepmum_to_hex(&out, s, 0), KEEPMUM_ETOOBIG);
        assert_int_equal(keepmum_to_base64(&out, s, 0), KEEPMUM_ETOOBIG);
        assert_int_equal(out.bits, 77);
        keepmum_destroy(&s);
}

/* Every flag of creation is taken, and a text of what is always sealed is too. */
static void what_is_always_sealed_can_be_text(void **state)
{
        unsigned promises;

        (void)state;
        for (unsigned flag = 1; flag <= KEEPMUM_SEALED; flag *= 2) {
                keepmum_secret s = secret_of("foobar", 6), hex, back;
                int err = keepmum_to_hex(&hex, s, flag);

                if (flag == KEEPMUM_HIDDEN && err == KEEPMUM_ENOHIDDEN) {
                        keepmum_destroy(&s);
                        continue;
                }
                assert_ok(err);
                assert_ok(keepmum_from_hex(&back, hex, flag));
                assert_ok(keepmum_state(back, &promises));
                assert_int_equal((promises & KEEPMUM_IS_SEALED) != 0, flag == KEEPMUM_SEALED);
                assert_true(holds(hex, "666f6f626172", 12) && holds(back, "foobar", 6));
                keepmum_destroy(&s);
                keepmum_destroy(&hex);
                keepmum_destroy(&back);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_that_of_rfc_4648),
        cmocka_unit_test(hexadecimal_is_lower_case_and_read_in_both),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(every_byte_comes_back_at_every_place_of_three),
        cmocka_unit_test(every_character_is_a_digit_or_refused),
        cmocka_unit_test(what_is_not_the_one_right_text_is_refused),
        cmocka_unit_test(what_is_always_sealed_can_be_text),
        cmocka_unit_test(arguments_and_states_are_named),
        cmocka_unit_test(a_text_longer_than_any_secret_is_too_big),
};

MAIN_OF_TESTS

/* base: wiping, sizes, byte order, error texts. */
#include "unit/harness.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/size.h"
#include "base/wipe.h"
#include "outside/sandbox.h"

#include <stdlib.h>

static void wipe_leaves_only_zeroes(void **state)
{
        unsigned char buffer[300], *volatile hidden = buffer;

        (void)state;
        for (size_t n = 0; n <= 256; n++) {
                memset(hidden, 0xa5, sizeof buffer);
                wipe(hidden + 20, n);
                for (size_t i = 0; i < sizeof buffer; i++)
                        assert_int_equal(hidden[i], i >= 20 && i < 20 + n ? 0 : 0xa5);
        }
}

/* The frame of a function that has returned: without the barrier the compiler leaves the wipe out. */
static __attribute__((noinline)) const unsigned char *key_on_the_stack(bool with_wipe)
{
        unsigned char key[64];
        uintptr_t where = (uintptr_t)key;

        for (size_t i = 0; i < sizeof key; i++)
                ((volatile unsigned char *)key)[i] = (unsigned char)(0xc0 + i);
        if (with_wipe)
                wipe(key, sizeof key);
        __asm__("" : "+r"(where)); /* so that nobody sees whose address is returned */
        return (const unsigned char *)where;
}

static __attribute__((noinline, no_sanitize("address"))) size_t bytes_left(const unsigned char *where)
{
        size_t n = 0;

        for (size_t i = 0; i < 64; i++)
                n += ((const volatile unsigned char *)where)[i] == 0xc0 + i;
        return n;
}

static void wipe_of_a_dying_local_is_not_left_out(void **state)
{
        (void)state;
        if (sandbox_is_meaningful()) /* valgrind knows that this is not ours to read */
                assert_in_range(bytes_left(key_on_the_stack(true)), 0, 8);
}

static void the_same_local_is_found_without_a_wipe(void **state)
{
        (void)state;
        if (sandbox_is_meaningful()) /* nor fake stacks */
                assert_in_range(bytes_left(key_on_the_stack(false)), 48, 64);
}

static void numbers_are_little_endian_at_any_alignment(void **state)
{
        static const uint8_t wanted[] = {8, 7, 6, 5, 4, 3, 2, 1};
        uint8_t bytes[16];

        (void)state;
        for (size_t at = 0; at < 8; at++) {
                bytes_put64(bytes + at, 0x0102030405060708);
                assert_memory_equal(bytes + at, wanted, 8);
                assert_int_equal(bytes_get64(bytes + at), 0x0102030405060708);
                assert_int_equal(bytes_get32(bytes + at), 0x05060708);
                assert_int_equal(bytes_get16(bytes + at), 0x0708);
                bytes_put32(bytes + at, 0xfffefdfc);
                assert_int_equal(bytes_get32(bytes + at), 0xfffefdfc);
                bytes_put16(bytes + at, 0xfffe);
                assert_int_equal(bytes_get16(bytes + at), 0xfffe);
        }
}

static void every_error_has_a_sentence_and_an_exit_code_of_its_own_value(void **state)
{
#define VALUE(name, value, exit_code, sentence) {name, exit_code, sentence},
        static const struct {
                int value, exit_code;
                const char *sentence;
        } all[] = {KEEPMUM_ERRORS(VALUE)};

        (void)state;
        for (size_t i = 0; i < n_of(all); i++) {
                assert_true(all[i].value < 0);
                assert_string_equal(keepmum_error_text(all[i].value), all[i].sentence);
                assert_int_equal(error_exit_code(all[i].value), all[i].exit_code);
                for (size_t k = 0; k < i; k++)
                        assert_int_not_equal(all[k].value, all[i].value);
        }
        assert_string_equal(keepmum_error_text(0), "no error");
        assert_int_equal(error_exit_code(0), 0);
        assert_int_equal(error_exit_code(-1000), 1);
        assert_non_null(keepmum_error_text(-1000));
        assert_non_null(keepmum_error_text(1));
}

static void the_version_is_three_numbers(void **state)
{
        char *end;

        (void)state;
        strtoul(keepmum_version(), &end, 10);
        assert_int_equal(*end, '.');
        strtoul(end + 1, &end, 10);
        assert_int_equal(*end, '.');
        strtoul(end + 1, &end, 10);
        assert_int_equal(*end, '\0');
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(wipe_leaves_only_zeroes),
        cmocka_unit_test(wipe_of_a_dying_local_is_not_left_out),
        cmocka_unit_test(the_same_local_is_found_without_a_wipe),
        cmocka_unit_test(numbers_are_little_endian_at_any_alignment),
        cmocka_unit_test(every_error_has_a_sentence_and_an_exit_code_of_its_own_value),
        cmocka_unit_test(the_version_is_three_numbers),
};

MAIN_OF_TESTS

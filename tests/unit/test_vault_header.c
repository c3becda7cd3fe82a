/* Headers that somebody made to hurt, or that a newer version made: refused by the field that shows it, before any
 * work. */
#include "vault_testing.h"

#include "base/bytes.h"
#include "vault/content.h"
#include "vault/header.h"
#include "vault/head.h"
#include "vault/vault_keys.h"

#include <sodium.h>
#include <time.h>

static void put_slot(unsigned char *header, int place, unsigned char kind, uint32_t passes, uint32_t memory_kib)
{
        unsigned char *slot = header + HEADER_AT_SLOTS + place * KEY_SLOT_BYTES;

        memset(slot, 0, KEY_SLOT_BYTES);
        slot[KEY_SLOT_AT_KIND] = kind;
        slot[KEY_SLOT_AT_KDF] = kind == 1 || kind == 3;
        bytes_put32(slot + KEY_SLOT_AT_PASSES, passes);
        bytes_put32(slot + KEY_SLOT_AT_MEMORY_KIB, memory_kib);
        slot[KEY_SLOT_AT_ID] = 1;
}

static struct bytes small_vault(const struct place *p)
{
        keepmum_vault *v = begin(p);

        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        return slurp(p->vault);
}

static double seconds_now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Through the public door, with a passphrase that every slot would be tried with. */
static void expect_of_costs(const struct place *p, const struct bytes *b, int want)
{
        keepmum_secret passphrase = secret_of("x");
        double start = seconds_now();
        keepmum_vault *v;

        spill(p->vault, b->p, b->n);
        assert_int_equal(keepmum_vault_open(&v, p->vault, NULL, passphrase, NONE, 0), want);
        assert_true(seconds_now() - start < 0.02); /* one pass over 64 MiB takes longer */
        keepmum_destroy(&passphrase);
}

static void vault_refuses_hostile_costs_before_any_work(void **state)
{
        const struct place *p = *state;
        struct bytes b = small_vault(p);
        const uint32_t min = COST_MIN_MEMORY_KIB, max = COST_MAX_MEMORY_KIB;

        put_slot(b.p, 1, 1, UINT32_MAX, UINT32_MAX);
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        put_slot(b.p, 1, 1, 33, min);
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        put_slot(b.p, 1, 1, 1, max + 1);
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        put_slot(b.p, 1, 1, 5, max); /* 5 GiB */
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        for (int i = 1; i <= 3; i++) /* 3 x 4 GiB: each alone would pass */
                put_slot(b.p, i, i == 2 ? 3 : 1, 4, max);
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        for (int i = 1; i <= 5; i++) /* five, each of the least */
                put_slot(b.p, i, 1, 1, min);
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        put_slot(b.p, 7, 1, UINT32_MAX, min); /* the last place counts too, behind one that fits */
        expect_of_costs(p, &b, KEEPMUM_ECOST);
        put_slot(b.p, 1, 1, 0, min);
        expect_of_costs(p, &b, KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), HEADER_AT_SLOTS + KEY_SLOT_BYTES + KEY_SLOT_AT_PASSES);
        put_slot(b.p, 1, 1, 1, min - 1);
        expect_of_costs(p, &b, KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), HEADER_AT_SLOTS + KEY_SLOT_BYTES + KEY_SLOT_AT_MEMORY_KIB);
        free(b.p);
}

/* What may just be asked for: the limits themselves pass the check. */
static void vault_takes_costs_up_to_the_limits(void **state)
{
        struct bytes b = small_vault(*state);
        struct header h;

        put_slot(b.p, 1, 1, 4, COST_MAX_MEMORY_KIB);
        put_slot(b.p, 2, 3, 32, (4 << 20) / 32);
        assert_int_equal(header_parse(&h, b.p), 0);
        put_slot(b.p, 3, 1, 1, COST_MIN_MEMORY_KIB); /* 8 GiB and 64 MiB */
        assert_int_equal(header_parse(&h, b.p), KEEPMUM_ECOST);
        put_slot(b.p, 1, 1, 3, 262144);
        put_slot(b.p, 4, 3, 1, COST_MIN_MEMORY_KIB);
        assert_int_equal(header_parse(&h, b.p), 0);
        free(b.p);
}

static void vault_refuses_slots_that_cannot_be(void **state)
{
        struct bytes b = small_vault(*state);
        unsigned char *slot = b.p + HEADER_AT_SLOTS + KEY_SLOT_BYTES;
        const uint64_t at = HEADER_AT_SLOTS + KEY_SLOT_BYTES;
        struct header h;

        for (unsigned kind = 5; kind < 256; kind++) {
                put_slot(b.p, 1, (unsigned char)kind, 0, 0);
                assert_int_equal(header_parse(&h, b.p), KEEPMUM_EDAMAGED);
                assert_int_equal(keepmum_vault_detail(), at);
        }
        put_slot(b.p, 1, 0, 0, 0); /* empty, but not all zero */
        assert_int_equal(header_parse(&h, b.p), KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), at);
        for (unsigned char kind = 1; kind <= 4; kind++) {
                static const int zeroes[] = {2, 3, 12, 13, 14, 15, 152, 155, 159};

                for (size_t i = 0; i < sizeof zeroes / sizeof *zeroes; i++) {
                        put_slot(b.p, 1, kind, kind % 2 ? 1 : 0, kind % 2 ? 65536 : 0);
                        assert_int_equal(header_parse(&h, b.p), 0);
                        slot[zeroes[i]] = 1;
                        assert_int_equal(header_parse(&h, b.p), KEEPMUM_EDAMAGED);
                        assert_int_equal(keepmum_vault_detail(), at + (uint64_t)(zeroes[i] < 4    ? 2
                                                                                 : zeroes[i] < 16 ? 12
                                                                                                  : 152));
                }
                put_slot(b.p, 1, kind, kind % 2 ? 1 : 0, kind % 2 ? 65536 : 0);
                slot[KEY_SLOT_AT_KDF] ^= 1;
                assert_int_equal(header_parse(&h, b.p), KEEPMUM_EDAMAGED);
                assert_int_equal(keepmum_vault_detail(), at + KEY_SLOT_AT_KDF);
        }
        put_slot(b.p, 1, 2, 1, 0); /* a cost where nothing is derived */
        assert_int_equal(header_parse(&h, b.p), KEEPMUM_EDAMAGED);
        free(b.p);
}

static void vault_of_a_newer_version_is_not_touched(void **state)
{
        const struct place *p = *state;
        struct bytes b = small_vault(p);
        keepmum_vault *v;

        b.p[HEADER_AT_FEATURES + 3] = 0x80;
        b.p[HEADER_AT_SIZE] = 1; /* it may look different everywhere else */
        spill(p->vault, b.p, b.n);
        assert_int_equal(try_open(&v, p), KEEPMUM_ENEWER);
        free(b.p);
}

static void vault_shorter_than_a_header_is_damaged(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v;

        spill(p->vault, "", 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), 0);
        spill(p->vault, "keepmum vault 1\n", 16);
        assert_int_equal(try_open(&v, p), KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), 16);
}

static void vault_longer_than_the_limit_is_damaged(void **state)
{
        const struct place *p = *state;
        struct bytes b = small_vault(p);
        keepmum_vault *v;

        assert_int_equal(truncate(p->vault, ((off_t)1 << 30) + 1), 0);
        assert_int_equal(try_open(&v, p), KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), 1 << 30);
        free(b.p);
}

/* The other slots need not be understood, and are there unchanged for those who do. */
static void vault_leaves_slots_of_other_kinds_alone(void **state)
{
        const struct place *p = *state;
        struct key_slot_given given = {.key_file = p->key_file};
        struct bytes b = small_vault(p);
        const struct vault_keys *k;
        keepmum_secret keys;
        keepmum_vault *v;
        struct header h;

        assert_int_equal(header_parse(&h, b.p), 0);
        assert_int_equal(header_unlock(&keys, &h, b.p, &given), 0);
        put_slot(b.p, 3, 3, 3, 262144);
        put_slot(b.p, 4, 4, 0, 0);
        assert_int_equal(vault_keys_open(keys, &k), 0);
        vault_keys_mac(b.p + HEADER_AT_MAC, HEADER_MAC_BYTES, b.p, HEADER_AT_MAC, k->head);
        keepmum_close(keys);
        keepmum_destroy(&keys);
        spill(p->vault, b.p, HEADER_BYTES);
        v = reopen(p);
        assert_int_equal(keepmum_vault_count(v), 0);
        assert_int_equal(add(v, "a", "1"), 0);
        keepmum_vault_close(v);
        v = reopen(p);
        expect_secret(v, "a", "1");
        keepmum_vault_close(v);
        free(b.p);
}

/* Each of these heads is one byte or one length away from a good one. */
static void vault_head_is_parsed_strictly(void **state)
{
        struct head good = {.op = HEAD_PUT,
                            .secret_seq = 1,
                            .texts = {text_of("name"), text_of("user"), text_of("url"), text_of("t")}},
                    h;
        unsigned char b[HEAD_STEP], copy[HEAD_STEP];
        const size_t attrs = HEAD_AT_NAME + 4;

        (void)state;
        assert_int_equal(head_size(&good), HEAD_STEP);
        head_write(&good, b, sizeof b);
        assert_true(head_parse(&h, b, sizeof b));
        assert_int_equal(h.texts[2].n_bytes, 3);
        for (size_t at = HEAD_AT_OP; at < sizeof b; at++) { /* what parses is written again as the same bytes */
                for (int bit = 0; bit < 8; bit++) {
                        b[at] ^= (unsigned char)(1 << bit);
                        if (head_parse(&h, b, sizeof b)) {
                                head_write(&h, copy, sizeof copy);
                                assert_memory_equal(copy, b, sizeof b);
                                assert_true((at >= HEAD_AT_NAME && at < attrs) || (at > attrs + 3 && at < attrs + 21) ||
                                            at == HEAD_AT_OP);
                        }
                        b[at] ^= (unsigned char)(1 << bit);
                }
        }
        assert_false(head_parse(&h, b, 0));
        for (size_t n = 0; n < sizeof b; n++)
                assert_false(head_parse(&h, b, n));
        bytes_put32(b + HEAD_AT_ATTR_LEN, UINT32_MAX);
        assert_false(head_parse(&h, b, sizeof b));
        bytes_put16(b + HEAD_AT_NAME_LEN, UINT16_MAX);
        assert_false(head_parse(&h, b, sizeof b));
}

static void vault_content_is_parsed_strictly(void **state)
{
        unsigned char b[128] = {3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c'};
        size_t n_main = 0;

        (void)state;
        assert_true(content_parse(&n_main, b, 64));
        assert_int_equal(n_main, 3);
        assert_false(content_parse(&n_main, b, 128)); /* a larger class than needed */
        assert_false(content_parse(&n_main, b, 0));
        assert_false(content_parse(&n_main, b, 96));
        b[63] = 1;
        assert_false(content_parse(&n_main, b, 64));
        b[63] = 0;
        b[0] = 57;
        assert_false(content_parse(&n_main, b, 64));
        bytes_put32(b, UINT32_MAX);
        assert_false(content_parse(&n_main, b, 64));
        bytes_put32(b, 3);
        bytes_put32(b + 4, UINT32_MAX);
        assert_false(content_parse(&n_main, b, 64));
        bytes_put32(b + 4, 7);
        memcpy(b + 11, "\3\0\3\0x\0y", 7);
        assert_true(content_parse(&n_main, b, 64));
        b[15] = '\0'; /* no label */
        assert_false(content_parse(&n_main, b, 64));
        b[15] = b[16] = 'x'; /* no zero byte behind it */
        assert_false(content_parse(&n_main, b, 64));
        b[11] = 2;
        assert_true(content_parse(&n_main, b, 64));
        b[11] = 4;
        assert_false(content_parse(&n_main, b, 64));
        b[11] = 2;
        b[13] = 4; /* longer than what is there */
        assert_false(content_parse(&n_main, b, 64));
        memcpy(b + 11, "\1\0\1\0a\1\0\1\0b", 10);
        bytes_put32(b + 4, 10);
        assert_false(content_parse(&n_main, b, 64)); /* notes twice */
        b[11] = 2;
        assert_false(content_parse(&n_main, b, 64)); /* not ascending */
        b[11] = 1;
        b[16] = 2;
        assert_true(content_parse(&n_main, b, 64));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_refuses_hostile_costs_before_any_work),
                test(vault_takes_costs_up_to_the_limits),
                test(vault_refuses_slots_that_cannot_be),
                test(vault_of_a_newer_version_is_not_touched),
                test(vault_shorter_than_a_header_is_damaged),
                test(vault_longer_than_the_limit_is_damaged),
                test(vault_leaves_slots_of_other_kinds_alone),
                test(vault_head_is_parsed_strictly),
                test(vault_content_is_parsed_strictly),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

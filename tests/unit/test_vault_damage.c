/* The reading rule, what is damage: every flipped bit, no matter where; records that are moved, dropped, doubled or taken from another
 * copy; records that break a rule. Each file is changed from outside and then opened. What is torn: test_vault_torn. */
#include "unit/vault_sample.h"

/* Only a get or a verification sees a flipped bit there. */
static bool is_in_older_secret(const struct sample *s, size_t at)
{
        size_t i = record_of(s, at);

        return i + 1 < s->n_records && at >= s->at[i + 1] - bytes_get32(s->file.p + s->at[i] + FRAME_AT_SECRET_BYTES);
}

static void vault_sees_every_flipped_bit_in_its_records(void **state)
{
        struct sample s;
        size_t n_taken;

        sample_make(&s, *state);
        for (size_t at = HEADER_BYTES; at < s.file.n; at++) {
                bool is_late_to_see = is_in_older_secret(&s, at);

                for (int bit = 0; bit < 8; bit++) {
                        s.file.p[at] ^= (unsigned char)(1 << bit);
                        if (is_late_to_see) {
                                assert_int_equal(judge(&s, s.file.p, s.file.n, &n_taken), WALK_CLEAN);
                        } else {
                                assert_int_equal(judge(&s, s.file.p, s.file.n, &n_taken), WALK_DAMAGED);
                                assert_int_equal(n_taken, record_of(&s, at));
                        }
                        s.file.p[at] ^= (unsigned char)(1 << bit);
                }
        }
        sample_free(&s);
}

/* The same from outside, one bit a byte, with the offset that is reported. */
static void vault_reports_where_a_record_is_damaged(void **state)
{
        const struct place *p = *state;
        struct sample s;
        keepmum_secret secret;
        keepmum_vault *v;
        int fd;

        sample_make(&s, p);
        fd = open(p->vault, O_RDWR);
        for (size_t at = HEADER_BYTES; at < s.file.n; at += 3) {
                unsigned char flipped = (unsigned char)(s.file.p[at] ^ 1 << at % 8);

                assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
                if (!is_in_older_secret(&s, at)) {
                        assert_int_equal(try_open(&v, p), KEEPMUM_EDAMAGED);
                        assert_int_equal(keepmum_vault_detail(), s.at[record_of(&s, at)]);
                } else {
                        v = reopen(p);
                        if (record_of(&s, at) ==
                            0) { /* the first secret goes by the name three now; the second is gone */
                                assert_int_equal(keepmum_vault_get(v, "three", &secret), KEEPMUM_EDAMAGED);
                                assert_int_equal(keepmum_vault_detail(), s.at[1] - SECRET_MIN_BYTES);
                        }
                        expect_secret(v, "four", "fourth");
                        assert_int_equal(keepmum_vault_detail(), 0);
                        keepmum_vault_close(v);
                }
                assert_int_equal(pwrite(fd, s.file.p + at, 1, (off_t)at), 1);
        }
        close(fd);
        keepmum_vault_close(reopen(p));
        sample_free(&s);
}

/* What one flipped bit at an offset of the header is, with one key-file slot in the first place. */
static int expected_in_header(size_t at)
{
        size_t in_slot = at - HEADER_AT_SLOTS;

        if (at >= HEADER_AT_FEATURES && at < HEADER_AT_GENERATION)
                return KEEPMUM_ENEWER;
        if (at >= HEADER_AT_VAULT_ID && at < HEADER_AT_FILE_ID)
                return KEEPMUM_EWRONGKEY; /* what the key is made of: nothing can tell it from a wrong key */
        if (at >= HEADER_AT_SLOTS && in_slot >= KEY_SLOT_AT_ID && in_slot < KEY_SLOT_AT_NONCE)
                return KEEPMUM_EWRONGKEY;
        return KEEPMUM_EDAMAGED;
}

static size_t expected_offset(size_t at)
{
        if (at < HEADER_AT_SIZE)
                return 0;
        if (at < HEADER_AT_GENERATION)
                return HEADER_AT_SIZE;
        if (at >= HEADER_AT_ZERO_1 && at < HEADER_AT_SLOTS)
                return HEADER_AT_ZERO_1;
        if (at >= HEADER_AT_SLOTS + KEY_SLOT_AT_NONCE && at < HEADER_AT_SLOTS + KEY_SLOT_AT_ZERO_3)
                return HEADER_AT_SLOTS + KEY_SLOT_AT_WRAPPED;
        if (at >= HEADER_AT_ZERO_2 && at < HEADER_AT_MAC)
                return HEADER_AT_ZERO_2;
        return at < HEADER_AT_SLOTS || at >= HEADER_AT_MAC ? HEADER_AT_MAC
                                                           : 0; /* 0: somewhere in that slot, or the tag */
}

static void vault_sees_every_flipped_bit_in_its_header(void **state)
{
        struct key_slot_given given = {.key_file = ((const struct place *)*state)->key_file};
        struct sample s;

        sample_make(&s, *state);
        for (size_t at = 0; at < HEADER_BYTES; at++) {
                int n_bits = at < HEADER_AT_SLOTS + 2 * KEY_SLOT_BYTES || at >= HEADER_AT_MAC ? 8 : 1;

                for (int bit = 0; bit < n_bits; bit++) {
                        struct header h;
                        keepmum_secret keys;
                        int err;

                        s.file.p[at] ^= (unsigned char)(1 << (n_bits == 1 ? at % 8 : (unsigned)bit));
                        err = header_parse(&h, s.file.p);
                        if (err == 0)
                                err = header_unlock(&keys, &h, s.file.p, &given);
                        assert_int_equal(err, expected_in_header(at));
                        if (at == HEADER_AT_GENERATION && bit == 0) /* it was 1 */
                                assert_int_equal(keepmum_vault_detail(), HEADER_AT_GENERATION);
                        else if (err == KEEPMUM_EDAMAGED && expected_offset(at) != 0)
                                assert_int_equal(keepmum_vault_detail(), expected_offset(at));
                        s.file.p[at] ^= (unsigned char)(1 << (n_bits == 1 ? at % 8 : (unsigned)bit));
                }
        }
        sample_free(&s);
}

/* A lost sector in front of saved records is no unfinished append: cutting there would lose what was acknowledged. */
static void vault_takes_a_lost_sector_before_other_records_for_damage(void **state)
{
        const struct place *p = *state;
        keepmum_vault *v = begin(p);
        struct sample s;
        size_t n_taken;

        for (char name[] = "a"; name[0] < 'i'; name[0]++)
                assert_int_equal(add(v, name, name), 0);
        keepmum_vault_close(v);
        sample_read(&s, p);
        memset(s.file.p + 4608, 0, 512);
        assert_int_equal(judge(&s, s.file.p, s.file.n, &n_taken), WALK_DAMAGED);
        sample_free(&s);
}

static void vault_takes_moved_records_for_damage(void **state)
{
        const struct place *p = *state;
        struct sample s, other;
        unsigned char *b;
        size_t n, n_taken;

        sample_make(&s, p);
        b = malloc(2 * s.file.n);

        memcpy(b, s.file.p, s.at[1]); /* the second is dropped */
        n = s.file.n - s.at[2];
        memcpy(b + s.at[1], s.file.p + s.at[2], n);
        assert_int_equal(judge(&s, b, s.at[1] + n, &n_taken), WALK_DAMAGED);
        assert_int_equal(n_taken, 1);

        memcpy(b, s.file.p, s.at[2]); /* the third and the fourth change places */
        n = s.at[4] - s.at[3];
        memcpy(b + s.at[2], s.file.p + s.at[3], n);
        memcpy(b + s.at[2] + n, s.file.p + s.at[2], s.at[3] - s.at[2]);
        memcpy(b + s.at[4], s.file.p + s.at[4], s.file.n - s.at[4]);
        assert_int_equal(judge(&s, b, s.file.n, &n_taken), WALK_DAMAGED);
        assert_int_equal(n_taken, 2);

        for (size_t i = 0; i < s.n_records; i++) { /* each is said twice, and each is said again at the end */
                n = s.at[i + 1] - s.at[i];
                memcpy(b, s.file.p, s.at[i + 1]);
                memcpy(b + s.at[i + 1], s.file.p + s.at[i], s.file.n - s.at[i]);
                assert_int_equal(judge(&s, b, s.file.n + n, &n_taken), WALK_DAMAGED);
                memcpy(b, s.file.p, s.file.n);
                memcpy(b + s.file.n, s.file.p + s.at[i], n);
                assert_int_equal(judge(&s, b, s.file.n + n, &n_taken), WALK_DAMAGED);
                assert_int_equal(n_taken, 5);
        }

        assert_int_equal(truncate(p->vault, (off_t)s.at[3]), 0); /* a copy goes its own way from the fourth record on */
        {
                keepmum_vault *v = reopen(p);

                assert_int_equal(keepmum_vault_remove(v, "two"), 0);
                assert_int_equal(add(v, "other", "other"), 0);
                keepmum_vault_close(v);
        }
        sample_read(&other, p);
        assert_int_equal(other.n_records, 5);
        memcpy(b, s.file.p, s.at[4]);
        n = other.file.n - other.at[4];
        memcpy(b + s.at[4], other.file.p + other.at[4], n);
        assert_int_equal(judge(&s, b, s.at[4] + n, &n_taken), WALK_DAMAGED);
        assert_int_equal(n_taken, 4);
        free(b);
        sample_free(&other);
        sample_free(&s);
}

/* Seals a head of the caller's making behind the last record, rightly chained: only its number or a rule of entries
 * can refuse it. */
static enum walk_end append_as(const struct sample *s, uint64_t seq, struct head *h, const unsigned char *content,
                               size_t n_content)
{
        unsigned char *b = malloc(s->file.n + FRAME_MAX_RECORD_BYTES);
        struct frame f = {.seq = seq, .secret_bytes = (uint32_t)n_content};
        const struct vault_keys *k;
        enum walk_end end;
        size_t n_taken;

        memcpy(b, s->file.p, s->file.n);
        memcpy(h->prev_tag, s->file.p + s->at[s->n_records - 1] + FRAME_AT_HEAD_TAG, sizeof h->prev_tag);
        f.record_bytes = (uint32_t)(FRAME_BYTES + head_size(h) + n_content);
        assert_int_equal(vault_keys_open(s->keys, &k), 0);
        frame_seal(b + s->file.n, &f, h, content, k);
        keepmum_close(s->keys);
        end = judge(s, b, s->file.n + f.record_bytes, &n_taken);
        assert_int_equal(n_taken, end == WALK_CLEAN ? s->n_records + 1 : s->n_records);
        free(b);
        return end;
}

static enum walk_end append_and_judge(const struct sample *s, struct head *h, const unsigned char *content,
                                      size_t n_content)
{
        return append_as(s, s->n_records + 1, h, content, n_content);
}

/* The id that only a reader with the key can know. */
static void take_id(struct head *h, const struct place *p, const char *name)
{
        keepmum_vault *v = reopen(p);

        memcpy(h->entry_id, entries_find(v->now.entries, text_of(name))->secret.entry_id, sizeof h->entry_id);
        keepmum_vault_close(v);
}

static void vault_takes_a_record_with_a_wrong_number_for_damage(void **state)
{
        unsigned char content[64] = {0};
        struct sample s;

        sample_make(&s, *state);
        for (uint64_t seq = 1; seq < 10; seq++) {
                struct head h = {
                        .op = HEAD_PUT, .entry_id = "a new entry's id", .secret_seq = seq, .texts = {text_of("new")}};

                assert_int_equal(append_as(&s, seq, &h, content, sizeof content), seq == 6 ? WALK_CLEAN : WALK_DAMAGED);
        }
        sample_free(&s);
}

static void vault_takes_records_that_break_a_rule_for_damage(void **state)
{
        unsigned char content[64] = {4, 0, 0, 0, 0, 0, 0, 0, 't', 'e', 's', 't'};
        struct sample s;
        struct head put = {.op = HEAD_PUT, .entry_id = "a new entry's id", .secret_seq = 6, .texts = {text_of("new")}},
                    h;

        sample_make(&s, *state);
        assert_int_equal(append_and_judge(&s, &put, content, sizeof content), WALK_CLEAN);
        h = put;
        h.texts[0] = text_of("four"); /* taken */
        assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED);
        h = put;
        h.secret_seq = 5; /* a put names itself */
        assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED);
        h = put;
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_DAMAGED); /* a put without a secret */
        h.op = HEAD_RENAME;
        assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED); /* a rename with one */
        h.secret_seq = 5;
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_DAMAGED); /* of an entry that is not there */
        take_id(&h, *state, "three");
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_DAMAGED); /* with another entry's secret */
        h.secret_seq = 1;
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_CLEAN);
        h.texts[0] = text_of("four");
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_DAMAGED); /* to a name that is taken */
        h.texts[0] = text_of("three");
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_CLEAN); /* new attributes under the old name */
        h = (struct head){.op = HEAD_REMOVE, .entry_id = "not there either"};
        assert_int_equal(append_and_judge(&s, &h, NULL, 0), WALK_DAMAGED);
        for (unsigned op = 0; op < 256; op++) {
                if (op == HEAD_PUT)
                        continue;
                h = put;
                h.op = (uint8_t)op;
                assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED);
        }
        h = put;
        h.texts[0] = text_of("");
        assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED);
        h.texts[0] = text_of("line\nfeed");
        assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED);
        h.texts[0] = (struct text){"a\0b", 3};
        assert_int_equal(append_and_judge(&s, &h, content, sizeof content), WALK_DAMAGED);
        sample_free(&s);
}

static void vault_saves_nothing_into_a_damaged_file(void **state)
{
        const struct place *p = *state;
        struct sample s;
        keepmum_vault *v;
        struct bytes b;

        sample_make(&s, p);
        v = reopen(p);
        s.file.p = realloc(s.file.p, s.file.n + 300);
        memset(s.file.p + s.file.n, 0x77, 300);
        spill(p->vault, s.file.p, s.file.n + 300);
        assert_int_equal(add(v, "five", "5"), KEEPMUM_EDAMAGED);
        assert_int_equal(keepmum_vault_detail(), s.file.n);
        assert_int_equal(keepmum_vault_remove(v, "three"), KEEPMUM_EDAMAGED);
        b = slurp(p->vault);
        assert_int_equal(b.n, s.file.n + 300);
        assert_memory_equal(b.p, s.file.p, b.n);
        free(b.p);
        expect_secret(v, "three", "first secret");
        keepmum_vault_close(v);
        sample_free(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                test(vault_sees_every_flipped_bit_in_its_records),
                test(vault_reports_where_a_record_is_damaged),
                test(vault_sees_every_flipped_bit_in_its_header),
                test(vault_takes_a_lost_sector_before_other_records_for_damage),
                test(vault_takes_moved_records_for_damage),
                test(vault_takes_a_record_with_a_wrong_number_for_damage),
                test(vault_takes_records_that_break_a_rule_for_damage),
                test(vault_saves_nothing_into_a_damaged_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

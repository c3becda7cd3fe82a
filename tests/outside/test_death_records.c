/* Damage to what is written down about a secret, and the death of who opens it then: records, slots, and boxes of what is sealed. */
#include "outside/death_table.h"

#include "pool/pool.h"
#include "secret/box.h"
#include "secret/record.h"

static struct record *record_of(keepmum_secret s)
{
        struct record *r;

        expect_int(record_find(&r, s), 0);
        return r;
}

static void overwrite_a_records_size(void)
{
        keepmum_secret s = make(32);

        record_of(s)->payload_bytes = 64;
        read_only(s);
}

static void overwrite_a_records_slot_with_another_ones(void)
{
        keepmum_secret s = make(32), other = make(32);

        record_set_slot(record_of(s), record_slot(record_of(other)));
        read_only(s);
}

static void overwrite_a_records_slot_with_nothing(void)
{
        keepmum_secret s = make(32);

        record_set_slot(record_of(s), 0);
        read_only(s);
}

static void overwrite_a_records_slot_with_noise(void)
{
        keepmum_secret s = make(32);

        record_set_slot(record_of(s), 0x41414141);
        read_only(s);
}

static void overwrite_a_records_slot_and_destroy(void)
{
        keepmum_secret s = make(32);

        record_set_slot(record_of(s), 0x00414141);
        keepmum_destroy(&s);
}

static void overwrite_a_records_slot_while_open(void)
{
        keepmum_secret s = make(32);

        written(s);
        record_set_slot(record_of(s), 77777);
        keepmum_close(s);
}

static void overwrite_a_slots_owner(void)
{
        keepmum_secret s = make(32);

        pool_slot(record_slot(record_of(s)))->owner += 1;
        read_only(s);
}

static void overwrite_a_slots_size(void)
{
        keepmum_secret s = make(32);

        pool_slot(record_slot(record_of(s)))->payload_bytes = 0x41414141;
        expect_int(keepmum_resize(s, 5), 0);
}

static void overwrite_a_slots_address(void)
{
        keepmum_secret s = make(32), other = make(32);

        pool_slot(record_slot(record_of(s)))->bytes = pool_slot(record_slot(record_of(other)))->bytes;
        read_only(s);
}

static void overwrite_a_slots_chunk(void)
{
        keepmum_secret s = make(32);

        pool_slot(record_slot(record_of(s)))->chunk = 0x41414141;
        read_only(s);
}

/* The size is right twice, and too large for the slot. */
static void overwrite_both_sizes(void)
{
        keepmum_secret s = make(32);

        record_of(s)->payload_bytes = 2 * (uint32_t)page();
        pool_slot(record_slot(record_of(s)))->payload_bytes = 2 * (uint32_t)page();
        read_only(s);
}

/* ---- what is sealed ---- */

static struct box *sealed_box(keepmum_secret s)
{
        expect_int(keepmum_seal_all(), 0);
        return record_box(record_of(s));
}

static void change_a_sealed_byte(void)
{
        keepmum_secret s = make(32);

        sealed_box(s)->bytes[31] ^= 1;
        read_only(s);
}

static void change_a_tag(void)
{
        keepmum_secret s = make(32);

        sealed_box(s)->tag[0] ^= 0x80;
        written(s);
}

static void change_a_counter(void)
{
        keepmum_secret s = make(32);

        sealed_box(s)->counter++;
        expect_int(keepmum_resize(s, 40), 0);
}

static void change_what_key_it_is(void)
{
        keepmum_secret s = make(32);
        struct box *b = sealed_box(s);

        b->key = b->key == 0;
        read_only(s);
}

static void change_whose_box_it_is(void)
{
        keepmum_secret s = make(32), other = make(32);

        sealed_box(s)->origin = other;
        read_only(s);
}

/* All of it, as it was sealed, in the place of another. */
static void copy_one_box_over_another(void)
{
        keepmum_secret s = make(32), other = make(32), clone;
        struct box *to = sealed_box(s);

        memcpy(to, record_box(record_of(other)), sizeof *to + 32);
        expect_int(keepmum_clone(&clone, s), 0); /* a clone has another one's box, and is not the way round */
        read_only(clone);
}

static void give_a_record_another_ones_box(void)
{
        keepmum_secret s = make(32), other = make(32);

        sealed_box(s);
        atomic_store(&record_of(s)->where, atomic_load(&record_of(other)->where));
        read_only(s);
}

static void change_a_sealed_secrets_size(void)
{
        keepmum_secret s = make(32);

        sealed_box(s);
        record_of(s)->payload_bytes = 16;
        read_only(s);
}

static const struct misuse misuses[] = {
        ABORTS(overwrite_a_records_size, "the records were overwritten"),
        ABORTS(overwrite_a_records_slot_with_another_ones, "the records were overwritten"),
        ABORTS(overwrite_a_records_slot_with_nothing, "the records were overwritten"),
        ABORTS(overwrite_a_records_slot_with_noise, "the records were overwritten"),
        ABORTS(overwrite_a_records_slot_and_destroy, "the records were overwritten"),
        ABORTS(overwrite_a_records_slot_while_open, "the records were overwritten"),
        ABORTS(overwrite_a_slots_owner, "the records were overwritten"),
        ABORTS(overwrite_a_slots_size, "the records were overwritten"),
        ABORTS(overwrite_a_slots_address, "the records were overwritten"),
        ABORTS(overwrite_a_slots_chunk, "the records were overwritten"),
        ABORTS(overwrite_both_sizes, "the records were overwritten"),
        ABORTS(change_a_sealed_byte, "a sealed secret was changed"),
        ABORTS(change_a_tag, "a sealed secret was changed"),
        ABORTS(change_a_counter, "a sealed secret was changed"),
        ABORTS(change_what_key_it_is, "a sealed secret was changed"),
        ABORTS(change_whose_box_it_is, "a sealed secret was changed"),
        ABORTS(copy_one_box_over_another, "a sealed secret was changed"),
        ABORTS(give_a_record_another_ones_box, "a sealed secret was changed"),
        ABORTS(change_a_sealed_secrets_size, "a sealed secret was changed"),
};

int main(void)
{
        return death_table(misuses, n_of(misuses));
}

/* The death table: a misuse, the signal it ends with, and the exact words. Each row happens in a child, in secret memory (where the
 * machine has it) and in ordinary locked memory. */
#include "unit/harness.h"

#include "base/moved_call.h"
#include "outside/forked.h"
#include "outside/seen.h"
#include "pool/pool.h"
#include "secret/box.h"
#include "secret/record.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

static unsigned memory; /* the flag of the run */

static keepmum_secret make_of(size_t n_bytes, unsigned flags)
{
        keepmum_secret s;

        expect_int(make_with(&s, n_bytes, memory | flags, 1), 0);
        return s;
}

static keepmum_secret make(size_t n_bytes)
{
        return make_of(n_bytes, 0);
}

static volatile unsigned char *written(keepmum_secret s)
{
        void *bytes;

        expect_int(keepmum_open_write(s, &bytes, NULL), 0);
        return bytes;
}

static const volatile unsigned char *read_only(keepmum_secret s)
{
        const void *bytes;

        expect_int(keepmum_open_read(s, &bytes, NULL), 0);
        return bytes;
}

/* ---- handles ---- */

static void destroy_a_secret_twice(void)
{
        keepmum_secret s = make(8), copy = s;

        keepmum_destroy(&s);
        keepmum_destroy(&copy);
}

static void destroy_a_stale_copy_when_the_record_is_in_use_again(void)
{
        keepmum_secret s = make(8), copy = s;

        keepmum_destroy(&s);
        s = make(8);
        keepmum_destroy(&copy);
}

static void destroy_again_while_a_reader_is_inside(void)
{
        keepmum_secret s = make(8), copy = s;

        read_only(s);
        keepmum_destroy(&s);
        keepmum_destroy(&copy);
}

static void destroy_a_null_pointer(void)
{
        keepmum_destroy(NULL);
}

static void close_without_an_open(void)
{
        keepmum_close(make(8));
}

static void close_twice_after_one_open(void)
{
        keepmum_secret s = make(8);

        read_only(s);
        keepmum_close(s);
        keepmum_close(s);
}

static void close_a_writer_twice(void)
{
        keepmum_secret s = make(8);

        written(s);
        keepmum_close(s);
        keepmum_close(s);
}

static void close_a_destroyed_secret(void)
{
        keepmum_secret s = make(8), copy = s;

        keepmum_destroy(&s);
        keepmum_close(copy);
}

static void close_a_stale_copy_while_its_successor_is_open(void)
{
        keepmum_secret s = make(8), copy = s;

        keepmum_destroy(&s);
        s = make(8);
        read_only(s);
        keepmum_close(copy);
}

static void close_no_secret(void)
{
        keepmum_close((keepmum_secret){0});
}

static keepmum_secret foreign(void)
{
        keepmum_secret s = make(8);

        s.bits ^= (uint64_t)1 << 63;
        return s;
}

static keepmum_secret of_a_number_never_used(void)
{
        keepmum_secret s = make(8);

        s.bits += 100;
        return s;
}

static void open_a_foreign_handle(void)
{
        read_only(foreign());
}

static void open_a_foreign_handle_for_writing(void)
{
        written(foreign());
}

static void open_a_number_never_used(void)
{
        read_only(of_a_number_never_used());
}

static void resize_a_foreign_handle(void)
{
        _exit(keepmum_resize(foreign(), 5));
}

static void ask_a_foreign_handle_for_its_size(void)
{
        size_t n;

        _exit(keepmum_size(foreign(), &n));
}

static void ask_a_foreign_handle_for_its_state(void)
{
        unsigned promises;

        _exit(keepmum_state(foreign(), &promises));
}

static void destroy_a_foreign_handle(void)
{
        keepmum_secret s = foreign();

        keepmum_destroy(&s);
}

static void close_a_number_never_used(void)
{
        keepmum_close(of_a_number_never_used());
}

static void destroy_noise(void)
{
        keepmum_secret s = {0x4141414141414141};

        make(8);
        keepmum_destroy(&s);
}

/* ---- writes beside ---- */

static void write_at(keepmum_secret s, long offset)
{
        written(s)[offset] ^= 1;
}

static void write_64_bytes_before(void)
{
        keepmum_secret s = make(100);

        write_at(s, -64);
        keepmum_close(s);
}

static void write_1_byte_before(void)
{
        keepmum_secret s = make(32);

        write_at(s, -1);
        keepmum_close(s);
}

static void write_the_first_byte_of_the_page(void)
{
        keepmum_secret s = make(32);
        volatile unsigned char *p = written(s);

        *(volatile unsigned char *)(uintptr_t)page_of((const void *)(uintptr_t)p) ^= 0x80;
        keepmum_close(s);
}

static void write_the_first_byte_of_many_pages(void)
{
        keepmum_secret s = make(5 * page());
        volatile unsigned char *p = written(s);

        p[5 * (long)page() - 8 * (long)page()] ^= 1;
        keepmum_close(s);
}

static void write_1_byte_into_the_tail(void)
{
        keepmum_secret s = make(100);

        write_at(s, 100);
        keepmum_close(s);
}

static void write_the_last_byte_of_the_tail(void)
{
        keepmum_secret s = make(97);

        write_at(s, 111);
        keepmum_close(s);
}

static void write_1_byte_before_an_exact_end(void)
{
        keepmum_secret s = make_of(5, KEEPMUM_EXACT_END);

        write_at(s, -1);
        keepmum_close(s);
}

static void write_beside_and_destroy_while_open(void)
{
        keepmum_secret s = make(100);

        write_at(s, -64);
        keepmum_destroy(&s);
}

static void *destroy_elsewhere(void *arg)
{
        keepmum_destroy(arg);
        return NULL;
}

static void write_beside_and_destroy_in_another_thread(void)
{
        keepmum_secret s = make(100), copy = s;
        pthread_t t;

        write_at(s, -64);
        expect_int(pthread_create(&t, NULL, destroy_elsewhere, &s), 0);
        pthread_join(t, NULL);
        keepmum_close(copy);
}

/* At the second opening too, when the pattern was laid at the first one. */
static void write_beside_at_a_later_opening(void)
{
        keepmum_secret s = make(100);

        written(s)[0] = 1;
        keepmum_close(s);
        written(s)[-9] ^= 1;
        keepmum_close(s);
}

static void write_beside_after_a_resize(void)
{
        keepmum_secret s = make(100);

        expect_int(keepmum_resize(s, 50), 0);
        write_at(s, -1);
        keepmum_close(s);
}

/* ---- faults ---- */

static void write_past_the_end(void)
{
        write_at(make(32), 32);
}

static void read_past_the_end(void)
{
        expect(read_only(make(4096))[4096] == 0);
}

static void write_past_an_exact_end(void)
{
        write_at(make_of(5, KEEPMUM_EXACT_END), 5);
}

static void write_before_the_page(void)
{
        volatile unsigned char *p = written(make(32));

        ((volatile unsigned char *)(uintptr_t)page_of((const void *)(uintptr_t)p))[-1] = 1;
}

static void write_while_open_for_reading(void)
{
        *(volatile unsigned char *)(uintptr_t)read_only(make(32)) = 1;
}

static const volatile unsigned char *closed(keepmum_secret s)
{
        const volatile unsigned char *p = read_only(s);

        keepmum_close(s);
        return p;
}

static void read_while_closed(void)
{
        expect(*closed(make(32)) == 0);
}

static void write_while_closed(void)
{
        *(volatile unsigned char *)(uintptr_t)closed(make(32)) = 1;
}

static void read_after_destroy(void)
{
        keepmum_secret s = make(32);
        const volatile unsigned char *p = closed(s);

        keepmum_destroy(&s);
        expect(*p == 0);
}

static void read_after_destroy_of_a_large_one(void)
{
        keepmum_secret s = make(300000);
        const volatile unsigned char *p = closed(s);

        keepmum_destroy(&s);
        expect(*p == 0);
}

static void read_after_destroy_when_another_one_is_there(void)
{
        keepmum_secret s = make(32), next;
        const volatile unsigned char *p = closed(s);

        keepmum_destroy(&s);
        next = make(32);
        expect(closed(next) == p);
        expect(*p == 0);
}

static void read_after_the_last_reader_of_a_destroyed_one(void)
{
        keepmum_secret s = make(32), copy = s;
        const volatile unsigned char *p = read_only(s);

        keepmum_destroy(&s);
        keepmum_close(copy);
        expect(*p == 0);
}

static void read_after_the_last_reader_of_one_never_written(void)
{
        const volatile unsigned char *p;
        keepmum_secret s, copy;

        expect_int(keepmum_create(&s, 32, memory), 0);
        copy = s;
        p = read_only(s);
        keepmum_destroy(&s);
        keepmum_close(copy);
        expect(*p == 0);
}

static void read_the_old_place_after_a_resize(void)
{
        keepmum_secret s = make(32);
        const volatile unsigned char *p = closed(s);

        expect_int(keepmum_resize(s, 2 * page()), 0);
        read_only(s);
        expect(*p == 0);
}

/* ---- clean calls ---- */

static jmp_buf outside;

static int jump_out(void *arg)
{
        longjmp(*(jmp_buf *)arg, 1);
}

static int return_at_once(void *arg)
{
        return arg != NULL;
}

__attribute__((unused)) static void leave_a_clean_call_by_longjmp(void)
{
        if (setjmp(outside) == 0)
                expect_int(keepmum_call_clean(NULL, jump_out, &outside, 0), 0);
        expect_int(keepmum_call_clean(NULL, return_at_once, NULL, 0), 0);
}

static int recurse(void *arg)
{
        volatile char bytes[1024];

        bytes[0] = 1;
        return arg != NULL && recurse((void *)(uintptr_t)bytes) != 0 ? bytes[0] : 2;
}

static void use_more_stack_than_there_is(void)
{
        expect_int(keepmum_call_clean(NULL, recurse, &outside, 0), 0);
}

static void use_more_stack_than_the_largest(void)
{
        expect_int(keepmum_call_clean(NULL, recurse, &outside, 256 << 10), 0);
}

/* ---- the book-keeping itself ---- */

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

/* A page that can no longer be closed: the mapping is gone. */
static void unmap_a_slot(void)
{
        keepmum_secret s = make(32);
        unsigned char *p = (unsigned char *)(uintptr_t)page_of((const void *)(uintptr_t)closed(s));

        expect_int(munmap(p, page()), 0);
        read_only(s);
}

static const struct row {
        const char *name;
        void (*act)(void);
        int signal_number;
        const char *words;
} rows[] = {
#define ABORTS(act, words) {#act, act, SIGABRT, "keepmum: " words "\n"}
#define FAULTS(act) {#act, act, SIGSEGV, ""}
        ABORTS(destroy_a_secret_twice, "destroy of a destroyed secret"),
        ABORTS(destroy_a_stale_copy_when_the_record_is_in_use_again, "destroy of a destroyed secret"),
        ABORTS(destroy_again_while_a_reader_is_inside, "destroy of a destroyed secret"),
        ABORTS(destroy_a_null_pointer, "destroy of a null pointer"),
        ABORTS(close_without_an_open, "close of a secret that is not open"),
        ABORTS(close_twice_after_one_open, "close of a secret that is not open"),
        ABORTS(close_a_writer_twice, "close of a secret that is not open"),
        ABORTS(close_a_destroyed_secret, "close of a destroyed secret"),
        ABORTS(close_a_stale_copy_while_its_successor_is_open, "close of a destroyed secret"),
        ABORTS(close_no_secret, "close of no secret"),
        ABORTS(open_a_foreign_handle, "a handle that was never given out"),
        ABORTS(open_a_foreign_handle_for_writing, "a handle that was never given out"),
        ABORTS(open_a_number_never_used, "a handle that was never given out"),
        ABORTS(resize_a_foreign_handle, "a handle that was never given out"),
        ABORTS(ask_a_foreign_handle_for_its_size, "a handle that was never given out"),
        ABORTS(ask_a_foreign_handle_for_its_state, "a handle that was never given out"),
        ABORTS(destroy_a_foreign_handle, "a handle that was never given out"),
        ABORTS(close_a_number_never_used, "a handle that was never given out"),
        ABORTS(destroy_noise, "a handle that was never given out"),
        ABORTS(write_64_bytes_before, "a write beside a secret"),
        ABORTS(write_1_byte_before, "a write beside a secret"),
        ABORTS(write_the_first_byte_of_the_page, "a write beside a secret"),
        ABORTS(write_the_first_byte_of_many_pages, "a write beside a secret"),
        ABORTS(write_1_byte_into_the_tail, "a write beside a secret"),
        ABORTS(write_the_last_byte_of_the_tail, "a write beside a secret"),
        ABORTS(write_1_byte_before_an_exact_end, "a write beside a secret"),
        ABORTS(write_beside_and_destroy_while_open, "a write beside a secret"),
        ABORTS(write_beside_and_destroy_in_another_thread, "a write beside a secret"),
        ABORTS(write_beside_at_a_later_opening, "a write beside a secret"),
        ABORTS(write_beside_after_a_resize, "a write beside a secret"),
        FAULTS(write_past_the_end),
        FAULTS(read_past_the_end),
        FAULTS(write_past_an_exact_end),
        FAULTS(write_before_the_page),
        FAULTS(write_while_open_for_reading),
        FAULTS(read_while_closed),
        FAULTS(write_while_closed),
        FAULTS(read_after_destroy),
        FAULTS(read_after_destroy_of_a_large_one),
        FAULTS(read_after_destroy_when_another_one_is_there),
        FAULTS(read_after_the_last_reader_of_a_destroyed_one),
        FAULTS(read_after_the_last_reader_of_one_never_written),
        FAULTS(read_the_old_place_after_a_resize),
#if MOVED_CALL_IS_THERE && !IS_SANITIZED /* ASan has words of its own for a longjmp from another stack */
        ABORTS(leave_a_clean_call_by_longjmp, "a clean call was left by longjmp"),
#endif
#if MOVED_CALL_IS_THERE
        FAULTS(use_more_stack_than_there_is),
        FAULTS(use_more_stack_than_the_largest),
#endif
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
        ABORTS(unmap_a_slot, "mprotect of a slot failed"),
};

static void act_out(void *arg)
{
        ((const struct row *)arg)->act();
}

static void dies_as_the_row_says(void **state)
{
        struct row row = *(const struct row *)*state;
        struct ending e = forked_run(act_out, &row);

        assert_string_equal(e.said, row.words);
        assert_int_equal(e.exit_code, -1);
        assert_int_equal(e.signal_number, row.signal_number);
}

/* The same acts without the misuse. */
static void behave(void *arg)
{
        keepmum_secret s = make(100);

        (void)arg;
        written(s)[99] = 1;
        keepmum_close(s);
        expect(read_only(s)[99] == 1);
        keepmum_close(s);
        keepmum_destroy(&s);
        keepmum_destroy(&s);
}

static void a_program_without_a_misuse_lives(void **state)
{
        (void)state;
        assert_true(forked_passes(behave, NULL));
}

static int run_table(const char *group, unsigned flag)
{
        static char names[n_of(rows)][96];
        struct CMUnitTest tests[n_of(rows) + 1];

        memory = flag;
        for (size_t i = 0; i < n_of(rows); i++) {
                snprintf(names[i], sizeof names[i], "%s [%s]", rows[i].name, flag == 0 ? "usual" : "not hidden");
                tests[i] = (struct CMUnitTest){names[i], dies_as_the_row_says, NULL, NULL, (void *)(uintptr_t)&rows[i]};
        }
        tests[n_of(rows)] = (struct CMUnitTest)cmocka_unit_test(a_program_without_a_misuse_lives);
        return _cmocka_run_group_tests(group, tests, n_of(tests), NULL, NULL);
}

int main(void)
{
        int n_failed = run_table("usual memory", 0);

        n_failed += run_table("not hidden", KEEPMUM_NOT_HIDDEN);
        return n_failed != 0 ? 1 : 0;
}

/* Misuse of a secret's memory and its death: writes beside the bytes, reads and writes where a page is closed or gone, and a clean call that is
 * left or needs too much stack. */
#include "outside/death_table.h"

#include "base/moved_call.h"

#include <pthread.h>
#include <sys/mman.h>

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

/* A page that can no longer be closed: the mapping is gone. */
static void unmap_a_slot(void)
{
        keepmum_secret s = make(32);
        unsigned char *p = (unsigned char *)(uintptr_t)page_of((const void *)(uintptr_t)closed(s));

        expect_int(munmap(p, page()), 0);
        read_only(s);
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

static const struct misuse misuses[] = {
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
        ABORTS(unmap_a_slot, "mprotect of a slot failed"),
#if MOVED_CALL_IS_THERE && !IS_SANITIZED /* ASan has words of its own for a longjmp from another stack */
        ABORTS(leave_a_clean_call_by_longjmp, "a clean call was left by longjmp"),
#endif
#if MOVED_CALL_IS_THERE
        FAULTS(use_more_stack_than_there_is),
        FAULTS(use_more_stack_than_the_largest),
#endif
};

int main(void)
{
        return death_table(misuses, n_of(misuses));
}

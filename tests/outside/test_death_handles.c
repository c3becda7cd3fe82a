/* Misuse of a handle and its death: twice destroyed, closed without an open, stale, foreign, or noise. */
#include "outside/death_table.h"

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

static const struct misuse misuses[] = {
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
};

int main(void)
{
        return death_table(misuses, n_of(misuses));
}

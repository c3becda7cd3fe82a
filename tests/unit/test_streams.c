/* Secrets from and to descriptors: short reads, interruptions, waiting, exact limits, closed ends. */
#include "unit/harness.h"

#include "outside/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>

/* Writes contents piece by piece into a descriptor and closes it. */
struct writer {
        int fd;
        size_t n_bytes, piece;
        pthread_t reader; /* is interrupted by a signal before each piece */
        bool interrupts;
};

static void *write_slowly(void *arg)
{
        struct writer *w = arg;

        for (size_t done = 0; done < w->n_bytes;) {
                unsigned char piece[4096];
                size_t n = w->n_bytes - done < w->piece ? w->n_bytes - done : w->piece;

                for (size_t i = 0; i < n; i++)
                        piece[i] = byte_of(1, done + i);
                if (w->interrupts) {
                        usleep(300);
                        pthread_kill(w->reader, SIGUSR1);
                        usleep(300);
                }
                for (size_t k = 0; k < n;) {
                        ssize_t m = write(w->fd, piece + k, n - k);

                        if (m < 0)
                                abort();
                        k += (size_t)m;
                }
                done += n;
        }
        close(w->fd);
        return NULL;
}

static int read_piecewise(keepmum_secret *s, size_t n_bytes, size_t piece, size_t max_bytes, int reader_flags, bool interrupts)
{
        int p[2], err;
        pthread_t t;
        struct writer w;

        assert_ok(pipe(p));
        if (reader_flags != 0)
                assert_ok(fcntl(p[0], F_SETFL, reader_flags));
        w = (struct writer){p[1], n_bytes, piece, pthread_self(), interrupts};
        signal(SIGPIPE, SIG_IGN);
        assert_ok(pthread_create(&t, NULL, write_slowly, &w));
        err = keepmum_read_fd(s, p[0], max_bytes, 0);
        while (err != 0) { /* let the writer end */
                char rest[4096];

                if (read(p[0], rest, sizeof rest) == 0)
                        break;
        }
        pthread_join(t, NULL);
        close(p[0]);
        return err;
}

static void nothing(int signal_number)
{
        (void)signal_number;
}

static int begin(void **state)
{
        struct sigaction act = {.sa_handler = nothing}; /* no SA_RESTART */

        (void)state;
        return sigaction(SIGUSR1, &act, NULL);
}

static void assert_read(size_t n_bytes, size_t piece, size_t max_bytes, int reader_flags, bool interrupts)
{
        keepmum_secret s;

        assert_ok(read_piecewise(&s, n_bytes, piece, max_bytes, reader_flags, interrupts));
        assert_ok(look_for(s, 1, n_bytes, n_bytes));
        assert_ok(fill_with(s, 2));
        keepmum_destroy(&s);
}

static void short_reads_are_put_together(void **state)
{
        (void)state;
        assert_read(1, 1, 1, 0, false);
        assert_read(100, 1, 100, 0, false);
        assert_read(5000, 7, 8000, 0, false);
        assert_read(20000, 4096, 1 << 20, 0, false);
        assert_read(300000, 1000, KEEPMUM_MAX_BYTES - 1, 0, false);
}

static void exactly_the_limit_is_taken_and_one_more_is_too_big(void **state)
{
        size_t limits[] = {1, 15, 16, page() - 2, page() - 1, page(), page() + 1, 2 * page() - 1, 2 * page(), 5 * page() + 3};
        keepmum_secret s = {5};

        (void)state;
        for (size_t i = 0; i < n_of(limits); i++) {
                assert_read(limits[i], 4096, limits[i], 0, false);
                assert_int_equal(read_piecewise(&s, limits[i] + 1, 4096, limits[i], 0, false), KEEPMUM_ETOOBIG);
                assert_int_equal(read_piecewise(&s, 3 * limits[i], 4096, limits[i], 0, false), KEEPMUM_ETOOBIG);
        }
        assert_int_equal(s.bits, 5);
}

static void interrupted_reads_are_repeated(void **state)
{
        (void)state;
        assert_read(60, 3, 100, 0, true);
}

static void a_non_blocking_descriptor_is_waited_for(void **state)
{
        (void)state;
        assert_read(60, 3, 100, O_NONBLOCK, true);
        assert_read(9000, 500, 10000, O_NONBLOCK, false);
}

static void nothing_to_read_is_an_error_of_its_own(void **state)
{
        keepmum_secret s = {5};

        (void)state;
        assert_int_equal(read_piecewise(&s, 0, 1, 100, 0, false), KEEPMUM_EEMPTY);
        assert_int_equal(s.bits, 5);
}

static void what_cannot_be_read_says_why(void **state)
{
        keepmum_secret s = {5};
        int p[2], directory = open("/", O_RDONLY);
        uint64_t secrets;
        size_t descriptors;

        (void)state;
        assert_ok(pipe(p));
        secrets = stat_of(KEEPMUM_STAT_SECRETS);
        descriptors = count_descriptors();
        errno = 0;
        assert_int_equal(keepmum_read_fd(&s, -1, 10, 0), KEEPMUM_EIO);
        assert_int_equal(errno, EBADF);
        errno = 0;
        assert_int_equal(keepmum_read_fd(&s, 4000, 10, 0), KEEPMUM_EIO);
        assert_int_equal(errno, EBADF);
        assert_int_equal(keepmum_read_fd(&s, p[1], 10, 0), KEEPMUM_EIO);
        assert_int_equal(errno, EBADF);
        assert_int_equal(keepmum_read_fd(&s, directory, 10, 0), KEEPMUM_EIO);
        assert_int_equal(errno, EISDIR);
        assert_int_equal(stat_of(KEEPMUM_STAT_SECRETS), secrets);
        assert_int_equal(count_descriptors(), descriptors);
        assert_int_equal(s.bits, 5);
        close(p[0]);
        close(p[1]);
        close(directory);
}

static void odd_arguments_are_refused(void **state)
{
        keepmum_secret s = {5};

        (void)state;
        assert_int_equal(keepmum_read_fd(NULL, 0, 10, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_read_fd(&s, 0, 0, 0), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_read_fd(&s, 0, KEEPMUM_MAX_BYTES, 0), KEEPMUM_ETOOBIG);
        assert_int_equal(keepmum_read_fd(&s, 0, SIZE_MAX, 0), KEEPMUM_ETOOBIG);
        assert_int_equal(keepmum_read_fd(&s, 0, 10, 1u << 30), KEEPMUM_EINVAL);
        assert_int_equal(keepmum_write_fd((keepmum_secret){0}, 1), KEEPMUM_EINVAL);
        assert_int_equal(s.bits, 5);
}

static void a_limit_of_memory_is_the_error_of_the_read(void **state)
{
        keepmum_secret s = {5};

        (void)state;
        assert_ok(keepmum_set_lock_budget(4 * page()));
        assert_int_equal(read_piecewise(&s, 100000, 4096, 1 << 20, 0, false), KEEPMUM_ELIMIT);
        assert_ok(keepmum_set_lock_budget(0));
        assert_int_equal(s.bits, 5);
}

/* ---- writing ---- */

struct reader {
        int fd;
        size_t n_got;
        bool is_right;
        pthread_t writer;
};

static void *read_slowly(void *arg)
{
        struct reader *r = arg;
        unsigned char piece[1500];
        ssize_t n;

        r->is_right = true;
        while ((n = read(r->fd, piece, sizeof piece)) > 0) {
                for (ssize_t i = 0; i < n; i++)
                        r->is_right &= piece[i] == byte_of(1, r->n_got + (size_t)i);
                r->n_got += (size_t)n;
                if (r->n_got < 40000) {
                        pthread_kill(r->writer, SIGUSR1);
                        usleep(200);
                }
        }
        return NULL;
}

static void write_to_slow_reader(int socket_type, int writer_flags)
{
        enum { BYTES = 400000 }; /* more than a pipe holds */
        struct reader r = {.writer = pthread_self()};
        keepmum_secret s;
        pthread_t t;
        int p[2];

        assert_ok(make_with(&s, BYTES, 0, 1));
        if (socket_type != 0) {
                assert_ok(socketpair(AF_UNIX, socket_type, 0, p));
        } else {
                assert_ok(pipe(p));
        }
        assert_ok(fcntl(p[1], F_SETFL, writer_flags));
        r.fd = p[0];
        assert_ok(pthread_create(&t, NULL, read_slowly, &r));
        assert_ok(keepmum_write_fd(s, p[1]));
        close(p[1]);
        pthread_join(t, NULL);
        assert_int_equal(r.n_got, BYTES);
        assert_true(r.is_right);
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
        keepmum_destroy(&s);
        close(p[0]);
}

static void all_bytes_reach_a_slow_reader(void **state)
{
        (void)state;
        write_to_slow_reader(0, 0);
        write_to_slow_reader(0, O_NONBLOCK);
        write_to_slow_reader(SOCK_STREAM, 0);
        write_to_slow_reader(SOCK_STREAM, O_NONBLOCK);
}

static void a_closed_end_is_an_error_and_the_secret_is_closed_again(void **state)
{
        keepmum_secret s;
        const void *at;
        int p[2];

        (void)state;
        assert_ok(make_with(&s, 100, 0, 1));
        at = place_of(s);
        assert_ok(pipe(p));
        signal(SIGPIPE, SIG_IGN);
        close(p[0]);
        assert_int_equal(keepmum_write_fd(s, p[1]), KEEPMUM_EIO);
        assert_int_equal(errno, EPIPE);
        close(p[1]);
        assert_int_equal(keepmum_write_fd(s, p[1]), KEEPMUM_EIO);
        assert_int_equal(errno, EBADF);
        assert_int_equal(stat_of(KEEPMUM_STAT_OPENS), 0);
        assert_true(is_shut(at));
        assert_ok(look_for(s, 1, 100, 100));
        keepmum_destroy(&s);
}

static void a_secret_open_for_reading_can_be_written_out(void **state)
{
        keepmum_secret s;
        const void *bytes;
        unsigned char got[100];
        int p[2];

        (void)state;
        assert_ok(make_with(&s, sizeof got, 0, 1));
        assert_ok(pipe(p));
        assert_ok(keepmum_open_read(s, &bytes, NULL));
        assert_ok(keepmum_write_fd(s, p[1]));
        assert_int_equal(read(p[0], got, sizeof got), sizeof got);
        assert_memory_equal(got, bytes, sizeof got);
        keepmum_close(s);
        keepmum_destroy(&s);
        close(p[0]);
        close(p[1]);
}

/* ---- each kind of descriptor ---- */

/* Writes a secret into one end and reads it from the other; the end of what there is to read is made by `finish`. */
static void pass_through(int write_end, int read_end, void (*finish)(int write_end, int read_end))
{
        enum { BYTES = 1000 };
        keepmum_secret from, to;

        assert_ok(make_with(&from, BYTES, 0, 1));
        assert_ok(keepmum_write_fd(from, write_end));
        finish(write_end, read_end);
        assert_ok(keepmum_read_fd(&to, read_end, 2 * BYTES, 0));
        assert_ok(look_for(to, 1, BYTES, BYTES));
        keepmum_destroy(&from);
        keepmum_destroy(&to);
        close(read_end);
        close(write_end);
}

static void rewind_file(int write_end, int read_end)
{
        (void)write_end;
        assert_int_equal(lseek(read_end, 0, SEEK_SET), 0);
}

static void end_stream(int write_end, int read_end)
{
        (void)read_end;
        assert_ok(shutdown(write_end, SHUT_WR));
}

/* What is typed at a terminal ends with ^D at the beginning of a line. */
static void end_typing(int write_end, int read_end)
{
        (void)read_end;
        assert_int_equal(write(write_end, "\n\004", 2), 2);
}

static void a_file_serves_both_ways(void **state)
{
        char name[] = "/tmp/keepmum-streams.XXXXXX";
        int fd = mkstemp(name);

        (void)state;
        assert_true(fd >= 0);
        assert_ok(unlink(name));
        pass_through(fd, dup(fd), rewind_file);
}

static void a_socket_serves_both_ways(void **state)
{
        int p[2];

        (void)state;
        assert_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
        pass_through(p[0], p[1], end_stream);
}

/* Lines one way, raw bytes the other. */
static void a_terminal_serves_both_ways(void **state)
{
        enum { BYTES = 100 };
        keepmum_secret from, hex, typed;
        struct termios t;
        char shown[2 * BYTES];
        const void *a, *b;
        size_t n;
        int master, slave;

        (void)state;
        assert_ok(openpty(&master, &slave, NULL, NULL, NULL));
        assert_ok(tcgetattr(slave, &t));
        t.c_lflag &= ~(tcflag_t)ECHO;
        assert_ok(tcsetattr(slave, TCSANOW, &t));
        assert_ok(make_with(&from, BYTES, 0, 1));
        assert_ok(keepmum_to_hex(&hex, from, 0));
        assert_ok(keepmum_write_fd(hex, master));
        end_typing(master, slave);
        assert_ok(keepmum_read_fd(&typed, slave, 1000, 0));
        assert_ok(keepmum_open_read(hex, &a, NULL));
        assert_ok(keepmum_open_read(typed, &b, &n));
        assert_int_equal(n, 2 * BYTES + 1); /* and the newline */
        assert_memory_equal(a, b, 2 * BYTES);
        keepmum_close(hex);
        keepmum_close(typed);
        cfmakeraw(&t);
        assert_ok(tcsetattr(slave, TCSANOW, &t));
        assert_ok(keepmum_write_fd(from, slave));
        assert_int_equal(read(master, shown, sizeof shown), BYTES);
        assert_ok(keepmum_open_read(from, &a, NULL));
        assert_memory_equal(a, shown, BYTES);
        keepmum_close(from);
        keepmum_destroy(&typed);
        close(slave);
        assert_int_equal(keepmum_read_fd(&typed, master, BYTES, 0), KEEPMUM_EIO); /* hung up */
        assert_int_equal(errno, EIO);
        keepmum_destroy(&from);
        keepmum_destroy(&hex);
        close(master);
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_limit_of_memory_is_the_error_of_the_read, begin), /* before there are free slots */
        cmocka_unit_test_setup(short_reads_are_put_together, begin),
        cmocka_unit_test_setup(exactly_the_limit_is_taken_and_one_more_is_too_big, begin),
        cmocka_unit_test_setup(interrupted_reads_are_repeated, begin),
        cmocka_unit_test_setup(a_non_blocking_descriptor_is_waited_for, begin),
        cmocka_unit_test_setup(nothing_to_read_is_an_error_of_its_own, begin),
        cmocka_unit_test_setup(what_cannot_be_read_says_why, begin),
        cmocka_unit_test_setup(odd_arguments_are_refused, begin),
        cmocka_unit_test_setup(all_bytes_reach_a_slow_reader, begin),
        cmocka_unit_test_setup(a_closed_end_is_an_error_and_the_secret_is_closed_again, begin),
        cmocka_unit_test_setup(a_secret_open_for_reading_can_be_written_out, begin),
        cmocka_unit_test_setup(a_file_serves_both_ways, begin),
        cmocka_unit_test_setup(a_socket_serves_both_ways, begin),
        cmocka_unit_test_setup(a_terminal_serves_both_ways, begin),
};

MAIN_OF_TESTS

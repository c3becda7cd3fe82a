/* What strangers send instead of a courier, and what they do to one while it is received: a named error, the descriptor left alone; never a crash,
 * never more bytes than the file has, never a second receiver. */
#include "unit/harness.h"

#include "outside/courier.h"
#include "outside/forked.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

enum { SIZE_SEALS = F_SEAL_SHRINK | F_SEAL_GROW, N = 100 };

/* ---- the wrong things ---- */

static int seal(int fd, int seals)
{
        expect(fcntl(fd, F_ADD_SEALS, seals) == 0);
        return fd;
}

static int make_pipe(void)
{
        int ends[2];

        expect(pipe(ends) == 0);
        return ends[1];
}

static int make_socket(void)
{
        return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int open_directory(void)
{
        return open("/", O_RDONLY | O_DIRECTORY);
}

static int open_zero(void)
{
        return open("/dev/zero", O_RDWR);
}

/* A file that looks like a courier, of a disk or of a tmpfs. */
static int write_file(const char *directory)
{
        struct courier_header h = {.magic = "keepmum", .version = 1, .state = COURIER_FULL, .payload_bytes = N};
        char path[64];
        int fd;

        snprintf(path, sizeof path, "%s/keepmum-XXXXXX", directory);
        fd = mkstemp(path);
        if (fd < 0)
                return -1;
        unlink(path);
        expect(write(fd, &h, sizeof h) == sizeof h && ftruncate(fd, sizeof h + N) == 0);
        return fd;
}

static int make_disk_file(void)
{
        return write_file(P_tmpdir);
}

static int make_tmpfs_file(void)
{
        return write_file("/dev/shm");
}

static int make_unsealed(void)
{
        return courier_forge(false, N);
}

static int make_shrinkable(void)
{
        return seal(courier_forge(false, N), F_SEAL_GROW | F_SEAL_SEAL);
}

static int make_growable(void)
{
        return seal(courier_forge(false, N), F_SEAL_SHRINK | F_SEAL_SEAL);
}

static int make_write_sealed(void)
{
        return seal(courier_forge(false, N), SIZE_SEALS | F_SEAL_WRITE);
}

static int make_future_write_sealed(void)
{
        return seal(courier_forge(false, N), SIZE_SEALS | F_SEAL_FUTURE_WRITE);
}

static int make_huge(void)
{
        int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

        if (fd < 0 || ftruncate(fd, 2 << 20) != 0)
                return -1;
        return seal(fd, SIZE_SEALS);
}

static int open_again(int mode)
{
        char path[64];
        int fd = seal(courier_forge(false, N), SIZE_SEALS), again;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        again = open(path, mode);
        close(fd);
        return again;
}

static int make_read_only(void)
{
        return open_again(O_RDONLY);
}

static int make_write_only(void)
{
        return open_again(O_WRONLY);
}

static int make_path(void)
{
        return open_again(O_PATH);
}

static int make_appending(void)
{
        return open_again(O_RDWR | O_APPEND);
}

static int make_empty(void)
{
        return seal(memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING), SIZE_SEALS);
}

static int make_too_short(void)
{
        int fd = memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        expect(ftruncate(fd, sizeof(struct courier_header) - 1) == 0);
        return seal(fd, SIZE_SEALS);
}

static int make_headers_only(void)
{
        return seal(courier_forge(false, 0), SIZE_SEALS);
}

static int make_too_long(void)
{
        return seal(courier_forge(false, KEEPMUM_MAX_BYTES + 1), SIZE_SEALS);
}

static int make_hidden_headers_only(void)
{
        return courier_forge(true, 0);
}

static int make_hidden_too_long(void)
{
        return courier_forge(true, KEEPMUM_MAX_BYTES + 1);
}

static const struct thing {
        const char *name;
        int (*make)(void);
} things[] = {
#define THING(make) {#make, make}
        THING(make_pipe),        THING(make_socket),      THING(open_directory),
        THING(open_zero),        THING(make_disk_file),   THING(make_tmpfs_file),   THING(make_unsealed),    THING(make_shrinkable),
        THING(make_growable),    THING(make_write_sealed), THING(make_future_write_sealed), THING(make_huge), THING(make_read_only),
        THING(make_write_only),  THING(make_path),        THING(make_appending),    THING(make_empty),       THING(make_too_short),
        THING(make_headers_only), THING(make_too_long),   THING(make_hidden_headers_only), THING(make_hidden_too_long),
};

static int expect_refused(int fd, int reason)
{
        keepmum_secret s = {7};
        int err = keepmum_receive_fd(&s, fd, 0);

        if (err == reason)
                expect(s.bits == 7 && fcntl(fd, F_GETFD) >= 0);
        return err;
}

static void what_is_no_courier_is_refused(void **state)
{
        keepmum_secret s;

        (void)state;
        for (size_t i = 0; i < n_of(things); i++) {
                int fd = things[i].make();

                if (fd < 0) {
                        print_message("# %s: not to be had here\n", things[i].name);
                        continue;
                }
                if (expect_refused(fd, KEEPMUM_ENOTCOURIER) != KEEPMUM_ENOTCOURIER)
                        fail_msg("%s was not refused", things[i].name);
                close(fd);
        }
        assert_int_equal(keepmum_receive_fd(&s, -1, 0), KEEPMUM_ENOTCOURIER);
        assert_int_equal(keepmum_receive_fd(&s, 1000000, 0), KEEPMUM_ENOTCOURIER);
}

/* ---- the wrong headers ---- */

static const struct wrong {
        size_t at, n_bytes;
        const char *bytes;
        int answer;
} wrongs[] = {
        {0, 1, "K", KEEPMUM_ENOTCOURIER},
        {7, 1, "1", KEEPMUM_ENOTCOURIER},
        {8, 4, "\0\0\0\0", KEEPMUM_ENOTCOURIER},
        {8, 4, "\2\0\0\0", KEEPMUM_ENOTCOURIER},
        {12, 4, "\0\0\0\0", KEEPMUM_ENOTCOURIER},
        {12, 4, "full", 0},
        {12, 4, "take", KEEPMUM_ETAKEN},
        {16, 8, "\0\0\0\0\0\0\0\0", KEEPMUM_ENOTCOURIER},
        {16, 8, "\143\0\0\0\0\0\0\0", KEEPMUM_ENOTCOURIER}, /* 99 */
        {16, 8, "\144\0\0\0\0\0\0\0", 0},
        {16, 8, "\145\0\0\0\0\0\0\0", KEEPMUM_ENOTCOURIER},
        {16, 8, "\144\0\0\0\1\0\0\0", KEEPMUM_ENOTCOURIER},
        {16, 8, "\377\377\377\377\377\377\377\377", KEEPMUM_ENOTCOURIER},
        {24, 1, "\1", KEEPMUM_ENOTCOURIER},
        {63, 1, "\1", KEEPMUM_ENOTCOURIER},
};

static void a_wrong_header_is_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2 * n_of(wrongs); i++) {
                const struct wrong *w = &wrongs[i / 2];
                bool is_hidden = i % 2 != 0;
                keepmum_secret s = {7};
                int fd = courier_forge(is_hidden, N), err;

                if (fd < 0)
                        continue;
                if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || w->n_bytes == 1)
                        courier_change(fd, w->bytes, w->n_bytes, w->at);
                if (!is_hidden)
                        seal(fd, SIZE_SEALS);
                err = keepmum_receive_fd(&s, fd, 0);
                if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && err != w->answer)
                        fail_msg("row %zu, hidden %d: %d, not %d", i / 2, is_hidden, err, w->answer);
                assert_int_equal(fcntl(fd, F_GETFD) >= 0, err != 0);
                if (err != 0) {
                        assert_int_equal(s.bits, 7);
                        close(fd);
                } else {
                        keepmum_destroy(&s);
                }
        }
}

/* ---- a sender that goes on ---- */

enum { PAYLOAD = 9000, ROUNDS = IS_SECOND_RUN ? 300 : 1500 };

static struct target {
        int fd;
        unsigned char *map; /* NULL: by calls */
} target;
static _Atomic unsigned round_begun, round_ended; /* the hostile thread works on the target in between */
static _Atomic unsigned round_joined, round_left; /* and tells that it does, and that it has let go */
static _Atomic bool is_over;

static void do_by_mapping(unsigned i)
{
        static const uint64_t sizes[] = {PAYLOAD, 1 << 20, 1, UINT64_MAX};
        static const uint32_t states[] = {COURIER_FULL, COURIER_TAKEN, COURIER_FULL, 0};
        volatile struct courier_header *h = (volatile struct courier_header *)(void *)target.map;

        if (i % 8 == 0)
                h->payload_bytes = sizes[i / 8 % n_of(sizes)];
        else if (i % 8 == 1)
                h->payload_bytes = PAYLOAD;
        else if (i % 8 == 2)
                h->state = states[i / 8 % n_of(states)];
        else if (i % 8 == 3)
                h->state = COURIER_FULL;
        memset(target.map + sizeof *h, i & 1 ? 'A' : 'B', PAYLOAD);
}

/* Refused or not, each of these is tried. */
static void do_by_calls(unsigned i)
{
        static unsigned char bytes[PAYLOAD];
        uint64_t size = i & 1 ? 1 << 20 : PAYLOAD;
        long long n = 0;

        memset(bytes, i & 1 ? 'A' : 'B', sizeof bytes);
        switch (i % 8) {
        case 0:
                n += fallocate(target.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(struct courier_header) + PAYLOAD);
                break;
        case 1:
                n += ftruncate(target.fd, 1) + ftruncate(target.fd, 1 << 20);
                break;
        case 2:
                n += pwrite(target.fd, &size, sizeof size, offsetof(struct courier_header, payload_bytes));
                break;
        case 3:
                n += fcntl(target.fd, F_SETFL, i & 8 ? O_APPEND : 0);
                break;
        case 4:
                n += i % 24 == 4 ? fcntl(target.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) : 0;
                break;
        case 5:
                n += i % 40 == 5 ? fcntl(target.fd, F_ADD_SEALS, F_SEAL_SEAL) : 0;
                break;
        default:
                n += pwrite(target.fd, bytes, sizeof bytes, sizeof(struct courier_header));
        }
        (void)n;
}

static void *be_hostile(void *arg)
{
        unsigned i = 0, seen = 0, begun;

        (void)arg;
        while (!atomic_load(&is_over)) {
                if ((begun = atomic_load(&round_begun)) == seen) {
                        sched_yield();
                        continue;
                }
                for (seen = begun; atomic_load(&round_ended) != seen; i++) {
                        atomic_store(&round_joined, seen);
                        target.map != NULL ? do_by_mapping(i) : do_by_calls(i);
                }
                atomic_store(&round_left, seen);
        }
        return NULL;
}

/* One round: what was received is of the right size, and made of what was ever written there. */
static int receive_amid(bool is_hidden, unsigned number)
{
        struct courier_header h;
        const unsigned char *bytes;
        const void *inside;
        keepmum_secret s;
        size_t n;
        int err, fd = courier_forge(is_hidden, PAYLOAD);

        target = (struct target){dup(fd), NULL};
        if (is_hidden) {
                target.map = mmap(NULL, sizeof h + PAYLOAD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                expect(target.map != MAP_FAILED);
        } else {
                seal(fd, SIZE_SEALS);
        }
        atomic_store(&round_begun, number);
        while (atomic_load(&round_joined) != number)
                sched_yield();
        for (unsigned wait = number * 7 % 300; wait > 0; wait--)
                atomic_load(&round_ended);
        err = keepmum_receive_fd(&s, fd, 0);
        atomic_store(&round_ended, number);
        while (atomic_load(&round_left) != number)
                sched_yield();
        if (err == 0) {
                expect_int(keepmum_open_read(s, &inside, &n), 0);
                expect_int(n, PAYLOAD);
                bytes = inside;
                for (size_t i = 0; i < n; i++)
                        expect(bytes[i] == 'A' || bytes[i] == 'B' || bytes[i] == 0);
                keepmum_close(s);
                keepmum_destroy(&s);
        }
        if (fcntl(fd, F_GETFD) >= 0)
                close(fd);
        close(target.fd);
        if (target.map != NULL)
                munmap(target.map, sizeof h + PAYLOAD);
        return err;
}

static void receive_from_hostile(void *arg)
{
        bool is_hidden = *(bool *)arg;
        unsigned n_received = 0, n_refused = 0;
        time_t end = time(NULL) + 3; /* on a busy machine rounds are slow */
        pthread_t thread;

        expect_int(pthread_create(&thread, NULL, be_hostile, NULL), 0);
        for (unsigned i = 1; i <= ROUNDS && (i < 100 || time(NULL) < end || n_received == 0 || n_refused == 0); i++) {
                int err = receive_amid(is_hidden, i);

                expect(err == 0 || err == KEEPMUM_ENOTCOURIER || err == KEEPMUM_ETAKEN || err == KEEPMUM_EIO);
                n_received += err == 0;
                n_refused += err != 0;
        }
        atomic_store(&is_over, true);
        pthread_join(thread, NULL);
        expect_int(stat_of(KEEPMUM_STAT_SECRETS), 0);
        expect(n_received > 0 && n_refused > 0); /* else nobody raced */
}

static void a_sender_may_change_what_it_likes_meanwhile(void **state)
{
        static bool kinds[] = {false, true};

        (void)state;
        for (int i = 0; i <= courier_has_hidden; i++)
                assert_true(forked_passes(receive_from_hostile, &kinds[i]));
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_courier_is_refused),
        cmocka_unit_test(a_wrong_header_is_refused),
        cmocka_unit_test(a_sender_may_change_what_it_likes_meanwhile),
};

int main(void)
{
        return cmocka_run_group_tests(tests, courier_find_out, NULL) != 0 ? 1 : 0;
}

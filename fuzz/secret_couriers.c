/* Couriers: a secret that goes out and comes in again, and descriptors that a stranger put together. */
#include "secret_world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

enum { HEADER_BYTES = 64, MOST_FORGED = 20000 };

/* Memory for a hidden courier is not to be had from flags: what is mapped there is locked. */
static bool may_lack_room(int err)
{
        return (err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOSLOT) && (world.budget != 0 || !world_is_privileged);
}

static bool is_closed(int fd)
{
        return fcntl(fd, F_GETFD) < 0;
}

/* ---- out and in ---- */

static int share_answer(const struct model *m)
{
        bool may_be_plain = (m->flags & KEEPMUM_ACCEPT_UNLOCKED) != 0, may_be_hidden = world_has_hidden && !(m->flags & KEEPMUM_NOT_HIDDEN);
        int answer = model_open_read_answer(m);

        return answer == 0 && !may_be_plain && !may_be_hidden ? KEEPMUM_ENOLOCK : answer;
}

/* What was received is nowhere else: of the courier there are zeroes left, and nobody receives them. */
static void check_used_up(int kept)
{
        keepmum_secret none = {0};
        struct stat file;
        size_t n_bytes;
        uint8_t *p;
        int err = keepmum_receive_fd(&none, kept, 0);

        expect((err == KEEPMUM_ETAKEN || may_lack_room(err)) && none.bits == 0);
        expect(fstat(kept, &file) == 0);
        n_bytes = (size_t)file.st_size;
        p = mmap(NULL, n_bytes, PROT_READ, MAP_SHARED, kept, 0);
        if (p == MAP_FAILED && !world_is_privileged) /* the lock limit */
                return;
        expect(p != MAP_FAILED && model_is_zero(p + HEADER_BYTES, n_bytes - HEADER_BYTES));
        munmap(p, n_bytes);
}

void op_share(struct input *in, struct model *from)
{
        struct model *to = world_take_place(in);
        unsigned flags = world_take_flags(in);
        keepmum_secret handle = {0};
        int fd = -1, kept, answer, err;

        if (to != from)
                world_empty(to);
        answer = share_answer(from);
        err = keepmum_share_fd(from->handle, &fd);
        if (answer == 0 && world_may_refuse(err, from->flags))
                return;
        expect(err == answer);
        expect((err == 0) == (fd >= 0));
        if (err != 0)
                return;
        expect((kept = dup(fd)) >= 0);
        err = keepmum_receive_fd(&handle, fd, flags);
        answer = model_create_answer(from->n_bytes, flags);
        expect(err == answer || (answer == 0 && (world_may_refuse(err, flags) || may_lack_room(err))));
        expect((err == 0) == (handle.bits != 0) && is_closed(fd) == (err == 0));
        if (err == 0)
                check_used_up(kept);
        else
                close(fd);
        close(kept);
        if (to == from) {
                keepmum_destroy(&handle);
        } else if (err == 0) {
                model_begin(to, handle, from->bytes, from->n_bytes, flags);
                world_check_contents(to);
        }
}

/* ---- from a stranger ---- */

struct forgery {
        bool is_hidden;
        int seals;
        uint8_t *file;
        size_t n_bytes;
        int answer; /* as the page on couriers says */
};

static void put_number(uint8_t *to, uint64_t value, size_t n_bytes)
{
        memcpy(to, &value, n_bytes); /* in the machine's own order */
}

/* A right one, but for one byte of its header, and its length. */
static void forge(struct input *in, struct forgery *f)
{
        uint8_t how = input_byte(in), at = input_byte(in) % HEADER_BYTES, change = input_byte(in);
        size_t n_bytes = world_take_size(in) % MOST_FORGED;

        f->is_hidden = world_has_hidden && (how & 1);
        f->seals = how & 2 ? F_SEAL_SHRINK | F_SEAL_GROW : input_byte(in) & (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
        f->n_bytes = how & 4 ? n_bytes % (HEADER_BYTES + 2) : HEADER_BYTES + n_bytes;
        f->file = world_some_bytes(in, f->n_bytes + HEADER_BYTES);
        memset(f->file, 0, HEADER_BYTES);
        memcpy(f->file, "keepmum", 7);
        put_number(f->file + 8, 1, 4);
        put_number(f->file + 12, how & 8 ? 0x656b6174 : 0x6c6c7566, 4);
        put_number(f->file + 16, f->n_bytes - HEADER_BYTES, 8);
        if (how & 16)
                f->file[at] ^= change;
        f->answer = how & 8 ? KEEPMUM_ETAKEN : 0;
        if ((how & 16 && change != 0) || f->n_bytes <= HEADER_BYTES)
                f->answer = KEEPMUM_ENOTCOURIER;
        if (!f->is_hidden && (f->seals & ~F_SEAL_SEAL) != (F_SEAL_SHRINK | F_SEAL_GROW))
                f->answer = KEEPMUM_ENOTCOURIER;
        else if (!f->is_hidden && f->seals & F_SEAL_SEAL)
                f->answer = KEEPMUM_ETAKEN;
}

static int make_file(const struct forgery *f)
{
        int fd = f->is_hidden ? (int)syscall(SYS_memfd_secret, O_CLOEXEC) : memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        uint8_t *p;

        expect(fd >= 0 && ftruncate(fd, (off_t)f->n_bytes) == 0);
        if (!f->is_hidden) {
                expect(pwrite(fd, f->file, f->n_bytes, 0) == (ssize_t)f->n_bytes);
                expect(fcntl(fd, F_ADD_SEALS, f->seals) == 0);
        } else if (f->n_bytes > 0) {
                p = mmap(NULL, f->n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
                if (p == MAP_FAILED) { /* the lock limit */
                        close(fd);
                        return -1;
                }
                memcpy(p, f->file, f->n_bytes);
                munmap(p, f->n_bytes);
        }
        return fd;
}

void op_forged(struct input *in, struct model *m)
{
        struct forgery f;
        unsigned flags = world_take_flags(in);
        keepmum_secret handle = {0};
        int fd, err, answer;

        world_empty(m);
        forge(in, &f);
        if ((fd = make_file(&f)) >= 0) {
                err = keepmum_receive_fd(&handle, fd, flags);
                answer = model_create_answer(1, flags);
                if (answer == 0)
                        answer = f.answer;
                expect(err == answer || (answer == 0 && world_may_refuse(err, flags)) || may_lack_room(err));
                expect((err == 0) == (handle.bits != 0) && is_closed(fd) == (err == 0));
                if (err == 0) {
                        model_begin(m, handle, f.file + HEADER_BYTES, f.n_bytes - HEADER_BYTES, flags);
                        world_check_contents(m);
                } else {
                        close(fd);
                }
        }
        free(f.file);
}

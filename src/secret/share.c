/* Couriers: a secret on its way to another process, in a memory file of its own whose descriptor travels over a unix socket.
 *
 *   | header, 64 bytes: magic, version, FULL or TAKEN, size | the bytes |        the file is exactly so long
 *
 * A hidden courier is secret memory, mapped for a moment by who fills it and by who empties it (region/guest.c), and counted as locked; a
 * plain one is an ordinary memory file of sealed size, and no process maps it (os/courier.c). Both are taken by one atomic step, FULL to
 * TAKEN in the shared page or the last seal, before the first byte is copied: so there is one receiver, and never a key of zeroes for the
 * second.
 *
 * Always true: what the other side may still change is read once, and the size is the kernel's word for the length of the file, with the
 * header only compared; there is room for a guest before a secret is opened, since a secret that is open can make none; whoever
 * has taken a courier wipes it, also where he fails. docs/design.md, "Couriers". */
#include "base/copy.h"
#include "base/wipe.h"
#include "os/courier.h"
#include "os/page.h"
#include "os/secretmem.h"
#include "secret/layer.h"
#include "secret/seal.h"

#include <errno.h>
#include <string.h>

enum { COURIER_VERSION = 1, STATE_FULL = 0x6c6c7566, STATE_TAKEN = 0x656b6174 };

struct header {
        char magic[8];
        uint32_t version;
        _Atomic uint32_t state; /* of a plain one FULL for ever */
        uint64_t payload_bytes;
        uint64_t zero[5];
};

static_assert(sizeof(struct header) == 64, "the header is 64 bytes in every build");

static const struct header full = {.magic = "keepmum", .version = COURIER_VERSION, .state = STATE_FULL};

enum { HEADER_BYTES = sizeof(struct header) };

struct courier {
        int fd;
        enum courier_kind kind;
        size_t file_bytes;
        struct guest guest; /* of a hidden one */
};

/* ---- its bytes, whichever kind it is ---- */

static size_t payload_bytes(const struct courier *c)
{
        return c->file_bytes - HEADER_BYTES;
}

/* Maps it, if it is a hidden one. */
static int reach(struct courier *c, unsigned creation_flags)
{
        if (c->kind == COURIER_PLAIN)
                return 0;
        c->guest = (struct guest){.fd = c->fd, .n_bytes = size_round_up(c->file_bytes, page_bytes())};
        return seal_admit(&c->guest, creation_flags);
}

static void leave(struct courier *c)
{
        int kept = errno;

        if (c->kind == COURIER_HIDDEN)
                pool_dismiss(&c->guest);
        errno = kept;
}

static int put(const struct courier *c, const void *bytes, size_t n_bytes, size_t at)
{
        if (c->kind == COURIER_PLAIN)
                return courier_write(c->fd, bytes, n_bytes, at);
        copy_bytes(c->guest.bytes + at, bytes, n_bytes);
        return 0;
}

static int get(const struct courier *c, void *bytes, size_t n_bytes, size_t at)
{
        if (c->kind == COURIER_PLAIN)
                return courier_read(c->fd, bytes, n_bytes, at);
        copy_bytes(bytes, c->guest.bytes + at, n_bytes);
        return 0;
}

/* All but the header, up to the end of the last page. */
static int wipe_payload(const struct courier *c)
{
        if (c->kind == COURIER_PLAIN)
                return courier_wipe(c->fd, payload_bytes(c), HEADER_BYTES);
        wipe(c->guest.bytes + HEADER_BYTES, c->guest.n_bytes - HEADER_BYTES);
        return 0;
}

/* ---- giving ---- */

/* What decides about the courier of a secret. */
struct sight {
        size_t n_bytes;
        unsigned flags;
};

static int look_at(struct sight *seen, keepmum_secret s)
{
        struct record *r;
        enum phase from;
        int err = access_join_or_claim(&r, s, &from);

        if (err != 0)
                return err;
        *seen = (struct sight){atomic_load(&r->payload_bytes), r->flags};
        access_let_go(r, s, from);
        return 0;
}

static int fill(const struct courier *c, keepmum_secret s)
{
        struct header h = full;
        const void *bytes;
        size_t n;
        int err = keepmum_open_read(s, &bytes, &n);

        if (err != 0)
                return err;
        if (n != payload_bytes(c))
                err = KEEPMUM_EBUSY;
        else
                err = put(c, bytes, n, HEADER_BYTES);
        keepmum_close(s);
        h.payload_bytes = n;
        return err != 0 ? err : put(c, &h, sizeof h, 0);
}

/* A file that nobody else has seen yet: what fails leaves nothing of it. */
static int fill_and_leave(struct courier *c, keepmum_secret s)
{
        int err = fill(c, s);

        if (epoch_is_wiped())
                err = KEEPMUM_EWIPED;
        if (err != 0)
                (void)wipe_payload(c);
        leave(c);
        return err;
}

static int share_as(int *fd, keepmum_secret s, enum courier_kind kind, const struct sight *seen)
{
        struct courier c = {.kind = kind, .file_bytes = HEADER_BYTES + seen->n_bytes};
        int err = kind == COURIER_HIDDEN ? secretmem_create(&c.fd, c.file_bytes) : courier_create(&c.fd, c.file_bytes);

        if (err != 0)
                return err;
        if ((err = reach(&c, seen->flags)) == 0)
                err = fill_and_leave(&c, s);
        if (err != 0)
                secretmem_close(c.fd);
        else
                *fd = c.fd;
        return err;
}

/* Whether another kind of courier may do where this one could not be had. */
static bool is_want_of_memory(int err)
{
        return err == KEEPMUM_ENOHIDDEN || err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOSLOT || err == KEEPMUM_ENOMEM;
}

/* A machine that could hibernate is kept from it only where the choice is that or an error: a courier lives for a moment, a slot for days. */
int keepmum_share_fd(keepmum_secret s, int *fd)
{
        struct sight seen;
        bool may_be_plain, may_be_hidden;
        int err;

        if (fd == NULL)
                return KEEPMUM_EINVAL;
        if ((err = look_at(&seen, s)) != 0)
                return err;
        may_be_plain = (seen.flags & (KEEPMUM_ACCEPT_UNLOCKED | KEEPMUM_HIDDEN)) == KEEPMUM_ACCEPT_UNLOCKED;
        may_be_hidden = !(seen.flags & KEEPMUM_NOT_HIDDEN) && (pool_prefers_hidden() || !may_be_plain);
        err = may_be_hidden ? share_as(fd, s, COURIER_HIDDEN, &seen) : KEEPMUM_ENOHIDDEN;
        if (is_want_of_memory(err) && may_be_plain)
                return share_as(fd, s, COURIER_PLAIN, &seen);
        return err == KEEPMUM_ENOHIDDEN && !(seen.flags & KEEPMUM_HIDDEN) ? KEEPMUM_ENOLOCK : err;
}

/* ---- receiving ---- */

static int look_at_header(const struct courier *c)
{
        struct header h;
        uint32_t state;
        int err = get(c, &h, sizeof h, 0);

        if (err != 0)
                return err;
        state = atomic_load(&h.state);
        h.state = STATE_FULL;
        h.payload_bytes -= payload_bytes(c);
        if (memcmp(&h, &full, sizeof h) != 0 || (state != STATE_FULL && state != STATE_TAKEN))
                return KEEPMUM_ENOTCOURIER;
        return state == STATE_TAKEN ? KEEPMUM_ETAKEN : 0;
}

/* 0 for one caller in all processes. */
static int take(const struct courier *c)
{
        struct header *h = (struct header *)(void *)c->guest.bytes;
        uint32_t state = STATE_FULL;

        if (c->kind == COURIER_PLAIN)
                return courier_take(c->fd);
        if (atomic_compare_exchange_strong(&h->state, &state, STATE_TAKEN))
                return 0;
        return state == STATE_TAKEN ? KEEPMUM_ETAKEN : KEEPMUM_ENOTCOURIER;
}

/* Into the bytes of a new secret. Once it is taken, it is wiped whatever else fails. */
static int take_over(void *bytes, const struct courier *c)
{
        int err = take(c), wipe_err;

        if (err != 0 && err != KEEPMUM_EIO)
                return err;
        if (err == 0)
                err = get(c, bytes, payload_bytes(c), HEADER_BYTES);
        wipe_err = wipe_payload(c);
        return err != 0 ? err : wipe_err;
}

static int receive(keepmum_secret *out, const struct courier *c, unsigned flags)
{
        keepmum_secret s;
        void *bytes;
        int err;

        if ((err = look_at_header(c)) != 0 || (err = keepmum_create(&s, payload_bytes(c), flags)) != 0)
                return err;
        if ((err = keepmum_open_write(s, &bytes, NULL)) == 0) {
                err = take_over(bytes, c);
                keepmum_close(s);
                if (epoch_is_wiped())
                        err = KEEPMUM_EWIPED;
        }
        if (err != 0)
                keepmum_destroy(&s);
        else
                *out = s;
        return err;
}

int keepmum_receive_fd(keepmum_secret *out, int fd, unsigned flags)
{
        struct courier c = {.fd = fd};
        int err;

        if (out == NULL || !layer_allows_flags(flags))
                return KEEPMUM_EINVAL;
        if ((err = layer_enter()) != 0 || (err = courier_identify(&c.kind, &c.file_bytes, fd)) != 0)
                return err;
        if (c.file_bytes <= HEADER_BYTES || payload_bytes(&c) > KEEPMUM_MAX_BYTES)
                return KEEPMUM_ENOTCOURIER;
        if ((err = reach(&c, flags)) != 0)
                return err;
        err = receive(out, &c, flags);
        leave(&c);
        if (err == 0)
                secretmem_close(fd);
        return err;
}

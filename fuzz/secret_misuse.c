/* What only a bug does: each must end in its own sentence. The hook jumps back out of it; where the call died in the
 * middle of a change, what was damaged is mended and the record put back where it was. */
#include "secret/record.h"
#include "secret_world.h"

static keepmum_secret no_secret = {0};

static void act_close(void *arg)
{
        keepmum_close(*(keepmum_secret *)arg);
}

static void act_destroy(void *arg)
{
        keepmum_secret handle = *(keepmum_secret *)arg;

        keepmum_destroy(&handle);
}

static void act_open(void *arg)
{
        const void *bytes;

        expect(keepmum_open_read(*(keepmum_secret *)arg, &bytes, NULL) != 0);
}

/* A byte of the slot beside the payload; NULL where there is none. */
static unsigned char *byte_beside(struct input *in, const struct model *m, const struct record *r)
{
        const struct slot *s = pool_slot(record_slot(r));
        size_t front = (size_t)(m->at - s->bytes), n_beside = s->n_bytes - m->n_bytes, i = input_short(in);

        if (n_beside == 0)
                return NULL;
        i = i & 0x8000 ? n_beside - 1 - i % 64 % n_beside : i % n_beside;
        return s->bytes + (i < front ? i : i + m->n_bytes);
}

/* The close or destroy that finds the damage dies while it holds the record BUSY: the damage is mended, the phase
 * put back. */
void op_write_beside(struct input *in, struct model *m)
{
        uint8_t change = input_byte(in) | 1;
        struct record *r;
        unsigned char *at;

        if (!m->is_writing || (at = (record_find(&r, m->handle) == 0 ? byte_beside(in, m, r) : NULL)) == NULL)
                return;
        *at ^= change;
        expect(target_dies(m->is_dying || change & 2 ? act_close : act_destroy, &m->handle, "a write beside a secret"));
        *at ^= change;
        record_publish(r, word_make(m->handle.bits >> RECORD_INDEX_BITS, m->is_dying ? PHASE_DYING : PHASE_WRITE, 1));
}

void op_misuse(struct input *in, struct model *m)
{
        keepmum_secret forged = {m->handle.bits ^ (uint64_t)1 << 63}, far = {m->handle.bits | 0xffffff};

        (void)in;
        expect(target_dies(act_close, &no_secret, "close of no secret"));
        if (m->handle.bits == 0)
                return;
        expect(target_dies(act_open, &forged, "a handle that was never given out"));
        expect(target_dies(act_close, &far, "a handle that was never given out"));
        if (m->is_dying)
                expect(target_dies(act_destroy, &m->handle, "destroy of a destroyed secret"));
        else if (m->n_opens == 0)
                expect(target_dies(act_close, &m->handle, "close of a secret that is not open"));
}

void op_stale(struct input *in, struct model *m)
{
        keepmum_secret stale = world.stale[input_byte(in) % WORLD_STALE];
        const void *bytes;
        void *writable;
        unsigned promises;
        size_t n_bytes;
        bool equal;

        if (stale.bits == 0)
                return;
        expect(keepmum_open_read(stale, &bytes, NULL) == KEEPMUM_ESTALE);
        expect(keepmum_open_write(stale, &writable, NULL) == KEEPMUM_ESTALE);
        expect(keepmum_size(stale, &n_bytes) == KEEPMUM_ESTALE);
        expect(keepmum_state(stale, &promises) == KEEPMUM_ESTALE);
        expect(keepmum_resize(stale, 1) == KEEPMUM_ESTALE);
        expect(keepmum_fill_random(stale) == KEEPMUM_ESTALE);
        expect(keepmum_write_fd(stale, -1) == KEEPMUM_ESTALE);
        expect(keepmum_equal(stale, m->handle, &equal) == KEEPMUM_ESTALE);
        expect(target_dies(act_close, &stale, "close of a destroyed secret"));
        expect(target_dies(act_destroy, &stale, "destroy of a destroyed secret"));
}

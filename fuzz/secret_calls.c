/* The calls on one secret, each compared with its model. */
#include "secret_world.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void op_create(struct input *in, struct model *m)
{
        size_t n_bytes = world_take_size(in);
        unsigned flags = world_take_flags(in);
        keepmum_secret handle = {0};

        world_empty(m);
        if (world_is_created(keepmum_create(&handle, n_bytes, flags), n_bytes, flags))
                model_begin(m, handle, NULL, n_bytes, flags);
        else
                expect(handle.bits == 0);
}

void op_take(struct input *in, struct model *m)
{
        size_t n_bytes = world_take_size(in), held = n_bytes <= KEEPMUM_MAX_BYTES ? n_bytes : 0;
        unsigned flags = world_take_flags(in);
        uint8_t *source = world_some_bytes(in, held), *kept = malloc(held + 1);
        keepmum_secret handle = {0};

        expect(kept != NULL);
        memcpy(kept, source, held);
        world_empty(m);
        if (world_is_created(keepmum_take(&handle, source, n_bytes, flags), n_bytes, flags)) {
                model_begin(m, handle, kept, n_bytes, flags);
                expect(model_is_zero(source, held));
        } else {
                expect(memcmp(source, kept, held) == 0);
        }
        free(kept);
        free(source);
}

void op_open_read(struct input *in, struct model *m)
{
        const void *bytes = NULL;
        size_t n_bytes = 0;
        int err = keepmum_open_read(m->handle, &bytes, &n_bytes);

        (void)in;
        expect(err == model_open_read_answer(m) || world_may_not_open(err, m));
        if (err != 0) {
                expect(bytes == NULL && n_bytes == 0);
                return;
        }
        model_check_open(m, bytes, n_bytes);
        m->at = (unsigned char *)(uintptr_t)bytes;
        m->n_opens++;
        model_check_access(m);
}

static void scribble(struct input *in, struct model *m)
{
        size_t from = input_short(in) % m->n_bytes, n = input_byte(in) + 1u;
        uint8_t value = input_byte(in);

        n = n < m->n_bytes - from ? n : m->n_bytes - from;
        memset(m->at + from, value, n);
        memset(m->bytes + from, value, n);
}

void op_open_write(struct input *in, struct model *m)
{
        void *bytes = NULL;
        size_t n_bytes = 0;
        int err = keepmum_open_write(m->handle, &bytes, &n_bytes);

        expect(err == model_open_write_answer(m) || world_may_not_open(err, m));
        if (err != 0) {
                expect(bytes == NULL && n_bytes == 0);
                return;
        }
        model_check_open(m, bytes, n_bytes);
        m->at = bytes;
        m->n_opens = 1;
        m->is_writing = true;
        model_check_access(m);
        scribble(in, m);
}

void op_scribble(struct input *in, struct model *m)
{
        if (m->is_writing)
                scribble(in, m);
}

void op_close(struct input *in, struct model *m)
{
        (void)in;
        world_close(m);
}

void op_destroy(struct input *in, struct model *m)
{
        (void)in;
        world_destroy(m);
}

void op_resize(struct input *in, struct model *m)
{
        size_t n_bytes = world_take_size(in);
        int answer = model_create_answer(n_bytes, 0), err = keepmum_resize(m->handle, n_bytes);

        if (answer == 0)
                answer = model_open_write_answer(m);
        if (answer == 0 && world_may_refuse(err, m->flags))
                return;
        expect(err == answer);
        if (err == 0)
                model_resize(m, n_bytes);
}

void op_equal(struct input *in, struct model *a)
{
        struct model *b = world_take_place(in);
        int answer = model_open_read_answer(a);
        bool equal = false, untouched = true;
        int err = keepmum_equal(a->handle, b->handle, &equal);

        if (answer == 0)
                answer = model_open_read_answer(b);
        if (world_may_not_open(err, a) || world_may_not_open(err, b))
                return;
        expect(err == answer);
        expect(keepmum_equal(a->handle, b->handle, &untouched) == answer);
        if (answer == 0) {
                expect(equal == (a->n_bytes == b->n_bytes && memcmp(a->bytes, b->bytes, a->n_bytes) == 0));
                expect(untouched == equal);
        } else {
                expect(!equal && untouched);
        }
}

void op_fill_random(struct input *in, struct model *m)
{
        const void *bytes;
        int answer = model_open_write_answer(m), err = keepmum_fill_random(m->handle);

        (void)in;
        if (answer != 0 || !world_may_not_open(err, m))
                expect(err == answer);
        if (err != 0)
                return;
        expect(keepmum_open_read(m->handle, &bytes, NULL) == 0);
        expect(m->n_bytes < 16 || memcmp(bytes, m->bytes, m->n_bytes) != 0);
        memcpy(m->bytes, bytes, m->n_bytes);
        keepmum_close(m->handle);
}

void op_look(struct input *in, struct model *m)
{
        unsigned promises = 0;
        size_t n_bytes = 0;
        int answer = model_look_answer(m);

        (void)in;
        expect(keepmum_size(m->handle, &n_bytes) == answer);
        expect(keepmum_state(m->handle, &promises) == answer);
        expect(n_bytes == (answer == 0 ? m->n_bytes : 0));
        if (answer == 0)
                model_check_state(m, promises);
}

void op_verify(struct input *in, struct model *m)
{
        static unsigned n_asked; /* reading smaps takes milliseconds; a replayed input has its own */
        unsigned seen = 0, recorded = 0;
        int answer = model_look_answer(m);

        (void)in;
        if (world.n_verifies++ > 0 || n_asked++ % 32 != 0)
                return;
        expect(keepmum_verify(m->handle, &seen) == answer);
        if (answer == 0)
                expect(keepmum_state(m->handle, &recorded) == 0 && seen == recorded);
}

/* Afterwards all that is closed and may be sealed is. */
void op_seal_all(struct input *in, struct model *m)
{
        (void)in;
        (void)m;
        expect(keepmum_seal_all() == 0);
        for (size_t i = 0; i < WORLD_PLACES; i++) {
                const struct model *each = &world.secrets[i];
                unsigned promises = 0;

                if (each->handle.bits == 0 || each->is_dying)
                        continue;
                expect(keepmum_state(each->handle, &promises) == 0);
                model_check_state(each, promises);
                expect((promises & KEEPMUM_IS_SEALED) != 0 || each->n_opens > 0 || (each->flags & KEEPMUM_STAY) != 0);
        }
}

/* Into another place: what happens to one then is not to be seen in the other. */
void op_clone(struct input *in, struct model *from)
{
        struct model *to = world_take_place(in);
        keepmum_secret handle = {0};
        int answer, err;

        if (to != from)
                world_empty(to);
        answer = model_open_read_answer(from);
        err = keepmum_clone(&handle, from->handle);
        if (answer != 0 || !world_may_refuse(err, from->flags))
                expect(err == answer);
        if (err != 0 || to == from) {
                expect((err == 0) == (handle.bits != 0));
                keepmum_destroy(&handle);
                return;
        }
        model_begin(to, handle, from->bytes, from->n_bytes, from->flags);
        world_check_contents(to);
}

void op_count(struct input *in, struct model *m)
{
        (void)in;
        (void)m;
        world_check_counts();
}

/* From now on the locked memory grows up to the budget and no further. */
void op_budget(struct input *in, struct model *m)
{
        uint8_t pages = input_byte(in);
        size_t budget = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
        int answer = pages == 0 || pages >= 3 ? 0 : KEEPMUM_EINVAL;

        (void)m;
        expect(keepmum_set_lock_budget(budget) == answer);
        if (answer == 0)
                world.budget = budget;
}

void op_null(struct input *in, struct model *m)
{
        (void)in;
        expect(keepmum_create(NULL, 1, 0) == KEEPMUM_EINVAL);
        expect(keepmum_take(NULL, NULL, 1, 0) == KEEPMUM_EINVAL);
        expect(keepmum_open_read(m->handle, NULL, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_open_write(m->handle, NULL, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_size(m->handle, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_state(m->handle, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_verify(m->handle, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_equal(m->handle, m->handle, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_read_fd(NULL, -1, 1, 0) == KEEPMUM_EINVAL);
        expect(keepmum_clone(NULL, m->handle) == KEEPMUM_EINVAL);
        expect(keepmum_share_fd(m->handle, NULL) == KEEPMUM_EINVAL);
        expect(keepmum_receive_fd(NULL, -1, 0) == KEEPMUM_EINVAL);
        expect(keepmum_stats(NULL, 0) == KEEPMUM_EINVAL);
}

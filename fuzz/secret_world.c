/* The world of fuzz_secret_operations.c: how its inputs are read, and a secret's way from creation to its end. */
#include "secret_world.h"

#include <stdlib.h>
#include <string.h>

struct world world;
bool world_is_privileged, world_has_hidden;

/* ---- decoding ---- */

struct model *world_take_place(struct input *in)
{
        return &world.secrets[input_byte(in) % WORLD_PLACES];
}

size_t world_take_size(struct input *in)
{
        uint8_t shape = input_byte(in);
        size_t n = shape & 128 ? input_short(in) : input_byte(in);

        switch (shape & 7) {
        case 0:
        case 1:
                return n + 1;
        case 2:
                return 16 * (n % 1024 + 1);
        case 3:
                return 4096 * (n % 8 + 1) - n / 8 % 32;
        case 4:
                return 3 * n;
        case 5:
                return n % 64 == 0 ? KEEPMUM_MAX_BYTES + 1 + n : n + 1;
        case 6:
                return n % 64 == 0 ? 100000 + n : n + 1;
        default:
                return n;
        }
}

unsigned world_take_flags(struct input *in)
{
        uint8_t b = input_byte(in);

        return b < 224 ? b & 63u : b == 255 ? 1u << 31 : b;
}

uint8_t *world_some_bytes(struct input *in, size_t n_bytes)
{
        uint8_t first = input_byte(in), *p = malloc(n_bytes > 0 ? n_bytes : 1);

        expect(p != NULL);
        for (size_t i = 0; i < n_bytes; i++)
                p[i] = (uint8_t)(first + i + i / 251);
        return p;
}

/* ---- a secret's way ---- */

static void world_remember_stale(keepmum_secret handle)
{
        world.stale[world.n_stale++ % WORLD_STALE] = handle;
}

/* Creation may be refused for want of locked memory, where the model cannot know how much there is. */
bool world_may_refuse(int err, unsigned flags)
{
        if (err == KEEPMUM_ENOHIDDEN)
                return (flags & KEEPMUM_HIDDEN) && !world_has_hidden;
        if ((err != KEEPMUM_ELIMIT && err != KEEPMUM_ENOSLOT) || (world.budget == 0 && world_is_privileged))
                return false;
        return !(flags & KEEPMUM_ACCEPT_UNLOCKED) || (flags & KEEPMUM_HIDDEN);
}

/* What is open has its slot, and so has what must stay. */
bool world_may_not_open(int err, const struct model *m)
{
        return m->handle.bits != 0 && m->n_opens == 0 && !(m->flags & KEEPMUM_STAY) && world_may_refuse(err, m->flags);
}

void world_check_contents(struct model *m)
{
        const void *bytes;
        int err;

        if (m->handle.bits == 0 || m->n_opens > 0)
                return;
        err = keepmum_open_read(m->handle, &bytes, NULL);
        if (world_may_not_open(err, m))
                return;
        expect(err == 0 && memcmp(bytes, m->bytes, m->n_bytes) == 0);
        keepmum_close(m->handle);
}

bool world_is_created(int err, size_t n_bytes, unsigned flags)
{
        int answer = model_create_answer(n_bytes, flags);

        if (answer == 0 && world_may_refuse(err, flags))
                return false;
        expect(err == answer);
        return err == 0;
}

/* After a close: the last one ends a dying secret. */
void world_check_after_close(struct model *m)
{
        const unsigned char *at = m->at;

        m->n_opens--;
        if (m->n_opens > 0) {
                model_check_access(m);
                return;
        }
        m->is_writing = false;
        model_check_closed(at, m->n_bytes);
        if (m->is_dying) {
                world_remember_stale(m->handle);
                model_end(m);
        }
}

void world_close(struct model *m)
{
        if (m->n_opens == 0)
                return;
        expect(memcmp(m->at, m->bytes, m->n_bytes) == 0);
        keepmum_close(m->handle);
        world_check_after_close(m);
}

/* What destroying left: a writer's own destroy closes first, a reader's goes on until the last close. */
void world_check_after_destroy(struct model *m, keepmum_secret handle, bool by_writer)
{
        expect(handle.bits == 0);
        if (m->n_opens > 0 && !by_writer) {
                m->is_dying = true;
                model_check_access(m);
                return;
        }
        if (m->stays_at != NULL && m->flags & KEEPMUM_STAY) /* elsewhere another one may be open by now */
                model_check_closed(m->stays_at, m->n_bytes);
        world_remember_stale(m->handle);
        model_end(m);
}

void world_destroy(struct model *m)
{
        keepmum_secret handle = m->handle;

        if (m->is_dying)
                return;
        keepmum_destroy(&handle);
        if (m->handle.bits != 0)
                world_check_after_destroy(m, handle, m->is_writing);
}

void world_empty(struct model *m)
{
        world_destroy(m);
        while (m->n_opens > 0)
                world_close(m);
}

/* ---- counts ---- */

void world_check_counts(void)
{
        uint64_t v[KEEPMUM_STATS + 1], n_secrets = 0, n_opens = 0;

        for (size_t i = 0; i < WORLD_PLACES; i++) {
                n_secrets += world.secrets[i].handle.bits != 0 && !world.secrets[i].is_dying;
                n_opens += world.secrets[i].n_opens;
        }
        expect(keepmum_stats(v, KEEPMUM_STATS + 1) == 0);
        expect(v[KEEPMUM_STAT_SECRETS] == n_secrets);
        expect(v[KEEPMUM_STAT_OPENS] == n_opens);
        expect(v[KEEPMUM_STAT_RESIDENT] + v[KEEPMUM_STAT_SEALED] == n_secrets);
        expect(v[KEEPMUM_STAT_CLEAN_EVICTIONS] <= v[KEEPMUM_STAT_EVICTIONS]);
        expect(v[KEEPMUM_STAT_FREE_SLOTS] <= v[KEEPMUM_STAT_SLOTS]);
        expect(v[KEEPMUM_STAT_HIDDEN_SLOTS] + v[KEEPMUM_STAT_UNLOCKED_SLOTS] <= v[KEEPMUM_STAT_SLOTS]);
        expect(v[KEEPMUM_STAT_LOCK_BUDGET] == world.budget);
        expect(v[KEEPMUM_STATS] == 0);
}

uint64_t world_locked_bytes(void)
{
        uint64_t v[KEEPMUM_STATS];

        expect(keepmum_stats(v, KEEPMUM_STATS) == 0);
        return v[KEEPMUM_STAT_LOCKED_BYTES];
}

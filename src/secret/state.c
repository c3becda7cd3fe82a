/* Which promises hold: as recorded when the memory was made, and as the kernel says now; and the counts. */
#include "secret/layer.h"
#include "secret/record.h"
#include "secret/smaps.h"

#include <string.h>

/* A live secret's slot and phase. */
static int find_live(keepmum_secret handle, struct record **r, enum phase *phase)
{
        uint64_t word;
        int err;

        if ((err = layer_enter()) != 0 || (err = record_find(r, handle)) != 0)
                return err;
        word = atomic_load(&(*r)->word);
        while ((err = record_is_live(handle, word)) == 0 && word_phase(word) == PHASE_BUSY)
                word = record_wait(*r, word);
        *phase = word_phase(word);
        return err;
}

static unsigned open_bit(enum phase phase)
{
        return phase == PHASE_READ || phase == PHASE_WRITE ? KEEPMUM_IS_OPEN : 0;
}

/* Alive still: then what was looked at was this secret's. */
static int finish(keepmum_secret handle, struct record *r, unsigned *promises, unsigned seen)
{
        int err = record_is_live(handle, atomic_load(&r->word));

        if (err == 0)
                *promises = seen;
        return err;
}

int keepmum_state(keepmum_secret s, unsigned *promises)
{
        struct record *r;
        enum phase phase;
        unsigned seen;
        int err;

        if (promises == NULL)
                return KEEPMUM_EINVAL;
        if ((err = find_live(s, &r, &phase)) != 0)
                return err;
        seen = pool_promises(pool_slot(r->slot)) | open_bit(phase);
        return finish(s, r, promises, seen);
}

/* ---- from the kernel ---- */

/* What is looked for in smaps, and what was seen of it. */
struct sighting {
        uint64_t start, end, end_before;
        bool has_guard_before, has_guard_after, is_whole;
        struct mapping slot;
};

static bool is_guard(const struct mapping *m)
{
        return memcmp(m->perms, "---", 3) == 0;
}

static bool look(void *context, const struct mapping *m)
{
        struct sighting *s = context;

        if (m->end == s->start)
                s->has_guard_before = is_guard(m);
        if (m->start == s->start) {
                s->slot = *m;
                s->is_whole = m->end == s->end;
        }
        if (m->start == s->end)
                s->has_guard_after = is_guard(m);
        return m->start <= s->end;
}

static unsigned promises_seen(const struct sighting *s)
{
        unsigned seen = 0;

        if (!s->is_whole)
                return 0;
        if (s->slot.flags & MAPPING_LOCKED)
                seen |= KEEPMUM_IS_LOCKED;
        if (s->slot.flags & MAPPING_NO_DUMP)
                seen |= KEEPMUM_IS_NODUMP;
        if (s->slot.flags & MAPPING_NO_FORK)
                seen |= KEEPMUM_IS_NOFORK;
        if (s->has_guard_before && s->has_guard_after)
                seen |= KEEPMUM_IS_GUARDED;
        if (strncmp(s->slot.name, "/secretmem", sizeof "/secretmem" - 1) == 0)
                seen |= KEEPMUM_IS_HIDDEN;
        return seen;
}

int keepmum_verify(keepmum_secret s, unsigned *promises)
{
        struct sighting seen = {0};
        struct record *r;
        enum phase phase;
        int err;

        if (promises == NULL)
                return KEEPMUM_EINVAL;
        if ((err = find_live(s, &r, &phase)) != 0)
                return err;
        seen.start = (uintptr_t)pool_slot(r->slot)->bytes;
        seen.end = seen.start + pool_slot(r->slot)->n_bytes;
        if (smaps_read("/proc/self/smaps", look, &seen) != 0)
                return KEEPMUM_ESYSTEM;
        return finish(s, r, promises, promises_seen(&seen) | open_bit(phase));
}

/* ---- counts ---- */

int keepmum_stats(uint64_t *values, size_t n_values)
{
        uint64_t known[KEEPMUM_STATS];
        struct pool_counts pool;
        int err = layer_enter();

        if (values == NULL)
                return KEEPMUM_EINVAL;
        if (err != 0 && err != KEEPMUM_EWIPED)
                return err;
        record_count(&known[KEEPMUM_STAT_SECRETS], &known[KEEPMUM_STAT_OPENS]);
        pool_count(&pool);
        known[KEEPMUM_STAT_SLOTS] = pool.slots;
        known[KEEPMUM_STAT_FREE_SLOTS] = pool.free_slots;
        known[KEEPMUM_STAT_HIDDEN_SLOTS] = pool.hidden_slots;
        known[KEEPMUM_STAT_UNLOCKED_SLOTS] = pool.unlocked_slots;
        known[KEEPMUM_STAT_LOCKED_BYTES] = pool.locked_bytes;
        known[KEEPMUM_STAT_LOCK_BUDGET] = pool.lock_budget;
        for (size_t i = 0; i < n_values; i++)
                values[i] = i < KEEPMUM_STATS ? known[i] : 0;
        return 0;
}

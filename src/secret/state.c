/* Which promises hold: as recorded when the memory was made, and as the kernel says now; and the counts. */
#include "secret/evict.h"
#include "secret/key.h"
#include "secret/layer.h"
#include "secret/record.h"
#include "secret/smaps.h"

#include <string.h>

/* A live secret as it is at one moment. */
struct sight {
        enum phase phase;
        const struct slot *slot; /* its own; of a secret without one the key's that it is sealed under */
};

/* A secret moves only while its phase changes: where the phase is the same before and behind, what was read between belongs to it. */
static const struct slot *find_slot(const struct record *r, enum phase phase)
{
        uint64_t where = atomic_load(&r->where);
        bool is_resident = phase != PHASE_SEALED && phase != PHASE_EMPTY;

        if (is_resident)
                return where & WHERE_IS_BOX || !pool_is_sound((uint32_t)(where >> WHERE_BITS)) ? NULL : pool_slot((uint32_t)(where >> WHERE_BITS));
        if (phase == PHASE_EMPTY)
                return key_slot(key_best());
        return key_slot(where & WHERE_IS_HIDDEN ? KEY_HIDDEN : KEY_LOCKED);
}

static int find_live(keepmum_secret handle, struct record **r, struct sight *at)
{
        uint64_t word, again;
        int err;

        if ((err = layer_enter()) != 0 || (err = record_find(r, handle)) != 0)
                return err;
        word = atomic_load(&(*r)->word);
        while ((err = record_is_live(handle, word)) == 0) {
                if (word_phase(word) == PHASE_BUSY) {
                        word = record_wait(*r, word);
                        continue;
                }
                *at = (struct sight){word_phase(word), find_slot(*r, word_phase(word))};
                again = atomic_load(&(*r)->word);
                if (at->slot != NULL && word_phase(word) == word_phase(again) && word_generation(word) == word_generation(again))
                        return 0;
                must(at->slot != NULL || again != word || atomic_load(&(*r)->word) != again, "the records were overwritten");
                word = again;
        }
        return err;
}

static unsigned phase_bits(enum phase phase)
{
        if (phase == PHASE_SEALED || phase == PHASE_EMPTY)
                return KEEPMUM_IS_SEALED;
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
        struct sight at;
        unsigned seen;
        int err;

        if (promises == NULL)
                return KEEPMUM_EINVAL;
        if ((err = find_live(s, &r, &at)) != 0)
                return err;
        seen = pool_promises(at.slot) | phase_bits(at.phase);
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
        struct sight at;
        int err;

        if (promises == NULL)
                return KEEPMUM_EINVAL;
        if ((err = find_live(s, &r, &at)) != 0)
                return err;
        seen.start = (uintptr_t)at.slot->bytes;
        seen.end = seen.start + at.slot->n_bytes;
        if (smaps_read("/proc/self/smaps", look, &seen) != 0)
                return KEEPMUM_ESYSTEM;
        return finish(s, r, promises, promises_seen(&seen) | phase_bits(at.phase));
}

/* ---- counts ---- */

int keepmum_stats(uint64_t *values, size_t n_values)
{
        uint64_t known[KEEPMUM_STATS];
        struct record_counts records;
        struct pool_counts pool;
        uint64_t n_keys, n_hidden_keys;
        int err = layer_enter();

        if (values == NULL)
                return KEEPMUM_EINVAL;
        if (err != 0 && err != KEEPMUM_EWIPED)
                return err;
        record_count(&records);
        pool_count(&pool);
        n_keys = key_count(&n_hidden_keys);
        known[KEEPMUM_STAT_SECRETS] = records.secrets;
        known[KEEPMUM_STAT_OPENS] = records.opens;
        known[KEEPMUM_STAT_RESIDENT] = records.secrets - records.without_slot;
        known[KEEPMUM_STAT_SEALED] = records.without_slot;
        evict_count(&known[KEEPMUM_STAT_EVICTIONS], &known[KEEPMUM_STAT_CLEAN_EVICTIONS]);
        known[KEEPMUM_STAT_SLOTS] = pool.slots - n_keys;
        known[KEEPMUM_STAT_FREE_SLOTS] = pool.free_slots;
        known[KEEPMUM_STAT_HIDDEN_SLOTS] = pool.hidden_slots - n_hidden_keys;
        known[KEEPMUM_STAT_UNLOCKED_SLOTS] = pool.unlocked_slots;
        known[KEEPMUM_STAT_LOCKED_BYTES] = pool.locked_bytes;
        known[KEEPMUM_STAT_LOCK_BUDGET] = pool.lock_budget;
        for (size_t i = 0; i < n_values; i++)
                values[i] = i < KEEPMUM_STATS ? known[i] : 0;
        return 0;
}

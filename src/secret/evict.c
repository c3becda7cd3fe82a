/* The clock: which secret loses its slot when another one needs it.
 *
 * A hand goes round the slots of the right size and memory; one that was opened since the last round is passed over once. Where there is
 * none of that size, all secrets of a chunk of another size are sealed and the chunk is given back, for its lock and its mappings.
 *
 * Always true: the clock only tries. It takes a record from CLOSED to BUSY by one compare-and-swap or passes on, and waits for no
 * record: so whoever looks for a slot may hold its own record BUSY, there is no order of locks, and no deadlock. What it does wait for,
 * a few milliseconds at most, is that others come to the end of a change. */
#include "secret/evict.h"

#include "os/page.h"
#include "os/process.h"
#include "secret/layer.h"
#include "secret/seal.h"

enum { PAUSES = 150 };

static _Atomic uint32_t hand;
static _Atomic uint64_t n_evictions, n_clean;

/* One look for a slot, and why there was none. */
struct search {
        struct want want;
        struct guest *guest; /* what is to be mapped instead of a slot; NULL for none */
        bool has_pinned; /* met one that is open or must stay, or has no key */
        bool has_moving; /* met one that is just being changed: worth another look */
        int err;         /* one could not be sealed */
};

void evict_start_anew(void)
{
        atomic_store(&hand, 0);
        atomic_store(&n_evictions, 0);
        atomic_store(&n_clean, 0);
}

void evict_count(uint64_t *all, uint64_t *clean)
{
        *all = atomic_load(&n_evictions);
        *clean = atomic_load(&n_clean);
}

/* ---- one ---- */

static enum phase phase_of_owner(uint32_t owner)
{
        struct record *r = ledger_at(&record_ledger, owner, sizeof *r);

        return word_phase(atomic_load(&r->word));
}

static keepmum_secret handle_of(const struct slot *s, uint64_t word)
{
        return (keepmum_secret){word_generation(word) << RECORD_INDEX_BITS | atomic_load(&s->owner)};
}

/* Makes the record of the slot's secret BUSY, if it is closed and may go. */
static bool claim(struct search *look, const struct slot *s, struct record **r, uint64_t *word)
{
        uint32_t owner = atomic_load(&s->owner);
        enum phase phase;

        if (owner == 0 || owner >= ledger_count(&record_ledger) || s == look->want.own) { /* a key's is no record's */
                bool is_stack = atomic_load(&s->stays); /* of a clean call */

                look->has_pinned |= owner == 0 && is_stack;
                look->has_moving |= owner == 0 && !is_stack;
                return false;
        }
        if (!atomic_load(&s->stays) && record_claim_owner(s, r, word)) {
                if (!atomic_load(&s->stays) && seal_has_key(*r))
                        return true;
                look->has_pinned = true; /* also where the slot was another secret's at the first look */
                access_publish_closed(*r, handle_of(s, *word));
                return false;
        }
        phase = phase_of_owner(owner);
        if (atomic_load(&s->stays) || phase == PHASE_READ || phase == PHASE_WRITE || phase == PHASE_DYING)
                look->has_pinned = true;
        else
                look->has_moving = true;
        return false;
}

/* Seals a claimed secret out of its slot, which is writable and nobody's then. 0 or KEEPMUM_ENOMEM, and it is as it was. */
static int evict(const struct slot *s, struct record *r, uint64_t word, struct key_use *use)
{
        keepmum_secret handle = handle_of(s, word);
        bool is_clean = !r->is_written || atomic_load(&s->box) != NULL;
        int err = seal_prepare(r);

        if (err != 0) {
                access_publish_closed(r, handle);
                return err;
        }
        record_publish(r, word_make(word_generation(word), seal_put_away(r, handle, false, use), 0));
        atomic_fetch_add(&n_evictions, 1);
        if (is_clean)
                atomic_fetch_add(&n_clean, 1);
        return 0;
}

/* The number of a slot taken from another secret, writable and zero; 0 for none. */
static uint32_t take_one(struct search *look, struct key_use *use)
{
        uint32_t first = pool_first_slot, n = ledger_count(&pool_slots) - first, start = atomic_load(&hand);

        for (uint32_t step = 0; step < 2 * n; step++) {
                uint32_t number = first + (start + step) % n;
                struct slot *s = pool_slot(number);
                struct record *r;
                uint64_t word;

                if (!pool_is_mapped(s) || !pool_would_serve(s, look->want.n_bytes, look->want.creation_flags))
                        continue;
                if (step < n && atomic_load_explicit(&s->is_recent, memory_order_relaxed)) {
                        atomic_store_explicit(&s->is_recent, false, memory_order_relaxed);
                } else if (claim(look, s, &r, &word)) {
                        atomic_store(&hand, (start + step + 1) % n);
                        if ((look->err = evict(s, r, word, use)) == 0)
                                return number;
                }
        }
        return 0;
}

/* ---- a chunk ---- */

/* Whether all its secrets can go, by a look that claims nothing, and it is not of the size that is looked for. */
static bool can_be_emptied(struct search *look, const struct pool_chunk *c)
{
        uint32_t n_owned = 0;

        if (atomic_load(&c->is_empty) ||
            (look->want.n_bytes != 0 && pool_would_serve(pool_slot(c->first_slot), look->want.n_bytes, look->want.creation_flags)))
                return false;
        for (uint32_t i = 0; i < c->map.n_slots; i++) {
                const struct slot *s = pool_slot(c->first_slot + i);
                uint32_t owner = atomic_load(&s->owner);

                if (key_is_owner(owner) || s == look->want.own)
                        return false;
                if (atomic_load(&s->stays)) {
                        look->has_pinned = true;
                        return false;
                }
                if (owner == 0 || owner >= ledger_count(&record_ledger))
                        continue;
                n_owned++;
                if (phase_of_owner(owner) != PHASE_CLOSED) {
                        look->has_pinned = true;
                        return false;
                }
        }
        look->has_moving |= n_owned == 0; /* the pool would have given it back, were not one just on its way between two owners */
        return n_owned > 0;
}

/* Seals what it can of a chunk; the slots are closed and nobody's then. */
static size_t empty(struct search *look, const struct pool_chunk *c, uint32_t held[static POOL_MOST_SLOTS], struct key_use *use)
{
        size_t n_held = 0;

        for (uint32_t i = 0; i < c->map.n_slots && look->err == 0; i++) {
                struct slot *s = pool_slot(c->first_slot + i);
                struct record *r;
                uint64_t word;

                if (atomic_load(&s->owner) == 0 || !claim(look, s, &r, &word) || (look->err = evict(s, r, word, use)) != 0)
                        continue;
                page_close(s->bytes, s->n_bytes);
                held[n_held++] = c->first_slot + i;
        }
        return n_held;
}

static int trade(const struct search *look, const uint32_t *given, size_t n_given, uint32_t *number)
{
        if (look->guest != NULL)
                return pool_admit(given, n_given, look->guest);
        return pool_trade(given, n_given, number, look->want.n_bytes, look->want.creation_flags);
}

/* Empties chunks of other sizes until the pool has a slot for this one, or room for the guest. */
static int take_for_chunks(struct search *look, uint32_t *number, struct key_use *use)
{
        uint32_t held[POOL_MOST_SLOTS];
        int err = KEEPMUM_ENOSLOT;

        for (uint32_t i = pool_first_chunk; err != 0 && i < ledger_count(&pool_chunks); i++) {
                const struct pool_chunk *c = ledger_at(&pool_chunks, i, sizeof *c);
                size_t n_held;

                if (!can_be_emptied(look, c))
                        continue;
                n_held = empty(look, c, held, use);
                key_close(use);
                if (n_held > 0)
                        err = trade(look, held, n_held, number);
        }
        return err;
}

void evict_make_room(void)
{
        struct search look = {0};
        struct key_use use = {0};
        uint32_t held[POOL_MOST_SLOTS];
        size_t n_held = 0;

        for (uint32_t i = pool_first_chunk; n_held == 0 && i < ledger_count(&pool_chunks); i++) {
                const struct pool_chunk *c = ledger_at(&pool_chunks, i, sizeof *c);

                if (can_be_emptied(&look, c))
                        n_held = empty(&look, c, held, &use);
        }
        key_close(&use);
        pool_trim(held, n_held);
}

/* ---- looking until it is clear ---- */

static bool others_have_slots(const struct want *want)
{
        struct pool_counts pool;
        uint64_t n_hidden, n_keys = key_count(&n_hidden);

        pool_count(&pool);
        return pool.slots - pool.free_slots > n_keys + (want->own != NULL);
}

int evict_take(uint32_t *number, bool *is_open, const struct want *want, struct key_use *use, int reason)
{
        struct search look = {.has_moving = true};
        bool is_shared;

        for (unsigned n_pauses = 0; look.has_moving && n_pauses < PAUSES; n_pauses++) {
                look = (struct search){.want = *want};
                if ((*number = take_one(&look, use)) != 0) {
                        *is_open = true;
                        return 0;
                }
                if (reason == KEEPMUM_ELIMIT && pool_is_beyond_limits(want->n_bytes))
                        return reason;
                if (take_for_chunks(&look, number, use) == 0)
                        return 0;
                if (look.err != 0)
                        return look.err;
                if (look.has_moving)
                        process_pause(n_pauses);
                if (pool_take(number, want->n_bytes, want->creation_flags) == 0)
                        return 0;
        }
        /* Counted twice: what another thread had while this was refused it may have given back by now. */
        is_shared = look.has_pinned || look.has_moving || others_have_slots(want);
        if ((reason = pool_trade(NULL, 0, number, want->n_bytes, want->creation_flags)) == 0)
                return 0;
        return is_shared || others_have_slots(want) ? KEEPMUM_ENOSLOT : reason;
}

int evict_admit(struct guest *g, int reason)
{
        struct search look = {.has_moving = true};
        struct key_use use = {0};
        int err = reason;

        if (reason == KEEPMUM_ELIMIT && pool_is_beyond_limits(g->n_bytes))
                return reason;
        for (unsigned n_pauses = 0; err != 0 && look.has_moving && n_pauses < PAUSES; n_pauses++) {
                look = (struct search){.guest = g};
                if ((err = take_for_chunks(&look, NULL, &use)) == 0)
                        return 0;
                if (look.err != 0)
                        return look.err;
                if (look.has_moving)
                        process_pause(n_pauses);
                err = pool_admit(NULL, 0, g);
        }
        if (err == 0)
                return 0;
        return look.has_pinned || look.has_moving || others_have_slots(&look.want) ? KEEPMUM_ENOSLOT : reason;
}

/* ---- all ---- */

/* Waits for who is at work in it: nothing is held here. */
static int seal_slot(uint32_t number, struct key_use *use)
{
        struct search look = {0};
        struct slot *s = pool_slot(number);
        struct record *r;
        uint64_t word;
        int err;

        while (!claim(&look, s, &r, &word)) {
                uint32_t owner = atomic_load(&s->owner);

                if (owner == 0 || look.has_pinned || key_is_owner(owner) || owner >= ledger_count(&record_ledger))
                        return 0;
                r = ledger_at(&record_ledger, owner, sizeof *r);
                word = atomic_load(&r->word);
                if (word_phase(word) == PHASE_CLOSED)
                        continue; /* held for a moment only: by a clone, say */
                if (word_phase(word) != PHASE_BUSY)
                        return 0;
                key_close(use);
                record_wait(r, word);
        }
        if ((err = evict(s, r, word, use)) == 0) {
                page_close(s->bytes, s->n_bytes);
                pool_give_untouched(number);
        }
        return err;
}

int keepmum_seal_all(void)
{
        struct key_use use = {0};
        uint32_t n;
        int err, result = 0;

        if ((err = layer_enter()) != 0 || (err = key_prepare(0)) != 0)
                return err;
        n = ledger_count(&pool_slots);
        for (uint32_t i = pool_first_slot; i < n; i++)
                if (pool_is_mapped(pool_slot(i)) && (err = seal_slot(i, &use)) != 0)
                        result = err;
        key_close(&use);
        return epoch_is_wiped() ? KEEPMUM_EWIPED : result;
}

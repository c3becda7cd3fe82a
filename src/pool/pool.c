/* The pool: where speed comes from. A slot that is given back stays mapped, locked, closed and zero, and is taken again
 * without any system call.
 *
 * Always true: one mutex guards the free lists and the chunks (pool/stock.c), and nobody waits for anything else while holding it;
 * slots of before a fork are below pool_first_slot and are never touched again. */
#include "pool/pool.h"

#include "base/fatal.h"
#include "base/wipe.h"
#include "os/page.h"
#include "os/secretmem.h"
#include "pool/stock.h"
#include "region/epoch.h"

#include <keepmum.h>
#include <pthread.h>

enum { LOCK_FLOOR_PAGES = 3 };

struct ledger pool_slots, pool_chunks;
uint32_t pool_first_slot, pool_first_chunk;
static pthread_mutex_t lock = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static unsigned forks_under_lock;
static enum { UNKNOWN, TRUSTED, DISTRUSTED } probed[MEMORY_KINDS];
static int probe_error[MEMORY_KINDS];
static bool prefer_hidden;

unsigned pool_promises(const struct slot *s)
{
        return stock_chunk(s->chunk)->map.promises;
}

bool pool_prefers_hidden(void)
{
        return prefer_hidden;
}

/* ---- fork ---- */

static void plug_holes(const struct pool_chunk *c)
{
        for (uint32_t i = 0; i < c->map.n_slots; i++)
                page_plug(chunk_slot(&c->map, i), c->map.slot_bytes);
}

/* fork() waits until no chunk is being made: a slot must be marked before a child could take it along. A fork in a signal handler
 * that interrupted the pool goes on without; one that interrupted another fork shares its lock. A child that has not started
 * anew must not wait for its parent's lock, and makes no chunks. */
static void before_fork(void)
{
        if (!epoch_is_started())
                return;
        if (pthread_mutex_lock(&lock) == 0)
                forks_under_lock = 1;
        else if (forks_under_lock > 0)
                forks_under_lock++;
}

static void after_fork(void)
{
        if (epoch_is_started() && forks_under_lock > 0 && --forks_under_lock == 0)
                pthread_mutex_unlock(&lock);
}

int pool_start_anew(void)
{
        uint32_t n_chunks = ledger_count(&pool_chunks);

        lock = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP; /* another thread of the parent may have held it */
        if (pool_first_chunk == 0 && pthread_atfork(before_fork, after_fork, NULL) != 0)
                return KEEPMUM_ENOMEM;
        for (uint32_t i = pool_first_chunk == 0 ? 1 : pool_first_chunk; i < n_chunks; i++)
                plug_holes(stock_chunk(i));
        pool_first_chunk = n_chunks;
        pool_first_slot = ledger_count(&pool_slots);
        for (unsigned k = 0; k < MEMORY_KINDS; k++)
                probed[k] = UNKNOWN;
        forks_under_lock = 0;
        stock_start_anew();
        prefer_hidden = secretmem_is_free_of_charge();
        return 0;
}

/* ---- taking ---- */

static int probe(enum memory_kind kind)
{
        if (probed[kind] == UNKNOWN) {
                int err = chunk_probe(kind);

                if (err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM || err == KEEPMUM_ESYSTEM)
                        return err; /* may pass: ask again next time */
                probe_error[kind] = err;
                probed[kind] = err == 0 ? TRUSTED : DISTRUSTED;
        }
        return probed[kind] == TRUSTED ? 0 : probe_error[kind];
}

/* The kinds of memory a caller accepts, best first. */
static unsigned acceptable(enum memory_kind kinds[static MEMORY_KINDS], unsigned creation_flags)
{
        unsigned n = 0;

        if (creation_flags & KEEPMUM_HIDDEN || (prefer_hidden && !(creation_flags & KEEPMUM_NOT_HIDDEN)))
                kinds[n++] = MEMORY_HIDDEN;
        if (!(creation_flags & KEEPMUM_HIDDEN))
                kinds[n++] = MEMORY_LOCKED;
        if (creation_flags & KEEPMUM_ACCEPT_UNLOCKED && !(creation_flags & KEEPMUM_HIDDEN))
                kinds[n++] = MEMORY_UNLOCKED;
        return n;
}

static int take_best(uint32_t *number, size_t slot_bytes, unsigned creation_flags)
{
        enum memory_kind kinds[MEMORY_KINDS];
        unsigned n = acceptable(kinds, creation_flags), class = stock_class(slot_bytes);
        bool is_patient = false; /* there are slots that can be taken from other secrets */
        int err = KEEPMUM_ENOHIDDEN;

        for (unsigned i = 0; i < n && class != STOCK_LARGE; i++)
                is_patient |= stock_mapped(kinds[i], class) > 0;
        for (unsigned i = 0; i < n; i++) {
                if (is_patient && stock_is_at_limit(&err, kinds[i], class))
                        continue;
                if ((err = probe(kinds[i])) == 0 && (err = stock_get(number, kinds[i], slot_bytes)) == 0)
                        return 0;
                if (is_patient)
                        stock_note_limit(err, kinds[i], class);
        }
        return err;
}

static int take(uint32_t *number, size_t n_bytes, unsigned creation_flags)
{
        size_t slot_bytes = stock_slot_bytes(n_bytes);
        int err = take_best(number, slot_bytes, creation_flags & ~KEEPMUM_ACCEPT_UNLOCKED);

        if ((err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM) && stock_drop_free_chunks())
                err = take_best(number, slot_bytes, creation_flags & ~KEEPMUM_ACCEPT_UNLOCKED);
        if (err != 0 && creation_flags & KEEPMUM_ACCEPT_UNLOCKED)
                err = take_best(number, slot_bytes, creation_flags);
        return err;
}

int pool_take(uint32_t *number, size_t n_bytes, unsigned creation_flags)
{
        int err;

        pthread_mutex_lock(&lock);
        stock_check();
        err = take(number, n_bytes, creation_flags);
        pthread_mutex_unlock(&lock);
        return err;
}

int pool_take_for_ever(uint32_t *number, enum memory_kind kind)
{
        int err;

        pthread_mutex_lock(&lock);
        if ((err = probe(kind)) == 0 && (err = stock_get_alone(number, kind)) != 0 && stock_drop_free_chunks())
                err = stock_get_alone(number, kind);
        pthread_mutex_unlock(&lock);
        return err;
}

int pool_trade(const uint32_t *given, size_t n_given, uint32_t *number, size_t n_bytes, unsigned creation_flags)
{
        int err;

        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < n_given; i++)
                stock_put(given[i]);
        stock_forget_limits();
        err = take(number, n_bytes, creation_flags);
        pthread_mutex_unlock(&lock);
        return err;
}

/* ---- guests ---- */

static int admit(struct guest *g)
{
        int err;

        if (stock_is_over_budget(g->n_bytes, MEMORY_HIDDEN))
                return KEEPMUM_ELIMIT;
        if ((err = guest_map(g)) == 0)
                stock_counts.locked_bytes += g->n_bytes;
        return err;
}

int pool_admit(const uint32_t *given, size_t n_given, struct guest *g)
{
        int err;

        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < n_given; i++)
                stock_put(given[i]);
        err = admit(g);
        if ((err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM) && stock_drop_free_chunks())
                err = admit(g);
        pthread_mutex_unlock(&lock);
        return err;
}

void pool_dismiss(struct guest *g)
{
        pthread_mutex_lock(&lock);
        stock_counts.locked_bytes -= g->n_bytes;
        guest_unmap(g);
        stock_forget_limits();
        pthread_mutex_unlock(&lock);
}

/* ---- giving ---- */

void pool_trim(const uint32_t *given, size_t n_given)
{
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < n_given; i++)
                stock_put(given[i]);
        stock_drop_free_chunks();
        pthread_mutex_unlock(&lock);
}

void pool_give_untouched(uint32_t number)
{
        pthread_mutex_lock(&lock);
        stock_put(number);
        pthread_mutex_unlock(&lock);
}

void pool_give(uint32_t number)
{
        struct slot *s = pool_slot(number);
        wipe(s->bytes, s->n_bytes);
        atomic_store(&s->owner, 0); /* before it is closed: keepmum_wipe_all() opens only slots with an owner */
        page_close(s->bytes, s->n_bytes);
        pool_give_untouched(number);
}

/* ---- what would serve ---- */

bool pool_is_same_size(const struct slot *s, size_t n_bytes)
{
        return s->n_bytes == stock_slot_bytes(n_bytes);
}

static bool is_acceptable(enum memory_kind kind, unsigned creation_flags)
{
        if (kind == MEMORY_HIDDEN)
                return !(creation_flags & KEEPMUM_NOT_HIDDEN);
        return kind == MEMORY_LOCKED && !(creation_flags & KEEPMUM_HIDDEN);
}

bool pool_would_serve(const struct slot *s, size_t n_bytes, unsigned creation_flags)
{
        return pool_is_same_size(s, n_bytes) && is_acceptable(stock_chunk(s->chunk)->map.kind, creation_flags);
}

bool pool_has_serving(size_t n_bytes, unsigned creation_flags)
{
        unsigned class = stock_class(stock_slot_bytes(n_bytes));
        bool has = false;

        pthread_mutex_lock(&lock);
        for (unsigned k = 0; k < MEMORY_KINDS && class != STOCK_LARGE; k++)
                has |= is_acceptable(k, creation_flags) && stock_mapped(k, class) > 0;
        pthread_mutex_unlock(&lock);
        return has;
}

bool pool_is_beyond_limits(size_t n_bytes)
{
        size_t budget;

        pthread_mutex_lock(&lock);
        budget = stock_counts.lock_budget;
        pthread_mutex_unlock(&lock);
        return stock_slot_bytes(n_bytes) > (budget != 0 ? budget : page_lock_limit());
}

bool pool_is_mapped(const struct slot *s)
{
        return atomic_load(&stock_chunk(s->chunk)->is_empty) == 0;
}

/* ---- the rest ---- */

int pool_set_lock_budget(size_t n_bytes)
{
        if (n_bytes != 0 && n_bytes < LOCK_FLOOR_PAGES * page_bytes())
                return KEEPMUM_EINVAL;
        pthread_mutex_lock(&lock);
        stock_counts.lock_budget = n_bytes;
        stock_forget_limits();
        pthread_mutex_unlock(&lock);
        return 0;
}

void pool_count(struct pool_counts *out)
{
        pthread_mutex_lock(&lock);
        *out = stock_counts;
        pthread_mutex_unlock(&lock);
}

void pool_for_each(void (*visit)(struct slot *s))
{
        uint32_t n = ledger_count(&pool_slots);

        for (uint32_t i = pool_first_slot; i < n; i++) {
                struct slot *s = pool_slot(i);

                if (pool_is_mapped(s))
                        visit(s);
        }
}

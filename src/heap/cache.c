/* Making, filling, emptying and parking threads' caches.
 *
 * Thread ends come by a pthread key's destructor. Other keys' destructors may allocate after ours ran, so ours re-arms itself until the
 * last round but one of those that POSIX promises and only then lets the cache go (ThreadSanitizer ends its own part of a thread in the
 * last round); what is allocated later uses a shared one. */
#include "heap/cache.h"

#include "base/size.h"
#include "heap/books.h"
#include "heap/lock.h"
#include "os/page.h"
#include "os/random.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

enum { PARKED_MAX = 4, GUARDED_EVERY = 1000, GUARDED_OFTEN = 64, GUARDED_SELDOM = 8, REFILL_BYTES = 8192 };

__thread struct cache *cache_here;
static __thread uint8_t n_rounds;  /* of destructors that this thread has seen */
static __thread bool is_over;      /* its cache is gone */

static struct heap_lock lock = HEAP_LOCK_INITIAL, borrow_lock = HEAP_LOCK_INITIAL; /* borrow first */
static struct cache *all;
static struct cache *borrowed;
static uint32_t n_parked;
static pthread_key_t thread_end;
static bool has_thread_end;

void cache_plan_guarded(struct cache *c)
{
        uint32_t every = GUARDED_EVERY;

        if (c->n_guarded < GUARDED_OFTEN)
                c->n_guarded++;
        else
                every *= GUARDED_SELDOM;
        c->until_guarded = 1 + cache_random(c) % (2 * every - 1);
}

/* The lock is held. A parked one if there is one, then an empty one, then a new one. */
static struct cache *cache_find(void)
{
        struct cache *found = NULL;

        for (struct cache *c = all; c != NULL; c = c->next)
                if (!c->is_used && (found == NULL || c->is_parked))
                        found = c;
        if (found == NULL) {
                found = books_map(size_round_up(sizeof *found, page_bytes()));
                if (found == NULL)
                        return NULL;
                found->store = all == NULL ? 0 : (uint8_t)((all->store + 1u) % SLAB_STORES);
                found->next = all;
                all = found;
        }
        n_parked -= found->is_parked;
        found->is_parked = false;
        found->is_used = true;
        return found;
}

static struct cache *cache_adopt(void)
{
        struct cache *c;

        heap_lock(&lock);
        c = cache_find();
        heap_unlock(&lock);
        if (c != NULL && c->random_state == 0) {
                random_fill(&c->random_state, sizeof c->random_state);
                cache_plan_guarded(c);
        }
        return c;
}

struct cache *cache_borrow(void)
{
        heap_lock(&borrow_lock);
        if (borrowed == NULL)
                borrowed = cache_adopt();
        if (borrowed == NULL)
                heap_unlock(&borrow_lock);
        return borrowed;
}

void cache_return(void)
{
        heap_unlock(&borrow_lock);
}

bool cache_refill(struct cache *c, uint32_t class)
{
        uint32_t slot_bytes = slab_class_bytes[class], want = REFILL_BYTES / slot_bytes, half = cache_magazine_max(slot_bytes) / 2;

        want = want == 0 ? 1 : want > half ? half : want;
        c->n[class] = (uint8_t)slab_take(c->magazine[class], want, class, c->store);
        return c->n[class] > 0;
}

void cache_flush(struct cache *c, uint32_t class)
{
        uint32_t half = c->n[class] / 2u, rest = c->n[class] - half;

        slab_give(c->magazine[class], half, class);
        for (uint32_t i = 0; i < rest; i++)
                c->magazine[class][i] = c->magazine[class][half + i];
        c->n[class] = (uint8_t)rest;
}

bool cache_keep(struct cache *c, uint32_t class, void *slot)
{
        uint32_t slot_bytes = slab_class_bytes[class], n = c->n_waiting[class];

        if (n == cache_quarantine_max(slot_bytes) || c->quarantine_bytes + slot_bytes > CACHE_QUARANTINE_BYTES) {
                c->n_places[class] = (uint8_t)n;
                return false;
        }
        c->quarantine[class][n] = slot;
        c->n_waiting[class] = (uint8_t)(n + 1);
        c->quarantine_bytes += slot_bytes;
        return true;
}

/* What its arrays hold is nobody's any more. */
static void cache_forget(struct cache *c)
{
        memset(c->n, 0, sizeof c->n);
        memset(c->n_waiting, 0, sizeof c->n_waiting);
        memset(c->n_places, 0, sizeof c->n_places);
        c->quarantine_bytes = 0;
}

void cache_empty(struct cache *c)
{
        for (uint32_t class = 0; class < SLAB_CLASSES; class++) {
                slab_give(c->magazine[class], c->n[class], class);
                slab_give(c->quarantine[class], c->n_waiting[class], class);
        }
        cache_forget(c);
}

static void cache_leave(struct cache *c)
{
        bool parks;

        heap_lock(&lock);
        parks = n_parked < PARKED_MAX;
        if (parks) {
                n_parked++;
                c->is_parked = true;
                c->is_used = false;
        }
        heap_unlock(&lock);
        if (parks)
                return;
        cache_empty(c);
        heap_lock(&lock);
        c->is_used = false;
        heap_unlock(&lock);
}

/* Without memory for the key's value the thread's end would not be seen: such a thread borrows. */
struct cache *cache_get(void)
{
        struct cache *c = cache_here;

        if (c != NULL || is_over || (c = cache_adopt()) == NULL)
                return c;
        cache_here = c; /* before the next call: it may allocate */
        if (!has_thread_end || pthread_setspecific(thread_end, c) != 0) {
                is_over = true;
                cache_here = NULL;
                cache_leave(c);
        }
        return cache_here;
}

static void thread_ends(void *its_cache)
{
        struct cache *c = its_cache;

        if (++n_rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1 && pthread_setspecific(thread_end, c) == 0)
                return;
        is_over = true;
        cache_here = NULL;
        cache_leave(c);
}

void cache_start(void)
{
        has_thread_end = pthread_key_create(&thread_end, thread_ends) == 0;
}

uint64_t cache_count(void)
{
        uint64_t n = 0;

        heap_lock(&lock);
        for (const struct cache *c = all; c != NULL; c = c->next)
                n += c->is_used;
        heap_unlock(&lock);
        return n;
}

void cache_lock(void)
{
        heap_lock(&borrow_lock);
        heap_lock(&lock);
}

void cache_unlock(void)
{
        heap_unlock(&lock);
        heap_unlock(&borrow_lock);
}

void cache_lock_renew(void)
{
        heap_lock_renew(&borrow_lock);
        heap_lock_renew(&lock);
}

/* A thread that is not there any more may have been between two steps: its cache says nothing that is sure. So all caches are emptied that
 * are sound, the others forgotten, and whatever is then in nobody's hands is taken back. */
void cache_forsake_others(void)
{
        bool had_others = false;

        for (struct cache *c = all; c != NULL; c = c->next)
                had_others |= c->is_used && c != cache_here && c != borrowed;
        if (!had_others)
                return;
        for (struct cache *c = all; c != NULL; c = c->next) {
                if (c == cache_here || c == borrowed || !c->is_used) {
                        cache_empty(c);
                } else {
                        cache_forget(c);
                        c->is_used = false;
                }
                n_parked -= c->is_parked;
                c->is_parked = false;
        }
        slab_recover_all();
}

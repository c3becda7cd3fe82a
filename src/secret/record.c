/* Records: one for each handle, never moved, used again with another generation.
 *
 * A handle is 24 bits of number and 40 of generation. A record's first generation is a keyed hash of its number, so that a guessed
 * or corrupt handle is met but for 1 in 2^40; each destroy adds one, and a record that has come round to its first generation is
 * retired. The generations given out so far are therefore known exactly: what lies between the first and the present one is
 * stale, everything else was never given out.
 *
 * Always true: the word alone decides who may do what; BUSY is a lock that is held for a few system calls at most, and never
 * while waiting for another record. Records of before a fork stay below record_first and are not looked at again. */
#include "secret/record.h"

#include "base/fatal.h"
#include "os/futex.h"
#include "os/random.h"
#include "region/ledger.h"

#include <pthread.h>
#include <sodium.h>

enum { RETIRED = 1 }; /* as the count of a FREE record */

struct ledger record_ledger;
uint32_t record_first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the free list and the growing */
static uint32_t free_head;
static unsigned char generation_key[crypto_shorthash_KEYBYTES];

int record_start_anew(void)
{
        if (record_first == 0) {
                if (sodium_init() < 0)
                        return KEEPMUM_ESYSTEM;
                random_fill(generation_key, sizeof generation_key);
        }
        lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* another thread of the parent may have held it */
        record_first = ledger_count(&record_ledger);
        free_head = 0;
        return 0;
}

static struct record *record_at(uint32_t number)
{
        return ledger_at(&record_ledger, number, sizeof(struct record));
}

static uint64_t first_generation(uint32_t number)
{
        unsigned char hash[crypto_shorthash_BYTES];
        uint64_t g = 0;

        crypto_shorthash(hash, (const unsigned char *)&number, sizeof number, generation_key);
        for (unsigned i = 0; i < RECORD_GENERATION_BITS / 8; i++)
                g = g << 8 | hash[i];
        return g;
}

/* ---- taking and giving ---- */

static int record_add(uint32_t *number)
{
        int err = ledger_append(&record_ledger, number, 1, sizeof(struct record));

        if (err != 0)
                return err;
        atomic_store(&record_at(*number)->word, word_make(first_generation(*number), PHASE_FREE, 0));
        ledger_publish(&record_ledger, 1);
        return 0;
}

static int take_number(uint32_t *number)
{
        int err = 0;

        pthread_mutex_lock(&lock);
        if (free_head != 0) {
                *number = free_head;
                free_head = (uint32_t)atomic_load(&record_at(*number)->where);
        } else {
                err = record_add(number);
        }
        pthread_mutex_unlock(&lock);
        return err;
}

int record_take(struct record **r, keepmum_secret *handle)
{
        uint32_t number;
        uint64_t generation;
        int err = take_number(&number);

        if (err != 0)
                return err;
        *r = record_at(number);
        atomic_store(&(*r)->where, 0);
        generation = word_generation(atomic_load(&(*r)->word));
        atomic_store(&(*r)->word, word_make(generation, PHASE_BUSY, 0));
        handle->bits = generation << RECORD_INDEX_BITS | number;
        return 0;
}

void record_give(struct record *r, keepmum_secret handle)
{
        uint32_t number = record_number(handle);
        uint64_t next = (word_generation(atomic_load(&r->word)) + 1) & RECORD_GENERATION_MASK;

        if (next == first_generation(number)) {
                record_publish(r, word_make(next, PHASE_FREE, RETIRED));
                return; /* used up: never taken again */
        }
        record_publish(r, word_make(next, PHASE_FREE, 0));
        pthread_mutex_lock(&lock);
        atomic_store(&r->where, free_head);
        free_head = number;
        pthread_mutex_unlock(&lock);
}

int record_is_stale(keepmum_secret handle, uint64_t word)
{
        uint64_t given = record_generation(handle), now = word_generation(word), first;

        if (word_phase(word) == PHASE_FREE && word_opens(word) == RETIRED)
                return KEEPMUM_ESTALE;
        first = first_generation(record_number(handle));
        must(((given - first) & RECORD_GENERATION_MASK) < ((now - first) & RECORD_GENERATION_MASK), "a handle that was never given out");
        return KEEPMUM_ESTALE;
}

/* ---- waiting ---- */

static const void *low_half(const struct record *r)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return &r->word;
#else
        return (const char *)&r->word + 4;
#endif
}

void record_wake(const struct record *r)
{
        futex_wake_all(low_half(r));
}

uint64_t record_wait(struct record *r, uint64_t word)
{
        uint64_t marked = word | WORD_WAITERS;

        for (int spin = 0; spin < 100; spin++) { /* most changes take about a microsecond */
                uint64_t now = atomic_load(&r->word);

                if (now != word)
                        return now;
        }
        if (word == marked || atomic_compare_exchange_strong(&r->word, &word, marked))
                futex_wait(low_half(r), (uint32_t)marked);
        return atomic_load(&r->word);
}

/* ---- counting ---- */

void record_count(struct record_counts *counts)
{
        uint32_t n = ledger_count(&record_ledger);

        *counts = (struct record_counts){0};
        for (uint32_t i = record_first; i < n; i++) {
                uint64_t word = atomic_load(&record_at(i)->word);

                counts->secrets += word_phase(word) != PHASE_FREE && word_phase(word) != PHASE_DYING;
                counts->without_slot += word_phase(word) == PHASE_EMPTY || word_phase(word) == PHASE_SEALED;
                if (word_phase(word) != PHASE_FREE)
                        counts->opens += word_opens(word);
        }
}

bool record_claim_owner(const struct slot *s, struct record **r, uint64_t *word)
{
        uint32_t owner = atomic_load(&s->owner);

        if (owner == 0 || owner >= ledger_count(&record_ledger))
                return false;
        *r = record_at(owner);
        *word = atomic_load(&(*r)->word);
        if (word_phase(*word) != PHASE_CLOSED ||
            !atomic_compare_exchange_strong(&(*r)->word, word, word_make(word_generation(*word), PHASE_BUSY, 0)))
                return false;
        if (pool_is_sound(record_slot(*r)) && pool_slot(record_slot(*r)) == s)
                return true;
        record_publish(*r, *word); /* it moved meanwhile */
        return false;
}

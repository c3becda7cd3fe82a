/* Open and close: the bracket around every use of a secret.
 *
 * Phases of a record, and who may change them:
 *
 *      CLOSED --open_read--> READ x 1 <--open_read, close--> READ x n        nested: one compare-and-swap, no system call
 *      CLOSED --open_write-> WRITE                                            alone
 *      READ, WRITE --destroy elsewhere--> DYING --last close--> FREE
 *
 * Every step that changes the page goes over BUSY: whoever swaps the word to BUSY owns record and slot until it publishes the next
 * phase; others spin shortly, then sleep. There is no lock above records, so opens of different secrets never meet.
 *
 * Always true: a slot is PROT_NONE in phase CLOSED; record and slot name each other and agree about the size, which is looked at
 * before any page is opened; after keepmum_wipe_all() a thread that finds the flag after its change wipes its page itself. */
#include "secret/access.h"

#include "base/fatal.h"
#include "base/size.h"
#include "base/wipe.h"
#include "os/page.h"
#include "secret/layer.h"
#include "secret/pattern.h"

static const char beside[] = "a write beside a secret";

/* The address of a thread's own byte tells it from every other living thread. */
static uintptr_t this_thread(void)
{
        static _Thread_local char byte;

        return (uintptr_t)&byte;
}

unsigned char *access_payload(const struct slot *s, size_t n_bytes, unsigned creation_flags)
{
        size_t room = creation_flags & KEEPMUM_EXACT_END ? n_bytes : size_round_up(n_bytes, 16);

        return s->bytes + pool_slot_bytes(s) - room;
}

struct slot *access_slot(const struct record *r, keepmum_secret handle)
{
        struct slot *s = pool_slot(r->slot);

        must(r->slot != 0 && atomic_load(&s->owner) == record_number(handle) &&
                     atomic_load(&s->payload_bytes) == atomic_load(&r->payload_bytes),
             "the records were overwritten");
        return s;
}

/* ---- the pattern ---- */

static void lay_pattern(struct record *r, const struct slot *s)
{
        size_t n = atomic_load(&r->payload_bytes);

        pattern_lay(s->bytes, pool_slot_bytes(s), access_payload(s, n, r->flags), n, r->slot);
        r->is_patterned = true;
}

/* keepmum_wipe_all() writes over the pattern after it has set its flag: in this order nobody is accused wrongly. */
static void look_at_pattern(const struct record *r, const struct slot *s)
{
        size_t n = atomic_load(&r->payload_bytes);
        bool is_whole = !r->is_patterned ||
                        pattern_is_whole(s->bytes, pool_slot_bytes(s), access_payload(s, n, r->flags), n, r->slot);

        must(is_whole || epoch_is_wiped(), beside);
}

/* ---- after keepmum_wipe_all() ---- */

static void wipe_slot(const struct slot *s)
{
        page_open_write(s->bytes, pool_slot_bytes(s));
        wipe(s->bytes, pool_slot_bytes(s));
        page_close(s->bytes, pool_slot_bytes(s));
}

static void publish_closed(struct record *r, const struct slot *s, keepmum_secret handle)
{
        record_publish(r, word_make(handle.bits >> RECORD_INDEX_BITS, PHASE_CLOSED, 0));
        if (epoch_is_wiped())
                page_close(s->bytes, pool_slot_bytes(s));
}

/* ---- claiming a closed record ---- */

/* One step towards BUSY from a phase that is not open. 0: try again or, with *is_mine, done. */
static int claim_step(struct record *r, uint64_t *word, bool *is_mine)
{
        switch (word_phase(*word)) {
        case PHASE_BUSY:
                *word = record_wait(r, *word);
                return 0;
        case PHASE_CLOSED:
                *is_mine = atomic_compare_exchange_weak(&r->word, word,
                                                        word_make(word_generation(*word), PHASE_BUSY, 0));
                return 0;
        default:
                return KEEPMUM_EBUSY;
        }
}

int access_claim(struct record **r, keepmum_secret handle)
{
        bool is_mine = false;
        uint64_t word;
        int err;

        if ((err = layer_enter()) != 0 || (err = record_find(r, handle)) != 0)
                return err;
        word = atomic_load(&(*r)->word);
        while (!is_mine)
                if ((err = record_is_live(handle, word)) != 0 || (err = claim_step(*r, &word, &is_mine)) != 0)
                        return err;
        return 0;
}

/* ---- opening ---- */

/* Joins the readers of an open secret. True when done, else word is what it is now. */
static bool join_readers(struct record *r, uint64_t *word)
{
        return atomic_compare_exchange_weak(&r->word, word, *word + 1);
}

static void hand_out(const struct record *r, unsigned char **bytes, size_t *n_bytes)
{
        size_t n = atomic_load_explicit(&r->payload_bytes, memory_order_relaxed);

        *bytes = access_payload(pool_slot(r->slot), n, r->flags);
        if (n_bytes != NULL)
                *n_bytes = n;
}

/* Opens the page of a BUSY record and publishes the phase. */
static int open_slot(struct record *r, keepmum_secret handle, enum phase phase, unsigned char **bytes, size_t *n_bytes)
{
        struct slot *s = access_slot(r, handle);
        size_t n = pool_slot_bytes(s);

        if (phase == PHASE_WRITE) {
                page_open_write(s->bytes, n);
                if (!r->is_patterned)
                        lay_pattern(r, s);
                atomic_store_explicit(&s->writer, this_thread(), memory_order_relaxed);
        } else {
                page_open_read(s->bytes, n);
        }
        if (epoch_is_wiped()) {
                wipe_slot(s);
                publish_closed(r, s, handle);
                return KEEPMUM_EWIPED;
        }
        hand_out(r, bytes, n_bytes);
        record_publish(r, word_make(handle.bits >> RECORD_INDEX_BITS, phase, 1));
        return 0;
}

static int open_read(keepmum_secret handle, unsigned char **bytes, size_t *n_bytes)
{
        struct record *r;
        bool is_mine = false;
        uint64_t word;
        int err;

        if ((err = layer_enter()) != 0 || (err = record_find(&r, handle)) != 0)
                return err;
        word = atomic_load(&r->word);
        while (!is_mine) {
                if ((err = record_is_live(handle, word)) != 0)
                        return err;
                if (word_phase(word) == PHASE_READ) {
                        if (word_opens(word) == WORD_MAX_OPENS)
                                return KEEPMUM_ELIMIT;
                        if (join_readers(r, &word)) {
                                hand_out(r, bytes, n_bytes);
                                return 0;
                        }
                } else if ((err = claim_step(r, &word, &is_mine)) != 0) {
                        return err;
                }
        }
        return open_slot(r, handle, PHASE_READ, bytes, n_bytes);
}

int keepmum_open_read(keepmum_secret s, const void **bytes, size_t *n_bytes)
{
        unsigned char *p;
        int err;

        if (bytes == NULL)
                return KEEPMUM_EINVAL;
        if ((err = open_read(s, &p, n_bytes)) == 0)
                *bytes = p;
        return err;
}

int keepmum_open_write(keepmum_secret s, void **bytes, size_t *n_bytes)
{
        struct record *r;
        unsigned char *p;
        int err;

        if (bytes == NULL)
                return KEEPMUM_EINVAL;
        if ((err = access_claim(&r, s)) != 0 || (err = open_slot(r, s, PHASE_WRITE, &p, n_bytes)) != 0)
                return err;
        *bytes = p;
        return 0;
}

/* ---- closing ---- */

static void close_slot(struct record *r, keepmum_secret handle, enum phase was)
{
        struct slot *s = access_slot(r, handle);

        if (was == PHASE_WRITE)
                look_at_pattern(r, s);
        if (epoch_is_wiped())
                wipe_slot(s);
        else
                page_close(s->bytes, pool_slot_bytes(s));
        publish_closed(r, s, handle);
}

static bool is_open(uint64_t word)
{
        return word_phase(word) == PHASE_READ || word_phase(word) == PHASE_WRITE || word_phase(word) == PHASE_DYING;
}

/* Takes one open off the word. The last one leaves the record BUSY for the caller. */
static uint64_t leave(struct record *r, keepmum_secret handle)
{
        uint64_t word = atomic_load(&r->word), next;

        do {
                must(word_generation(word) == handle.bits >> RECORD_INDEX_BITS, "close of a destroyed secret");
                must(is_open(word), "close of a secret that is not open");
                next = word_opens(word) > 1 ? word - 1 : word_make(word_generation(word), PHASE_BUSY, 0);
        } while (!atomic_compare_exchange_weak(&r->word, &word, next));
        return word;
}

/* Whether close and destroy of a handle have nothing to do: the parent's secret, or all were wiped. */
static bool is_beyond(struct record **r, keepmum_secret handle)
{
        return layer_enter() != 0 || record_find(r, handle) == KEEPMUM_EFORKED;
}

void keepmum_close(keepmum_secret s)
{
        struct record *r;
        uint64_t was;

        must(s.bits != 0, "close of no secret");
        if (is_beyond(&r, s))
                return;
        was = leave(r, s);
        if (word_opens(was) > 1)
                return;
        if (word_phase(was) == PHASE_DYING)
                access_finish(r, s, false);
        else
                close_slot(r, s, word_phase(was));
}

/* ---- for the other rooms ---- */

void access_begin_write(struct record *r, keepmum_secret handle)
{
        struct slot *s = access_slot(r, handle);

        page_open_write(s->bytes, pool_slot_bytes(s));
        look_at_pattern(r, s);
}

void access_end_write(struct record *r, keepmum_secret handle)
{
        struct slot *s = access_slot(r, handle);

        lay_pattern(r, s);
        close_slot(r, handle, PHASE_CLOSED);
}

void access_finish(struct record *r, keepmum_secret handle, bool is_writable)
{
        struct slot *s = access_slot(r, handle);
        uint32_t number = r->slot;

        if (!r->is_patterned) {
                pool_give_untouched(number);
        } else {
                if (!is_writable)
                        page_open_write(s->bytes, pool_slot_bytes(s));
                look_at_pattern(r, s);
                pool_give(number);
        }
        r->slot = 0;
        record_give(r, handle);
}

/* ---- destroying ---- */

static bool is_written_by_me(const struct record *r, uint64_t word)
{
        return word_phase(word) == PHASE_WRITE &&
               atomic_load_explicit(&pool_slot(r->slot)->writer, memory_order_relaxed) == this_thread();
}

void keepmum_destroy(keepmum_secret *s)
{
        struct record *r;
        keepmum_secret handle;
        uint64_t word, next;

        must(s != NULL, "destroy of a null pointer");
        handle = *s;
        if (handle.bits == 0)
                return;
        *s = (keepmum_secret){0};
        if (is_beyond(&r, handle))
                return;
        word = atomic_load(&r->word);
        for (;;) {
                must(record_is_live(handle, word) == 0, "destroy of a destroyed secret");
                if (word_phase(word) == PHASE_BUSY) {
                        word = record_wait(r, word);
                        continue;
                }
                next = word_make(word_generation(word), PHASE_BUSY, 0);
                if (word_phase(word) != PHASE_CLOSED && !is_written_by_me(r, word))
                        next = word_make(word_generation(word), PHASE_DYING, word_opens(word));
                if (atomic_compare_exchange_weak(&r->word, &word, next))
                        break;
        }
        if (word_phase(next) == PHASE_BUSY)
                access_finish(r, handle, word_phase(word) == PHASE_WRITE);
}

/* Open and close: the bracket around every use of a secret.
 *
 * Phases of a record, and who may change them:
 *
 *      CLOSED --open_read--> READ x 1 <--open_read, close--> READ x n        nested: one compare-and-swap, no system call
 *      CLOSED --open_write-> WRITE                                            alone
 *      SEALED, EMPTY --either, over secret/seal.c--> READ, WRITE
 *      READ, WRITE --destroy elsewhere--> DYING --last close--> FREE
 *
 * Every step that changes the page goes over BUSY: whoever swaps the word to BUSY owns record and slot until it publishes the next
 * phase; others spin shortly, then sleep. There is no lock above records, so opens of different secrets never meet.
 *
 * What stands between mprotect(2) and the way back to the caller is inline: each return of a function that was entered before a
 * system call is a mispredicted branch, and three of them were a tenth of the whole bracket (docs/benchmarks.md).
 *
 * Always true: a slot is PROT_NONE in phase CLOSED; record and slot name each other and agree about the size, which is looked at
 * before any page is opened; after keepmum_wipe_all() whoever closes a secret wipes its page first. */
#include "secret/access.h"

#include "base/fatal.h"
#include "base/wipe.h"
#include "os/page.h"
#include "secret/layer.h"
#include "secret/pattern.h"
#include "secret/seal.h"

#define INLINE static inline __attribute__((always_inline))

/* What a page is at the moment. */
enum page_mode { SHUT, READABLE, WRITABLE };

/* The address of a thread's own byte tells it from every other living thread. */
static uintptr_t this_thread(void)
{
        static _Thread_local char byte;

        return (uintptr_t)&byte;
}

INLINE void find_place(struct place *p, const struct record *r, keepmum_secret handle)
{
        size_t room;

        p->number = record_slot(r);
        must(pool_is_sound(p->number), "the records were overwritten");
        p->slot = pool_slot(p->number);
        p->slot_bytes = p->slot->n_bytes;
        p->payload_bytes = atomic_load_explicit(&r->payload_bytes, memory_order_relaxed);
        room = access_room(p->payload_bytes, r->flags);
        must(atomic_load_explicit(&p->slot->owner, memory_order_relaxed) == record_number(handle) &&
                     atomic_load_explicit(&p->slot->payload_bytes, memory_order_relaxed) == p->payload_bytes &&
                     p->payload_bytes != 0 && room <= p->slot_bytes,
             "the records were overwritten");
        p->payload = p->slot->bytes + p->slot_bytes - room;
}

void access_find(struct place *p, const struct record *r, keepmum_secret handle)
{
        find_place(p, r, handle);
}

/* ---- the pattern ---- */

static void lay_pattern(struct record *r, const struct place *p)
{
        pattern_lay(p->slot->bytes, p->slot_bytes, p->payload, p->payload_bytes, p->number);
        r->is_patterned = true;
        r->is_written = true;
}

/* keepmum_wipe_all() writes over the pattern after it has set its flag: in this order nobody is accused wrongly. */
void access_look_at_pattern(const struct record *r, const struct place *p)
{
        bool is_whole = !r->is_patterned ||
                        pattern_is_whole(p->slot->bytes, p->slot_bytes, p->payload, p->payload_bytes, p->number);

        must(is_whole || epoch_is_wiped(), "a write beside a secret");
}

/* ---- back to CLOSED ---- */

INLINE void shut(const struct place *p)
{
        if (epoch_is_wiped()) {
                page_open_write(p->slot->bytes, p->slot_bytes);
                wipe(p->slot->bytes, p->slot_bytes);
        }
        page_close(p->slot->bytes, p->slot_bytes);
}

/* keepmum_wipe_all() may have opened the page between our shut() and the publishing, and left it to us. Out of line with a place of
 * its own, as close_wiped(), so that the usual path keeps its place in registers. */
static void shut_again(struct record *r, keepmum_secret handle, uint64_t closed)
{
        uint64_t word = closed;
        struct place p;

        if (atomic_compare_exchange_strong(&r->word, &word, word_make(word_generation(closed), PHASE_BUSY, 0))) {
                access_find(&p, r, handle);
                shut(&p);
                record_publish(r, closed);
        }
}

INLINE void close_place(struct record *r, const struct place *p, keepmum_secret handle)
{
        uint64_t closed = word_make(record_generation(handle), PHASE_CLOSED, 0);

        shut(p);
        record_publish(r, closed);
        if (epoch_is_wiped())
                shut_again(r, handle, closed);
}

static void close_wiped(struct record *r, keepmum_secret handle)
{
        struct place p;

        access_find(&p, r, handle);
        close_place(r, &p, handle);
}

/* ---- claiming a closed record ---- */

/* One step towards BUSY from a phase that is not open. 0: try again or, with *is_mine, done; *word is then what it was. */
static int claim_step(struct record *r, uint64_t *word, bool *is_mine)
{
        switch (word_phase(*word)) {
        case PHASE_BUSY:
                *word = record_wait(r, *word);
                return 0;
        case PHASE_CLOSED:
        case PHASE_SEALED:
        case PHASE_EMPTY:
                *is_mine = atomic_compare_exchange_weak(&r->word, word, word_make(word_generation(*word), PHASE_BUSY, 0));
                return 0;
        default:
                return KEEPMUM_EBUSY;
        }
}

int access_claim(struct record **r, keepmum_secret handle, enum phase *from)
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
        *from = word_phase(word);
        return 0;
}

/* ---- opening ---- */

INLINE int publish_open(struct record *r, keepmum_secret handle, enum phase phase)
{
        if (epoch_is_wiped()) {
                close_wiped(r, handle);
                return KEEPMUM_EWIPED;
        }
        record_publish(r, word_make(record_generation(handle), phase, 1));
        return 0;
}

/* Opens the page of a BUSY record for reading. The clock passes once over what was opened lately. */
INLINE int open_for_reading(struct record *r, keepmum_secret handle, const void **bytes, size_t *n_bytes)
{
        struct place p;
        int err;

        find_place(&p, r, handle);
        atomic_store_explicit(&p.slot->is_recent, true, memory_order_relaxed);
        page_open_read(p.slot->bytes, p.slot_bytes);
        if ((err = publish_open(r, handle, PHASE_READ)) != 0)
                return err;
        *bytes = p.payload;
        if (n_bytes != NULL)
                *n_bytes = p.payload_bytes;
        return 0;
}

/* Joins the readers of an open secret (*from is READ); or, when it is not open, becomes the one that opens it. */
INLINE int join_or_claim(struct record *r, keepmum_secret handle, enum phase *from)
{
        uint64_t word = atomic_load(&r->word);
        bool is_mine = false;
        int err;

        while ((err = record_is_live(handle, word)) == 0) {
                if (word_phase(word) == PHASE_READ) {
                        if (word_opens(word) == WORD_MAX_OPENS)
                                return KEEPMUM_ELIMIT;
                        if (atomic_compare_exchange_weak(&r->word, &word, word + 1)) {
                                *from = PHASE_READ;
                                return 0;
                        }
                } else {
                        if ((err = claim_step(r, &word, &is_mine)) != 0)
                                return err;
                        if (is_mine) {
                                *from = word_phase(word);
                                return 0;
                        }
                }
        }
        return err;
}

int access_join_or_claim(struct record **r, keepmum_secret handle, enum phase *from)
{
        int err;

        if ((err = layer_enter()) != 0 || (err = record_find(r, handle)) != 0)
                return err;
        return join_or_claim(*r, handle, from);
}

/* Out of line, so that the way of a secret that has a slot is short. */
__attribute__((noinline)) static int revive_for_reading(struct record *r, keepmum_secret handle, enum phase from, const void **bytes,
                                                        size_t *n_bytes)
{
        int err = seal_revive(r, handle, from, 0);

        return err != 0 ? err : open_for_reading(r, handle, bytes, n_bytes);
}

int keepmum_open_read(keepmum_secret s, const void **bytes, size_t *n_bytes)
{
        struct record *r;
        struct place p;
        enum phase from;
        int err;

        if (bytes == NULL)
                return KEEPMUM_EINVAL;
        if ((err = layer_enter()) != 0 || (err = record_find(&r, s)) != 0 || (err = join_or_claim(r, s, &from)) != 0)
                return err;
        if (__builtin_expect(from == PHASE_CLOSED, 1))
                return open_for_reading(r, s, bytes, n_bytes);
        if (from != PHASE_READ)
                return revive_for_reading(r, s, from, bytes, n_bytes);
        find_place(&p, r, s); /* it cannot move while this open is counted */
        *bytes = p.payload;
        if (n_bytes != NULL)
                *n_bytes = p.payload_bytes;
        return 0;
}

int keepmum_open_write(keepmum_secret s, void **bytes, size_t *n_bytes)
{
        struct record *r;
        struct place p;
        enum phase from;
        int err;

        if (bytes == NULL)
                return KEEPMUM_EINVAL;
        if ((err = access_claim(&r, s, &from)) != 0 || (from != PHASE_CLOSED && (err = seal_revive_for_writing(r, s, from)) != 0))
                return err;
        find_place(&p, r, s);
        if (from == PHASE_CLOSED) {
                page_open_write(p.slot->bytes, p.slot_bytes);
                seal_forget_box(r, p.slot);
        }
        atomic_store_explicit(&p.slot->is_recent, true, memory_order_relaxed);
        if (!r->is_patterned)
                lay_pattern(r, &p);
        atomic_store_explicit(&p.slot->writer, this_thread(), memory_order_relaxed);
        if ((err = publish_open(r, s, PHASE_WRITE)) != 0)
                return err;
        *bytes = p.payload;
        if (n_bytes != NULL)
                *n_bytes = p.payload_bytes;
        return 0;
}

/* ---- the end of a secret ---- */

static void finish(struct record *r, keepmum_secret handle, enum page_mode mode)
{
        struct place p;

        access_find(&p, r, handle);
        if (!r->is_written) { /* zero still */
                seal_forget_box(r, p.slot);
                if (mode != SHUT)
                        page_close(p.slot->bytes, p.slot_bytes);
                pool_give_untouched(p.number);
        } else {
                if (mode != WRITABLE)
                        page_open_write(p.slot->bytes, p.slot_bytes);
                access_look_at_pattern(r, &p);
                seal_forget_box(r, p.slot);
                pool_give(p.number);
        }
        atomic_store(&r->where, 0);
        record_give(r, handle);
}

/* ---- closing ---- */

static bool is_open(uint64_t word)
{
        return word_phase(word) == PHASE_READ || word_phase(word) == PHASE_WRITE || word_phase(word) == PHASE_DYING;
}

/* Takes one open off the word; *was is what it was. The last one leaves the record BUSY for the caller. After keepmum_wipe_all() there may be
 * none to take: false. */
static bool leave(struct record *r, keepmum_secret handle, uint64_t *was)
{
        uint64_t word = atomic_load(&r->word), next;

        do {
                bool is_mine = word_generation(word) == record_generation(handle);

                if (epoch_is_wiped() && !(is_mine && is_open(word)))
                        return false;
                must(is_mine, "close of a destroyed secret");
                must(is_open(word), "close of a secret that is not open");
                next = word_opens(word) > 1 ? word - 1 : word_make(word_generation(word), PHASE_BUSY, 0);
        } while (!atomic_compare_exchange_weak(&r->word, &word, next));
        *was = word;
        return true;
}

INLINE void close_last(struct record *r, keepmum_secret handle, enum phase was)
{
        struct place p;

        if (was == PHASE_DYING) {
                finish(r, handle, READABLE);
                return;
        }
        if (__builtin_expect((r->flags & KEEPMUM_SEALED) != 0, 0)) {
                seal_close(r, handle, was == PHASE_WRITE);
                return;
        }
        find_place(&p, r, handle);
        if (was == PHASE_WRITE)
                access_look_at_pattern(r, &p);
        close_place(r, &p, handle);
}

/* The record of a handle, for close and destroy; false where they have nothing to do. After keepmum_wipe_all() a handle that was kept in a
 * secret is noise as well (keepmum.hpp's allocator has it there), so that a number that was never given out is no misuse. */
static bool find_own(struct record **r, keepmum_secret handle)
{
        uint32_t number = record_number(handle);
        int err = layer_enter();

        if (err == KEEPMUM_EWIPED && (number == 0 || number >= ledger_count(&record_ledger)))
                return false;
        return (err == 0 || err == KEEPMUM_EWIPED) && record_find(r, handle) == 0;
}

void keepmum_close(keepmum_secret s)
{
        struct record *r;
        uint64_t was;

        must(s.bits != 0, "close of no secret");
        if (find_own(&r, s) && leave(r, s, &was) && word_opens(was) == 1)
                close_last(r, s, word_phase(was));
}

/* ---- destroying ---- */

static bool is_written_by_me(const struct record *r, uint64_t word)
{
        uint32_t number = record_slot(r);

        return word_phase(word) == PHASE_WRITE && pool_is_sound(number) &&
               atomic_load_explicit(&pool_slot(number)->writer, memory_order_relaxed) == this_thread();
}

/* Ends the handle: makes the record BUSY for the caller, or DYING where others have it open. Returns the phase it was in. */
static enum phase end_handle(struct record *r, keepmum_secret handle, bool *is_mine)
{
        uint64_t word = atomic_load(&r->word), next;

        for (;;) {
                must(record_is_live(handle, word) == 0, "destroy of a destroyed secret");
                if (word_phase(word) == PHASE_BUSY) {
                        word = record_wait(r, word);
                        continue;
                }
                *is_mine = !is_open(word) || is_written_by_me(r, word);
                next = *is_mine ? word_make(word_generation(word), PHASE_BUSY, 0)
                                : word_make(word_generation(word), PHASE_DYING, word_opens(word));
                if (atomic_compare_exchange_weak(&r->word, &word, next))
                        return word_phase(word);
        }
}

void keepmum_destroy(keepmum_secret *s)
{
        struct record *r;
        keepmum_secret handle;
        bool is_mine;
        enum phase was;

        must(s != NULL, "destroy of a null pointer");
        handle = *s;
        *s = (keepmum_secret){0};
        if (handle.bits == 0 || !find_own(&r, handle))
                return;
        if (epoch_is_wiped()) { /* every handle has ended; only what this thread writes to is still to be wiped */
                if (is_written_by_me(r, atomic_load(&r->word)))
                        keepmum_close(handle);
                return;
        }
        was = end_handle(r, handle, &is_mine);
        if (was == PHASE_SEALED || was == PHASE_EMPTY)
                seal_end(r, handle, was);
        else if (is_mine)
                finish(r, handle, was == PHASE_WRITE ? WRITABLE : SHUT);
}

/* ---- for the other rooms ---- */

void access_publish_closed(struct record *r, keepmum_secret handle)
{
        uint64_t closed = word_make(record_generation(handle), PHASE_CLOSED, 0);

        record_publish(r, closed);
        if (epoch_is_wiped())
                shut_again(r, handle, closed);
}

void access_begin_write(struct record *r, keepmum_secret handle)
{
        struct place p;

        access_find(&p, r, handle);
        page_open_write(p.slot->bytes, p.slot_bytes);
        access_look_at_pattern(r, &p);
        seal_forget_box(r, p.slot);
}

void access_end_write(struct record *r, keepmum_secret handle)
{
        struct place p;

        access_find(&p, r, handle);
        lay_pattern(r, &p);
        close_place(r, &p, handle);
}

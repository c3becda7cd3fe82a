/* Secrets as values: making, sizing, comparing and filling them. */
#include "base/copy.h"
#include "base/registers.h"
#include "base/wipe.h"
#include "os/page.h"
#include "os/process.h"
#include "os/random.h"
#include "secret/access.h"
#include "secret/layer.h"
#include "secret/seal.h"

#include <sodium.h>

static int size_is_allowed(size_t n_bytes)
{
        if (n_bytes == 0)
                return KEEPMUM_EINVAL;
        return n_bytes > KEEPMUM_MAX_BYTES ? KEEPMUM_ETOOBIG : 0;
}

/* A BUSY record of zeroes: closed in its slot, or without one (0). */
static void publish_unwritten(struct record *r, keepmum_secret handle, uint32_t slot, size_t n_bytes)
{
        if (slot != 0) {
                seal_settle(r, handle, slot, n_bytes);
                access_publish_closed(r, handle);
        } else {
                atomic_store(&r->payload_bytes, (uint32_t)n_bytes);
                record_publish(r, word_make(record_generation(handle), PHASE_EMPTY, 0));
        }
}

/* At the very limit of mappings there is none for a new record either: then a chunk of slots gives way. */
static int take_record(struct record **r, keepmum_secret *handle)
{
        int err = record_take(r, handle);

        if (err != KEEPMUM_ENOMEM || process_name_shortage(err) == err)
                return err;
        evict_make_room();
        return process_name_shortage(record_take(r, handle));
}

int keepmum_create(keepmum_secret *out, size_t n_bytes, unsigned flags)
{
        keepmum_secret handle;
        struct record *r;
        uint32_t slot;
        int err;

        if (out == NULL || !layer_allows_flags(flags))
                return KEEPMUM_EINVAL;
        if ((err = size_is_allowed(n_bytes)) != 0 || (err = layer_enter()) != 0 || (err = seal_first_slot(&slot, n_bytes, flags)) != 0)
                return process_name_shortage(err);
        if ((err = take_record(&r, &handle)) != 0) {
                if (slot != 0)
                        pool_give_untouched(slot);
                return err;
        }
        record_begin(r, n_bytes, flags);
        publish_unwritten(r, handle, slot, n_bytes);
        if (epoch_is_wiped())
                return KEEPMUM_EWIPED;
        *out = handle;
        return 0;
}

int keepmum_take(keepmum_secret *out, void *bytes, size_t n_bytes, unsigned flags)
{
        keepmum_secret s;
        void *inside;
        int err;

        if (bytes == NULL || out == NULL)
                return KEEPMUM_EINVAL;
        if ((err = keepmum_create(&s, n_bytes, flags)) != 0)
                return err;
        if ((err = keepmum_open_write(s, &inside, NULL)) != 0) {
                keepmum_destroy(&s);
                return err;
        }
        copy_bytes(inside, bytes, n_bytes);
        keepmum_close(s);
        if (epoch_is_wiped()) {
                keepmum_destroy(&s);
                return KEEPMUM_EWIPED;
        }
        wipe(bytes, n_bytes);
        *out = s;
        return 0;
}

/* ---- size ---- */

int keepmum_size(keepmum_secret s, size_t *n_bytes)
{
        struct record *r;
        uint64_t word;
        size_t n;
        int err;

        if (n_bytes == NULL)
                return KEEPMUM_EINVAL;
        if ((err = layer_enter()) != 0 || (err = record_find(&r, s)) != 0)
                return err;
        n = atomic_load(&r->payload_bytes);
        word = atomic_load(&r->word); /* after the size: still alive, so it was this secret's */
        if ((err = record_is_live(s, word)) != 0)
                return err;
        *n_bytes = n;
        return 0;
}

/* In the same slot: the payload moves within the page, what is uncovered becomes pattern. The slot is writable. */
static void resize_within(struct record *r, keepmum_secret handle, const struct place *p, size_t n_bytes)
{
        size_t kept = p->payload_bytes < n_bytes ? p->payload_bytes : n_bytes;
        unsigned char *to = p->slot->bytes + p->slot_bytes - access_room(n_bytes, r->flags);

        copy_bytes(to, p->payload, kept);
        wipe(to + kept, n_bytes - kept);
        seal_settle(r, handle, p->number, n_bytes);
}

/* Into another slot, which is zero. The old one is writable and is given back. The new one has its owner before anything
 * is in it, since keepmum_wipe_all() looks at slots with an owner. */
static void resize_across(struct record *r, keepmum_secret handle, const struct place *from, uint32_t slot, size_t n_bytes)
{
        size_t kept = from->payload_bytes < n_bytes ? from->payload_bytes : n_bytes;
        struct place to;

        seal_settle(r, handle, slot, n_bytes);
        access_find(&to, r, handle);
        page_open_write(to.slot->bytes, to.slot_bytes);
        copy_bytes(to.payload, from->payload, kept);
        pool_give(from->number);
}

/* Another slot for a resident secret that has not the right size any more, or 0 where its own will do: to shrink is no reason to take
 * one from others. */
static int take_other_slot(uint32_t *slot, const struct record *r, const struct place *from, size_t n_bytes)
{
        struct want want = {n_bytes, r->flags, from->slot};
        struct key_use use = {0};
        bool is_open;
        int err;

        *slot = 0;
        if (pool_is_same_size(from->slot, n_bytes))
                return 0;
        if (r->flags & KEEPMUM_STAY && n_bytes > from->payload_bytes)
                err = seal_take_slot(slot, &is_open, &want, &use);
        else
                err = pool_take(slot, n_bytes, r->flags & ~(unsigned)KEEPMUM_ACCEPT_UNLOCKED);
        key_close(&use);
        if (err != 0 && access_room(n_bytes, r->flags) <= from->slot_bytes) {
                *slot = 0;
                return 0;
        }
        return err;
}

/* Of a BUSY record with a closed slot. box: what it is to be sealed into behind it; NULL for an ordinary secret. */
static int resize_resident(struct record *r, keepmum_secret s, size_t n_bytes, struct box *box)
{
        struct place from;
        uint32_t slot;
        int err;

        access_find(&from, r, s);
        if ((err = take_other_slot(&slot, r, &from, n_bytes)) != 0)
                return err;
        access_begin_write(r, s);
        r->is_patterned = false;
        if (slot == 0)
                resize_within(r, s, &from, n_bytes);
        else
                resize_across(r, s, &from, slot, n_bytes);
        if (box == NULL) {
                access_end_write(r, s);
        } else {
                atomic_store(&pool_slot(record_slot(r))->box, box);
                seal_close(r, s, true);
        }
        return 0;
}

/* Comes back into a slot that has room for both sizes. */
static int resize_sealed(struct record *r, keepmum_secret s, size_t n_bytes)
{
        bool is_always_sealed = (r->flags & KEEPMUM_SEALED) != 0;
        struct box *box = is_always_sealed ? box_make(n_bytes) : NULL;
        struct slot *slot;
        int err;

        if (is_always_sealed && box == NULL) {
                record_publish(r, word_make(record_generation(s), PHASE_SEALED, 0));
                return KEEPMUM_ENOMEM;
        }
        if ((err = seal_revive(r, s, PHASE_SEALED, n_bytes)) != 0) {
                box_drop(box);
                return err;
        }
        slot = pool_slot(record_slot(r));
        page_close(slot->bytes, slot->n_bytes);
        err = resize_resident(r, s, n_bytes, box);
        must(err == 0, "a slot is too small");
        return 0;
}

static int resize_unwritten(struct record *r, keepmum_secret s, size_t n_bytes)
{
        uint32_t slot;
        int err = seal_first_slot(&slot, n_bytes, r->flags);

        if (err != 0)
                record_publish(r, word_make(record_generation(s), PHASE_EMPTY, 0));
        else
                publish_unwritten(r, s, slot, n_bytes);
        return err;
}

/* Where its slot is too small and no other is free: out of it, and into a larger one. */
static int resize_over_box(struct record *r, keepmum_secret s, size_t n_bytes)
{
        struct key_use use = {0};
        uint32_t number = record_slot(r);
        enum phase phase;
        int err;

        if ((err = key_prepare(r->flags)) != 0 || (err = seal_prepare(r)) != 0) {
                access_publish_closed(r, s);
                return err;
        }
        phase = seal_put_away(r, s, false, &use);
        key_close(&use);
        page_close(pool_slot(number)->bytes, pool_slot(number)->n_bytes);
        pool_trim(&number, 1);
        return phase == PHASE_SEALED ? resize_sealed(r, s, n_bytes) : resize_unwritten(r, s, n_bytes);
}

int keepmum_resize(keepmum_secret s, size_t n_bytes)
{
        struct record *r;
        enum phase from;
        int err = size_is_allowed(n_bytes);

        if (err != 0 || (err = access_claim(&r, s, &from)) != 0)
                return err;
        if (from == PHASE_SEALED) {
                err = resize_sealed(r, s, n_bytes);
        } else if (from == PHASE_EMPTY) {
                err = resize_unwritten(r, s, n_bytes);
        } else if ((err = resize_resident(r, s, n_bytes, NULL)) != 0) {
                if (!(r->flags & KEEPMUM_STAY))
                        err = resize_over_box(r, s, n_bytes);
                else
                        access_publish_closed(r, s);
        }
        if (err != 0)
                return process_name_shortage(err);
        return epoch_is_wiped() ? KEEPMUM_EWIPED : 0;
}

/* ---- contents ---- */

int keepmum_equal(keepmum_secret a, keepmum_secret b, bool *equal)
{
        const void *p, *q;
        size_t n_p, n_q;
        int err;

        if (equal == NULL)
                return KEEPMUM_EINVAL;
        if ((err = keepmum_open_read(a, &p, &n_p)) != 0)
                return err;
        if ((err = keepmum_open_read(b, &q, &n_q)) == 0) {
                *equal = n_p == n_q && sodium_memcmp(p, q, n_p) == 0;
                registers_wipe();
                keepmum_close(b);
        }
        keepmum_close(a);
        return err;
}

int keepmum_fill_random(keepmum_secret s)
{
        void *bytes;
        size_t n;
        int err = keepmum_open_write(s, &bytes, &n);

        if (err != 0)
                return err;
        random_fill(bytes, n);
        keepmum_close(s);
        return epoch_is_wiped() ? KEEPMUM_EWIPED : 0;
}

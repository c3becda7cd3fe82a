/* Secrets as values: making, sizing, comparing and filling them. */
#include "base/copy.h"
#include "base/registers.h"
#include "base/wipe.h"
#include "os/page.h"
#include "os/process.h"
#include "os/random.h"
#include "secret/access.h"
#include "secret/layer.h"
#include "secret/stack.h"

#include <sodium.h>

enum { KNOWN_FLAGS = KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED | KEEPMUM_STAY | KEEPMUM_EXACT_END };

static int size_is_allowed(size_t n_bytes)
{
        if (n_bytes == 0)
                return KEEPMUM_EINVAL;
        return n_bytes > KEEPMUM_MAX_BYTES ? KEEPMUM_ETOOBIG : 0;
}

static bool flags_are_allowed(unsigned flags)
{
        return (flags & ~(unsigned)KNOWN_FLAGS) == 0 && (flags & (KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN)) != (KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN);
}

/* Makes the slot the record's own, for a payload of n_bytes. */
static void settle(struct record *r, keepmum_secret handle, uint32_t slot, size_t n_bytes)
{
        struct slot *s = pool_slot(slot);

        r->slot = slot;
        atomic_store(&r->payload_bytes, (uint32_t)n_bytes);
        atomic_store(&s->payload_bytes, (uint32_t)n_bytes);
        atomic_store(&s->owner, record_number(handle));
}

/* Told apart only when it matters: reading the list of mappings takes long where there are many. */
static int name_shortage(int err)
{
        return err == KEEPMUM_ENOMEM && process_mappings_are_used_up() ? KEEPMUM_ENOSLOT : err;
}

/* Stacks of clean calls that are only kept for the next one give way. */
static int take_slot(uint32_t *slot, size_t n_bytes, unsigned flags)
{
        int err = pool_take(slot, n_bytes, flags);

        return err != 0 && stack_give_kept() ? pool_take(slot, n_bytes, flags) : err;
}

int keepmum_create(keepmum_secret *out, size_t n_bytes, unsigned flags)
{
        keepmum_secret handle;
        struct record *r;
        uint32_t slot;
        int err;

        if (out == NULL || !flags_are_allowed(flags))
                return KEEPMUM_EINVAL;
        if ((err = size_is_allowed(n_bytes)) != 0 || (err = layer_enter()) != 0 || (err = take_slot(&slot, n_bytes, flags)) != 0)
                return name_shortage(err);
        if ((err = record_take(&r, &handle)) != 0) {
                pool_give_untouched(slot);
                return name_shortage(err);
        }
        r->flags = (uint16_t)flags;
        r->is_patterned = false;
        settle(r, handle, slot, n_bytes);
        access_publish_closed(r, handle);
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
        settle(r, handle, p->number, n_bytes);
}

/* Into another slot, which is closed and zero. The old one is writable and is given back. The new one has its owner before anything
 * is in it, since keepmum_wipe_all() looks at slots with an owner. */
static void resize_across(struct record *r, keepmum_secret handle, const struct place *from, uint32_t slot, size_t n_bytes)
{
        size_t kept = from->payload_bytes < n_bytes ? from->payload_bytes : n_bytes;
        struct place to;

        settle(r, handle, slot, n_bytes);
        access_find(&to, r, handle);
        page_open_write(to.slot->bytes, to.slot_bytes);
        copy_bytes(to.payload, from->payload, kept);
        pool_give(from->number);
}

int keepmum_resize(keepmum_secret s, size_t n_bytes)
{
        struct record *r;
        struct place from;
        uint32_t slot = 0;
        int err = size_is_allowed(n_bytes);

        if (err != 0 || (err = access_claim(&r, s)) != 0)
                return err;
        access_find(&from, r, s);
        if (!pool_is_same_size(from.slot, n_bytes) && (err = take_slot(&slot, n_bytes, r->flags)) != 0) {
                access_publish_closed(r, s);
                return name_shortage(err);
        }
        access_begin_write(r, s);
        if (slot == 0)
                resize_within(r, s, &from, n_bytes);
        else
                resize_across(r, s, &from, slot, n_bytes);
        access_end_write(r, s);
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

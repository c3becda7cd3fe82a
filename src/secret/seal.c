/* Sealing and coming back: what happens between a record's slot and its box.
 *
 *      CLOSED --taken by the clock--> SEALED --open--> READ or WRITE          docs/design.md, "Sealing"
 *
 * A secret has a slot, or a box, or neither (never written). With a slot it may keep its box too, at the slot: it was only read since, and
 * to seal it again is a wipe. Who writes gives the box up; KEEPMUM_SEALED secrets then have a blank one ready before they are opened, since
 * their close cannot fail.
 *
 * Always true: a box is there before the page it is for is touched, so that a shortage of memory is an error and loses nothing; a slot
 * has its owner before anything is in it, since keepmum_wipe_all() looks at slots with an owner; the key is closed on every way
 * out. */
#include "secret/seal.h"

#include "base/wipe.h"
#include "os/page.h"
#include "os/process.h"
#include "secret/layer.h"
#include "secret/stack.h"

/* ---- slots ---- */

static bool is_shortage(int err)
{
        return err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOMEM || err == KEEPMUM_ENOSLOT;
}

/* Without a key nothing is sealed: only who accepts unlocked memory can do without. */
static bool needs_key(unsigned creation_flags)
{
        return !(creation_flags & KEEPMUM_ACCEPT_UNLOCKED) || creation_flags & KEEPMUM_SEALED;
}

/* Stacks of clean calls that are only kept for the next one give way. */
static int prepare_key(unsigned creation_flags)
{
        int err = key_prepare(creation_flags);

        return is_shortage(err) && stack_give_kept() ? key_prepare(creation_flags) : err;
}

int seal_take_slot(uint32_t *number, bool *is_open, const struct want *want, struct key_use *use)
{
        struct want locked = *want;
        int err = prepare_key(want->creation_flags);

        locked.creation_flags &= ~KEEPMUM_ACCEPT_UNLOCKED;
        *is_open = false;
        if (err != 0)
                return needs_key(want->creation_flags) ? process_name_shortage(err) : pool_take(number, want->n_bytes, want->creation_flags);
        if (is_shortage(err = pool_take(number, want->n_bytes, locked.creation_flags)) && stack_give_kept())
                err = pool_take(number, want->n_bytes, locked.creation_flags);
        if (is_shortage(err))
                err = evict_take(number, is_open, &locked, use, err);
        if (err != 0 && want->creation_flags & KEEPMUM_ACCEPT_UNLOCKED)
                err = pool_take(number, want->n_bytes, want->creation_flags);
        return process_name_shortage(err);
}

int seal_first_slot(uint32_t *number, size_t n_bytes, unsigned creation_flags)
{
        struct want want = {n_bytes, creation_flags, NULL};
        struct key_use use = {0};
        bool is_open = false;
        int err = prepare_key(creation_flags);

        *number = 0;
        if (err != 0 && needs_key(creation_flags))
                return err;
        if (err == 0 && !(creation_flags & KEEPMUM_SEALED))
                err = pool_take(number, n_bytes, creation_flags & ~KEEPMUM_ACCEPT_UNLOCKED);
        if (key_slot(key_best()) != NULL && !(creation_flags & KEEPMUM_STAY) && (is_shortage(err) || creation_flags & KEEPMUM_SEALED) &&
            pool_has_serving(n_bytes, creation_flags))
                return 0;
        if (err != 0 || creation_flags & KEEPMUM_SEALED)
                err = seal_take_slot(number, &is_open, &want, &use);
        key_close(&use);
        if (is_open)
                page_close(pool_slot(*number)->bytes, pool_slot(*number)->n_bytes);
        if (err == 0 && creation_flags & KEEPMUM_SEALED) { /* it can be had: that was the question */
                pool_give_untouched(*number);
                *number = 0;
        }
        return err;
}

/* The key comes first: where three pages are all there is, it could not be had beside a guest. */
int seal_admit(struct guest *g, unsigned creation_flags)
{
        int err = prepare_key(creation_flags);
        bool has_key = err == 0;

        if (err != 0 && needs_key(creation_flags))
                return process_name_shortage(err);
        if (is_shortage(err = pool_admit(NULL, 0, g)) && stack_give_kept())
                err = pool_admit(NULL, 0, g);
        if (is_shortage(err) && has_key)
                err = evict_admit(g, err);
        return process_name_shortage(err);
}

void seal_settle(struct record *r, keepmum_secret handle, uint32_t slot, size_t n_bytes)
{
        struct slot *s = pool_slot(slot);

        record_set_slot(r, slot);
        atomic_store(&r->payload_bytes, (uint32_t)n_bytes);
        atomic_store(&s->payload_bytes, (uint32_t)n_bytes);
        atomic_store(&s->stays, (r->flags & KEEPMUM_STAY) != 0);
        atomic_store(&s->is_recent, true);
        atomic_store(&s->owner, record_number(handle));
}

/* ---- into a box ---- */

bool seal_has_key(const struct record *r)
{
        enum key_kind kind = key_best();

        return key_slot(kind) != NULL && (kind == KEY_HIDDEN || !(r->flags & KEEPMUM_HIDDEN));
}

int seal_prepare(const struct record *r)
{
        struct slot *s = pool_slot(record_slot(r));
        struct box *b;

        if (!r->is_written || atomic_load(&s->box) != NULL)
                return 0;
        if ((b = box_make(atomic_load(&r->payload_bytes))) == NULL)
                return KEEPMUM_ENOMEM;
        atomic_store(&s->box, b);
        return 0;
}

static void seal_into_box(struct record *r, keepmum_secret handle, const struct place *p, struct key_use *use)
{
        struct box *b = atomic_load(&p->slot->box);

        access_look_at_pattern(r, p);
        if (box_is_blank(b)) {
                box_seal(b, handle, p->payload, p->payload_bytes, use);
                r->has_others_box = false;
        }
        wipe(p->slot->bytes, p->slot_bytes);
        record_set_box(r, b, b->key == KEY_HIDDEN);
        atomic_store(&p->slot->box, NULL);
}

enum phase seal_put_away(struct record *r, keepmum_secret handle, bool is_writable, struct key_use *use)
{
        struct place p;

        access_find(&p, r, handle);
        if (!is_writable)
                page_open_write(p.slot->bytes, p.slot_bytes);
        if (r->is_written)
                seal_into_box(r, handle, &p, use);
        else
                atomic_store(&r->where, 0);
        r->is_patterned = false;
        atomic_store(&p.slot->owner, 0);
        return r->is_written ? PHASE_SEALED : PHASE_EMPTY;
}

void seal_close(struct record *r, keepmum_secret handle, bool is_writable)
{
        struct key_use use = {0};
        uint32_t number = record_slot(r);
        enum phase phase = seal_put_away(r, handle, is_writable, &use);

        key_close(&use);
        page_close(pool_slot(number)->bytes, pool_slot(number)->n_bytes);
        pool_give_untouched(number);
        record_publish(r, word_make(record_generation(handle), phase, 0));
}

/* ---- out of a box ---- */

static void unseal(const struct record *r, keepmum_secret handle, const struct box *b, const struct place *p, struct key_use *use)
{
        bool is_own = r->has_others_box || b->origin.bits == handle.bits,
             is_right = is_own && box_open(b, p->payload, p->payload_bytes, use);

        must(is_right || epoch_is_wiped(), "a sealed secret was changed");
}

static int give_up(struct record *r, keepmum_secret handle, enum phase from, int err)
{
        record_publish(r, word_make(record_generation(handle), from, 0));
        return err;
}

int seal_revive(struct record *r, keepmum_secret handle, enum phase from, size_t room_bytes)
{
        struct box *b = from == PHASE_SEALED ? record_box(r) : NULL;
        size_t n_bytes = atomic_load(&r->payload_bytes);
        struct want want = {n_bytes > room_bytes ? n_bytes : room_bytes, r->flags, NULL};
        struct key_use use = {0};
        struct place p;
        uint32_t number;
        bool is_open;
        int err = seal_take_slot(&number, &is_open, &want, &use);

        if (err != 0) {
                key_close(&use);
                return give_up(r, handle, from, err);
        }
        seal_settle(r, handle, number, n_bytes);
        access_find(&p, r, handle);
        if (!is_open)
                page_open_write(p.slot->bytes, p.slot_bytes);
        if (b != NULL)
                unseal(r, handle, b, &p, &use);
        key_close(&use);
        atomic_store(&p.slot->box, b);
        return 0;
}

int seal_revive_for_writing(struct record *r, keepmum_secret handle, enum phase from)
{
        struct box *blank = NULL;
        struct slot *s;
        int err;

        if (r->flags & KEEPMUM_SEALED && (blank = box_make(atomic_load(&r->payload_bytes))) == NULL)
                return give_up(r, handle, from, KEEPMUM_ENOMEM);
        if ((err = seal_revive(r, handle, from, 0)) != 0) {
                box_drop(blank);
                return err;
        }
        s = pool_slot(record_slot(r));
        seal_forget_box(r, s);
        atomic_store(&s->box, blank);
        return 0;
}

void seal_end(struct record *r, keepmum_secret handle, enum phase from)
{
        if (from == PHASE_SEALED)
                box_drop(record_box(r));
        atomic_store(&r->where, 0);
        record_give(r, handle);
}

/* Cloning: a second record for the same sealed box.
 *
 * A box is immutable and counted, so two secrets can have it; who writes gives its share up and is sealed into a box of its own the next
 * time. A secret that has no box yet is sealed into one while it stays where it is, also while others read it. Where a secret must
 * stay in its slot, or nothing can be sealed, the bytes are copied.
 *
 * Always true: the page that is sealed here is closed again, or is held open by readers; the new record is published whole. */
#include "base/copy.h"
#include "os/page.h"
#include "secret/layer.h"
#include "secret/seal.h"

/* What the second secret starts with. */
struct share {
        size_t n_bytes;
        unsigned flags;
        struct box *box; /* NULL: never written */
};

static int publish_share(keepmum_secret *out, const struct share *of)
{
        keepmum_secret handle;
        struct record *r;
        int err = record_take(&r, &handle);

        if (err != 0) {
                box_drop(of->box);
                return err;
        }
        record_begin(r, of->n_bytes, of->flags);
        r->is_written = r->has_others_box = of->box != NULL;
        if (of->box != NULL)
                record_set_box(r, of->box, of->box->key == KEY_HIDDEN);
        record_publish(r, word_make(record_generation(handle), of->box != NULL ? PHASE_SEALED : PHASE_EMPTY, 0));
        if (epoch_is_wiped())
                return KEEPMUM_EWIPED;
        *out = handle;
        return 0;
}

/* Makes a box of a resident secret's bytes, which can be read now; NULL where there is no memory. */
static struct box *box_of(keepmum_secret s, const struct place *p)
{
        struct key_use use = {0};
        struct box *b = box_make(p->payload_bytes);

        if (b != NULL)
                box_seal(b, s, p->payload, p->payload_bytes, &use);
        key_close(&use);
        return b;
}

/* Sees to it that a secret with a slot keeps a box there. Two readers may both do it: the first one's stays. */
static int keep_box(keepmum_secret s, const struct place *p)
{
        struct box *b, *none = NULL;

        if (atomic_load(&p->slot->box) != NULL)
                return 0;
        if ((b = box_of(s, p)) == NULL)
                return KEEPMUM_ENOMEM;
        if (!atomic_compare_exchange_strong(&p->slot->box, &none, b))
                box_drop(b);
        return 0;
}

static int copy(keepmum_secret *out, keepmum_secret s, unsigned flags)
{
        keepmum_secret made;
        const void *from;
        void *to;
        size_t n;
        int err = keepmum_open_read(s, &from, &n);

        if (err != 0)
                return err;
        if ((err = keepmum_create(&made, n, flags)) == 0) {
                if ((err = keepmum_open_write(made, &to, NULL)) == 0) {
                        copy_bytes(to, from, n);
                        keepmum_close(made);
                        *out = made;
                } else {
                        keepmum_destroy(&made);
                }
        }
        keepmum_close(s);
        return err;
}

/* Of a secret with a slot, claimed from CLOSED or counted open for reading. */
static int share_resident(struct share *of, const struct record *r, keepmum_secret s, enum phase from)
{
        struct place p;
        int err = 0;

        access_find(&p, r, s);
        if (r->is_written) {
                if (from == PHASE_CLOSED)
                        page_open_read(p.slot->bytes, p.slot_bytes);
                err = keep_box(s, &p);
                if (from == PHASE_CLOSED)
                        page_close(p.slot->bytes, p.slot_bytes);
        }
        of->n_bytes = p.payload_bytes;
        of->box = err == 0 && r->is_written ? box_share(atomic_load(&p.slot->box)) : NULL;
        return err;
}

int keepmum_clone(keepmum_secret *out, keepmum_secret s)
{
        struct share of = {0};
        struct record *r;
        enum phase from;
        bool must_copy = false;
        int err;

        if (out == NULL)
                return KEEPMUM_EINVAL;
        if ((err = access_join_or_claim(&r, s, &from)) != 0)
                return err;
        of.flags = r->flags;
        of.n_bytes = atomic_load(&r->payload_bytes);
        if (from == PHASE_SEALED)
                of.box = box_share(record_box(r));
        else if (from != PHASE_EMPTY && !(must_copy = (of.flags & KEEPMUM_STAY) != 0 || key_prepare(of.flags) != 0))
                err = share_resident(&of, r, s, from);
        access_let_go(r, s, from);
        if (err != 0)
                return err;
        return must_copy ? copy(out, s, of.flags) : publish_share(out, &of);
}

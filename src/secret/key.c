/* The sealing keys.
 *
 * A key is 32 random bytes at the end of a slot of its own, never written anywhere else: it is in no core, no swap, no child. The
 * page is readable while at least one thread works on a box, and PROT_NONE otherwise; that is counted in one word a key, which is
 * also the lock of who opens or closes the page.
 *
 * Always true: nobody waits here for more than one mprotect(2) of another thread; after keepmum_wipe_all() a key is noise, and
 * whoever closes it last leaves it closed. docs/design.md, "Sealing". */
#include "secret/key.h"

#include "base/wipe.h"
#include "os/futex.h"
#include "os/page.h"
#include "os/random.h"
#include "region/epoch.h"

#include <keepmum.h>

enum { OWNER_KEY = UINT32_MAX, FLOOR_PAGES = 3 };
#define CHANGING ((uint32_t)1 << 30) /* one thread opens or closes the page */
#define WAITERS ((uint32_t)1 << 31)  /* for the end of a change */

static _Atomic uint32_t slots[KEY_KINDS]; /* 0: there is no such key */
static _Atomic uint32_t users[KEY_KINDS];
static _Atomic uint32_t making; /* CHANGING while one thread makes a key */

void key_start_anew(void)
{
        atomic_store(&making, 0); /* another thread of the parent may have been at it */
        for (unsigned k = 0; k < KEY_KINDS; k++) {
                atomic_store(&slots[k], 0);
                atomic_store(&users[k], 0);
        }
}

const struct slot *key_slot(enum key_kind kind)
{
        uint32_t number = atomic_load(&slots[kind]);

        return number == 0 ? NULL : pool_slot(number);
}

bool key_is_owner(uint32_t owner)
{
        return owner == OWNER_KEY;
}

enum key_kind key_best(void)
{
        return atomic_load(&slots[KEY_HIDDEN]) != 0 ? KEY_HIDDEN : KEY_LOCKED;
}

uint64_t key_count(uint64_t *n_hidden)
{
        *n_hidden = atomic_load(&slots[KEY_HIDDEN]) != 0;
        return *n_hidden + (atomic_load(&slots[KEY_LOCKED]) != 0);
}

static unsigned char *key_bytes(const struct slot *s)
{
        return s->bytes + s->n_bytes - KEY_BYTES;
}

/* ---- waiting ---- */

static uint32_t wait_change(_Atomic uint32_t *word, uint32_t seen)
{
        uint32_t marked = seen | WAITERS;

        for (int spin = 0; spin < 100; spin++) {
                uint32_t now = atomic_load(word);

                if (now != seen)
                        return now;
        }
        if (seen == marked || atomic_compare_exchange_strong(word, &seen, marked))
                futex_wait(word, marked);
        return atomic_load(word);
}

static void publish(_Atomic uint32_t *word, uint32_t n_users)
{
        if (atomic_exchange(word, n_users) & WAITERS)
                futex_wake_all(word);
}

/* ---- making ---- */

/* Two slots that are there beside the key's: one to open while another one is, or is sealed. */
static int ask_for_floor(unsigned creation_flags)
{
        uint32_t taken[FLOOR_PAGES - 1];
        unsigned n = 0;
        int err = 0;

        while (n < FLOOR_PAGES - 1 && (err = pool_take(&taken[n], KEY_BYTES, creation_flags)) == 0)
                n++;
        while (n > 0)
                pool_give_untouched(taken[--n]);
        return err;
}

static int fill(const struct slot *s)
{
        int err = page_open_first(s->bytes, s->n_bytes);

        if (err != 0)
                return err;
        random_fill(key_bytes(s), KEY_BYTES);
        if ((err = page_close_first(s->bytes, s->n_bytes)) != 0) {
                wipe(s->bytes, s->n_bytes);
                page_close(s->bytes, s->n_bytes);
        }
        return err;
}

static int make(enum key_kind kind)
{
        bool is_hidden = kind == KEY_HIDDEN;
        struct slot *s;
        uint32_t number;
        int err = pool_take_for_ever(&number, is_hidden ? MEMORY_HIDDEN : MEMORY_LOCKED);

        if (err != 0)
                return err;
        s = pool_slot(number);
        atomic_store(&s->owner, OWNER_KEY);
        if ((err = ask_for_floor(is_hidden ? KEEPMUM_HIDDEN : KEEPMUM_NOT_HIDDEN)) != 0 || (err = fill(s)) != 0) {
                pool_give_untouched(number);
                return err;
        }
        atomic_store(&slots[kind], number);
        if (epoch_is_wiped())
                key_wipe();
        return 0;
}

static int make_once(enum key_kind kind)
{
        uint32_t seen = 0;
        int err = 0;

        while (!atomic_compare_exchange_weak(&making, &seen, CHANGING)) {
                if (seen != 0)
                        wait_change(&making, seen);
                seen = 0;
        }
        if (atomic_load(&slots[kind]) == 0)
                err = make(kind);
        publish(&making, 0);
        return err;
}

/* Where the other key serves meanwhile, not each time. */
static bool is_worth_trying(void)
{
        static _Atomic unsigned n_asked;

        return pool_prefers_hidden() && (atomic_load(&slots[KEY_LOCKED]) == 0 || atomic_fetch_add(&n_asked, 1) % 256 == 0);
}

int key_prepare(unsigned creation_flags)
{
        bool must_hide = (creation_flags & KEEPMUM_HIDDEN) != 0, may_hide = (creation_flags & KEEPMUM_NOT_HIDDEN) == 0;
        int err = KEEPMUM_ENOHIDDEN;

        if (atomic_load(&slots[KEY_HIDDEN]) != 0)
                return 0;
        if (must_hide || (may_hide && is_worth_trying()))
                err = make_once(KEY_HIDDEN);
        if (err == 0 || must_hide)
                return err;
        return atomic_load(&slots[KEY_LOCKED]) != 0 ? 0 : make_once(KEY_LOCKED);
}

/* ---- opening and closing ---- */

static void enter(enum key_kind kind, const struct slot *s)
{
        uint32_t n = atomic_load(&users[kind]);

        for (;;) {
                if (n & CHANGING)
                        n = wait_change(&users[kind], n);
                else if (atomic_compare_exchange_weak(&users[kind], &n, n == 0 ? CHANGING : n + 1))
                        break;
        }
        if (n == 0) {
                page_open_read(s->bytes, s->n_bytes);
                publish(&users[kind], 1);
        }
}

/* Closes the page where nobody uses it and nobody is at it. */
static void shut_unused(enum key_kind kind, const struct slot *s)
{
        uint32_t none = 0;

        if (atomic_compare_exchange_strong(&users[kind], &none, CHANGING)) {
                page_close(s->bytes, s->n_bytes);
                publish(&users[kind], 0);
        }
}

static void leave(enum key_kind kind, const struct slot *s)
{
        uint32_t n = atomic_load(&users[kind]);

        while (!atomic_compare_exchange_weak(&users[kind], &n, n == 1 ? CHANGING : n - 1))
                ;
        if (n != 1)
                return;
        page_close(s->bytes, s->n_bytes);
        publish(&users[kind], 0);
        if (epoch_is_wiped())
                shut_unused(kind, s); /* keepmum_wipe_all() may have opened it between the two */
}

const unsigned char *key_open(struct key_use *use, enum key_kind kind)
{
        const struct slot *s = key_slot(kind);

        must(s != NULL && pool_is_sound(atomic_load(&slots[kind])) && key_is_owner(atomic_load(&s->owner)), "the records were overwritten");
        if (!use->is_open[kind])
                enter(kind, s);
        use->is_open[kind] = true;
        return key_bytes(s);
}

void key_close(struct key_use *use)
{
        for (unsigned k = 0; k < KEY_KINDS; k++) {
                if (use->is_open[k])
                        leave(k, key_slot(k));
                use->is_open[k] = false;
        }
}

void key_wipe(void)
{
        for (unsigned k = 0; k < KEY_KINDS; k++) {
                const struct slot *s = key_slot(k);

                if (s == NULL)
                        continue;
                page_scramble(s->bytes, s->n_bytes);
                shut_unused(k, s);
        }
}

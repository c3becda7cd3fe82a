/* Live entries: two hash tables (by name, by id) over entries that never change, and an array that is sorted late.
 *
 * Always true: a live entry is in both tables and once in the array; a dead one is in the array alone until the next
 * tidying. The array's first n_sorted are in order; it has room for a second copy of the rest, so that sorting needs
 * no memory. Names are hashed under a random key, so that nobody can choose names that collide. Texts are wiped
 * before they are freed. */
#include "vault/entries.h"

#include "base/bytes.h"
#include "base/wipe.h"
#include "os/random.h"

#include <keepmum_heap.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The hash stands beside the pointer: looking past an entry does not touch it. */
struct place {
        uint64_t hash;
        struct entry *entry; /* NULL: free */
};

struct table {
        struct place *places; /* a power of two of them, at most half in use */
        size_t n_places, n_used;
};

struct entries {
        struct table by_name, by_id;
        struct entry **order;
        size_t n_order, n_sorted, n_room, n_dead;
        uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

enum { TABLE_FIRST_PLACES = 64, ORDER_FIRST_ROOM = 64, TIDY_FLOOR = 64 };

static uint64_t hash_id(const uint8_t *id)
{
        return bytes_get64(id); /* random already */
}

static uint64_t hash_text(const struct entries *e, struct text t)
{
        uint8_t hash[crypto_shorthash_BYTES];

        crypto_shorthash(hash, (const uint8_t *)t.bytes, t.n_bytes, e->hash_key);
        return bytes_get64(hash);
}

static void table_insert(struct table *t, uint64_t hash, struct entry *e)
{
        size_t i = hash & (t->n_places - 1);

        while (t->places[i].entry != NULL)
                i = (i + 1) & (t->n_places - 1);
        t->places[i] = (struct place){hash, e};
        t->n_used++;
}

static int table_make_room(struct table *t)
{
        struct table bigger = {.n_places = t->n_places == 0 ? TABLE_FIRST_PLACES : 2 * t->n_places};

        if (2 * (t->n_used + 1) <= t->n_places)
                return 0;
        bigger.places = keepmum_heap_calloc(bigger.n_places, sizeof *bigger.places);
        if (bigger.places == NULL)
                return KEEPMUM_ENOMEM;
        for (size_t i = 0; i < t->n_places; i++)
                if (t->places[i].entry != NULL)
                        table_insert(&bigger, t->places[i].hash, t->places[i].entry);
        keepmum_heap_free(t->places);
        *t = bigger;
        return 0;
}

/* Takes an entry out; those behind it that stand there only because it was in their way move up. */
static void table_remove(struct table *t, uint64_t hash, const struct entry *e)
{
        size_t mask = t->n_places - 1, hole = hash & mask, i;

        while (t->places[hole].entry != e)
                hole = (hole + 1) & mask;
        for (i = (hole + 1) & mask; t->places[i].entry != NULL; i = (i + 1) & mask) {
                size_t home = t->places[i].hash & mask;

                if (((i - home) & mask) < ((i - hole) & mask))
                        continue;
                t->places[hole] = t->places[i];
                hole = i;
        }
        t->places[hole].entry = NULL;
        t->n_used--;
}

/* The next entry of this hash, from place *i on, which moves behind it; NULL: no more. */
static struct entry *table_next(const struct table *t, uint64_t hash, size_t *i)
{
        while (t->n_places > 0 && t->places[*i & (t->n_places - 1)].entry != NULL) {
                const struct place *p = &t->places[(*i)++ & (t->n_places - 1)];

                if (p->hash == hash)
                        return p->entry;
        }
        return NULL;
}

static bool has_name(const struct entry *entry, struct text name)
{
        struct text own = entries_text(entry, KEEPMUM_VAULT_NAME);

        return own.n_bytes == name.n_bytes && memcmp(own.bytes, name.bytes, name.n_bytes) == 0;
}

struct entry *entries_find(const struct entries *e, struct text name)
{
        uint64_t hash = hash_text(e, name);
        size_t i = (size_t)hash;
        struct entry *entry;

        do
                entry = table_next(&e->by_name, hash, &i);
        while (entry != NULL && !has_name(entry, name));
        return entry;
}

static struct entry *find_id(const struct entries *e, const uint8_t *id)
{
        size_t i = (size_t)hash_id(id);
        struct entry *entry;

        do
                entry = table_next(&e->by_id, hash_id(id), &i);
        while (entry != NULL && memcmp(entry->secret.entry_id, id, VAULT_ID_BYTES) != 0);
        return entry;
}

struct entries *entries_create(void)
{
        struct entries *e = keepmum_heap_calloc(1, sizeof *e);

        if (e == NULL)
                return NULL;
        random_fill(e->hash_key, sizeof e->hash_key);
        return e;
}

static void entry_free(struct entry *entry)
{
        if (entry == NULL)
                return;
        wipe(entry, sizeof *entry + entry->texts_bytes);
        keepmum_heap_free(entry);
}

void entries_destroy(struct entries *e)
{
        if (e == NULL)
                return;
        for (size_t i = 0; i < e->n_order; i++)
                entry_free(e->order[i]);
        keepmum_heap_free(e->order);
        keepmum_heap_free(e->by_name.places);
        keepmum_heap_free(e->by_id.places);
        keepmum_heap_free(e);
}

static struct entry *entry_make(const struct entries *e, const struct head *h)
{
        struct entry *entry;
        uint32_t at = 0;
        size_t n_bytes = 0;

        for (unsigned i = 0; i <= HEAD_ATTRS; i++)
                n_bytes += h->texts[i].n_bytes + 1;
        entry = keepmum_heap_calloc(1, sizeof *entry + n_bytes);
        if (entry == NULL)
                return NULL;
        entry->texts_bytes = (uint32_t)n_bytes;
        for (unsigned i = 0; i <= HEAD_ATTRS; i++) {
                entry->text_at[i] = at;
                if (h->texts[i].n_bytes > 0)
                        memcpy(entry->texts + at, h->texts[i].bytes, h->texts[i].n_bytes);
                at += (uint32_t)h->texts[i].n_bytes + 1;
        }
        entry->name_hash = hash_text(e, h->texts[KEEPMUM_VAULT_NAME]);
        entry->added_ms = entry->changed_ms = h->time_ms;
        return entry;
}

/* Throws out the dead. Live ones keep their order. */
static void tidy(struct entries *e)
{
        size_t n = 0, n_sorted = 0;

        for (size_t i = 0; i < e->n_order; i++) {
                if (!e->order[i]->is_live) {
                        entry_free(e->order[i]);
                        continue;
                }
                n_sorted += i < e->n_sorted;
                e->order[n++] = e->order[i];
        }
        e->n_order = n;
        e->n_sorted = n_sorted;
        e->n_dead = 0;
}

static int make_room(struct entries *e)
{
        size_t n_room = e->n_room == 0 ? ORDER_FIRST_ROOM : 2 * e->n_room;
        struct entry **order;
        int err;

        if ((err = table_make_room(&e->by_name)) != 0 || (err = table_make_room(&e->by_id)) != 0)
                return err;
        if (2 * e->n_dead > e->n_order + TIDY_FLOOR)
                tidy(e);
        if (2 * (e->n_order + 1) <= e->n_room)
                return 0;
        order = keepmum_heap_realloc(e->order, n_room * sizeof *order);
        if (order == NULL)
                return KEEPMUM_ENOMEM;
        e->order = order;
        e->n_room = n_room;
        return 0;
}

/* The rules of names and entries. */
static int check_rules(const struct entries *e, const struct entry *old, const struct head *h)
{
        const struct entry *other;

        if (h->op != HEAD_PUT && old == NULL)
                return KEEPMUM_EDAMAGED;
        if (h->op == HEAD_REMOVE)
                return 0;
        if (h->op == HEAD_RENAME && h->secret_seq != old->secret.seq)
                return KEEPMUM_EDAMAGED;
        other = entries_find(e, h->texts[KEEPMUM_VAULT_NAME]);
        if (other != NULL && other != old)
                return KEEPMUM_EDAMAGED;
        return old == NULL && entries_count(e) >= VAULT_MAX_ENTRIES ? KEEPMUM_ETOOBIG : 0;
}

int entries_plan(struct entries_change *c, struct entries *e, const struct head *h, const struct sealed_secret *secret)
{
        struct entry *old = find_id(e, h->entry_id), *in = NULL;
        int err = check_rules(e, old, h);

        if (err != 0)
                return err;
        if (h->op != HEAD_REMOVE) {
                if ((err = make_room(e)) != 0)
                        return err;
                if ((in = entry_make(e, h)) == NULL)
                        return KEEPMUM_ENOMEM;
                in->secret = h->op == HEAD_PUT ? *secret : old->secret;
                if (old != NULL)
                        in->added_ms = old->added_ms;
        }
        *c = (struct entries_change){.out = old, .in = in};
        return 0;
}

void entries_apply(struct entries *e, const struct entries_change *c)
{
        if (c->out != NULL) {
                table_remove(&e->by_name, c->out->name_hash, c->out);
                table_remove(&e->by_id, hash_id(c->out->secret.entry_id), c->out);
                c->out->is_live = false;
                e->n_dead++;
        }
        if (c->in != NULL) {
                c->in->is_live = true;
                table_insert(&e->by_name, c->in->name_hash, c->in);
                table_insert(&e->by_id, hash_id(c->in->secret.entry_id), c->in);
                e->order[e->n_order++] = c->in;
        }
}

void entries_drop(const struct entries_change *c)
{
        entry_free(c->in);
}

static int compare(const void *a, const void *b)
{
        const struct entry *const *x = a, *const *y = b;

        return strcmp((*x)->texts, (*y)->texts); /* the name is the first text */
}

/* Merges from the back; the new ones wait in the room behind, which make_room() has seen to. */
static void sort(struct entries *e)
{
        size_t n_new, a, b, out;
        struct entry **fresh;

        if (e->n_dead > 0)
                tidy(e);
        n_new = e->n_order - e->n_sorted;
        if (n_new == 0)
                return;
        qsort(e->order + e->n_sorted, n_new, sizeof *e->order, compare);
        fresh = e->order + e->n_order;
        memcpy(fresh, e->order + e->n_sorted, n_new * sizeof *fresh);
        a = e->n_sorted;
        b = n_new;
        for (out = e->n_order; b > 0; out--) {
                bool is_old = a > 0 && compare(&e->order[a - 1], &fresh[b - 1]) > 0;

                e->order[out - 1] = is_old ? e->order[--a] : fresh[--b];
        }
        e->n_sorted = e->n_order;
}

size_t entries_count(const struct entries *e)
{
        return e->n_order - e->n_dead;
}

const struct entry *entries_at(struct entries *e, size_t number)
{
        sort(e);
        return number < e->n_order ? e->order[number] : NULL;
}

size_t entries_number(struct entries *e, const struct entry *entry)
{
        struct entry **place;

        sort(e);
        place = bsearch(&entry, e->order, e->n_order, sizeof *e->order, compare);
        return (size_t)(place - e->order);
}

struct text entries_text(const struct entry *entry, unsigned which)
{
        uint32_t from = entry->text_at[which], to = which < HEAD_ATTRS ? entry->text_at[which + 1] : entry->texts_bytes;

        return (struct text){entry->texts + from, to - from - 1};
}

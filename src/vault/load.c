/* Loading: header, keys, records, and whether the file is older than one seen before.
 *
 * Always true: a reader takes no lock, unless the end of the file does not look right: a writer may be inside, so it
 * waits for that one and looks again, once. Nothing of a damaged file is served. A rollback state is saved only for
 * what is on the disk. */
#include "vault/load.h"

#include "vault/detail.h"

#include <string.h>

static int read_header(uint8_t bytes[static HEADER_BYTES], struct header *h, const struct file *f)
{
        size_t n_got;
        int err = file_read(f, 0, bytes, HEADER_BYTES, &n_got);

        if (err != 0)
                return err;
        if (n_got < HEADER_BYTES)
                return detail_error(KEEPMUM_EDAMAGED, n_got);
        return header_parse(h, bytes);
}

static int unlock(struct loaded *l, const uint8_t *bytes, const struct load_how *how)
{
        if (how->before == NULL)
                return header_unlock(&l->keys, &l->header, bytes, how->given);
        if (memcmp(l->header.vault_id, how->before->header.vault_id, VAULT_ID_BYTES) != 0)
                return KEEPMUM_EROLLEDBACK;
        return header_unlock_again(&l->keys, &l->header, bytes, how->before->keys);
}

static int walk_once(struct loaded *l, struct watch *watch, enum walk_end *end)
{
        struct source s = {.file = &l->file};
        const struct vault_keys *k;
        uint64_t n_bytes = 0;
        int err = file_size(&l->file, &n_bytes);

        if (err != 0 || (err = vault_keys_open(l->keys, &k)) != 0)
                return err;
        err = walk(&l->chain, l->entries, watch, end, &s, n_bytes, k);
        vault_keys_forget();
        keepmum_close(l->keys);
        return err;
}

static int walk_to_end(struct loaded *l, struct watch *watch, bool is_writer)
{
        enum walk_end end = WALK_CLEAN;
        int err = walk_once(l, watch, &end);

        if (err == 0 && end != WALK_CLEAN && !is_writer) {
                if ((err = file_lock_shared(&l->file)) != 0)
                        return err;
                err = walk_once(l, watch, &end);
                file_unlock(&l->file);
        }
        l->has_torn_tail = err == 0 && end == WALK_TORN;
        return err == 0 && end == WALK_DAMAGED ? detail_error(KEEPMUM_EDAMAGED, l->chain.end) : err;
}

struct rollback_state load_state(const struct loaded *l)
{
        struct rollback_state st = {.generation = l->header.generation, .seq = l->chain.seq};

        memcpy(st.tag, l->chain.tag, sizeof st.tag);
        return st;
}

/* The furthest state that is known: from the directory, or from an earlier reading. A state file that cannot be
 * understood may have said anything: it counts as further than everything. */
static int furthest_state(struct rollback_state *st, const struct loaded *l, const struct load_how *how)
{
        struct rollback_state before = {0};
        int err = rollback_load(st, how->state_dir, l->header.vault_id);

        if (err == KEEPMUM_EROLLEDBACK)
                *st = (struct rollback_state){.generation = UINT64_MAX};
        else if (err != 0)
                return detail_error(err, DETAIL_STATE);
        if (how->before != NULL)
                before = load_state(how->before);
        if (rollback_is_newer(&before, st))
                *st = before;
        return 0;
}

static bool is_rolled_back(const struct loaded *l, const struct rollback_state *st, const struct watch *watch)
{
        if (l->header.generation != st->generation)
                return l->header.generation < st->generation;
        return l->chain.seq < st->seq || !watch->is_met;
}

/* A writer may be inside: then what was read may not be on the disk yet, and the writer will save the state. */
static int save_as_reader(const struct loaded *l, const char *state_dir, const struct rollback_state *st)
{
        uint8_t tag[VAULT_TAG_BYTES];
        size_t n_got;
        int err = file_try_lock_shared(&l->file);

        if (err != 0)
                return err == KEEPMUM_EBUSY ? 0 : err;
        err = file_read(&l->file, l->chain.tag_at, tag, sizeof tag, &n_got);
        if (err == 0 && n_got == sizeof tag && memcmp(tag, st->tag, sizeof tag) == 0 &&
            (err = file_sync_data(&l->file)) == 0)
                err = rollback_save(state_dir, l->header.vault_id, st);
        file_unlock(&l->file);
        return err;
}

static void remember(const struct loaded *l, unsigned *warnings, const struct rollback_state *known, bool is_rolled,
                     const struct load_how *how)
{
        struct rollback_state st = load_state(l);
        int err = 0;

        if (how->state_dir == NULL || how->is_writer)
                return;
        if (known->generation == 0)
                *warnings |= KEEPMUM_VAULT_FIRST_SEEN;
        if (is_rolled)
                err = rollback_overwrite(how->state_dir, l->header.vault_id, &st);
        else if (rollback_is_newer(&st, known))
                err = save_as_reader(l, how->state_dir, &st);
        if (err != 0)
                *warnings |= KEEPMUM_VAULT_STATE_NOT_SAVED;
}

/* Records from the chain's end on, and the comparison with the state. */
static int load_records(struct loaded *l, unsigned *warnings, const struct load_how *how)
{
        struct rollback_state st;
        struct watch watch;
        bool is_rolled;
        int err = furthest_state(&st, l, how);

        if (err != 0)
                return err;
        watch = (struct watch){.seq = st.seq, .is_met = st.seq < l->chain.seq};
        memcpy(watch.tag, st.tag, sizeof watch.tag);
        if (st.seq == l->chain.seq)
                watch.is_met = memcmp(watch.tag, l->chain.tag, sizeof watch.tag) == 0;
        if ((err = walk_to_end(l, &watch, how->is_writer)) != 0)
                return err;
        is_rolled = is_rolled_back(l, &st, &watch);
        if (is_rolled && (how->flags & KEEPMUM_VAULT_ACCEPT_ROLLBACK) == 0)
                return KEEPMUM_EROLLEDBACK;
        if (l->has_torn_tail)
                *warnings |= KEEPMUM_VAULT_TORN_TAIL;
        remember(l, warnings, &st, is_rolled, how);
        return 0;
}

int load_all(struct loaded *l, unsigned *warnings, struct file *file, const struct load_how *how)
{
        uint8_t bytes[HEADER_BYTES];
        int err;

        *l = (struct loaded){.file = *file};
        *file = FILE_NONE;
        if ((err = read_header(bytes, &l->header, &l->file)) != 0 || (err = unlock(l, bytes, how)) != 0)
                goto free;
        l->chain = walk_start(l->header.mac);
        l->entries = entries_create();
        if (l->entries == NULL) {
                err = KEEPMUM_ENOMEM;
                goto free;
        }
        file_map(&l->file);
        if ((err = load_records(l, warnings, how)) == 0)
                return 0;
free:
        load_free(l);
        return err;
}

/* Is what has been read still in front of the chain's end? */
static int check_unchanged(const struct loaded *l)
{
        uint8_t mac[HEADER_MAC_BYTES], tag[VAULT_TAG_BYTES];
        size_t n_mac, n_tag;
        uint64_t n_bytes = 0;
        int err = file_size(&l->file, &n_bytes);

        if (err != 0 || (err = file_read(&l->file, HEADER_AT_MAC, mac, sizeof mac, &n_mac)) != 0 ||
            (err = file_read(&l->file, l->chain.tag_at, tag, sizeof tag, &n_tag)) != 0)
                return err;
        if (n_bytes < l->chain.end || n_mac < sizeof mac || n_tag < sizeof tag)
                return KEEPMUM_EROLLEDBACK;
        return memcmp(mac, l->header.mac, sizeof mac) == 0 && memcmp(tag, l->chain.tag, sizeof tag) == 0
                       ? 0
                       : KEEPMUM_EROLLEDBACK;
}

int load_more(struct loaded *l, unsigned *warnings, const struct load_how *how)
{
        int err = check_unchanged(l);

        return err != 0 ? err : load_records(l, warnings, how);
}

void load_free(struct loaded *l)
{
        file_close(&l->file);
        if (l->keys.bits != 0)
                keepmum_destroy(&l->keys);
        entries_destroy(l->entries);
        *l = (struct loaded){.file = FILE_NONE};
}

/* Walking through the records: each authenticated, each bound to the one before, from a copy.
 *
 * Always true: a record is judged and used from one and the same copy. The record that ends the file must also have
 * a right secret, or a crash that lost only the secret's sectors would be taken for a saved one. What is not a right
 * record is torn only where an unfinished append can have left it; everything else is damage. docs/vault-format.md,
 * "The tail", is the rule and why. */
#include "vault/walk.h"

#include "base/wipe.h"
#include "vault/detail.h"

#include <keepmum_heap.h>
#include <string.h>

enum { WINDOW_BYTES = 256 << 10, LARGEST_HEAD_END = FRAME_BYTES + HEAD_MAX_BYTES };

/* A copy of a stretch of the file. */
struct window {
        uint8_t *bytes;
        size_t n_bytes, n_room;
        uint64_t at;
};

struct walk {
        struct chain *chain;
        struct entries *entries;
        const struct source *source;
        const struct vault_keys *keys;
        uint64_t file_bytes;
        struct window window;
        uint8_t *clear; /* room for the largest head */
};

struct chain walk_start(const uint8_t header_mac[static HEADER_MAC_BYTES])
{
        struct chain c = {.end = HEADER_BYTES, .tag_at = HEADER_AT_MAC};

        memcpy(c.tag, header_mac, sizeof c.tag);
        return c;
}

int walk_read(const struct source *s, uint64_t at, void *bytes, size_t n_bytes, size_t *n_got)
{
        if (s->file != NULL)
                return file_read(s->file, at, bytes, n_bytes, n_got);
        *n_got = at >= s->n_bytes ? 0 : n_bytes < s->n_bytes - at ? n_bytes : s->n_bytes - (size_t)at;
        if (*n_got > 0)
                memcpy(bytes, s->bytes + at, *n_got);
        return 0;
}

static bool window_has(const struct window *w, uint64_t at, size_t n_bytes)
{
        return at >= w->at && at - w->at <= w->n_bytes && n_bytes <= w->n_bytes - (at - w->at);
}

/* *p: a copy of n_bytes at an offset. The file may have been cut since its size was asked: KEEPMUM_EDAMAGED. */
static int window_get(const uint8_t **p, struct walk *w, uint64_t at, size_t n_bytes)
{
        struct window *win = &w->window;
        uint64_t left = w->file_bytes - at;
        size_t wanted = n_bytes > WINDOW_BYTES ? n_bytes : left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
        int err;

        if (!window_has(win, at, n_bytes)) {
                if (wanted > win->n_room) {
                        uint8_t *larger = keepmum_heap_realloc(win->bytes, wanted);

                        if (larger == NULL)
                                return KEEPMUM_ENOMEM;
                        win->bytes = larger;
                        win->n_room = wanted;
                }
                win->at = at;
                win->n_bytes = 0;
                if ((err = walk_read(w->source, at, win->bytes, wanted, &win->n_bytes)) != 0)
                        return err;
                if (win->n_bytes < n_bytes)
                        return KEEPMUM_EDAMAGED;
        }
        *p = win->bytes + (at - win->at);
        return 0;
}

/* *p: the whole record at the chain's end if it ends the file, else at least all of its head. KEEPMUM_EDAMAGED: no
 * believable frame. */
static int get_record(const uint8_t **p, struct frame *f, struct walk *w)
{
        uint64_t at = w->chain->end, left = w->file_bytes - at;
        int err;

        if (left < FRAME_MIN_RECORD_BYTES)
                return KEEPMUM_EDAMAGED;
        if ((err = window_get(p, w, at, left < LARGEST_HEAD_END ? (size_t)left : LARGEST_HEAD_END)) != 0)
                return err;
        if (!frame_parse(f, *p, w->keys) || f->record_bytes > left)
                return KEEPMUM_EDAMAGED;
        if (f->record_bytes < left || window_has(&w->window, at, f->record_bytes))
                return 0;
        if ((err = window_get(p, w, at, (size_t)left)) != 0) /* another copy, so all of it again */
                return err;
        return frame_parse(f, *p, w->keys) && f->record_bytes == left ? 0 : KEEPMUM_EDAMAGED;
}

/* Takes the record at the chain's end. KEEPMUM_EDAMAGED: there is no right one. */
static int take_record(struct walk *w)
{
        struct chain *c = w->chain;
        struct sealed_secret secret;
        struct entries_change change;
        struct frame f;
        struct head h;
        const uint8_t *record;
        int err = get_record(&record, &f, w);

        if (err != 0)
                return err;
        if (f.seq != c->seq + 1 || !frame_open_head(&h, w->clear, &f, record, w->keys) ||
            memcmp(h.prev_tag, c->tag, sizeof c->tag) != 0)
                return KEEPMUM_EDAMAGED;
        frame_locate_secret(&secret, &f, &h, record, c->end);
        if (f.secret_bytes != 0 && c->end + f.record_bytes == w->file_bytes &&
            !frame_secret_is_right(&secret, record + f.record_bytes - f.secret_bytes, w->keys))
                return KEEPMUM_EDAMAGED;
        if ((err = entries_plan(&change, w->entries, &h, &secret)) != 0)
                return err == KEEPMUM_ETOOBIG ? KEEPMUM_EDAMAGED : err;
        entries_apply(w->entries, &change);
        memcpy(c->tag, record + FRAME_AT_HEAD_TAG, sizeof c->tag);
        c->tag_at = c->end + FRAME_AT_HEAD_TAG;
        c->end += f.record_bytes;
        c->seq = f.seq;
        return 0;
}

/* Is the share of some 512-byte sector in these bytes, if 32 or more, nothing but zeroes? at: their offset in the
 * file. */
static bool has_zero_sector(const uint8_t *p, size_t n_bytes, uint64_t at)
{
        size_t from = 0;

        while (from < n_bytes) {
                size_t share = FRAME_SECTOR_BYTES - (size_t)((at + from) % FRAME_SECTOR_BYTES);

                if (share > n_bytes - from)
                        share = n_bytes - from;
                if (share >= FRAME_STEP && format_is_zero(p + from, share))
                        return true;
                from += share;
        }
        return false;
}

/* Does a record begin further on? An unfinished append is the last one, so then this is none. */
static bool has_later_record(const uint8_t *p, size_t n_bytes, const struct vault_keys *k)
{
        for (size_t at = FRAME_STEP; at + FRAME_AT_HEAD_NONCE <= n_bytes; at += FRAME_STEP)
                if (frame_check_is_right(p + at, k))
                        return true;
        return false;
}

static int judge_tail(enum walk_end *end, struct walk *w)
{
        uint64_t left = w->file_bytes - w->chain->end;
        const uint8_t *p;
        struct frame f;
        bool is_torn;
        int err;

        *end = WALK_DAMAGED;
        if (left > FRAME_MAX_RECORD_BYTES)
                return 0;
        if ((err = window_get(&p, w, w->chain->end, (size_t)left)) != 0)
                return err == KEEPMUM_EDAMAGED ? 0 : err;
        is_torn = left < FRAME_AT_HEAD_NONCE || (frame_parse(&f, p, w->keys) && f.record_bytes > left) ||
                  has_zero_sector(p, (size_t)left, w->chain->end);
        if (is_torn && !has_later_record(p, (size_t)left, w->keys))
                *end = WALK_TORN;
        return 0;
}

static int take_all(struct walk *w, struct watch *watch, enum walk_end *end)
{
        const struct chain *c = w->chain;

        while (c->end < w->file_bytes) {
                int err = take_record(w);

                if (err == KEEPMUM_EDAMAGED)
                        return judge_tail(end, w);
                if (err != 0)
                        return err;
                if (watch != NULL && c->seq == watch->seq)
                        watch->is_met = memcmp(watch->tag, c->tag, sizeof c->tag) == 0;
        }
        *end = c->end == w->file_bytes ? WALK_CLEAN : WALK_DAMAGED;
        return 0;
}

int walk(struct chain *c, struct entries *e, struct watch *watch, enum walk_end *end, const struct source *s,
         uint64_t file_bytes, const struct vault_keys *k)
{
        struct walk w = {.chain = c, .entries = e, .source = s, .keys = k, .file_bytes = file_bytes};
        int err;

        if (file_bytes > VAULT_MAX_FILE_BYTES)
                return detail_error(KEEPMUM_EDAMAGED, VAULT_MAX_FILE_BYTES);
        w.clear = keepmum_heap_malloc(HEAD_MAX_BYTES);
        err = w.clear == NULL ? KEEPMUM_ENOMEM : take_all(&w, watch, end);
        if (w.clear != NULL)
                wipe(w.clear, HEAD_MAX_BYTES);
        keepmum_heap_free(w.clear);
        keepmum_heap_free(w.window.bytes);
        return err;
}

/* The vault's public functions: arguments checked, one room called for each.
 *
 * Always true: what a writer decides by (is the name taken?) it looks up after it has the lock and has read what
 * others appended. A secret's bytes go from the caller's guarded page to one of ours, are sealed from there, and
 * come back the same way. */
#include "vault/vault.h"

#include "base/bytes.h"
#include "base/copy.h"
#include "base/fatal.h"
#include "base/wipe.h"
#include "os/random.h"
#include "vault/append.h"
#include "vault/content.h"
#include "vault/detail.h"

#include <keepmum_heap.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
        struct timespec t = {0};

        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void keepmum_vault_close(keepmum_vault *v)
{
        if (v == NULL)
                return;
        load_free(&v->now);
        keepmum_heap_free(v->first_header);
        free(v->path);
        free(v->new_path);
        free(v->state_dir);
        keepmum_heap_free(v);
}

/* A handle with its paths. */
static int make(keepmum_vault **out, const char *path, const char *state_dir)
{
        keepmum_vault *v;
        int err;

        if (sodium_init() < 0)
                return KEEPMUM_ESYSTEM;
        v = keepmum_heap_calloc(1, sizeof *v);
        if (v == NULL)
                return KEEPMUM_ENOMEM;
        v->now.file = FILE_NONE;
        if ((err = file_resolve(&v->path, path)) != 0)
                goto close;
        if (asprintf(&v->new_path, "%s.new", v->path) < 0) {
                v->new_path = NULL;
                err = KEEPMUM_ENOMEM;
                goto close;
        }
        if (state_dir != NULL && (v->state_dir = strdup(state_dir)) == NULL) {
                err = KEEPMUM_ENOMEM;
                goto close;
        }
        *out = v;
        return 0;
close:
        keepmum_vault_close(v);
        return err;
}

static int check_new(const keepmum_vault *v, const struct key_slot_given *given)
{
        struct file f;
        size_t n_bytes = 0;
        int err;

        if (given->key_file.bits != 0 && (err = keepmum_size(given->key_file, &n_bytes)) != 0)
                return err;
        if (given->key_file.bits != 0 && n_bytes < KEEPMUM_VAULT_MIN_KEY_FILE_BYTES)
                return KEEPMUM_EEMPTY;
        err = file_open_read(&f, v->path);
        if (err == 0)
                file_close(&f);
        return err == KEEPMUM_ENOTFOUND ? 0 : err == 0 ? KEEPMUM_EEXISTS : err;
}

int keepmum_vault_create(keepmum_vault **out, const char *path, const char *state_dir, keepmum_secret passphrase,
                         keepmum_secret key_file)
{
        struct key_slot_given given = {passphrase, key_file};
        keepmum_vault *v;
        int err;

        detail_clear();
        if (out == NULL || path == NULL || *path == '\0')
                return KEEPMUM_EINVAL;
        if (passphrase.bits == 0 && key_file.bits == 0)
                return KEEPMUM_ELOCKED;
        if ((err = make(&v, path, state_dir)) != 0)
                return err;
        if ((err = check_new(v, &given)) != 0)
                goto close;
        v->first_header = keepmum_heap_malloc(HEADER_BYTES);
        v->now.entries = entries_create();
        if (v->first_header == NULL || v->now.entries == NULL) {
                err = KEEPMUM_ENOMEM;
                goto close;
        }
        if ((err = header_make(v->first_header, &v->now.header, &v->now.keys, &given)) != 0)
                goto close;
        v->now.chain = walk_start(v->now.header.mac);
        *out = v;
        return 0;
close:
        keepmum_vault_close(v);
        return err;
}

int keepmum_vault_open(keepmum_vault **out, const char *path, const char *state_dir, keepmum_secret passphrase,
                       keepmum_secret key_file, unsigned flags)
{
        struct key_slot_given given = {passphrase, key_file};
        struct load_how how = {.given = &given, .state_dir = state_dir, .flags = flags};
        keepmum_vault *v;
        struct file f;
        int err;

        detail_clear();
        if (out == NULL || path == NULL || *path == '\0' || (flags & ~KEEPMUM_VAULT_ACCEPT_ROLLBACK) != 0)
                return KEEPMUM_EINVAL;
        if ((err = make(&v, path, state_dir)) != 0)
                return err;
        if ((err = file_open_read(&f, v->path)) != 0 || (err = load_all(&v->now, &v->warnings, &f, &how)) != 0) {
                keepmum_vault_close(v);
                return err;
        }
        *out = v;
        return 0;
}

unsigned keepmum_vault_warnings(const keepmum_vault *v)
{
        return v->warnings;
}

static int check_texts(const struct text *texts)
{
        if (!text_is_name(texts[KEEPMUM_VAULT_NAME]))
                return KEEPMUM_EBADNAME;
        for (unsigned i = 1; i <= HEAD_ATTRS; i++) {
                if (texts[i].n_bytes > HEAD_MAX_ATTR_BYTES)
                        return KEEPMUM_ETOOBIG;
                if (!text_is_fit(texts[i]))
                        return KEEPMUM_EINVAL;
        }
        return 0;
}

/* What is sealed for a secret, in guarded memory of its own. */
static int make_content(keepmum_secret *content, keepmum_secret secret)
{
        const void *from = NULL;
        size_t n_bytes = 0, n_padded;
        void *bytes;
        int err;

        if (secret.bits != 0 && (err = keepmum_size(secret, &n_bytes)) != 0)
                return err;
        if (n_bytes > SECRET_MAX_MAIN_BYTES)
                return KEEPMUM_ETOOBIG;
        n_padded = content_padded(SECRET_AT_MAIN + n_bytes);
        if ((err = keepmum_create(content, n_padded, 0)) != 0)
                return err;
        if ((err = keepmum_open_write(*content, &bytes, NULL)) != 0)
                goto destroy;
        if (secret.bits != 0 && (err = keepmum_open_read(secret, &from, NULL)) != 0) {
                keepmum_close(*content);
                goto destroy;
        }
        bytes_put32(bytes, (uint32_t)n_bytes);
        if (from != NULL) {
                copy_bytes((uint8_t *)bytes + SECRET_AT_MAIN, from, n_bytes);
                keepmum_close(secret);
        }
        keepmum_close(*content);
        return 0;
destroy:
        keepmum_destroy(content);
        return err;
}

/* Texts copied, wiped and freed by keep_end(). A caller may give what keepmum_vault_text() said, and that goes when the file is
 * read again under the lock. */
struct kept {
        char *bytes;
        size_t n_bytes;
};

static int keep(struct kept *k, struct text *texts, unsigned n_texts)
{
        size_t used = 0;

        *k = (struct kept){0};
        for (unsigned i = 0; i < n_texts; i++)
                k->n_bytes += texts[i].n_bytes;
        k->bytes = keepmum_heap_malloc(k->n_bytes + 1);
        if (k->bytes == NULL)
                return KEEPMUM_ENOMEM;
        for (unsigned i = 0; i < n_texts; i++) {
                if (texts[i].n_bytes > 0)
                        memcpy(k->bytes + used, texts[i].bytes, texts[i].n_bytes);
                texts[i].bytes = k->bytes + used;
                used += texts[i].n_bytes;
        }
        return 0;
}

static void keep_end(struct kept *k)
{
        wipe(k->bytes, k->n_bytes);
        keepmum_heap_free(k->bytes);
}

static int add_under_lock(keepmum_vault *v, struct head *h, keepmum_secret content)
{
        if (entries_find(v->now.entries, h->texts[KEEPMUM_VAULT_NAME]) != NULL)
                return KEEPMUM_EEXISTS;
        h->time_ms = now_ms();
        return append_record(v, h, content);
}

int keepmum_vault_add(keepmum_vault *v, const char *name, keepmum_secret secret, const char *user, const char *url,
                      const char *tags)
{
        struct head h = {.op = HEAD_PUT, .texts = {text_of(name), text_of(user), text_of(url), text_of(tags)}};
        keepmum_secret content;
        struct kept kept;
        int err;

        detail_clear();
        if (v == NULL || name == NULL)
                return KEEPMUM_EINVAL;
        if ((err = check_texts(h.texts)) != 0 || (err = make_content(&content, secret)) != 0)
                return err;
        random_fill(h.entry_id, sizeof h.entry_id);
        if ((err = keep(&kept, h.texts, HEAD_ATTRS + 1)) == 0) {
                if ((err = append_begin(v)) == 0) {
                        err = add_under_lock(v, &h, content);
                        append_end(v);
                }
                keep_end(&kept);
        }
        keepmum_destroy(&content);
        return err;
}

/* Under the lock: a head for an entry that is there. */
static int head_for(struct head *h, const keepmum_vault *v, struct text name)
{
        const struct entry *entry = entries_find(v->now.entries, name);

        if (entry == NULL)
                return KEEPMUM_ENOTFOUND;
        *h = (struct head){.time_ms = now_ms(), .secret_seq = entry->secret.seq};
        memcpy(h->entry_id, entry->secret.entry_id, sizeof h->entry_id);
        for (unsigned i = 0; i <= HEAD_ATTRS; i++)
                h->texts[i] = entries_text(entry, i);
        return 0;
}

static int rename_under_lock(keepmum_vault *v, struct text name, struct text new_name)
{
        struct head h;
        int err = head_for(&h, v, name);

        if (err != 0)
                return err;
        if (entries_find(v->now.entries, new_name) != NULL)
                return KEEPMUM_EEXISTS;
        h.op = HEAD_RENAME;
        h.texts[KEEPMUM_VAULT_NAME] = new_name;
        return append_record(v, &h, (keepmum_secret){0});
}

int keepmum_vault_rename(keepmum_vault *v, const char *name, const char *new_name)
{
        struct text names[] = {text_of(name), text_of(new_name)};
        struct kept kept;
        int err;

        detail_clear();
        if (v == NULL || name == NULL || new_name == NULL)
                return KEEPMUM_EINVAL;
        if (!text_is_name(names[1]))
                return KEEPMUM_EBADNAME;
        if ((err = keep(&kept, names, 2)) != 0)
                return err;
        if ((err = append_begin(v)) == 0) {
                err = rename_under_lock(v, names[0], names[1]);
                append_end(v);
        }
        keep_end(&kept);
        return err;
}

static int remove_under_lock(keepmum_vault *v, struct text name)
{
        struct head h;
        int err = head_for(&h, v, name);

        if (err != 0)
                return err;
        h.op = HEAD_REMOVE;
        h.secret_seq = 0;
        memset(h.texts, 0, sizeof h.texts);
        return append_record(v, &h, (keepmum_secret){0});
}

int keepmum_vault_remove(keepmum_vault *v, const char *name)
{
        struct text named = text_of(name);
        struct kept kept;
        int err;

        detail_clear();
        if (v == NULL || name == NULL)
                return KEEPMUM_EINVAL;
        if ((err = keep(&kept, &named, 1)) != 0)
                return err;
        if ((err = append_begin(v)) == 0) {
                err = remove_under_lock(v, named);
                append_end(v);
        }
        keep_end(&kept);
        return err;
}

/* Reads, opens and trims a secret in its page. *main_bytes: what is left of it. */
static int open_in_place(size_t *main_bytes, uint8_t *bytes, const struct loaded *l, const struct sealed_secret *s)
{
        const struct vault_keys *k;
        bool is_right;
        size_t n_got;
        int err = file_read(&l->file, s->at, bytes, s->n_bytes, &n_got);

        if (err != 0)
                return err;
        if (n_got < s->n_bytes)
                return detail_error(KEEPMUM_EDAMAGED, s->at);
        if ((err = vault_keys_open(l->keys, &k)) != 0)
                return err;
        is_right = frame_open_secret(bytes, s, k) && content_parse(main_bytes, bytes, s->n_bytes);
        vault_keys_forget();
        keepmum_close(l->keys);
        if (!is_right)
                return detail_error(KEEPMUM_EDAMAGED, s->at);
        copy_bytes(bytes, bytes + SECRET_AT_MAIN, *main_bytes);
        wipe(bytes + *main_bytes, s->n_bytes - *main_bytes);
        return *main_bytes == 0 ? KEEPMUM_EEMPTY : 0;
}

int keepmum_vault_get(keepmum_vault *v, const char *name, keepmum_secret *out)
{
        const struct entry *entry;
        keepmum_secret secret;
        size_t main_bytes;
        void *bytes;
        int err;

        detail_clear();
        if (v == NULL || name == NULL || out == NULL)
                return KEEPMUM_EINVAL;
        entry = entries_find(v->now.entries, text_of(name));
        if (entry == NULL)
                return KEEPMUM_ENOTFOUND;
        if ((err = keepmum_create(&secret, entry->secret.n_bytes, 0)) != 0)
                return err;
        if ((err = keepmum_open_write(secret, &bytes, NULL)) == 0) {
                err = open_in_place(&main_bytes, bytes, &v->now, &entry->secret);
                keepmum_close(secret);
        }
        if (err == 0)
                err = keepmum_resize(secret, main_bytes);
        if (err != 0)
                keepmum_destroy(&secret);
        else
                *out = secret;
        return err;
}

size_t keepmum_vault_count(const keepmum_vault *v)
{
        return entries_count(v->now.entries);
}

int keepmum_vault_find(const keepmum_vault *v, const char *name, size_t *number)
{
        const struct entry *entry;

        detail_clear();
        if (v == NULL || name == NULL || number == NULL)
                return KEEPMUM_EINVAL;
        entry = entries_find(v->now.entries, text_of(name));
        if (entry == NULL)
                return KEEPMUM_ENOTFOUND;
        *number = entries_number(v->now.entries, entry);
        return 0;
}

static const struct entry *entry_at(const keepmum_vault *v, size_t number)
{
        const struct entry *entry = entries_at(v->now.entries, number);

        must(entry != NULL, "vault: no entry has this number");
        return entry;
}

const char *keepmum_vault_text(const keepmum_vault *v, size_t number, enum keepmum_vault_text which)
{
        must((unsigned)which <= HEAD_ATTRS, "vault: no text of this kind");
        return entries_text(entry_at(v, number), which).bytes;
}

void keepmum_vault_times(const keepmum_vault *v, size_t number, int64_t *added_ms, int64_t *changed_ms)
{
        const struct entry *entry = entry_at(v, number);

        *added_ms = entry->added_ms;
        *changed_ms = entry->changed_ms;
}

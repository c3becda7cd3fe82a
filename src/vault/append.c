/* Writing: append exactly one record, or write a whole new file and link it to its name. Nothing else ever changes a
 * vault.
 *
 * Always true: a record is written under the exclusive lock of the file that the path leads to, on top of what was
 * just authenticated; it counts once fdatasync(2) has returned; on an error the file is cut back to what it was.
 * Memory for the entry is taken before the first byte is written, so that what was saved is never reported as not
 * saved. */
#include "vault/append.h"

#include "vault/detail.h"

#include <errno.h>
#include <keepmum_heap.h>
#include <string.h>

/* Whoever waited for the lock may hold that of a file that lost its name meanwhile. */
static int lock_at_path(const struct file *f, const char *path, bool *is_there)
{
        int err = file_lock_exclusive(f);

        if (err == 0)
                err = file_is_at(f, path, is_there);
        return err;
}

static int open_locked(struct file *f, const char *path)
{
        bool is_there = false;
        int err = 0;

        while (err == 0) {
                if ((err = file_open_write(f, path)) != 0)
                        return err;
                err = lock_at_path(f, path, &is_there);
                if (err == 0 && is_there)
                        return 0;
                file_close(f);
        }
        return err;
}

static struct load_how how_to_write(const struct keepmum_vault *v)
{
        return (struct load_how){.state_dir = v->state_dir, .is_writer = true};
}

/* Another file has the name now: all of it is read. */
static int adopt(struct keepmum_vault *v, struct file *f)
{
        struct load_how how = how_to_write(v);
        struct loaded fresh;
        int err;

        how.before = &v->now;
        if ((err = load_all(&fresh, &v->warnings, f, &how)) != 0)
                return err;
        load_free(&v->now);
        v->now = fresh;
        return 0;
}

static int refresh(struct keepmum_vault *v)
{
        struct load_how how = how_to_write(v);

        return load_more(&v->now, &v->warnings, &how);
}

/* A file at new_path that nobody is making any more: a crash left it, as a second name of the vault (the locked file) or before
 * it had the name. Who is still making one holds its lock. */
static void remove_left_over(const struct file *locked, const char *new_path)
{
        struct file f;
        bool is_there = false;

        if (file_is_at(locked, new_path, &is_there) == 0 && is_there) {
                (void)file_remove(new_path);
                return;
        }
        if (file_open_write(&f, new_path) != 0)
                return;
        if (file_try_lock_shared(&f) == 0 && file_is_at(&f, new_path, &is_there) == 0 && is_there)
                (void)file_remove(new_path);
        file_close(&f);
}

/* The first writing of this vault handle, or the first after the file was replaced. */
static int begin_anew(struct keepmum_vault *v)
{
        struct file f;
        bool is_same = false;
        int err = open_locked(&f, v->path);

        if (err != 0)
                return err;
        remove_left_over(&f, v->new_path);
        if ((err = file_is_at(&v->now.file, v->path, &is_same)) != 0) {
                file_close(&f);
                return err;
        }
        if (!is_same)
                return adopt(v, &f);
        file_move_map(&f, &v->now.file);
        file_close(&v->now.file);
        v->now.file = f;
        return refresh(v);
}

static int cut_torn_tail(struct loaded *l)
{
        int err = 0;

        if (l->has_torn_tail && (err = file_truncate(&l->file, l->chain.end)) == 0 &&
            (err = file_sync_data(&l->file)) == 0)
                l->has_torn_tail = false;
        return err;
}

int append_begin(struct keepmum_vault *v)
{
        bool is_there = false;
        int err = 0;

        if (v->first_header != NULL)
                return 0;
        if (v->now.file.is_writable && (err = lock_at_path(&v->now.file, v->path, &is_there)) == 0 && is_there)
                err = refresh(v);
        else if (err == 0)
                err = begin_anew(v);
        if (err == 0)
                err = cut_torn_tail(&v->now);
        if (err != 0)
                append_end(v);
        return err;
}

void append_end(struct keepmum_vault *v)
{
        if (v->now.file.fd >= 0)
                file_unlock(&v->now.file);
}

static int plan_frame(struct frame *f, const struct loaded *l, const struct head *h, keepmum_secret content)
{
        size_t secret_bytes = 0;
        int err;

        if (content.bits != 0 && (err = keepmum_size(content, &secret_bytes)) != 0)
                return err;
        f->seq = l->chain.seq + 1;
        f->secret_bytes = (uint32_t)secret_bytes;
        f->record_bytes = (uint32_t)(FRAME_BYTES + head_size(h) + secret_bytes);
        return f->seq > VAULT_MAX_SEQ || l->chain.end + f->record_bytes > VAULT_MAX_FILE_BYTES ? KEEPMUM_ETOOBIG : 0;
}

static int seal(uint8_t *record, const struct frame *f, const struct head *h, keepmum_secret content,
                keepmum_secret keys)
{
        const struct vault_keys *k;
        const void *bytes = NULL;
        int err = vault_keys_open(keys, &k);

        if (err != 0)
                return err;
        if (content.bits == 0 || (err = keepmum_open_read(content, &bytes, NULL)) == 0)
                frame_seal(record, f, h, bytes, k);
        vault_keys_forget();
        if (bytes != NULL)
                keepmum_close(content);
        keepmum_close(keys);
        return err;
}

static int write_at_end(const struct loaded *l, const uint8_t *record, size_t n_bytes)
{
        int err = file_write(&l->file, l->chain.end, record, n_bytes);

        if (err == 0)
                err = file_sync_data(&l->file);
        if (err != 0) {
                int kept = errno;

                (void)file_truncate(&l->file,
                                    l->chain.end); /* what stays if this fails too is torn, or reads as saved */
                errno = kept;
        }
        return err;
}

/* A file of that name is either another process at work, which is waited for, or left by a crash: then it goes. */
static int create_locked(struct file *f, const char *path)
{
        for (;;) {
                bool is_there = false, is_created;
                int err = file_create(f, path);

                is_created = err == 0;
                if (err == KEEPMUM_EEXISTS && (err = file_open_write(f, path)) == KEEPMUM_ENOTFOUND)
                        continue;
                if (err != 0)
                        return err;
                err = lock_at_path(f, path, &is_there);
                if (err == 0 && is_there && is_created)
                        return 0;
                if (err == 0 && is_there)
                        err = file_remove(path);
                else if (err != 0 && err != KEEPMUM_ENOTFOUND && is_created)
                        (void)file_remove(path); /* no locks to be had here: nothing is left behind */
                file_close(f);
                if (err != 0 && err != KEEPMUM_ENOTFOUND)
                        return err;
        }
}

/* The new file, opened again by its name, must authenticate to its end. */
static int read_back(const struct keepmum_vault *v, const uint8_t *tag)
{
        struct load_how how = {.before = &v->now, .is_writer = true};
        struct loaded l;
        struct file f;
        unsigned warnings = 0;
        int err = file_open_read(&f, v->new_path);

        if (err != 0 || (err = load_all(&l, &warnings, &f, &how)) != 0)
                return err;
        if (warnings != 0 || l.chain.seq != 1 || memcmp(l.chain.tag, tag, sizeof l.chain.tag) != 0)
                err = KEEPMUM_EIO;
        load_free(&l);
        return err;
}

static int link_into_place(const struct keepmum_vault *v)
{
        int err = file_link(v->new_path, v->path);

        if (err == 0 && (err = file_sync_directory(v->path)) != 0)
                (void)file_remove(v->path);
        return err;
}

static int write_first_file(struct keepmum_vault *v, const uint8_t *record, size_t n_bytes)
{
        struct file f;
        int err = create_locked(&f, v->new_path);

        if (err != 0)
                return err;
        if ((err = file_write(&f, 0, v->first_header, HEADER_BYTES)) == 0 &&
            (err = file_write(&f, HEADER_BYTES, record, n_bytes)) == 0 && (err = file_sync(&f)) == 0 &&
            (err = read_back(v, record + FRAME_AT_HEAD_TAG)) == 0)
                err = link_into_place(v);
        (void)file_remove(v->new_path);
        if (err != 0) {
                file_close(&f);
                return err;
        }
        v->now.file = f;
        keepmum_heap_free(v->first_header);
        v->first_header = NULL;
        return 0;
}

static void count_in(struct chain *c, const struct frame *f, const uint8_t *record)
{
        memcpy(c->tag, record + FRAME_AT_HEAD_TAG, sizeof c->tag);
        c->tag_at = c->end + FRAME_AT_HEAD_TAG;
        c->end += f->record_bytes;
        c->seq = f->seq;
}

static void save_state(struct keepmum_vault *v)
{
        struct rollback_state st = load_state(&v->now);

        if (v->state_dir != NULL && rollback_save(v->state_dir, v->now.header.vault_id, &st) != 0)
                v->warnings |= KEEPMUM_VAULT_STATE_NOT_SAVED;
}

static int write_record(struct keepmum_vault *v, const uint8_t *record, const struct frame *f, const struct head *h)
{
        struct entries_change change;
        struct sealed_secret secret;
        int err;

        frame_locate_secret(&secret, f, h, record, v->now.chain.end);
        if ((err = entries_plan(&change, v->now.entries, h, &secret)) != 0)
                return err;
        err = v->first_header != NULL ? write_first_file(v, record, f->record_bytes)
                                      : write_at_end(&v->now, record, f->record_bytes);
        if (err != 0) {
                entries_drop(&change);
                return err;
        }
        entries_apply(v->now.entries, &change);
        count_in(&v->now.chain, f, record);
        save_state(v);
        return 0;
}

int append_record(struct keepmum_vault *v, struct head *h, keepmum_secret content)
{
        struct frame f;
        uint8_t *record;
        int err = plan_frame(&f, &v->now, h, content);

        if (err != 0)
                return err;
        memcpy(h->prev_tag, v->now.chain.tag, sizeof h->prev_tag);
        if (h->op == HEAD_PUT)
                h->secret_seq = f.seq;
        record = keepmum_heap_malloc(f.record_bytes);
        if (record == NULL)
                return KEEPMUM_ENOMEM;
        if ((err = seal(record, &f, h, content, v->now.keys)) == 0)
                err = write_record(v, record, &f, h);
        keepmum_heap_free(record);
        return err;
}

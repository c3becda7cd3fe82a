/* Rollback states: one small file a vault, named by its vault_id in hexadecimal.
 *
 * Always true: the file is replaced by rename, under a lock on the directory, and never by an older state. It is not
 * authenticated: whoever may write there may as well delete it. What is in it was on the disk before. */
#include "vault/rollback.h"

#include "base/bytes.h"
#include "os/file.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MAGIC "keepmum state 1\n"

enum {
        STATE_BYTES = 64,
        STATE_AT_VAULT_ID = 16,
        STATE_AT_GENERATION = 32,
        STATE_AT_SEQ = 40,
        STATE_AT_TAG = 48,
};

bool rollback_is_newer(const struct rollback_state *a, const struct rollback_state *b)
{
        return a->generation != b->generation ? a->generation > b->generation : a->seq > b->seq;
}

static char *state_path(const char *state_dir, const uint8_t *vault_id, const char *end)
{
        char hex[2 * VAULT_ID_BYTES + 1], *path;

        sodium_bin2hex(hex, sizeof hex, vault_id, VAULT_ID_BYTES);
        return asprintf(&path, "%s/%s%s", state_dir, hex, end) < 0 ? NULL : path;
}

static int parse(struct rollback_state *st, const uint8_t *bytes, const uint8_t *vault_id)
{
        if (memcmp(bytes, STATE_MAGIC, STATE_AT_VAULT_ID) != 0 ||
            memcmp(bytes + STATE_AT_VAULT_ID, vault_id, VAULT_ID_BYTES) != 0)
                return KEEPMUM_EROLLEDBACK;
        st->generation = bytes_get64(bytes + STATE_AT_GENERATION);
        st->seq = bytes_get64(bytes + STATE_AT_SEQ);
        memcpy(st->tag, bytes + STATE_AT_TAG, sizeof st->tag);
        return st->generation == 0 ? KEEPMUM_EROLLEDBACK : 0;
}

static int load_path(struct rollback_state *st, const char *path, const uint8_t *vault_id)
{
        uint8_t bytes[STATE_BYTES + 1];
        struct file f;
        size_t n_got;
        char *real;
        int err = file_resolve(&real, path);

        if (err != 0)
                return err;
        err = file_open_read(&f, real);
        free(real);
        if (err != 0)
                return err;
        err = file_read(&f, 0, bytes, sizeof bytes, &n_got);
        file_close(&f);
        if (err != 0)
                return err;
        return n_got == STATE_BYTES ? parse(st, bytes, vault_id) : KEEPMUM_EROLLEDBACK;
}

int rollback_load(struct rollback_state *st, const char *state_dir, const uint8_t vault_id[static VAULT_ID_BYTES])
{
        char *path;
        int err;

        *st = (struct rollback_state){0};
        if (state_dir == NULL)
                return 0;
        path = state_path(state_dir, vault_id, "");
        if (path == NULL)
                return KEEPMUM_ENOMEM;
        err = load_path(st, path, vault_id);
        free(path);
        return err == KEEPMUM_ENOTFOUND ? 0 : err;
}

static int write_new(const char *new_path, const uint8_t *vault_id, const struct rollback_state *st)
{
        uint8_t bytes[STATE_BYTES] = STATE_MAGIC;
        struct file f;
        int err;

        memcpy(bytes + STATE_AT_VAULT_ID, vault_id, VAULT_ID_BYTES);
        bytes_put64(bytes + STATE_AT_GENERATION, st->generation);
        bytes_put64(bytes + STATE_AT_SEQ, st->seq);
        memcpy(bytes + STATE_AT_TAG, st->tag, sizeof st->tag);
        if ((err = file_remove(new_path)) != 0 || (err = file_create(&f, new_path)) != 0)
                return err;
        if ((err = file_write(&f, 0, bytes, sizeof bytes)) == 0)
                err = file_sync(&f);
        file_close(&f);
        return err;
}

static int replace(const char *state_dir, const uint8_t *vault_id, const struct rollback_state *st)
{
        char *path = state_path(state_dir, vault_id, ""), *new_path = state_path(state_dir, vault_id, ".new");
        int err = KEEPMUM_ENOMEM;

        if (path != NULL && new_path != NULL && (err = write_new(new_path, vault_id, st)) == 0)
                err = file_rename(new_path, path);
        if (err != 0 && new_path != NULL)
                (void)file_remove(new_path);
        free(path);
        free(new_path);
        return err;
}

static int lock(const char *state_dir, int *dir_fd)
{
        int err = file_make_directory(state_dir);

        return err != 0 ? err : file_lock_directory(state_dir, dir_fd);
}

int rollback_save(const char *state_dir, const uint8_t vault_id[static VAULT_ID_BYTES], const struct rollback_state *st)
{
        struct rollback_state known;
        int dir_fd, err = lock(state_dir, &dir_fd);

        if (err != 0)
                return err;
        if ((err = rollback_load(&known, state_dir, vault_id)) == 0 && rollback_is_newer(st, &known))
                err = replace(state_dir, vault_id, st);
        file_unlock_directory(dir_fd);
        return err;
}

int rollback_overwrite(const char *state_dir, const uint8_t vault_id[static VAULT_ID_BYTES],
                       const struct rollback_state *st)
{
        int dir_fd, err = lock(state_dir, &dir_fd);

        if (err != 0)
                return err;
        err = replace(state_dir, vault_id, st);
        file_unlock_directory(dir_fd);
        return err;
}

/* Vaults for measuring: large ones, made quickly.
 *
 * The first entry is added as anybody adds it; the others are sealed by the vault's own functions one after the other and written
 * without waiting for the disk. keepmum_vault_open() then authenticates every one of them, so a mistake here shows at once. */
#include "vault_builder.h"

#include "base/bytes.h"
#include "need.h"
#include "vault/content.h"
#include "vault/header.h"
#include "vault/frame.h"

#include <keepmum_vault.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAIN_BYTES = 20, RECORD_ROOM = 1024 };

void vault_builder_name(char name[static 32], unsigned i)
{
        snprintf(name, 32, "site-%07u.example.org", i);
}

static void add_first(const char *path, keepmum_secret key_file)
{
        unsigned char bytes[MAIN_BYTES] = "twenty secret bytes";
        keepmum_secret secret;
        keepmum_vault *v;
        char name[32];

        vault_builder_name(name, 0);
        need(keepmum_take(&secret, bytes, sizeof bytes, 0) == 0, "a secret could not be made");
        need(keepmum_vault_create(&v, path, NULL, (keepmum_secret){0}, key_file) == 0, "a vault could not be made");
        need(keepmum_vault_add(v, name, secret, "somebody", NULL, NULL) == 0, "the first entry could not be added");
        keepmum_vault_close(v);
        keepmum_destroy(&secret);
}

static keepmum_secret unlock(const uint8_t *header_bytes, keepmum_secret key_file)
{
        struct key_slot_given given = {.key_file = key_file};
        struct header header;
        keepmum_secret keys;

        need(header_parse(&header, header_bytes) == 0, "the header does not parse");
        need(header_unlock(&keys, &header, header_bytes, &given) == 0, "the header does not unlock");
        return keys;
}

/* ---- building ---- */

static void write_others(FILE *f, uint8_t *record, const struct vault_keys *k, unsigned n_entries)
{
        uint8_t content[SECRET_MIN_BYTES] = {MAIN_BYTES};
        char name[32];

        for (unsigned i = 1; i < n_entries; i++) {
                struct head h = {.op = HEAD_PUT, .time_ms = 1700000000000, .secret_seq = i + 1};
                struct frame frame = {.secret_bytes = SECRET_MIN_BYTES, .seq = i + 1};

                memcpy(h.prev_tag, record + FRAME_AT_HEAD_TAG, sizeof h.prev_tag);
                randombytes_buf(h.entry_id, sizeof h.entry_id);
                vault_builder_name(name, i);
                h.texts[KEEPMUM_VAULT_NAME] = text_of(name);
                h.texts[KEEPMUM_VAULT_USER] = text_of("somebody");
                frame.record_bytes = (uint32_t)(FRAME_BYTES + head_size(&h) + SECRET_MIN_BYTES);
                frame_seal(record, &frame, &h, content, k);
                need(fwrite(record, 1, frame.record_bytes, f) == frame.record_bytes, "the vault could not be written");
        }
}

void vault_build(const char *path, keepmum_secret key_file, unsigned n_entries)
{
        uint8_t header[HEADER_BYTES], record[RECORD_ROOM];
        const struct vault_keys *k;
        keepmum_secret keys;
        FILE *f;

        add_first(path, key_file);
        need((f = fopen(path, "r+be")) != NULL, "the vault cannot be opened");
        need(fread(header, 1, sizeof header, f) == sizeof header, "the vault cannot be read");
        need(fread(record, 1, FRAME_BYTES, f) == FRAME_BYTES && fseek(f, 0, SEEK_END) == 0, "the vault cannot be read");
        keys = unlock(header, key_file);
        need(vault_keys_open(keys, &k) == 0, "the keys do not open");
        write_others(f, record, k, n_entries);
        keepmum_close(keys);
        keepmum_destroy(&keys);
        need(fclose(f) == 0, "the vault could not be written");
}

/* ---- bare decryption ---- */

static size_t read_whole(uint8_t **bytes, const char *path)
{
        FILE *f = fopen(path, "rbe");
        long n;

        need(f != NULL && fseek(f, 0, SEEK_END) == 0, "the vault cannot be read");
        n = ftell(f);
        need(n > 0 && fseek(f, 0, SEEK_SET) == 0, "the vault cannot be read");
        need((*bytes = malloc((size_t)n)) != NULL && fread(*bytes, 1, (size_t)n, f) == (size_t)n, "the vault cannot be read");
        fclose(f);
        return (size_t)n;
}

void vault_read_names(struct sealed_names *names, const char *path, keepmum_secret key_file)
{
        const struct vault_keys *k;
        keepmum_secret keys;
        size_t n_bytes;

        *names = (struct sealed_names){0};
        n_bytes = read_whole(&names->file, path);
        need((names->at = calloc(n_bytes / FRAME_MIN_RECORD_BYTES, sizeof *names->at)) != NULL, "no memory");
        for (size_t at = HEADER_BYTES; at < n_bytes; at += bytes_get32(names->file + at))
                names->at[names->n_records++] = (uint32_t)at;
        keys = unlock(names->file, key_file);
        need(vault_keys_open(keys, &k) == 0, "the keys do not open");
        memcpy(names->key, k->name, sizeof names->key);
        keepmum_close(keys);
        keepmum_destroy(&keys);
}

void vault_decrypt_names(const struct sealed_names *names)
{
        static uint8_t clear[HEAD_MAX_BYTES];

        for (unsigned i = 0; i < names->n_records; i++) {
                const uint8_t *r = names->file + names->at[i];
                uint8_t known[FRAME_AT_HEAD_NONCE + FRAME_BYTES - FRAME_AT_SECRET_NONCE];
                size_t n = bytes_get32(r) - FRAME_BYTES - bytes_get32(r + FRAME_AT_SECRET_BYTES);

                memcpy(known, r, FRAME_AT_HEAD_NONCE);
                memcpy(known + FRAME_AT_HEAD_NONCE, r + FRAME_AT_SECRET_NONCE, FRAME_BYTES - FRAME_AT_SECRET_NONCE);
                need(crypto_aead_xchacha20poly1305_ietf_decrypt_detached(clear, NULL, r + FRAME_BYTES, n, r + FRAME_AT_HEAD_TAG, known,
                                                                         sizeof known, r + FRAME_AT_HEAD_NONCE, names->key) == 0,
                     "a name's tag is wrong");
        }
}

/* Makes the vaults in this directory, from docs/vault-format.md and libsodium alone: nothing of src/ is used here,
 * so that the library is compared with the page and not with itself. Every random value is fixed (see fixed()), so
 * each run writes the same bytes.
 *
 *      cc make_vectors.c -lsodium -o make_vectors && ./make_vectors DIRECTORY
 *
 * NAME.vault is the file. NAME.txt says how to open it, its keys, and what a reader must find: one line an entry, in
 * byte order of the names, separated by tabs: entry, name, user, url, tags, added, changed, secret in hexadecimal
 * ("-" for none, "empty" for no bytes). */
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char key_file[] = "the contents of a key file: 32 bytes or more";
static const char passphrase[] = "correct horse battery staple";
static const uint8_t recovery_code[20] = "twenty bytes of code";

static uint8_t vault[1 << 16];
static size_t end;
static uint32_t seq;
static uint8_t prev_tag[16], vault_key[32], k_head[32], k_frame[32], k_name[32], k_secret[32];
static FILE *text;

static void put(uint8_t *p, uint64_t value, int n_bytes)
{
        for (int i = 0; i < n_bytes; i++)
                p[i] = (uint8_t)(value >> 8 * i);
}

/* The n-th "random" value: BLAKE2b of its number. */
static void fixed(uint8_t *p, size_t n_bytes)
{
        static uint8_t number[4];
        uint8_t hash[64];

        number[0]++;
        crypto_generichash(hash, 64, number, 4, NULL, 0);
        memcpy(p, hash, n_bytes);
}

static void say(const char *name, const uint8_t *p, size_t n_bytes)
{
        fprintf(text, "%s\t", name);
        for (size_t i = 0; i < n_bytes; i++)
                fprintf(text, "%02x", p[i]);
        fprintf(text, "\n");
}

static void make_slot(int place, int kind, uint32_t passes, uint32_t memory_kib)
{
        uint8_t *slot = vault + 96 + 160 * place, s[64], f[64], message[14 + 16 + 48 + 64], x[64], aad[16 + 80];
        size_t n_f = kind == 1 ? 0 : kind == 4 ? 20 : 64;
        int has_kdf = kind == 1 || kind == 3;

        slot[0] = (uint8_t)kind;
        slot[1] = (uint8_t)has_kdf;
        put(slot + 4, passes, 4);
        put(slot + 8, memory_kib, 4);
        fixed(slot + 16, 32);
        if (has_kdf && crypto_pwhash(s, 64, passphrase, strlen(passphrase), slot + 32, passes,
                                     (size_t)memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
                exit(1);
        if (kind == 4)
                memcpy(f, recovery_code, 20);
        else
                crypto_generichash(f, 64, (const uint8_t *)key_file, strlen(key_file), NULL, 0);
        memcpy(message, "keepmum slot 1", 14);
        memcpy(message + 14, vault + 32, 16);
        memcpy(message + 30, slot, 48);
        memcpy(message + 78, f, n_f);
        crypto_generichash(x, 64, message, 78 + n_f, has_kdf ? s : NULL, has_kdf ? 64 : 0);
        memcpy(slot + 48, x + 32, 32);
        fixed(slot + 80, 24);
        memcpy(aad, vault + 32, 16);
        memcpy(aad + 16, slot, 80);
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(slot + 104, slot + 136, NULL, vault_key, 32, aad, 96, NULL,
                                                            slot + 80, x);
        fprintf(text, "slot\t%d\tkind\t%d\n", place, kind);
        say("kek", x, 32);
}

static void subkey(uint8_t *key, const char *label)
{
        uint8_t message[80] = "keepmum vault 1 ";

        memcpy(message + 16, label, strlen(label));
        memcpy(message + 32, vault + 32, 16);
        memcpy(message + 48, vault + 48, 32);
        crypto_generichash(key, 32, message, 80, vault_key, 32);
        fprintf(text, "K_");
        say(label, key, 32);
}

static void begin(const char *directory, const char *name, uint64_t generation)
{
        char path[512];

        snprintf(path, sizeof path, "%s/%s.txt", directory, name);
        text = fopen(path, "w");
        if (text == NULL)
                exit(1);
        memset(vault, 0, sizeof vault);
        memcpy(vault, "keepmum vault 1\n", 16);
        put(vault + 16, 4096, 4);
        put(vault + 24, generation, 8);
        fixed(vault + 32, 16);
        fixed(vault + 48, 32);
        fixed(vault_key, 32);
        say("vault_id", vault + 32, 16);
        say("file_id", vault + 48, 32);
        say("vault_key", vault_key, 32);
        subkey(k_head, "head");
        subkey(k_frame, "frame");
        subkey(k_name, "name");
        subkey(k_secret, "secret");
}

static void close_header(void)
{
        crypto_generichash(vault + 4064, 32, vault, 4064, k_head, 32);
        memcpy(prev_tag, vault + 4064, 16);
        end = 4096;
        seq = 0;
}

static size_t put_field(uint8_t *p, int type, const char *bytes, size_t n_bytes)
{
        if (bytes == NULL)
                return 0;
        p[0] = (uint8_t)type;
        p[1] = 0;
        put(p + 2, n_bytes, 2);
        memcpy(p + 4, bytes, n_bytes);
        return 4 + n_bytes;
}

struct step {
        int op;
        const char *id, *name, *user, *url, *tags;
        int64_t time;
        uint64_t secret_seq;
        const uint8_t *content; /* padded */
        size_t n_content;
};

static void record(const struct step *s)
{
        static uint8_t head[65536];
        uint8_t *r = vault + end, aad[88], secret_aad[28];
        size_t n_name = strlen(s->name), n_attrs = 0, n_head;

        seq++;
        memset(head, 0, sizeof head);
        memcpy(head, prev_tag, 16);
        memcpy(head + 16, s->id, 16);
        put(head + 32, (uint64_t)s->time, 8);
        put(head + 40, s->op == 1 ? seq : s->secret_seq, 8);
        head[48] = (uint8_t)s->op;
        put(head + 50, n_name, 2);
        memcpy(head + 56, s->name, n_name);
        n_attrs += put_field(head + 56 + n_name + n_attrs, 1, s->user, s->user ? strlen(s->user) : 0);
        n_attrs += put_field(head + 56 + n_name + n_attrs, 2, s->url, s->url ? strlen(s->url) : 0);
        n_attrs += put_field(head + 56 + n_name + n_attrs, 3, s->tags, s->tags ? strlen(s->tags) : 0);
        put(head + 52, n_attrs, 4);
        n_head = (56 + n_name + n_attrs + 127) / 128 * 128;

        put(r, 128 + n_head + s->n_content, 4);
        put(r + 4, s->n_content, 4);
        put(r + 8, seq, 8);
        crypto_generichash(r + 16, 16, r, 16, k_frame, 32);
        fixed(r + 32, 24);
        if (s->n_content > 0) {
                fixed(r + 72, 24);
                memcpy(secret_aad, r + 8, 8);
                memcpy(secret_aad + 8, r + 4, 4);
                memcpy(secret_aad + 12, s->id, 16);
                crypto_aead_xchacha20poly1305_ietf_encrypt_detached(r + 128 + n_head, r + 96, NULL, s->content,
                                                                    s->n_content, secret_aad, 28, NULL, r + 72,
                                                                    k_secret);
        }
        memcpy(aad, r, 32);
        memcpy(aad + 32, r + 72, 56);
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(r + 128, r + 56, NULL, head, n_head, aad, 88, NULL, r + 32,
                                                            k_name);
        memcpy(prev_tag, r + 56, 16);
        end += 128 + n_head + s->n_content;
}

/* A put of a secret with, or without, further fields. */
static void put_entry(struct step s, const void *secret, size_t n_secret, const uint8_t *rest, size_t n_rest)
{
        static uint8_t content[1 << 16];
        size_t n = 8 + n_secret + n_rest, padded = 64;

        memset(content, 0, sizeof content);
        put(content, n_secret, 4);
        put(content + 4, n_rest, 4);
        memcpy(content + 8, secret, n_secret);
        if (n_rest > 0)
                memcpy(content + 8 + n_secret, rest, n_rest);
        while (padded < n && padded < 4096)
                padded *= 2;
        if (padded < n)
                padded = (n + 4095) / 4096 * 4096;
        s.op = 1;
        s.content = content;
        s.n_content = padded;
        record(&s);
}

static void entry(const struct step *s, int64_t added, int64_t changed, const void *secret, size_t n_secret)
{
        fprintf(text, "entry\t%s\t%s\t%s\t%s\t%lld\t%lld\t", s->name, s->user ? s->user : "-", s->url ? s->url : "-",
                s->tags ? s->tags : "-", (long long)added, (long long)changed);
        for (size_t i = 0; i < n_secret; i++)
                fprintf(text, "%02x", ((const uint8_t *)secret)[i]);
        fprintf(text, n_secret == 0 ? "empty\n" : "\n");
}

static void save(const char *directory, const char *name, size_t n_bytes)
{
        char path[512];
        FILE *f;

        fprintf(text, "records\t%u\nend\t%zu\nsize\t%zu\n", seq, end, n_bytes);
        fclose(text);
        snprintf(path, sizeof path, "%s/%s.vault", directory, name);
        f = fopen(path, "wb");
        if (f == NULL || fwrite(vault, 1, n_bytes, f) != n_bytes || fclose(f) != 0)
                exit(1);
}

/* Every kind of slot but the first, every kind of record, every kind of field. */
static void make_key_file_vault(const char *directory)
{
        static const uint8_t binary[] = {0, 1, 2, 255, 0, 10, 13};
        static uint8_t large[5000];
        struct step mail = {.id = "entry-id-of-mail",
                            .name = "mail",
                            .user = "me",
                            .url = "https://example.org/",
                            .tags = "a,b",
                            .time = 1700000000000};
        struct step empty = {.id = "entry-id-of-none", .name = "empty", .time = 1700000000001};
        struct step bin = {.id = "entry-id-of-blob",
                           .name = "Gr\xc3\xbc\xc3\x9f"
                                   "e \xf0\x9f\x94\x91",
                           .tags = "binary",
                           .time = -1};
        struct step gone = {.id = "entry-id-of-gone", .name = "gone", .time = 1700000000003};
        struct step big = {.id = "entry-id-of-big1", .name = "big", .user = "u", .time = 1700000000009};
        struct step step;
        uint8_t rest[256];
        size_t n_rest = 0;
        char name[301];

        begin(directory, "key_file", 3);
        fprintf(text, "key_file\t%s\n", key_file);
        fprintf(text, "passphrase\t%s\n", passphrase);
        say("recovery_code", recovery_code, 20);
        make_slot(1, 2, 0, 0);
        make_slot(3, 3, 1, 65536);
        make_slot(7, 4, 0, 0);
        close_header();
        n_rest += put_field(rest + n_rest, 1, "some notes\non two lines", 23);
        n_rest += put_field(rest + n_rest, 2, "otpauth://totp/x?secret=ABC", 27);
        n_rest += put_field(rest + n_rest, 3, "pin\0" "1234", 8);
        n_rest += put_field(rest + n_rest, 3, "pin\0" "5678", 8);

        put_entry(mail, "hunter2", 7, NULL, 0);                 /* 1 */
        put_entry(empty, "", 0, NULL, 0);                       /* 2 */
        put_entry(bin, binary, sizeof binary, rest, n_rest);    /* 3 */
        put_entry(gone, "removed later", 13, NULL, 0);          /* 4 */
        memset(name, 'n', 300);
        name[300] = '\0';
        step = (struct step){.op = 2,
                             .id = mail.id,
                             .name = name,
                             .user = "me",
                             .tags = "c",
                             .time = 1700000000005,
                             .secret_seq = 1};
        record(&step);                                          /* 5 */
        record(&(struct step){.op = 3, .id = gone.id, .name = "", .time = 1700000000006}); /* 6 */
        gone.time = 1700000000007;
        put_entry(gone, "back again", 10, NULL, 0);             /* 7 */
        empty.time = 1700000000008;
        empty.user = "not empty any more";
        put_entry(empty, "56 bytes are what fits into the smallest of the classes.", 56, NULL, 0); /* 8 */
        for (size_t i = 0; i < sizeof large; i++)
                large[i] = (uint8_t)(i * 7);
        put_entry(big, large, sizeof large, NULL, 0);           /* 9 */
        empty.name = "mail";
        record(&(struct step){.op = 2,
                              .id = empty.id,
                              .name = "mail",
                              .user = empty.user,
                              .time = 1700000000010,
                              .secret_seq = 8}); /* 10 */

        entry(&bin, -1, -1, binary, sizeof binary);
        entry(&big, big.time, big.time, large, sizeof large);
        entry(&gone, gone.time, gone.time, "back again", 10);
        entry(&empty, 1700000000001, 1700000000010, "56 bytes are what fits into the smallest of the classes.", 56);
        entry(&step, mail.time, step.time, "hunter2", 7);
        save(directory, "key_file", end);
}

static void make_passphrase_vault(const char *directory)
{
        struct step a = {.id = "entry-id-of-this", .name = "only one", .time = 1234567890123};
        struct step b = {.id = "entry-id-of-that", .name = "not finished", .time = 1234567890124};
        uint32_t saved_seq;
        size_t saved_end;

        begin(directory, "passphrase", 1);
        fprintf(text, "passphrase\t%s\n", passphrase);
        make_slot(0, 1, 1, 65536);
        close_header();
        put_entry(a, "", 0, NULL, 0);
        entry(&a, a.time, a.time, "", 0);
        save(directory, "passphrase", end);

        begin(directory, "torn", 2);
        fprintf(text, "key_file\t%s\n", key_file);
        make_slot(0, 2, 0, 0);
        close_header();
        put_entry(a, "saved", 5, NULL, 0);
        saved_seq = seq;
        saved_end = end;
        put_entry(b, "never acknowledged", 18, NULL, 0);
        entry(&a, a.time, a.time, "saved", 5);
        seq = saved_seq;
        end = saved_end;
        save(directory, "torn", saved_end + 200);
}

int main(int argc, char **argv)
{
        if (argc != 2 || sodium_init() < 0)
                return 2;
        make_key_file_vault(argv[1]);
        make_passphrase_vault(argv[1]);
        return 0;
}

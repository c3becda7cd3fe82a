/*
 * A second reader of the vault file, written from docs/vault-format.md alone: it shares no line with keepmum. That both
 * read the same vaults alike shows that the page is complete. It is for vaults of tests: it protects no secret, takes
 * no lock and keeps no rollback state. A live entry is one line, sorted by name, in the form of the vectors' texts:
 *
 *     entry <tab> name <tab> user <tab> url <tab> tags <tab> added <tab> changed <tab> secret in hexadecimal digits
 *
 * with - for an attribute that is not there, times in milliseconds since 1970, and "empty" for a secret of no bytes.
 */
#include "second_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 4096, SLOTS = 96, SLOT = 160, SLOTS_END = SLOTS + 8 * SLOT, FRAME = 128 };
enum { SMALLEST = 256, LARGEST = 1183872, LARGEST_FILE = 1 << 30 };

static struct vault {
        struct bytes file;
        uint8_t vault_key[32], k_head[32], k_frame[32], k_name[32], k_secret[32], tag[16];
        uint64_t seq;
        struct entry *entry;
        size_t entries;
} vault;

static _Noreturn void fail(int status, const char *why)
{
        fprintf(stderr, "second_reader: %s\n", why);
        exit(status);
}

static void need(bool right, size_t offset)
{
        if (right)
                return;
        fprintf(stderr, "second_reader: damaged at %zu\n", offset);
        exit(9);
}

static void *resized(void *p, size_t n)
{
        void *q = realloc(p, n);

        if (q == NULL)
                fail(1, "no memory");
        return q;
}

static bool aead_opens(uint8_t *clear, const uint8_t *sealed, size_t n, const uint8_t *tag, const uint8_t *more,
                       size_t more_n, const uint8_t *nonce, const uint8_t *key)
{
        return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(clear, NULL, sealed, n, tag, more, more_n, nonce,
                                                                   key) == 0;
}

static struct bytes file_contents(const char *path, size_t most)
{
        FILE *f = fopen(path, "rb");
        struct bytes b = {NULL, 0};
        size_t got = 1;

        if (f == NULL)
                fail(3, "no such file");
        for (size_t room = 65536; got > 0; room *= 2) {
                b.p = resized(b.p, room);
                got = fread(b.p + b.n, 1, (room < most ? room : most) - b.n, f);
                b.n += got;
        }
        fclose(f);
        return b;
}

/* The header. */

static bool has_kdf(const uint8_t *s)
{
        return s[1] == 1;
}

static uint64_t cost_of(const uint8_t *s)
{
        return number(s + 4, 4) * number(s + 8, 4);
}

static void check_slot(const uint8_t *s, size_t at)
{
        uint64_t passes = number(s + 4, 4), memory = number(s + 8, 4);

        if (is_zero(s, SLOT))
                return;
        need(s[0] >= 1 && s[0] <= 4, at);
        need(s[1] == (s[0] == 1 || s[0] == 3), at + 1);
        need(is_zero(s + 2, 2), at + 2);
        need(is_zero(s + 12, 4), at + 12);
        need(is_zero(s + 152, 8), at + 152);
        need(has_kdf(s) ? passes > 0 : (passes | memory) == 0, at + 4);
        need(!has_kdf(s) || memory >= 65536, at + 8);
        if (passes > 32 || memory > 1048576 || cost_of(s) > 4194304)
                fail(9, "too costly");
}

static void check_header(const uint8_t *h, size_t file_bytes)
{
        uint64_t cost = 0;
        int slow = 0;

        need(file_bytes >= HEADER, file_bytes);
        need(memcmp(h, "keepmum vault 1\n", 16) == 0, 0);
        if (number(h + 20, 4) != 0)
                fail(1, "made by a newer version");
        need(number(h + 16, 4) == HEADER, 16);
        need(number(h + 24, 8) > 0, 24);
        need(is_zero(h + 80, 16), 80);
        need(is_zero(h + SLOTS_END, 2688), SLOTS_END);
        for (size_t at = SLOTS; at < SLOTS_END; at += SLOT) {
                check_slot(h + at, at);
                slow += has_kdf(h + at);
                cost += cost_of(h + at);
        }
        if (slow > 4 || cost > 8388608)
                fail(9, "too costly");
}

/* given: the passphrase for a slot of kind 1, the contents of the key file for one of kind 2. */
static bool slot_opens(const uint8_t *h, size_t at, const struct bytes *given)
{
        const uint8_t *s = h + at;
        uint8_t stretched[64], message[14 + 16 + 48 + 64], x[64], more[16 + 80];
        size_t n = 14 + 16 + 48;

        memcpy(message, "keepmum slot 1", 14);
        memcpy(message + 14, h + 32, 16);
        memcpy(message + 30, s, 48);
        if (!has_kdf(s)) {
                crypto_generichash(message + n, 64, given->p, given->n, NULL, 0);
                n += 64;
        } else if (crypto_pwhash(stretched, 64, (const char *)given->p, given->n, s + 32, number(s + 4, 4),
                                 (size_t)number(s + 8, 4) * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
                fail(1, "no memory");
        crypto_generichash(x, 64, message, n, has_kdf(s) ? stretched : NULL, has_kdf(s) ? 64 : 0);
        if (sodium_memcmp(x + 32, s + 48, 32) != 0)
                return false;
        memcpy(more, h + 32, 16);
        memcpy(more + 16, s, 80);
        need(aead_opens(vault.vault_key, s + 104, 32, s + 136, more, sizeof more, s + 80, x), at + 104);
        return true;
}

static void open_a_slot(const uint8_t *h, const struct bytes *key_file, const struct bytes *passphrase)
{
        bool tried = false;

        for (int kind = 2; kind >= 1; kind--) {
                const struct bytes *given = kind == 2 ? key_file : passphrase;

                for (size_t at = SLOTS; given->p != NULL && at < SLOTS_END; at += SLOT) {
                        if (h[at] == kind && slot_opens(h, at, given))
                                return;
                        tried = tried || h[at] == kind;
                }
        }
        fail(tried ? 5 : 4, tried ? "wrong key" : "locked");
}

static void make_key(uint8_t *key, const char *label)
{
        uint8_t message[80] = "keepmum vault 1 ";

        memcpy(message + 16, label, strlen(label));
        memcpy(message + 32, vault.file.p + 32, 48);
        crypto_generichash(key, 32, message, sizeof message, vault.vault_key, 32);
}

static void read_header(const struct bytes *key_file, const struct bytes *passphrase)
{
        const uint8_t *h = vault.file.p;
        uint8_t mac[32];

        check_header(h, vault.file.n);
        open_a_slot(h, key_file, passphrase);
        make_key(vault.k_head, "head");
        make_key(vault.k_frame, "frame");
        make_key(vault.k_name, "name");
        make_key(vault.k_secret, "secret");
        crypto_generichash(mac, 32, h, 4064, vault.k_head, 32);
        need(sodium_memcmp(mac, h + 4064, 32) == 0, 4064);
        memcpy(vault.tag, h + 4064, 16);
}

/* Records. */

static bool check_is_right(const uint8_t *r)
{
        uint8_t check[16];

        crypto_generichash(check, 16, r, 16, vault.k_frame, 32);
        return sodium_memcmp(check, r + 16, 16) == 0;
}

static bool lengths_possible(const uint8_t *r)
{
        uint64_t secret = number(r + 4, 4), seq = number(r + 8, 8), clear = FRAME + secret, record = number(r, 4);

        return seq >= 1 && seq <= UINT32_MAX &&
               (secret == 0 || (secret <= 1118208 && class_of((size_t)secret) == secret)) &&
               record >= clear + 128 && record <= clear + 65536 && (record - clear) % 128 == 0;
}

/* The secret of the record at r, opened; NULL if it does not open. */
static uint8_t *opened_secret(const uint8_t *r, const uint8_t *entry_id)
{
        size_t n = (size_t)number(r + 4, 4);
        uint8_t *clear = resized(NULL, n), more[28];

        memcpy(more, r + 8, 8);
        memcpy(more + 8, r + 4, 4);
        memcpy(more + 12, entry_id, 16);
        if (aead_opens(clear, r + number(r, 4) - n, n, r + 96, more, sizeof more, r + 72, vault.k_secret))
                return clear;
        free(clear);
        return NULL;
}

static struct entry *live(const uint8_t *id)
{
        for (size_t i = 0; i < vault.entries; i++)
                if (memcmp(vault.entry[i].head + 16, id, 16) == 0)
                        return &vault.entry[i];
        return NULL;
}

static bool same_name(const struct entry *a, const struct entry *b)
{
        return a->name.n == b->name.n && memcmp(a->name.p, b->name.p, a->name.n) == 0;
}

/* What the head says is done to the entries, or refused: then nothing has changed. */
static bool apply(struct entry *e, size_t at, size_t secret_bytes)
{
        struct entry *old = live(e->head + 16);
        int op = e->head[48];

        if ((op == 1) != (secret_bytes != 0) || (op != 1 && old == NULL))
                return false;
        if (e->secret_seq != (op == 1 ? vault.seq + 1 : op == 2 ? old->secret_seq : 0))
                return false;
        for (size_t i = 0; op != 3 && i < vault.entries; i++)
                if (&vault.entry[i] != old && same_name(&vault.entry[i], e))
                        return false;
        if (old == NULL) {
                if (vault.entries == 1000000)
                        return false;
                vault.entry = resized(vault.entry, (vault.entries + 1) * sizeof *vault.entry);
                old = &vault.entry[vault.entries++];
        } else {
                e->added = old->added;
                free(old->head);
        }
        e->secret_at = op == 2 ? old->secret_at : at;
        *old = op == 3 ? vault.entry[--vault.entries] : *e;
        if (op == 3)
                free(e->head);
        return true;
}

/* Whether the bytes at o are a right record; it is taken then. */
static bool take_record(size_t o, size_t left)
{
        const uint8_t *r = vault.file.p + o;
        size_t record, secret_bytes, n;
        uint8_t more[88], *head, *secret = NULL;
        struct entry e;
        bool right;

        if (left < SMALLEST || !lengths_possible(r) || !check_is_right(r))
                return false;
        if (number(r, 4) > left || number(r + 8, 8) != vault.seq + 1)
                return false;
        record = (size_t)number(r, 4);
        secret_bytes = (size_t)number(r + 4, 4);
        if (!is_zero(r + 112, 16) || (secret_bytes == 0 && !is_zero(r + 72, 40)))
                return false;
        n = record - FRAME - secret_bytes;
        head = resized(NULL, n);
        memcpy(more, r, 32);
        memcpy(more + 32, r + 72, 56);
        right = aead_opens(head, r + FRAME, n, r + 56, more, sizeof more, r + 32, vault.k_name) &&
                parse_head(head, n, &e) && memcmp(head, vault.tag, 16) == 0;
        if (right && record == left && secret_bytes > 0)
                right = (secret = opened_secret(r, head + 16)) != NULL;
        free(secret);
        if (!right || !apply(&e, o, secret_bytes)) {
                free(head);
                return false;
        }
        vault.seq++;
        memcpy(vault.tag, r + 56, 16);
        return true;
}

static bool is_torn(size_t o, size_t left)
{
        const uint8_t *f = vault.file.p;
        bool torn = left < 32 || (lengths_possible(f + o) && check_is_right(f + o) && number(f + o, 4) > left);

        for (size_t at = o, next; at < o + left; at = next) {
                next = at / 512 * 512 + 512 < o + left ? at / 512 * 512 + 512 : o + left;
                torn = torn || (next - at >= 32 && is_zero(f + at, next - at));
        }
        for (size_t at = 32; torn && at + 32 <= left; at += 32)
                torn = !check_is_right(f + o + at);
        return torn && left <= LARGEST;
}

static void read_records(void)
{
        size_t o = HEADER;

        need(vault.file.n <= LARGEST_FILE, LARGEST_FILE);
        while (o < vault.file.n && take_record(o, vault.file.n - o))
                o += (size_t)number(vault.file.p + o, 4);
        if (o == vault.file.n)
                return;
        need(is_torn(o, vault.file.n - o), o);
        fprintf(stderr, "second_reader: a torn tail at %zu is ignored\n", o);
}

/* What is printed. */

static int by_name(const void *a, const void *b)
{
        const struct bytes *x = &((const struct entry *)a)->name, *y = &((const struct entry *)b)->name;
        int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

        return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

static void print_entry(const struct entry *e)
{
        const uint8_t *r = vault.file.p + e->secret_at;
        uint8_t *clear = opened_secret(r, e->head + 16);
        struct bytes secret;

        need(clear != NULL && parse_secret(clear, (size_t)number(r + 4, 4), &secret),
             e->secret_at + (size_t)(number(r, 4) - number(r + 4, 4)));
        printf("entry\t%.*s", (int)e->name.n, (const char *)e->name.p);
        for (int i = 0; i < ATTRIBUTES; i++)
                printf("\t%.*s", e->attribute[i].n > 0 ? (int)e->attribute[i].n : 1,
                       e->attribute[i].n > 0 ? (const char *)e->attribute[i].p : "-");
        printf("\t%" PRId64 "\t%" PRId64 "\t%s", e->added, e->changed, secret.n == 0 ? "empty" : "");
        for (size_t i = 0; i < secret.n; i++)
                printf("%02x", secret.p[i]);
        putchar('\n');
        free(clear);
}

int main(int argc, char **argv)
{
        struct bytes key_file = {NULL, 0}, passphrase = {NULL, 0};

        if (argc > 2 && strcmp(argv[1], "--passphrase-file") == 0) {
                passphrase = file_contents(argv[2], LARGEST_FILE);
                if (passphrase.n > 0 && passphrase.p[passphrase.n - 1] == '\n')
                        passphrase.n--; /* the line end is none of the bytes as typed */
                argc -= 2;
                argv += 2;
        }
        if (argc < 2 || argc > 3 || sodium_init() < 0)
                fail(2, "usage: second_reader [--passphrase-file FILE] VAULT [KEYFILE]");
        if (argc == 3)
                key_file = file_contents(argv[2], LARGEST_FILE);
        vault.file = file_contents(argv[1], (size_t)LARGEST_FILE + 1);
        read_header(&key_file, &passphrase);
        read_records();
        if (vault.entries > 0)
                qsort(vault.entry, vault.entries, sizeof *vault.entry, by_name);
        for (size_t i = 0; i < vault.entries; i++)
                print_entry(&vault.entry[i]);
        free(key_file.p);
        free(passphrase.p);
        return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

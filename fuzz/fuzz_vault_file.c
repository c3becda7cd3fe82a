/* Opening any bytes as a vault, through the public functions and a real file, with nothing switched off.
 *
 * vault_mutator.c makes inputs that authenticate, so that what lies behind the tags is reached. Looked at: the
 * answer is one of those that reading may give; what opens obeys every rule of names, order and sizes, and gives the
 * same when it is opened again; a reader changes no byte of the file; what was accepted is what vault_sealing.c and
 * vault_rules.c, written from the format page alone, make of the same contents. And what the page says follows from
 * the reading rule: cut anywhere behind the header it still opens, grown by zeroes it is torn, with one bit flipped
 * it is damaged. Last, a writer adds, renames and removes an entry, and what was there stays. */
#include "target.h"

#include "vault_rules.h"
#include "vault_sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum_vault.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 4096 }; /* its bytes */

static char directory[PATH_MAX], path[PATH_MAX + 8];
static keepmum_secret key_file, some_secret;

/* ---- the file ---- */

static void remove_directory(void)
{
        unlink(path);
        rmdir(directory);
}

void target_begin(void)
{
        const char *base = getenv("FUZZ_SCRATCH");

        if (base == NULL)
                base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(directory, sizeof directory, "%s/keepmum-fuzz-vault.XXXXXX", base);
        expect(mkdtemp(directory) != NULL);
        snprintf(path, sizeof path, "%s/vault", directory);
        expect(atexit(remove_directory) == 0);
        expect(sodium_init() >= 0);
}

static void write_file(const uint8_t *bytes, size_t n_bytes)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        expect(fd >= 0);
        expect(write(fd, bytes, n_bytes) == (ssize_t)n_bytes);
        expect(close(fd) == 0);
}

/* The first n_bytes of the file, or all of it, are these. */
static bool file_is(const uint8_t *bytes, size_t n_bytes, bool is_all)
{
        uint8_t *got = malloc(n_bytes + 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;
        bool is_same;

        expect(fd >= 0 && got != NULL);
        n = read(fd, got, n_bytes + 1);
        is_same = n >= (ssize_t)n_bytes && (!is_all || n == (ssize_t)n_bytes) && memcmp(got, bytes, n_bytes) == 0;
        close(fd);
        free(got);
        return is_same;
}

/* After a fork a secret of the parent's is none: the engines fork between beginning and running. */
static void make_secrets(void)
{
        uint8_t key[sizeof sealing_key_file], bytes[100] = "a secret";

        memcpy(key, sealing_key_file, sizeof key);
        if (key_file.bits != 0)
                return;
        expect(keepmum_take(&key_file, key, sizeof key, 0) == 0);
        expect(keepmum_take(&some_secret, bytes, sizeof bytes, 0) == 0);
}

static uint64_t live_secrets(void)
{
        uint64_t v[KEEPMUM_STATS];

        expect(keepmum_stats(v, KEEPMUM_STATS) == 0);
        expect(v[KEEPMUM_STAT_OPENS] == 0);
        return v[KEEPMUM_STAT_SECRETS];
}

/* The secret that the vault's keys are in is the only one more, and none where opening failed. */
static int open_vault(keepmum_vault **v)
{
        uint64_t before = live_secrets();
        int err;

        *v = NULL;
        err = keepmum_vault_open(v, path, NULL, (keepmum_secret){0}, key_file, 0);
        expect(live_secrets() == before + (err == 0));
        expect((*v != NULL) == (err == 0));
        return err;
}

/* ---- what opens ---- */

static size_t character(const uint8_t *p)
{
        static const struct {
                uint8_t first, last, low, high; /* of the first byte, and of the second */
                size_t n;
        } forms[] = {{0x20, 0x7e, 0, 0, 1},       {0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2},
                     {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                     {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                     {0xf4, 0xf4, 0x80, 0x8f, 4}};

        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                size_t n = forms[i].n;

                if (p[0] < forms[i].first || p[0] > forms[i].last)
                        continue;
                if (n > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
                        continue;
                for (size_t k = 2; k < n; k++)
                        if (p[k] < 0x80 || p[k] > 0xbf)
                                return 0;
                return n;
        }
        return 0;
}

/* Whole UTF-8 without control characters: the table of the Unicode standard, written out. */
static void check_text(const char *text, size_t most)
{
        const uint8_t *p = (const uint8_t *)text;
        size_t n;

        expect(strlen(text) <= most);
        for (; *p != 0; p += n)
                expect((n = character(p)) != 0);
}

static void mix(crypto_generichash_state *all, const void *bytes, size_t n_bytes)
{
        crypto_generichash_update(all, (const uint8_t *)&n_bytes, sizeof n_bytes);
        crypto_generichash_update(all, bytes, n_bytes);
}

static void look_at_secret(crypto_generichash_state *all, keepmum_vault *v, const char *name)
{
        keepmum_secret s;
        const void *bytes;
        size_t n_bytes;
        int err = keepmum_vault_get(v, name, &s);

        mix(all, &err, sizeof err);
        expect(err == 0 || err == KEEPMUM_EEMPTY || err == KEEPMUM_EDAMAGED);
        expect(err == KEEPMUM_EDAMAGED || keepmum_vault_detail() == 0);
        if (err != 0)
                return;
        expect(keepmum_open_read(s, &bytes, &n_bytes) == 0);
        expect(n_bytes >= 1 && n_bytes <= KEEPMUM_VAULT_MAX_SECRET_BYTES);
        mix(all, bytes, n_bytes);
        keepmum_close(s);
        keepmum_destroy(&s);
}

struct digest {
        uint8_t bytes[16];
};

/* Everything that can be asked of an open vault, in one number; each answer is looked at on the way. */
static struct digest look_at_all(keepmum_vault *v)
{
        static const enum keepmum_vault_text texts[] = {KEEPMUM_VAULT_NAME, KEEPMUM_VAULT_USER, KEEPMUM_VAULT_URL,
                                                        KEEPMUM_VAULT_TAGS};
        crypto_generichash_state all;
        struct digest d;

        crypto_generichash_init(&all, NULL, 0, sizeof d);
        for (size_t i = 0; i < keepmum_vault_count(v); i++) {
                const char *name = keepmum_vault_text(v, i, KEEPMUM_VAULT_NAME);
                int64_t times[2];
                size_t number;

                expect(*name != '\0');
                expect(i == 0 || strcmp(keepmum_vault_text(v, i - 1, KEEPMUM_VAULT_NAME), name) < 0);
                expect(keepmum_vault_find(v, name, &number) == 0 && number == i);
                for (size_t t = 0; t < 4; t++) {
                        check_text(keepmum_vault_text(v, i, texts[t]), t == 0 ? KEEPMUM_VAULT_MAX_NAME_BYTES : 16384);
                        mix(&all, keepmum_vault_text(v, i, texts[t]), strlen(keepmum_vault_text(v, i, texts[t])));
                }
                keepmum_vault_times(v, i, &times[0], &times[1]);
                mix(&all, times, sizeof times);
                look_at_secret(&all, v, name);
        }
        crypto_generichash_final(&all, d.bytes, sizeof d);
        return d;
}

static bool is_same(struct digest a, struct digest b)
{
        return memcmp(&a, &b, sizeof a) == 0;
}

/* ---- what follows from the format ---- */

/* Accepted to its last byte: then there is no other way to write it. Not so for what nobody has looked at yet: key
 * slots of other keys, and the contents of secrets, of which an older one may be damaged. */
static void check_encoding(const uint8_t *bytes, size_t n_bytes, size_t n_entries)
{
        uint8_t *again = malloc(n_bytes);

        expect(again != NULL);
        memcpy(again, bytes, n_bytes);
        if (sealing_open(again, n_bytes) == n_bytes) {
                expect(rules_count_live(again, n_bytes) == n_entries);
                sealing_close(again, n_bytes, REPAIR_ALL & ~(unsigned)(REPAIR_CONTENT | REPAIR_SLOTS));
                expect(memcmp(again, bytes, n_bytes) == 0);
        }
        free(again);
}

static int open_answer(unsigned *warnings)
{
        keepmum_vault *v;
        int err = open_vault(&v);

        if (err == 0)
                *warnings = keepmum_vault_warnings(v);
        keepmum_vault_close(v);
        return err;
}

static void check_cut(const uint8_t *bytes, size_t n_bytes, uint32_t chance)
{
        unsigned warnings;

        write_file(bytes, HEADER + chance % (n_bytes - HEADER + 1));
        expect(open_answer(&warnings) == 0);
        expect((warnings & ~KEEPMUM_VAULT_TORN_TAIL) == 0);
}

static void check_grown(const uint8_t *bytes, size_t n_bytes, uint32_t chance)
{
        size_t n_more = 1 + chance % 2000;
        uint8_t *more = calloc(1, n_bytes + n_more);
        unsigned warnings;

        expect(more != NULL);
        memcpy(more, bytes, n_bytes);
        write_file(more, n_bytes + n_more);
        expect(open_answer(&warnings) == 0 && warnings == KEEPMUM_VAULT_TORN_TAIL);
        free(more);
}

/* Is this byte in the sealed secret of a record that is not the last? Nobody looks there before it is asked for. */
static bool is_in_older_secret(const uint8_t *bytes, size_t n_bytes, size_t which)
{
        size_t at = HEADER, n;

        while ((n = sealing_record_bytes(bytes + at, n_bytes - at)) != 0 && which >= at + n)
                at += n;
        return at + n < n_bytes && which >= at + n - sealing_secret_bytes(bytes + at);
}

static void check_flipped(const uint8_t *bytes, size_t n_bytes, uint32_t chance)
{
        size_t which = HEADER + chance / 8 % (n_bytes - HEADER);
        uint8_t *flipped = malloc(n_bytes);
        unsigned warnings = 0;
        int err;

        expect(flipped != NULL);
        memcpy(flipped, bytes, n_bytes);
        flipped[which] ^= (uint8_t)(1 << chance % 8);
        write_file(flipped, n_bytes);
        err = open_answer(&warnings);
        if (is_in_older_secret(bytes, n_bytes, which))
                expect(err == 0 && warnings == 0);
        else
                expect(err == KEEPMUM_EDAMAGED);
        free(flipped);
}

static void check_consequence(const uint8_t *bytes, size_t n_bytes)
{
        uint32_t chance;

        crypto_generichash((uint8_t *)&chance, sizeof chance, bytes, n_bytes, NULL, 0);
        if (n_bytes == HEADER || chance >> 30 == 0)
                check_grown(bytes, n_bytes, chance);
        else if (chance >> 30 == 1)
                check_cut(bytes, n_bytes, chance);
        else
                check_flipped(bytes, n_bytes, chance);
}

/* ---- a writer ---- */

/* Adds an entry, gives it another name, takes it away: then all is as it was, and so it is for the next reader. */
static void check_writer(keepmum_vault *v, struct digest before, const uint8_t *bytes, size_t n_right)
{
        size_t count = keepmum_vault_count(v), number;
        keepmum_secret got;
        bool equal;

        if (keepmum_vault_find(v, "fuzz: added", &number) == 0 || keepmum_vault_find(v, "fuzz: renamed", &number) == 0)
                return;
        expect(keepmum_vault_add(v, "fuzz: added", some_secret, "user", NULL, "a,b") == 0);
        expect(keepmum_vault_add(v, "fuzz: added", some_secret, NULL, NULL, NULL) == KEEPMUM_EEXISTS);
        expect(keepmum_vault_rename(v, "fuzz: added", "fuzz: renamed") == 0);
        expect(keepmum_vault_count(v) == count + 1);
        expect(keepmum_vault_get(v, "fuzz: renamed", &got) == 0);
        expect(keepmum_equal(got, some_secret, &equal) == 0 && equal);
        keepmum_destroy(&got);
        expect(keepmum_vault_remove(v, "fuzz: renamed") == 0);
        expect(is_same(look_at_all(v), before));
        expect(file_is(bytes, n_right, false));
}

/* ---- the whole ---- */

static void check_open(keepmum_vault *v, const uint8_t *bytes, size_t n_bytes)
{
        unsigned warnings = keepmum_vault_warnings(v);
        struct digest first = look_at_all(v);
        keepmum_vault *again;

        expect((warnings & ~KEEPMUM_VAULT_TORN_TAIL) == 0);
        expect(file_is(bytes, n_bytes, true));
        expect(open_vault(&again) == 0);
        expect(is_same(look_at_all(again), first));
        check_writer(again, first, bytes, warnings == 0 ? n_bytes : HEADER);
        keepmum_vault_close(again);
        expect(open_vault(&again) == 0);
        expect(keepmum_vault_warnings(again) == 0 || warnings != 0);
        expect(is_same(look_at_all(again), first));
        keepmum_vault_close(again);
        if (warnings != 0)
                return;
        check_encoding(bytes, n_bytes, keepmum_vault_count(v));
        check_consequence(bytes, n_bytes);
}

static void check_refused(int err, const uint8_t *bytes, size_t n_bytes)
{
        uint64_t detail = keepmum_vault_detail();

        expect(err == KEEPMUM_EDAMAGED || err == KEEPMUM_ENEWER || err == KEEPMUM_ELOCKED || err == KEEPMUM_EWRONGKEY ||
               err == KEEPMUM_ECOST);
        expect(err == KEEPMUM_EDAMAGED ? detail <= n_bytes : detail == 0);
        expect(file_is(bytes, n_bytes, true));
}

void target_run(const uint8_t *bytes, size_t n_bytes)
{
        keepmum_vault *v;
        int err;

        make_secrets();
        write_file(bytes, n_bytes);
        err = open_vault(&v);
        if (err == 0)
                check_open(v, bytes, n_bytes);
        else
                check_refused(err, bytes, n_bytes);
        keepmum_vault_close(v);
        expect(live_secrets() == 2);
}

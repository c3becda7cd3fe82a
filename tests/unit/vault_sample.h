/* A small vault as bytes, to be changed from outside, and what a reader makes of it. */
#ifndef TESTS_UNIT_VAULT_SAMPLE_H
#define TESTS_UNIT_VAULT_SAMPLE_H

#include "vault_testing.h"

#include "base/bytes.h"
#include "vault/header.h"
#include "vault/vault.h"
#include "vault/walk.h"

enum { MAX_RECORDS = 8 };

/* A small vault as bytes, where its records are, and its keys. */
struct sample {
        struct bytes file;
        size_t at[MAX_RECORDS + 1]; /* the last: the end */
        size_t n_records;
        struct header header;
        keepmum_secret keys;
};

static inline void sample_read(struct sample *s, const struct place *p)
{
        struct key_slot_given given = {.key_file = p->key_file};

        s->file = slurp(p->vault);
        s->n_records = 0;
        for (size_t at = HEADER_BYTES; at < s->file.n; at += bytes_get32(s->file.p + at))
                s->at[s->n_records++] = at;
        s->at[s->n_records] = s->file.n;
        assert_int_equal(header_parse(&s->header, s->file.p), 0);
        assert_int_equal(header_unlock(&s->keys, &s->header, s->file.p, &given), 0);
}

/* Two puts, a rename, a removal, a put: every kind of record, with a put at the end. */
static inline void sample_make(struct sample *s, const struct place *p)
{
        keepmum_vault *v = begin(p);

        assert_int_equal(add(v, "one", "first secret"), 0);
        assert_int_equal(add(v, "two", "a second secret, which is long enough for a size class of its own: 128"), 0);
        assert_int_equal(keepmum_vault_rename(v, "one", "three"), 0);
        assert_int_equal(keepmum_vault_remove(v, "two"), 0);
        assert_int_equal(add(v, "four", "fourth"), 0);
        keepmum_vault_close(v);
        sample_read(s, p);
        assert_int_equal(s->n_records, 5);
}

static inline void sample_free(struct sample *s)
{
        free(s->file.p);
        keepmum_destroy(&s->keys);
}

/* What a reader makes of these bytes after the header. *n_taken: records. */
static inline enum walk_end judge(const struct sample *s, const void *bytes, size_t n_bytes, size_t *n_taken)
{
        struct source source = {.bytes = bytes, .n_bytes = n_bytes};
        struct chain c = walk_start(s->header.mac);
        struct entries *e = entries_create();
        const struct vault_keys *k;
        enum walk_end end = WALK_CLEAN;

        assert_int_equal(vault_keys_open(s->keys, &k), 0);
        assert_int_equal(walk(&c, e, NULL, &end, &source, n_bytes, k), 0);
        keepmum_close(s->keys);
        entries_destroy(e);
        *n_taken = (size_t)c.seq;
        return end;
}

static inline size_t record_of(const struct sample *s, size_t at)
{
        size_t i = 0;

        while (s->at[i + 1] <= at)
                i++;
        return i;
}

#endif

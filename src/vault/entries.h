/* The live entries of an open vault: found by name in one step, sorted only when somebody asks for an order. */
#ifndef VAULT_ENTRIES_H
#define VAULT_ENTRIES_H

#include "vault/frame.h"

struct entries;

struct entry {
        struct sealed_secret secret; /* also holds the entry's id */
        int64_t added_ms, changed_ms;
        uint64_t name_hash;
        uint32_t text_at[1 + HEAD_ATTRS]; /* into texts */
        uint32_t texts_bytes;
        bool is_live;
        char texts[]; /* each ends with NUL */
};

/* What one record does: the entry that goes, the entry that comes; either may be NULL. */
struct entries_change {
        struct entry *out, *in;
};

struct entries *entries_create(void); /* NULL: no memory */
void entries_destroy(struct entries *e); /* wipes all texts; NULL is left alone */

/* What a record would do. All memory is taken here: KEEPMUM_ENOMEM; KEEPMUM_EDAMAGED where it breaks a rule of names
 * or entries; KEEPMUM_ETOOBIG with too many entries. secret: for a put. */
int entries_plan(struct entries_change *c, struct entries *e, const struct head *h, const struct sealed_secret *secret);
void entries_apply(struct entries *e, const struct entries_change *c); /* cannot fail */
void entries_drop(const struct entries_change *c);                     /* instead of applying */

struct entry *entries_find(const struct entries *e, struct text name); /* NULL: none */
size_t entries_count(const struct entries *e);
const struct entry *entries_at(struct entries *e, size_t number);     /* in byte order of names; NULL beyond the last */
size_t entries_number(struct entries *e, const struct entry *entry);  /* of a live one */
struct text entries_text(const struct entry *entry, unsigned which);

#endif

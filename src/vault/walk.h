/* The reading rule: which records of a file are taken, and whether what is left is torn or damaged. */
#ifndef VAULT_WALK_H
#define VAULT_WALK_H

#include "os/file.h"
#include "vault/entries.h"
#include "vault/vault_keys.h"

/* Where the bytes come from: a file, or, where that is NULL, memory. */
struct source {
        const struct file *file;
        const uint8_t *bytes;
        size_t n_bytes;
};

/* How far a file has been read. At first HEADER_BYTES, 0, the start of the header's tag. */
struct chain {
        uint64_t end;                  /* offset behind the last record taken */
        uint64_t seq;                  /* its number, 0 for none */
        uint64_t tag_at;               /* where its tag stands in the file */
        uint8_t tag[VAULT_TAG_BYTES];
};

/* A record that has been seen before: is it still there? */
struct watch {
        uint64_t seq;
        uint8_t tag[VAULT_TAG_BYTES];
        bool is_met; /* it was read, and its tag is this one */
};

enum walk_end { WALK_CLEAN, WALK_TORN, WALK_DAMAGED };

struct chain walk_start(const uint8_t header_mac[static HEADER_MAC_BYTES]);
int walk_read(const struct source *s, uint64_t at, void *bytes, size_t n_bytes, size_t *n_got);

/* Takes the records from c->end on, as long as they are right, into entries. *end says what was there instead of the
 * next one, at c->end. watch may be NULL. Returns 0, KEEPMUM_ENOMEM, KEEPMUM_EIO; what was taken until then stays
 * taken. */
int walk(struct chain *c, struct entries *e, struct watch *watch, enum walk_end *end, const struct source *s,
         uint64_t file_bytes, const struct vault_keys *k);

#endif

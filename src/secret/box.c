/* Boxes: XChaCha20-Poly1305 by libsodium.
 *
 * The nonce starts with a counter of all boxes of the process and the handle it was sealed for, 16 bytes: so each box has a subkey of
 * its own. Bound to it as additional data are that handle (number and generation), the size, and the address of the box: what is
 * copied from one box over another does not open.
 *
 * Always true: a sealed box is never written again; vector registers are cleared behind each use of a key; it is opened from a copy in
 * the secret's own page, so that what somebody writes to the heap meanwhile cannot pass as what was authenticated. */
#include "secret/box.h"

#include "base/fatal.h"
#include "base/registers.h"

#include <keepmum_heap.h>
#include <sodium.h>
#include <string.h>

enum { BOUND_BYTES = 24 };

static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == BOX_TAG_BYTES, "the tag has its place");
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == KEY_BYTES, "the key has its place");

static _Atomic uint64_t last_counter;

struct box *box_make(size_t n_bytes)
{
        struct box *b = keepmum_heap_malloc(sizeof *b + n_bytes);

        if (b == NULL)
                return NULL;
        b->n_holders = 1; /* the rest is zero */
        return b;
}

struct box *box_share(struct box *b)
{
        atomic_fetch_add(&b->n_holders, 1);
        return b;
}

void box_drop(struct box *b)
{
        if (b != NULL && atomic_fetch_sub(&b->n_holders, 1) == 1)
                keepmum_heap_free(b);
}

/* ---- sealing and opening ---- */

static void make_nonce(unsigned char nonce[static crypto_aead_xchacha20poly1305_ietf_NPUBBYTES], const struct box *b)
{
        memset(nonce, 0, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
        memcpy(nonce, &b->counter, sizeof b->counter);
        memcpy(nonce + sizeof b->counter, &b->origin.bits, sizeof b->origin.bits);
}

static void make_bound(unsigned char bound[static BOUND_BYTES], const struct box *b, uint64_t n_bytes)
{
        uint64_t address = (uintptr_t)b;

        memcpy(bound, &b->origin.bits, 8);
        memcpy(bound + 8, &n_bytes, 8);
        memcpy(bound + 16, &address, 8);
}

void box_seal(struct box *b, keepmum_secret origin, const void *bytes, size_t n_bytes, struct key_use *use)
{
        unsigned char nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES], bound[BOUND_BYTES];
        enum key_kind kind = key_best();
        const unsigned char *key = key_open(use, kind);

        b->key = kind;
        b->origin = origin;
        b->counter = atomic_fetch_add(&last_counter, 1) + 1;
        make_nonce(nonce, b);
        make_bound(bound, b, n_bytes);
        crypto_aead_xchacha20poly1305_ietf_encrypt_detached(b->bytes, b->tag, NULL, bytes, n_bytes, bound, sizeof bound, NULL, nonce, key);
        registers_wipe();
}

bool box_open(const struct box *b, void *bytes, size_t n_bytes, struct key_use *use)
{
        unsigned char nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES], bound[BOUND_BYTES], tag[BOX_TAG_BYTES];
        enum key_kind kind = b->key == KEY_HIDDEN ? KEY_HIDDEN : KEY_LOCKED;
        const unsigned char *key;
        int err;

        if (key_slot(kind) == NULL)
                return false;
        key = key_open(use, kind);
        make_nonce(nonce, b);
        make_bound(bound, b, n_bytes);
        memcpy(tag, b->tag, sizeof tag);
        memcpy(bytes, b->bytes, n_bytes);
        err = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(bytes, NULL, bytes, n_bytes, tag, bound, sizeof bound, nonce, key);
        registers_wipe();
        return err == 0;
}

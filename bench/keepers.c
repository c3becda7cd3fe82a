/* The two that are compared: keepmum, and libsodium's guarded heap. */
#include "keepers.h"

#include "need.h"

#include <keepmum.h>
#include <sodium.h>

/* ---- contents ---- */

static uint64_t seed;

void keeper_renew(void)
{
        randombytes_buf(&seed, sizeof seed);
}

uint64_t keeper_word(size_t i, unsigned word)
{
        uint64_t x = seed + (i * KEEPER_WORDS + word + 1) * 0x9e3779b97f4a7c15u;

        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

/* Word by word, so that no two of them stand side by side in a register. */
void keeper_write(volatile uint64_t *words, size_t i)
{
        for (unsigned w = 0; w < KEEPER_WORDS; w++)
                words[w] = keeper_word(i, w);
}

bool keeper_is_same(const volatile uint64_t *words, size_t i)
{
        uint64_t differing = 0;

        for (unsigned w = 0; w < KEEPER_WORDS; w++)
                differing |= words[w] ^ keeper_word(i, w);
        return differing == 0;
}

/* ---- keepmum ---- */

static keepmum_secret secrets[KEEPER_MOST];

static bool make_keepmum(const struct keeper *k, size_t i, bool *is_closed)
{
        void *bytes;

        *is_closed = false;
        if (keepmum_create(&secrets[i], KEEPER_BYTES, k->flags) != 0 ||
            keepmum_open_write(secrets[i], &bytes, NULL) != 0)
                return false;
        keeper_write(bytes, i);
        keepmum_close(secrets[i]);
        *is_closed = true;
        return true;
}

static bool is_right_keepmum(size_t i)
{
        const void *bytes;

        if (keepmum_open_read(secrets[i], &bytes, NULL) != 0)
                return false;
        bool is_right = keeper_is_same(bytes, i);
        keepmum_close(secrets[i]);
        return is_right;
}

static const void *place_keepmum(size_t i)
{
        const void *bytes;

        need(keepmum_open_read(secrets[i], &bytes, NULL) == 0, "open_read failed");
        keepmum_close(secrets[i]);
        return bytes;
}

const struct keeper keeper_keepmum = {0, make_keepmum, is_right_keepmum, place_keepmum};
const struct keeper keeper_keepmum_ordinary = {KEEPMUM_NOT_HIDDEN, make_keepmum, is_right_keepmum, place_keepmum};

/* ---- libsodium ---- */

static void *allocations[KEEPER_MOST];

static bool make_sodium(const struct keeper *k, size_t i, bool *is_closed)
{
        (void)k;
        *is_closed = false;
        if ((allocations[i] = sodium_malloc(KEEPER_BYTES)) == NULL)
                return false;
        keeper_write(allocations[i], i);
        *is_closed = sodium_mprotect_noaccess(allocations[i]) == 0;
        return true;
}

/* Where the protection cannot be changed, the bytes are as they were left: readable. */
static bool is_right_sodium(size_t i)
{
        sodium_mprotect_readonly(allocations[i]);
        bool is_right = keeper_is_same(allocations[i], i);
        sodium_mprotect_noaccess(allocations[i]);
        return is_right;
}

static const void *place_sodium(size_t i)
{
        return allocations[i];
}

const struct keeper keeper_sodium = {0, make_sodium, is_right_sodium, place_sodium};

/* The two that are compared, each used the way its manual shows: a secret of 32 bytes is made, written and closed;
 * opened, looked at and closed again. */
#ifndef BENCH_KEEPERS_H
#define BENCH_KEEPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEEPER_MOST = 20000, KEEPER_WORDS = 4, KEEPER_BYTES = KEEPER_WORDS * 8 };

struct keeper {
        unsigned flags; /* of keepmum_create() */
        /* Secret number i is there and written; *is_closed, whether it was also shut without an error. */
        bool (*make)(const struct keeper *k, size_t i, bool *is_closed);
        bool (*is_right)(size_t i);        /* reads it back */
        const void *(*place)(size_t i);    /* where its bytes stand when it is open */
};

extern const struct keeper keeper_keepmum;           /* as it comes */
extern const struct keeper keeper_keepmum_ordinary;  /* in ordinary locked memory, which can be searched from outside */
extern const struct keeper keeper_sodium;

/* Contents: random to look at, made anew wherever they are needed, so that no copy is kept. Each renewal gives other
 * ones. */
void keeper_renew(void);
uint64_t keeper_word(size_t i, unsigned word);
void keeper_write(volatile uint64_t *words, size_t i);
bool keeper_is_same(const volatile uint64_t *words, size_t i);

#endif

/* What the two crashing programs have in common: what comes on standard input, from cores.c. They do the same, each as
 * its library's manual shows: take in a key, encrypt with it, take in the next one, and meet a bug. Every buffer that a
 * key came in is wiped. */
#ifndef BENCH_CRASHING_H
#define BENCH_CRASHING_H

#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

enum { CRASHING_BYTES = crypto_secretbox_KEYBYTES, CRASHING_KEYS = 2, CRASHING_MESSAGE_BYTES = 64 };

/* First of all, bytes that are no secret: a search that does not find them in the core would find no key either. */
struct crashing_input {
        unsigned char mark[CRASHING_BYTES];
        unsigned char keys[CRASHING_KEYS][CRASHING_BYTES];
};

static inline void crashing_receive(unsigned char *bytes)
{
        if (read(STDIN_FILENO, bytes, CRASHING_BYTES) != CRASHING_BYTES)
                exit(2);
}

#endif

/* What the tests of secretctl audit look into: a program of its own that holds known copies of a canary in known
 * places, and core files made by hand. */
#ifndef TESTS_OUTSIDE_AUDIT_TARGET_H
#define TESTS_OUTSIDE_AUDIT_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CANARY_BYTES = 32, MANY = 1500, MANY_STEP = 4099 }; /* the target "many" */

/* Places of copies: mappings at addresses that are known before. */
enum target_place {
        PLACE_WHOLE,  /* three: at an odd address, over the end of a page, at the very end */
        PLACE_HEX,    /* two lower, one upper */
        PLACE_UTF16,  /* one of each kind */
        PLACE_BASE64, /* all alignments of both alphabets */
        PLACE_PARTS,  /* a half, the other half, eight bytes; and seven, which are nothing */
        PLACE_MEMFD,
        PLACE_CLOSED, /* PROT_NONE */
        PLACE_KEPT,   /* locked, and in no core file */
        PLACE_TWO,    /* one copy that begins in this mapping and ends in the next */
        PLACES
};

#define PLACE_ADDRESS(place) (UINT64_C(0x100000000000) + ((uint64_t)(place) << 24))

/* A byte of the canary; computed, so that it stands nowhere whole. */
unsigned char canary_byte(size_t i);

/* main() of the program: words[1] is what to hold. Does not return. */
_Noreturn void target_main(char **words);

/* Starts this very program as a target, and waits until it holds what it should. */
pid_t target_start(const char *what);
void target_end(pid_t pid);

/* ---- a core file, written by hand ---- */

struct made_core {
        unsigned char bytes[16384];
        size_t n_bytes;
};

enum { MADE_DATA_AT = 8192, MADE_NOTE_AT = 4096, MADE_ADDRESS = 0x7000000 };

/* Two segments: a note of one mapped file, and a page of memory that holds one canary and its hexadecimal form. */
void made_core(struct made_core *c);
void made_core_write(const struct made_core *c, const char *path);

#endif

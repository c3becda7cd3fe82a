/* Copies of a secret, looked for as an attacker would: in the memory of a process, in a core, in any file, in
 * registers.
 *
 * A copy is the whole secret, a half, eight bytes or more of it in a row, or its UTF-16, hexadecimal or base64 form.
 * Each stretch of memory is counted once, by the most that it holds: where the whole stands, its halves are not
 * counted again. */
#ifndef TESTS_OUTSIDE_MEMORY_SCAN_H
#define TESTS_OUTSIDE_MEMORY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NEEDLES_AT_ONCE = 16, NEEDLE_MIN_BYTES = 16, NEEDLE_MAX_BYTES = 128, FRAGMENT_BYTES = 8 };

enum form {
        FORM_WHOLE,
        FORM_FIRST_HALF,
        FORM_SECOND_HALF,
        FORM_FRAGMENT, /* FRAGMENT_BYTES or more in a row, but no half */
        FORM_UTF16,    /* little-endian */
        FORM_HEX,
        FORM_HEX_UPPER,
        FORM_BASE64_0, /* its first byte is the first, second, third of three; what depends on neighbours is left out */
        FORM_BASE64_1,
        FORM_BASE64_2,
        FORMS
};

struct needle {
        const char *label; /* what it is called when a copy is shown */
        struct {
                size_t n_bytes;
                unsigned char bytes[2 * NEEDLE_MAX_BYTES];
        } form[FORMS];
        uint64_t starts[65536 / 64]; /* a bit for every two bytes that something to be found begins with */
};

/* Added up over several scans; begins as {0}. */
struct findings {
        size_t n_copies, of[FORMS];
        size_t n_outside; /* those in memory that is not both locked (lo) and left out of cores (dd) */
        uint64_t read_bytes, unread_bytes; /* of mappings of other names than secretmem */
        uint64_t hidden_bytes; /* of secretmem, which nobody can read */
        size_t n_shown;
        char shown[16][200]; /* the first ones, in words */
};

/* The bytes should look random: words of a language are found where nobody put them. */
void needle_make(struct needle *n, const char *label, const void *bytes, size_t n_bytes);

/* all: up to NEEDLES_AT_ONCE of them, each counted for itself. */
void scan_bytes(struct findings *f, const struct needle *all, size_t n_all, const void *bytes, size_t n_bytes,
                const char *name);
void scan_file(struct findings *f, const struct needle *all, size_t n_all, int fd, const char *name);

/* mem and smaps are the open files of that name of a process that is stopped; they may have been opened long before.
 * Mappings that are shut (PROT_NONE) are read too. is_only_changing: leaves out what cannot have changed, files that
 * are mapped without being writable. */
void scan_process(struct findings *f, const struct needle *all, size_t n_all, int mem, int smaps,
                  bool is_only_changing);

/* To standard error. */
void findings_show(const struct findings *f, const char *when);

#endif

/* Text as a terminal and as JSON may see it. */
#ifndef SECRETCTL_SHOWN_H
#define SECRETCTL_SHOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One character of UTF-8, or one byte that is none. */
struct shown_step {
        size_t n_bytes;    /* 1 .. 4 */
        uint32_t code;     /* the character; 0xfffd for a byte that is none */
        bool is_printable; /* false: control characters, what turns the direction of writing, bytes that are no text */
};

/* The step at p; n_bytes, 1 or more, are there. */
struct shown_step shown_step(const uint8_t *p, size_t n_bytes);

/* Copies text with every byte that is not printable as \xHH; NUL-terminated, cut if longer. Returns the length. */
size_t shown_escape(char *out, size_t out_bytes, const char *text);

/* The four characters \xHH. */
void shown_hex(char out[static 4], uint8_t byte);

#endif

/* Looking for all forms of a canary in bytes that come piece by piece. */
#ifndef SECRETCTL_SEARCH_H
#define SECRETCTL_SEARCH_H

#include "secretctl/forms.h"

#include <stdbool.h>

/* What a copy is counted as. */
enum copy {
        COPY_WHOLE,
        COPY_FIRST_HALF,
        COPY_SECOND_HALF,
        COPY_FRAGMENT, /* FRAGMENT_MIN_BYTES or more in a row, but no half */
        COPY_UTF16LE,
        COPY_UTF16BE,
        COPY_HEX,
        COPY_HEX_UPPER,
        COPY_BASE64,
        COPY_BASE64_URL,
        COPIES
};

enum { FRAGMENT_MIN_BYTES = 8 };

/* Its three secrets: the forms, the index that finds them, the bytes that are looked at. */
struct search {
        const struct forms *forms;
        keepmum_secret index, buffer;
        const uint8_t *text;           /* all forms */
        uint64_t *filter;              /* a bit for each hash that a window of a form has */
        uint32_t *heads, *next, *from; /* chains of windows with one hash; where in the forms each begins */
        uint32_t n_windows;
        unsigned filter_bits;
        uint8_t *bytes;
        size_t room_bytes, n_bytes; /* n_bytes of them hold what was read from base on */
        uint64_t base, at;          /* addresses: of the first byte, of the next window to look at */
        bool is_last;              /* nothing follows what is there */
        uint64_t floor;             /* all below is counted */
        uint64_t pending, pending_bytes; /* beginning and length of a part that is not counted yet; 0 for none */
        size_t pending_from;        /* where in the canary it begins */
        void (*found)(void *context, uint64_t address, enum copy copy);
        void *context;
        int err;
};

/* found is called for each copy, in the order of addresses within a stretch, by a clean call: it may only count.
 * 0; KEEPMUM_EINVAL where the canary repeats itself so that copies could not be told from other bytes; else what
 * keepmum_create() returns. The forms stay the caller's, open until search_end(). */
int search_begin(struct search *s, const struct forms *forms,
                 void (*found)(void *context, uint64_t address, enum copy copy), void *context);
void search_end(struct search *s);

/* Where to put up to *n_bytes from address on; they follow what was put there last, or else that is ended. */
uint8_t *search_room(struct search *s, uint64_t address, size_t *n_bytes);
void search_take(struct search *s, size_t n_bytes); /* that many were put there */
/* Nothing follows. 0, or what went wrong until now. */
int search_finish(struct search *s);

/* Below this address nothing more will be found in the present stretch. */
uint64_t search_passed(const struct search *s);

/* Whether its own secrets have bytes between two addresses: who looks at itself would find the canary there. */
bool search_stands_in(const struct search *s, uint64_t start, uint64_t end);

#endif

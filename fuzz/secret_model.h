/* What a secret should be: the shadow that fuzz_secret_operations.c holds against the library. */
#ifndef FUZZ_SECRET_MODEL_H
#define FUZZ_SECRET_MODEL_H

#include <keepmum.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model {
        keepmum_secret handle;  /* {0}: there is no secret here */
        uint8_t *bytes;         /* what it should hold */
        size_t n_bytes;
        unsigned flags;         /* of creation */
        unsigned n_opens;
        bool is_writing, is_dying;
        unsigned char *at;      /* its address while it is open */
        const void *stays_at;   /* KEEPMUM_STAY: its address at the last open, NULL: not opened since it got its size */
};

/* Contents become n_bytes zeroes, or what from holds. */
void model_begin(struct model *m, keepmum_secret handle, const uint8_t *from, size_t n_bytes, unsigned flags);
void model_resize(struct model *m, size_t n_bytes);
void model_end(struct model *m);

/* The answers that opening must give. */
int model_open_read_answer(const struct model *m);
int model_open_write_answer(const struct model *m);
/* As state, size and the like answer: 0, KEEPMUM_EINVAL, KEEPMUM_ESTALE. */
int model_look_answer(const struct model *m);
/* As creation answers to a size and flags, where memory is there. */
int model_create_answer(size_t n_bytes, unsigned flags);

/* Bytes that opening gave, compared with what they should be. */
void model_check_open(struct model *m, const void *bytes, size_t n_bytes);
/* Looked at through the kernel: closed bytes cannot be read, readers cannot write, the page behind is shut. */
void model_check_access(const struct model *m);
void model_check_closed(const unsigned char *at, size_t n_bytes);
void model_check_state(const struct model *m, unsigned promises);

bool model_can_read(const void *at);
bool model_can_write(void *at);
bool model_is_zero(const uint8_t *p, size_t n_bytes);

#endif

/* The mutator as both engines call it: libFuzzer links this file, AFL++ loads it as a library
 * (AFL_CUSTOM_MUTATOR_LIBRARY). */
#include "vault_mutation.h"

#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n_bytes, size_t max_bytes, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b, uint8_t *out,
                                 size_t max_bytes, unsigned seed);
void *afl_custom_init(void *afl, unsigned seed);
void afl_custom_deinit(void *state);
size_t afl_custom_fuzz(void *state, uint8_t *bytes, size_t n_bytes, uint8_t **out, uint8_t *other, size_t other_bytes,
                       size_t max_bytes);

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n_bytes, size_t max_bytes, unsigned seed)
{
        struct draft d = {.bytes = bytes, .n_bytes = n_bytes, .max_bytes = max_bytes, .random = seed};

        return mutation(&d);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b, uint8_t *out,
                                 size_t max_bytes, unsigned seed)
{
        struct draft d = {
                .bytes = out, .n_bytes = n_a, .max_bytes = max_bytes, .other = b, .other_bytes = n_b, .random = seed};

        if (n_a > max_bytes)
                return 0;
        memcpy(out, a, n_a);
        return mutation(&d);
}

struct afl_state {
        uint64_t random;
        uint8_t *bytes;
        size_t room;
};

void *afl_custom_init(void *afl, unsigned seed)
{
        struct afl_state *s = calloc(1, sizeof *s);

        (void)afl;
        if (s != NULL)
                s->random = seed;
        return s;
}

void afl_custom_deinit(void *state)
{
        struct afl_state *s = state;

        free(s->bytes);
        free(s);
}

size_t afl_custom_fuzz(void *state, uint8_t *bytes, size_t n_bytes, uint8_t **out, uint8_t *other, size_t other_bytes,
                       size_t max_bytes)
{
        struct afl_state *s = state;
        struct draft d = {.max_bytes = max_bytes, .other = other, .other_bytes = other == NULL ? 0 : other_bytes};

        if (s->room < max_bytes) {
                free(s->bytes);
                s->room = (s->bytes = malloc(max_bytes)) != NULL ? max_bytes : 0;
        }
        if (s->bytes == NULL || n_bytes > max_bytes) {
                *out = bytes;
                return n_bytes;
        }
        memcpy(s->bytes, bytes, n_bytes);
        s->random = s->random * 6364136223846793005u + 1;
        d.bytes = s->bytes;
        d.n_bytes = n_bytes;
        d.random = s->random;
        *out = s->bytes;
        return mutation(&d);
}

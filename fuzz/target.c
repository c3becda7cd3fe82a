/* The frame of every fuzz target.
 *
 * Always true: the target sees an exact-size copy, since AFL's shared buffer is 1 MiB long and would hide reads past
 * the end; a fatal sentence that no model expects aborts from within the hook, while the engine's own handler for
 * SIGABRT still stands, so that the input is kept. Nothing here depends on FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION,
 * and nothing anywhere else may. */
#include "target.h"

#include "base/fatal.h"

#include <keepmum.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sigjmp_buf back;
static const char *expected_sentence;

static void on_fatal(const char *sentence)
{
        const char *expected = expected_sentence;

        expected_sentence = NULL;
        if (expected == NULL || strcmp(sentence, expected) != 0) {
                fprintf(stderr, "fuzz: fatal: \"%s\", expected: %s\n", sentence, expected != NULL ? expected : "none");
                abort();
        }
        siglongjmp(back, 1);
}

bool target_dies(void (*act)(void *arg), void *arg, const char *sentence)
{
        if (sigsetjmp(back, 0) != 0) {
                keepmum_on_fatal(on_fatal); /* it is taken out when it is called */
                return true;
        }
        fatal_set_stop(NULL); /* which would make the library answer KEEPMUM_EWIPED from here on */
        expected_sentence = sentence;
        act(arg);
        expected_sentence = NULL;
        return false;
}

_Noreturn void target_failed(const char *file, int line, const char *what)
{
        fprintf(stderr, "fuzz: %s:%d: not so: %s\n", file, line, what);
        abort();
}

uint8_t input_byte(struct input *in)
{
        if (in->n_left == 0)
                return 0;
        in->n_left--;
        return *in->bytes++;
}

uint16_t input_short(struct input *in)
{
        unsigned low = input_byte(in);

        return (uint16_t)(low | (unsigned)input_byte(in) << 8);
}

int LLVMFuzzerInitialize(int *n_words, char ***words)
{
        (void)n_words;
        (void)words;
        keepmum_on_fatal(on_fatal);
        target_begin();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
        uint8_t *copy = malloc(n_bytes > 0 ? n_bytes : 1);

        expect(copy != NULL);
        if (n_bytes > 0)
                memcpy(copy, bytes, n_bytes);
        target_run(copy, n_bytes);
        free(copy);
        return 0;
}

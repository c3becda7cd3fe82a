/* What the fuzz targets share: the entry that both engines and the replay call, and how a target says that something
 * is wrong. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's names; AFL++'s driver and replay.c call the same. */
int LLVMFuzzerInitialize(int *n_words, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/* Each target defines these two. The bytes stand in a block of exactly n_bytes. */
void target_begin(void);
void target_run(const uint8_t *bytes, size_t n_bytes);

/* The library's answer differs from the model's: says where and aborts, which every engine keeps as a crash. */
_Noreturn void target_failed(const char *file, int line, const char *what);
#define expect(cond) ((cond) ? (void)0 : target_failed(__FILE__, __LINE__, #cond))

/* Runs act, which must end in keepmum's fatal sentence. Whether it did, with this very sentence. */
bool target_dies(void (*act)(void *arg), void *arg, const char *sentence);

/* Bytes of an input, one after the other; zeroes behind its end. */
struct input {
        const uint8_t *bytes;
        size_t n_left;
};

uint8_t input_byte(struct input *in);
uint16_t input_short(struct input *in);

#endif

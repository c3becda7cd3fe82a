/* The pattern: 64-bit words that count up from a number made of a process key and the slot's number.
 *
 * Every word differs from its neighbours and from the same word of other slots, so that neither a stray value nor a moved piece of
 * the pattern fits. The words before the payload are compared without an early exit, 16 bytes at a time: this is on the path of
 * every close after writing. The up to 15 bytes after the payload, and those before it that are no whole word, go one by one. */
#include "secret/pattern.h"

#include "os/random.h"

#include <string.h>

typedef uint64_t pair __attribute__((vector_size(16)));

static uint64_t key;

void pattern_start(void)
{
        random_fill(&key, sizeof key);
}

static uint64_t first_word(uint32_t slot_number)
{
        uint64_t x = key ^ (uint64_t)slot_number * 0x9e3779b97f4a7c15u;

        return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
}

/* The byte that stands at offset i of the slot. */
static unsigned char byte_at(uint64_t first, size_t i)
{
        uint64_t word = first + i / 8;
        unsigned char bytes[8];

        memcpy(bytes, &word, sizeof bytes);
        return bytes[i % 8];
}

static void lay_words(pair *p, size_t n_pairs, uint64_t first)
{
        pair word = {first, first + 1}, step = {2, 2};

        for (size_t i = 0; i < n_pairs; i++, word += step)
                p[i] = word;
}

/* Four sums at a time, so that one comparison does not wait for another. */
static uint64_t differing_bits(const pair *p, size_t n_pairs, uint64_t first)
{
        pair word = {first, first + 1}, step = {2, 2}, step4 = {8, 8}, a = {0, 0}, b = a, c = a, d = a;
        size_t i = 0;

        for (; i + 4 <= n_pairs; i += 4, word += step4) {
                a |= p[i] ^ word;
                b |= p[i + 1] ^ (word + step);
                c |= p[i + 2] ^ (word + step + step);
                d |= p[i + 3] ^ (word + step + step + step);
        }
        for (; i < n_pairs; i++, word += step)
                a |= p[i] ^ word;
        a |= b | c | d;
        return a[0] | a[1];
}

void pattern_lay(unsigned char *slot, size_t slot_bytes, const unsigned char *payload, size_t payload_bytes, uint32_t slot_number)
{
        size_t front = (size_t)(payload - slot), end = front + payload_bytes, pairs = front / sizeof(pair);
        uint64_t first = first_word(slot_number);

        lay_words((pair *)(void *)slot, pairs, first);
        for (size_t i = pairs * sizeof(pair); i < front; i++)
                slot[i] = byte_at(first, i);
        for (size_t i = end; i < slot_bytes; i++)
                slot[i] = byte_at(first, i);
}

bool pattern_is_whole(const unsigned char *slot, size_t slot_bytes, const unsigned char *payload, size_t payload_bytes,
                      uint32_t slot_number)
{
        size_t front = (size_t)(payload - slot), end = front + payload_bytes, pairs = front / sizeof(pair);
        uint64_t first = first_word(slot_number), bits = differing_bits((const pair *)(const void *)slot, pairs, first);

        for (size_t i = pairs * sizeof(pair); i < front; i++)
                bits |= slot[i] ^ byte_at(first, i);
        for (size_t i = end; i < slot_bytes; i++)
                bits |= slot[i] ^ byte_at(first, i);
        return bits == 0;
}

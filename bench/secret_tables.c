/* The tables about secrets: which ways are measured beside each other, and the goals. */
#include "secret_tables.h"

#include "measure.h"

#include <stdio.h>

enum { OFTEN = 400, SELDOM = 80, NESTED = 20000 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void run(struct way *ways, size_t n_ways, struct secret_setting *s)
{
        for (size_t i = 0; i < n_ways; i++)
                ways[i].context = s;
        measure_rounds(ways, n_ways);
}

static void begin(const char *what, const char *which)
{
        char title[160];

        snprintf(title, sizeof title, "%s: %s", what, which);
        measure_table(title, MEASURE_SPEED);
}

void table_life(struct secret_setting *s, const char *which)
{
        struct way w[] = {
                {.name = "sodium_malloc, touch, noaccess, free", .run = way_sodium_malloc_noaccess_free, .n_times = SELDOM},
                {.name = "create, open_write, touch, close, destroy", .run = way_create_write_close_destroy, .n_times = OFTEN},
                {.name = "create, open_write, touch, destroy", .run = way_create_write_destroy, .n_times = OFTEN},
                {.name = "two bare mprotect pairs (the floor)", .run = way_bare_two_pairs, .n_times = OFTEN},
        };

        run(w, COUNT(w), s);
        begin("From create to destroy", which);
        measure_row(&w[1], &w[0], 5.5);
        measure_row(&w[2], &w[0], 10);
        measure_row(&w[3], &w[0], 0);
        measure_row(&w[1], &w[3], 0);
}

void table_pool(struct secret_setting *s, const char *which, double goal)
{
        struct way w[] = {
                {.name = "sodium_malloc, touch, free", .run = way_sodium_malloc_free, .n_times = SELDOM},
                {.name = "pool_take, open, touch, pool_give", .run = way_pool_take_give, .n_times = OFTEN},
                {.name = "OpenSSL secure heap (readable after free)", .run = way_openssl_malloc_free, .n_times = OFTEN},
                {.name = "libgcrypt secmem (readable after free)", .run = way_gcrypt_malloc_free, .n_times = OFTEN},
        };

        run(w, COUNT(w), s);
        begin("Take, touch, give", which);
        measure_row(&w[1], &w[0], goal);
        measure_row(&w[2], &w[0], 0);
        measure_row(&w[3], &w[0], 0);
}

void table_brackets(struct secret_setting *s, const char *which)
{
        struct way w[] = {
                {.name = "sodium readonly, read, noaccess", .run = way_sodium_read, .n_times = OFTEN},
                {.name = "sodium readwrite, touch, noaccess", .run = way_sodium_write, .n_times = OFTEN},
                {.name = "bare mprotect pair", .run = way_bare_read, .n_times = OFTEN},
                {.name = "open_read, read, close", .run = way_open_read_close, .n_times = OFTEN},
                {.name = "open_write, touch, close", .run = way_open_write_close, .n_times = OFTEN},
                {.name = "nested open_read, read, close", .run = way_nested_open_read_close, .n_times = NESTED},
        };

        run(w, COUNT(w), s);
        begin("Open and close", which);
        measure_row(&w[3], &w[2], 0.95);
        measure_row(&w[3], &w[0], 0.90);
        measure_row(&w[4], &w[1], 1.0);
        measure_row(&w[5], &w[0], 80);
}

void table_clean_calls(struct secret_setting *s, const char *which)
{
        struct way w[] = {
                {.name = "sodium readwrite, touch, noaccess", .run = way_sodium_write, .n_times = OFTEN},
                {.name = "bare mprotect pair", .run = way_bare_read, .n_times = OFTEN},
                {.name = "call_clean", .run = way_call_clean, .n_times = OFTEN},
                {.name = "call_clean in a call_clean", .run = way_call_clean_nested, .n_times = OFTEN},
        };
        char title[160];

        run(w, COUNT(w), s);
        snprintf(title, sizeof title, "Clean call of a function that does nothing: 64 KiB of stack, %s", which);
        measure_table(title, MEASURE_COST);
        measure_row(&w[2], &w[0], 0.5);
        measure_row(&w[2], &w[1], 0);
        measure_row(&w[3], &w[1], 0);
}

void table_sealed(size_t n_bytes, unsigned flags, const char *which, double goal)
{
        static struct sealed_setting s;
        struct way w[] = {
                {.name = "open_read, read, close: resident", .run = way_read_resident, .n_times = OFTEN},
                {.name = "the same at random, evicted", .run = way_read_evicted, .n_times = OFTEN},
                {.name = "the same with KEEPMUM_SEALED", .run = way_read_always_sealed, .n_times = OFTEN},
                {.name = "open_write, touch, close at random, evicted", .run = way_write_evicted, .n_times = OFTEN},
        };
        char title[160];

        sealed_setting_start(&s, n_bytes, flags);
        for (size_t i = 0; i < COUNT(w); i++)
                w[i].context = &s;
        measure_rounds(w, COUNT(w));
        sealed_setting_end(&s);
        snprintf(title, sizeof title, "More secrets than slots: %s", which);
        measure_table(title, MEASURE_COST);
        measure_row(&w[1], &w[0], goal);
        measure_row(&w[2], &w[0], 0);
        measure_row(&w[3], &w[0], 0);
}

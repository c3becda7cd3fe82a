/* Secrets in one running thread: making and ending them, the pool under them, opening and closing. */
#include "measure.h"
#include "secret_tables.h"

#include <stdio.h>

enum { OTHERS = 10000 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
        size_t n_bytes;
        const char *name;
        double pool_goal;
} sizes[] = {{32, "32 B", 10}, {1024, "1 KiB", 10}, {65536, "64 KiB", 8}};

/* The kinds of memory to measure: hidden where it can be had, and ordinary locked memory. */
struct kind {
        unsigned flags;
        const char *name;
};

static void measure_sizes(const struct kind *k)
{
        for (size_t i = 0; i < COUNT(sizes); i++) {
                struct secret_setting s;
                char which[80];

                snprintf(which, sizeof which, "%s, %s", sizes[i].name, k->name);
                secret_setting_start(&s, sizes[i].n_bytes, k->flags);
                table_life(&s, which);
                table_pool(&s, which, sizes[i].pool_goal);
                table_brackets(&s, which);
                if (i == 0)
                        table_clean_calls(&s, k->name);
                secret_setting_end(&s);
        }
}

static size_t make_others(keepmum_secret others[static OTHERS], unsigned flags)
{
        size_t n = 0;

        for (unsigned char byte = 7; n < OTHERS && keepmum_take(&others[n], &byte, 1, flags) == 0; n++)
                byte = 7;
        return n;
}

static void measure_among_others(const struct kind *k)
{
        static keepmum_secret others[OTHERS];
        size_t n = make_others(others, k->flags);
        struct secret_setting s;
        char which[80];

        if (n == OTHERS) {
                snprintf(which, sizeof which, "32 B, %s, with 10,000 others alive", k->name);
                secret_setting_start(&s, 32, k->flags);
                table_brackets(&s, which);
                secret_setting_end(&s);
        } else {
                printf("\nWith 10,000 others alive: not measured, only %zu could be made under this lock limit.\n", n);
        }
        while (n > 0)
                keepmum_destroy(&others[--n]);
}

int main(int argc, char *argv[])
{
        static const struct kind hidden = {KEEPMUM_HIDDEN, "hidden memory"}, locked = {KEEPMUM_NOT_HIDDEN, "locked memory"};

        (void)argc;
        workers_start(argv);
        measure_own_time();
        peers_start();
        printf("\n## Secrets, one running thread\n");
        table_sealed(32, KEEPMUM_NOT_HIDDEN, "32 B, locked memory", 6);
        table_sealed(4096, KEEPMUM_NOT_HIDDEN, "4 KiB, locked memory", 0); /* its encryption alone is a pair */
        if (secret_can_be_hidden()) {
                measure_sizes(&hidden);
                measure_among_others(&hidden);
        } else {
                printf("\nHidden memory is not to be had here (memfd_secret): not measured.\n");
        }
        measure_sizes(&locked);
        measure_among_others(&locked);
        measure_summary();
        return 0;
}

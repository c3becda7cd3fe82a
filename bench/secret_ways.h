/* What is timed about secrets: keepmum's ways, bare system calls, and the ways of others. Each has the shape that measure.h wants; its
 * context is a struct secret_setting. */
#ifndef BENCH_SECRET_WAYS_H
#define BENCH_SECRET_WAYS_H

#include <keepmum.h>
#include <stdbool.h>
#include <stddef.h>

/* As many of each, which take turns: some mappings are slower than others for as long as they live (about.md). */
enum { PLACES = 8 };

struct secret_setting {
        size_t n_bytes;                   /* of a secret */
        unsigned flags;                   /* of creation: KEEPMUM_HIDDEN or KEEPMUM_NOT_HIDDEN */
        keepmum_secret secrets[PLACES];   /* written once, closed */
        unsigned char *bare[PLACES];      /* mappings of their own, of the same kind and size as the secrets' slots, closed */
        size_t bare_bytes;
        void *sodium[PLACES];             /* written once, closed */
};

/* Fills in the rest. Ends the program if a promise does not hold: the figures would say nothing then. */
void secret_setting_start(struct secret_setting *s, size_t n_bytes, unsigned flags);
void secret_setting_end(struct secret_setting *s);
bool secret_can_be_hidden(void);
void peers_start(void);

/* More secrets than slots: all of it is under a budget, and which one is next is random. */
enum { COLD = 2000, BUDGET_PAGES = 65 };

struct sealed_setting {
        keepmum_secret stays[PLACES];  /* KEEPMUM_STAY: resident */
        keepmum_secret always[PLACES]; /* KEEPMUM_SEALED */
        keepmum_secret cold[COLD];
        unsigned next;
};

/* Before any other secret is made: what is locked stays so. */
void sealed_setting_start(struct sealed_setting *s, size_t n_bytes, unsigned flags);
void sealed_setting_end(struct sealed_setting *s);
void way_read_resident(void *setting, unsigned n_times);
void way_read_always_sealed(void *setting, unsigned n_times);
void way_read_evicted(void *setting, unsigned n_times);
void way_write_evicted(void *setting, unsigned n_times);

/* From nothing to nothing. */
void way_sodium_malloc_noaccess_free(void *setting, unsigned n_times);
void way_sodium_malloc_free(void *setting, unsigned n_times);
void way_create_write_close_destroy(void *setting, unsigned n_times);
void way_create_write_destroy(void *setting, unsigned n_times);
void way_pool_take_give(void *setting, unsigned n_times);
void way_openssl_malloc_free(void *setting, unsigned n_times);
void way_gcrypt_malloc_free(void *setting, unsigned n_times);
void way_bare_two_pairs(void *setting, unsigned n_times);

/* Of something that exists; n_times is a multiple of PLACES. */
void way_sodium_read(void *setting, unsigned n_times);
void way_sodium_write(void *setting, unsigned n_times);
void way_bare_read(void *setting, unsigned n_times);
void way_open_read_close(void *setting, unsigned n_times);
void way_open_write_close(void *setting, unsigned n_times);
void way_nested_open_read_close(void *setting, unsigned n_times);

/* Of a function that does nothing. */
void way_call_clean(void *setting, unsigned n_times);
void way_call_clean_nested(void *setting, unsigned n_times);

#endif

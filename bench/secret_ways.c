/* What is timed about secrets. Every function does one thing n_times and nothing else; "touch" writes all bytes of a secret, a reader
 * reads one. */
#include "secret_ways.h"

#include "measure.h"
#include "need.h"
#include "os/page.h"
#include "pool/pool.h"

#include <gcrypt.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>

enum { PEER_ARENA_BYTES = 1 << 20, PEER_LEAST_BYTES = 32 };

static void touch(void *bytes, size_t n_bytes)
{
        memset(bytes, 7, n_bytes);
        measure_use(bytes);
}

static void look(const void *bytes)
{
        (void)*(const volatile unsigned char *)bytes;
}

static void bare_protect(const struct secret_setting *s, unsigned place, int prot)
{
        need(mprotect(s->bare[place], s->bare_bytes, prot) == 0, "mprotect failed");
}

/* ---- settings ---- */

static bool is_hidden(keepmum_secret s)
{
        unsigned promises;

        return keepmum_state(s, &promises) == 0 && (promises & KEEPMUM_IS_HIDDEN) != 0;
}

/* The promises that the goals are about, looked at from outside. Ends the secret. */
static void need_promises(const struct secret_setting *s, keepmum_secret secret)
{
        unsigned all = KEEPMUM_IS_LOCKED | KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED, seen = 0;
        void *bytes;

        need(keepmum_verify(secret, &seen) == 0 && (seen & all) == all, "a promise does not hold here");
        need(keepmum_open_write(secret, &bytes, NULL) == 0, "open_write failed");
        touch(bytes, s->n_bytes);
        keepmum_close(secret);
        need(!page_probe_writable(bytes), "a closed secret does not fault");
        keepmum_destroy(&secret);
        need(!page_probe_writable(bytes), "a destroyed secret does not fault");
}

/* A new secret, open for writing and written. */
static keepmum_secret begin_secret(const struct secret_setting *s)
{
        keepmum_secret secret;
        void *bytes;

        need(keepmum_create(&secret, s->n_bytes, s->flags) == 0, "create failed");
        need(keepmum_open_write(secret, &bytes, NULL) == 0, "open_write failed");
        touch(bytes, s->n_bytes);
        return secret;
}

static keepmum_secret make_secret(const struct secret_setting *s)
{
        keepmum_secret secret = begin_secret(s);

        keepmum_close(secret);
        return secret;
}

static void *make_sodium(const struct secret_setting *s)
{
        void *p = sodium_malloc(s->n_bytes);

        need(p != NULL, "sodium_malloc failed");
        touch(p, s->n_bytes);
        sodium_mprotect_noaccess(p);
        return p;
}

void secret_setting_start(struct secret_setting *s, size_t n_bytes, unsigned flags)
{
        struct chunk bare = {.n_slots = PLACES};

        *s = (struct secret_setting){.n_bytes = n_bytes, .flags = flags};
        need_promises(s, make_secret(s));
        for (unsigned i = 0; i < PLACES; i++) {
                s->secrets[i] = make_secret(s);
                s->sodium[i] = make_sodium(s);
        }
        bare.kind = is_hidden(s->secrets[0]) ? MEMORY_HIDDEN : MEMORY_LOCKED;
        bare.slot_bytes = s->bare_bytes = (n_bytes + page_bytes() - 1) / page_bytes() * page_bytes();
        need(chunk_map(&bare) == 0, "bare mappings could not be made");
        for (unsigned i = 0; i < PLACES; i++)
                s->bare[i] = chunk_slot(&bare, i);
}

void secret_setting_end(struct secret_setting *s)
{
        page_release(s->bare[0] - page_bytes(), PLACES * (s->bare_bytes + page_bytes()) + page_bytes());
        for (unsigned i = 0; i < PLACES; i++) {
                keepmum_destroy(&s->secrets[i]);
                sodium_free(s->sodium[i]);
        }
}

bool secret_can_be_hidden(void)
{
        keepmum_secret s;

        if (keepmum_create(&s, 1, KEEPMUM_HIDDEN) != 0)
                return false;
        keepmum_destroy(&s);
        return true;
}

void peers_start(void)
{
        need(sodium_init() >= 0, "libsodium does not start");
        need(CRYPTO_secure_malloc_init(PEER_ARENA_BYTES, PEER_LEAST_BYTES) == 1, "OpenSSL's secure heap does not start");
        need(gcry_check_version(NULL) != NULL && gcry_control(GCRYCTL_INIT_SECMEM, PEER_ARENA_BYTES, 0) == 0 &&
                     gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0) == 0,
             "libgcrypt's secure memory does not start");
}

/* ---- from nothing to nothing ---- */

void way_sodium_malloc_noaccess_free(void *setting, unsigned n_times)
{
        while (n_times-- > 0)
                sodium_free(make_sodium(setting));
}

void way_sodium_malloc_free(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        while (n_times-- > 0) {
                void *p = sodium_malloc(s->n_bytes);

                need(p != NULL, "sodium_malloc failed");
                touch(p, s->n_bytes);
                sodium_free(p);
        }
}

void way_create_write_close_destroy(void *setting, unsigned n_times)
{
        while (n_times-- > 0) {
                keepmum_secret secret = make_secret(setting);

                keepmum_destroy(&secret);
        }
}

void way_create_write_destroy(void *setting, unsigned n_times)
{
        while (n_times-- > 0) {
                keepmum_secret secret = begin_secret(setting);

                keepmum_destroy(&secret);
        }
}

void way_pool_take_give(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        while (n_times-- > 0) {
                struct slot *slot;
                uint32_t number;

                need(pool_take(&number, s->n_bytes, s->flags) == 0, "no slot");
                slot = pool_slot(number);
                page_open_write(slot->bytes, slot->n_bytes);
                touch(slot->bytes + slot->n_bytes - s->n_bytes, s->n_bytes);
                pool_give(number);
        }
}

void way_openssl_malloc_free(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        while (n_times-- > 0) {
                void *p = OPENSSL_secure_malloc(s->n_bytes);

                need(p != NULL && CRYPTO_secure_allocated(p), "OpenSSL's secure heap is full");
                touch(p, s->n_bytes);
                OPENSSL_secure_clear_free(p, s->n_bytes);
        }
}

void way_gcrypt_malloc_free(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        while (n_times-- > 0) {
                void *p = gcry_malloc_secure(s->n_bytes);

                need(p != NULL, "libgcrypt's secure memory is full");
                touch(p, s->n_bytes);
                gcry_free(p);
        }
}

void way_bare_two_pairs(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++) {
                for (unsigned i = 0; i < 2 * (n_times / PLACES); i++) {
                        bare_protect(s, place, PROT_READ | PROT_WRITE);
                        touch(s->bare[place], 1);
                        bare_protect(s, place, PROT_NONE);
                }
        }
}

/* ---- of something that exists ---- */

static void bracket_sodium(const struct secret_setting *s, unsigned place)
{
        sodium_mprotect_readonly(s->sodium[place]);
        look(s->sodium[place]);
        sodium_mprotect_noaccess(s->sodium[place]);
}

static void bracket_keepmum(const struct secret_setting *s, unsigned place)
{
        const void *bytes;

        need(keepmum_open_read(s->secrets[place], &bytes, NULL) == 0, "open_read failed");
        look(bytes);
        keepmum_close(s->secrets[place]);
}

void way_sodium_read(void *setting, unsigned n_times)
{
        for (unsigned place = 0; place < PLACES; place++)
                for (unsigned i = 0; i < n_times / PLACES; i++)
                        bracket_sodium(setting, place);
}

void way_sodium_write(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++) {
                for (unsigned i = 0; i < n_times / PLACES; i++) {
                        sodium_mprotect_readwrite(s->sodium[place]);
                        touch(s->sodium[place], s->n_bytes);
                        sodium_mprotect_noaccess(s->sodium[place]);
                }
        }
}

void way_bare_read(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++) {
                for (unsigned i = 0; i < n_times / PLACES; i++) {
                        bare_protect(s, place, PROT_READ);
                        look(s->bare[place]);
                        bare_protect(s, place, PROT_NONE);
                }
        }
}

void way_open_read_close(void *setting, unsigned n_times)
{
        for (unsigned place = 0; place < PLACES; place++)
                for (unsigned i = 0; i < n_times / PLACES; i++)
                        bracket_keepmum(setting, place);
}

void way_open_write_close(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++) {
                for (unsigned i = 0; i < n_times / PLACES; i++) {
                        void *bytes;

                        need(keepmum_open_write(s->secrets[place], &bytes, NULL) == 0, "open_write failed");
                        touch(bytes, s->n_bytes);
                        keepmum_close(s->secrets[place]);
                }
        }
}

void way_nested_open_read_close(void *setting, unsigned n_times)
{
        const struct secret_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++) {
                const void *bytes;

                need(keepmum_open_read(s->secrets[place], &bytes, NULL) == 0, "open_read failed");
                for (unsigned i = 0; i < n_times / PLACES; i++)
                        bracket_keepmum(s, place);
                keepmum_close(s->secrets[place]);
        }
}

/* ---- clean calls ---- */

static int do_nothing(void *arg)
{
        measure_use(arg);
        return 0;
}

void way_call_clean(void *setting, unsigned n_times)
{
        while (n_times-- > 0)
                need(keepmum_call_clean(NULL, do_nothing, setting, 0) == 0, "call_clean failed");
}

static int call_clean_once(void *arg)
{
        way_call_clean(arg, 1);
        return 0;
}

void way_call_clean_nested(void *setting, unsigned n_times)
{
        while (n_times-- > 0)
                need(keepmum_call_clean(NULL, call_clean_once, setting, 0) == 0, "call_clean failed");
}

/* ---- more than there are slots ---- */

static keepmum_secret make_one(size_t n_bytes, unsigned flags)
{
        keepmum_secret secret;
        void *bytes;

        need(keepmum_create(&secret, n_bytes, flags) == 0 && keepmum_open_write(secret, &bytes, NULL) == 0, "no secret could be made");
        touch(bytes, n_bytes);
        keepmum_close(secret);
        return secret;
}

void sealed_setting_start(struct sealed_setting *s, size_t n_bytes, unsigned flags)
{
        uint64_t v[KEEPMUM_STATS];

        need(keepmum_set_lock_budget(BUDGET_PAGES * page_bytes()) == 0, "no budget");
        for (unsigned i = 0; i < PLACES; i++) {
                s->stays[i] = make_one(n_bytes, flags | KEEPMUM_STAY);
                s->always[i] = make_one(n_bytes, flags | KEEPMUM_SEALED);
        }
        for (unsigned i = 0; i < COLD; i++)
                s->cold[i] = make_one(n_bytes, flags);
        need(keepmum_stats(v, KEEPMUM_STATS) == 0 && v[KEEPMUM_STAT_SEALED] > COLD * 9 / 10, "too few were sealed");
}

void sealed_setting_end(struct sealed_setting *s)
{
        for (unsigned i = 0; i < PLACES; i++) {
                keepmum_destroy(&s->stays[i]);
                keepmum_destroy(&s->always[i]);
        }
        for (unsigned i = 0; i < COLD; i++)
                keepmum_destroy(&s->cold[i]);
        need(keepmum_set_lock_budget(0) == 0, "no budget");
}

static void read_one(keepmum_secret s)
{
        const void *bytes;

        need(keepmum_open_read(s, &bytes, NULL) == 0, "open_read failed");
        look(bytes);
        keepmum_close(s);
}

void way_read_resident(void *setting, unsigned n_times)
{
        const struct sealed_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++)
                for (unsigned i = 0; i < n_times / PLACES; i++)
                        read_one(s->stays[place]);
}

void way_read_always_sealed(void *setting, unsigned n_times)
{
        const struct sealed_setting *s = setting;

        for (unsigned place = 0; place < PLACES; place++)
                for (unsigned i = 0; i < n_times / PLACES; i++)
                        read_one(s->always[place]);
}

static keepmum_secret next_cold(struct sealed_setting *s)
{
        s->next = s->next * 1664525 + 1013904223;
        return s->cold[(s->next >> 8) % COLD];
}

void way_read_evicted(void *setting, unsigned n_times)
{
        while (n_times-- > 0)
                read_one(next_cold(setting));
}

void way_write_evicted(void *setting, unsigned n_times)
{
        while (n_times-- > 0) {
                keepmum_secret s = next_cold(setting);
                void *bytes;

                need(keepmum_open_write(s, &bytes, NULL) == 0, "open_write failed");
                touch(bytes, 1);
                keepmum_close(s);
        }
}

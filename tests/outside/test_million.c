/* Secrets without limit: a million of them, as a user whom the lock limit binds. All are right under random access by four threads, no more
 * is locked than allowed, each costs little, and a look through the whole memory from another process finds the plain bytes of a sample
 * in slots alone; after keepmum_seal_all() nowhere but in those that are open.
 *
 * Not under a sanitizer, whose own memory the search would go through. */
#include "unit/harness.h"

#include "outside/forked.h"
#include "outside/seen.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

enum {
        SECRETS = IS_SECOND_RUN ? 400000 : 1000000,
        SAMPLES = 1000,
        THREADS = 4,
        WALKED_BY_EACH = SECRETS / 20,
        LEFT_OPEN = 5,
        MOST_BYTES_EACH = 128,
        MOST_NS_EACH = 20000
};

struct setting {
        size_t limit_bytes;
        unsigned flags;
};

/* ---- contents ---- */

struct words {
        uint64_t at[4];
};

/* Random to look at; made anew wherever it is needed, so that no copy is kept. */
static uint64_t word_of(uint64_t id, uint64_t i)
{
        uint64_t x = (id * 4 + i + 1) * 0x9e3779b97f4a7c15u;

        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

static int begin_one(keepmum_secret *s, uint64_t id, unsigned flags)
{
        void *bytes;
        int err = keepmum_create(s, sizeof(struct words), flags);

        if (err != 0 || (err = keepmum_open_write(*s, &bytes, NULL)) != 0)
                return err;
        for (uint64_t i = 0; i < 4; i++)
                ((volatile struct words *)bytes)->at[i] = word_of(id, i);
        keepmum_close(*s);
        return 0;
}

static bool is_right(const void *bytes, uint64_t id)
{
        uint64_t differing = 0;

        for (uint64_t i = 0; i < 4; i++)
                differing |= ((const volatile struct words *)bytes)->at[i] ^ word_of(id, i);
        return differing == 0;
}

static uint64_t sample(size_t i)
{
        return i * (SECRETS / SAMPLES) + i % 7;
}

/* ---- looking for them from outside ---- */

/* Sixteen bytes in a row: the first or the second half. Eight alone may stand on this test's own stack. */
struct half {
        uint64_t first, second;
};

enum { PLACES = 16384 };
static struct half *halves; /* a hash table, by the first word; no child has it */

static size_t place_of_half(uint64_t first)
{
        return (first >> 20) % PLACES;
}

static void add_half(uint64_t first, uint64_t second)
{
        size_t i = place_of_half(first);

        while (halves[i].first != 0)
                i = (i + 1) % PLACES;
        halves[i] = (struct half){first, second};
}

static bool is_half(const unsigned char *p)
{
        struct half found;

        memcpy(&found, p, sizeof found);
        for (size_t i = place_of_half(found.first); halves[i].first != 0; i = (i + 1) % PLACES)
                if (halves[i].first == found.first && halves[i].second == found.second)
                        return true;
        return false;
}

struct sightings {
        size_t in_slots, outside;
        uint64_t read_bytes;
};

static void look_through(struct sightings *seen, int mem, uint64_t from, uint64_t to, bool is_slot)
{
        static unsigned char buffer[(1 << 20) + 16];

        for (uint64_t at = from; at < to; at += 1 << 20) {
                ssize_t n = pread(mem, buffer, to - at < sizeof buffer ? (size_t)(to - at) : sizeof buffer, (off_t)at);

                for (ssize_t i = 0; i + 16 <= n; i++)
                        if (buffer[i] != 0 && is_half(buffer + i))
                                ++*(is_slot ? &seen->in_slots : &seen->outside);
                seen->read_bytes += n > 0 ? (uint64_t)n : 0;
        }
}

/* Slots are what is locked and left out of cores. */
static struct sightings look_at_process(pid_t pid)
{
        struct sightings seen = {0};
        char path[64], line[512];
        unsigned long long from = 0, to = 0, a, b;
        FILE *smaps;
        int mem;

        snprintf(path, sizeof path, "/proc/%d/mem", pid);
        mem = open(path, O_RDONLY | O_CLOEXEC);
        snprintf(path, sizeof path, "/proc/%d/smaps", pid);
        smaps = fopen(path, "re");
        if (mem < 0 || smaps == NULL)
                return seen; /* nothing read: that is noticed */
        while (fgets(line, sizeof line, smaps) != NULL) {
                if (sscanf(line, "%llx-%llx ", &a, &b) == 2) {
                        from = a;
                        to = b;
                        if (strstr(line, "[v") != NULL)
                                to = from;
                } else if (strncmp(line, "VmFlags:", 8) == 0) {
                        look_through(&seen, mem, from, to, strstr(line, " lo") != NULL && strstr(line, " dd") != NULL);
                }
        }
        fclose(smaps);
        close(mem);
        return seen;
}

/* A thread of the test looks when the child asks, and answers with what it saw. */
static int ask[2], answer[2];

static void *look_when_asked(void *arg)
{
        pid_t pid;

        (void)arg;
        while (read(ask[0], &pid, sizeof pid) == sizeof pid && pid != 0) {
                struct sightings seen = look_at_process(pid);

                if (write(answer[1], &seen, sizeof seen) != sizeof seen)
                        return NULL;
        }
        return NULL;
}

static struct sightings ask_to_look(void)
{
        struct sightings seen = {0};
        pid_t me = getpid();

        prctl(PR_SET_DUMPABLE, 1); /* becoming another user took it away */
        expect_int(write(ask[1], &me, sizeof me), sizeof me);
        expect_int(read(answer[0], &seen, sizeof seen), sizeof seen);
        expect(seen.read_bytes > 1 << 20);
        return seen;
}

/* ---- the million ---- */

static keepmum_secret *secrets;
static _Atomic size_t n_wrong;

static double cpu_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t resident_kb(void)
{
        char line[256];
        size_t kb = 0;
        FILE *f = fopen("/proc/self/status", "r");

        while (f != NULL && fgets(line, sizeof line, f) != NULL)
                if (sscanf(line, "VmRSS: %zu", &kb) == 1)
                        break;
        if (f != NULL)
                fclose(f);
        return kb;
}

static void *walk(void *arg)
{
        uint64_t x = 88172645463325252u * (2 * (uint64_t)(uintptr_t)arg + 1);

        for (size_t n = 0; n < WALKED_BY_EACH; n++) {
                const void *bytes;
                size_t i;

                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                i = x % SECRETS;
                if (keepmum_open_read(secrets[i], &bytes, NULL) != 0) {
                        atomic_fetch_add(&n_wrong, 1);
                        continue;
                }
                if (!is_right(bytes, i))
                        atomic_fetch_add(&n_wrong, 1);
                keepmum_close(secrets[i]);
        }
        return NULL;
}

static void make_all(const struct setting *s)
{
        size_t before = resident_kb(), after;
        double start = cpu_ns(), ns;

        for (size_t i = 0; i < SECRETS; i++) {
                int err = begin_one(&secrets[i], i, s->flags);

                if (err != 0)
                        forked_differs("a creation", err, 0, __FILE__, __LINE__);
        }
        ns = (cpu_ns() - start) / SECRETS;
        after = resident_kb();
        dprintf(STDOUT_FILENO, "# %zu KiB: %.1f bytes and %.1f us each\n", s->limit_bytes / 1024, (double)(after - before) * 1024 / SECRETS,
                ns / 1000);
        /* All told, the slots too; where fewer are made, the slots would weigh more than they do among a million. */
        expect((after - before - (IS_SECOND_RUN ? locked_kb() : 0)) * 1024 <= (size_t)SECRETS * MOST_BYTES_EACH);
        expect(ns <= MOST_NS_EACH);
}

static void walk_together(void)
{
        pthread_t t[THREADS];

        for (uintptr_t i = 0; i < THREADS; i++)
                expect_int(pthread_create(&t[i], NULL, walk, (void *)i), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(t[i], NULL);
        expect_int(atomic_load(&n_wrong), 0);
}

static void expect_only_in_slots(void)
{
        const void *bytes;
        struct sightings seen = ask_to_look();

        expect_int(seen.outside, 0);
        expect_int(keepmum_seal_all(), 0);
        seen = ask_to_look();
        expect_int(seen.outside, 0);
        expect_int(seen.in_slots, 0);
        for (size_t i = 0; i < LEFT_OPEN; i++)
                expect_int(keepmum_open_read(secrets[sample(i)], &bytes, NULL), 0);
        seen = ask_to_look();
        expect_int(seen.outside, 0);
        if (stat_of(KEEPMUM_STAT_HIDDEN_SLOTS) == 0)
                expect_int(seen.in_slots, 2 * LEFT_OPEN); /* the search finds */
        for (size_t i = 0; i < LEFT_OPEN; i++)
                keepmum_close(secrets[sample(i)]);
}

static void live_with_a_million(void *arg)
{
        const struct setting *s = arg;

        alarm(200); /* on a machine with much else to do */
        if (!forked_become_nobody(s->limit_bytes))
                _exit(0);
        secrets = malloc(SECRETS * sizeof *secrets);
        expect(secrets != NULL);
        memset(secrets, 1, SECRETS * sizeof *secrets);
        make_all(s);
        expect(locked_kb() <= s->limit_bytes / 1024);
        expect_int(stat_of(KEEPMUM_STAT_SECRETS), SECRETS);
        expect_int(stat_of(KEEPMUM_STAT_RESIDENT) + stat_of(KEEPMUM_STAT_SEALED), SECRETS);
        expect(stat_of(KEEPMUM_STAT_RESIDENT) < s->limit_bytes / page());
        walk_together();
        expect_only_in_slots();
        for (size_t i = 0; i < SAMPLES; i++) {
                const void *bytes;

                expect_int(keepmum_open_read(secrets[sample(i)], &bytes, NULL), 0);
                expect(is_right(bytes, sample(i)));
                keepmum_close(secrets[sample(i)]);
        }
        expect(locked_kb() <= s->limit_bytes / 1024);
        for (size_t i = 0; i < SECRETS; i++)
                keepmum_destroy(&secrets[i]);
        expect_int(stat_of(KEEPMUM_STAT_SECRETS), 0);
        expect_int(stat_of(KEEPMUM_STAT_SLOTS), stat_of(KEEPMUM_STAT_FREE_SLOTS));
}

static void run_setting(size_t limit_kb, unsigned flags)
{
        struct setting s = {limit_kb * 1024, flags};

        assert_true(forked_passes(live_with_a_million, &s));
}

static void a_million_secrets_live_under_eight_megabytes(void **state)
{
        (void)state;
        run_setting(8192, 0);
}

static void a_million_secrets_live_under_sixty_four_kilobytes(void **state)
{
        (void)state;
        run_setting(64, KEEPMUM_NOT_HIDDEN);
}

static pthread_t looker;

static int begin(void **state)
{
        (void)state;
        halves = mmap(NULL, PLACES * sizeof *halves, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (halves == MAP_FAILED || madvise(halves, PLACES * sizeof *halves, MADV_DONTFORK) != 0)
                return 1;
        for (size_t i = 0; i < SAMPLES; i++) {
                add_half(word_of(sample(i), 0), word_of(sample(i), 1));
                add_half(word_of(sample(i), 2), word_of(sample(i), 3));
        }
        return pipe(ask) != 0 || pipe(answer) != 0 || pthread_create(&looker, NULL, look_when_asked, NULL) != 0;
}

static int end(void **state)
{
        pid_t nobody = 0;

        (void)state;
        return write(ask[1], &nobody, sizeof nobody) != sizeof nobody || pthread_join(looker, NULL) != 0;
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_secrets_live_under_eight_megabytes),
        cmocka_unit_test(a_million_secrets_live_under_sixty_four_kilobytes),
};

int main(void)
{
        if (IS_SANITIZED)
                forked_skip_all("a sanitizer has terabytes of memory of its own, which the search would go through");
        return cmocka_run_group_tests(tests, begin, end) != 0 ? 1 : 0;
}

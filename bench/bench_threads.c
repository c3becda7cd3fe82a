/* Secrets with more than one running thread: what the kernel's interrupts cost, and many threads on one key.
 *
 * Closing a page, and making it read-only, interrupts every CPU that runs a thread of the process (the others must forget the page), so
 * these figures are the kernel's and differ from machine to machine. No goals. */
#include "measure.h"
#include "need.h"
#include "secret_tables.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>

enum { MOST_THREADS = 64 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- a busy sibling ---- */

static atomic_bool is_over;

static void *be_busy(void *nothing)
{
        while (!atomic_load_explicit(&is_over, memory_order_relaxed))
                measure_use(&is_over);
        return nothing;
}

static void start_thread(pthread_t *thread, void *(*run)(void *), void *context)
{
        need(pthread_create(thread, NULL, run, context) == 0, "no thread");
}

static void measure_with_sibling(unsigned flags)
{
        struct secret_setting s;
        pthread_t sibling;

        secret_setting_start(&s, 32, flags);
        start_thread(&sibling, be_busy, NULL);
        table_life(&s, "32 B, beside a busy thread");
        table_brackets(&s, "32 B, beside a busy thread");
        atomic_store(&is_over, true);
        pthread_join(sibling, NULL);
        secret_setting_end(&s);
}

/* ---- many on one key ---- */

/* Threads that all do the same number of brackets, again and again, when the one who measures says so. */
struct crowd {
        struct secret_setting *setting;
        void (*bracket)(struct crowd *c);
        unsigned n_threads, n_brackets;
        double inside_ns, between_ns; /* time spent with the key open, and without */
        bool is_over;
        pthread_mutex_t mutex;
        pthread_barrier_t start, end;
        pthread_t threads[MOST_THREADS];
};

static void spend(double ns)
{
        if (ns > 0)
                for (double until = measure_now() + ns; measure_now() < until;)
                        continue;
}

static void read_keepmum(struct crowd *c)
{
        const void *bytes;

        need(keepmum_open_read(c->setting->secrets[0], &bytes, NULL) == 0, "open_read failed");
        (void)*(const volatile unsigned char *)bytes;
        spend(c->inside_ns);
        keepmum_close(c->setting->secrets[0]);
}

/* The only right way to share libsodium's page: one thread's noaccess would end another's reading. */
static void read_sodium(struct crowd *c)
{
        void *bytes = c->setting->sodium[0];

        pthread_mutex_lock(&c->mutex);
        sodium_mprotect_readonly(bytes);
        (void)*(const volatile unsigned char *)bytes;
        spend(c->inside_ns);
        sodium_mprotect_noaccess(bytes);
        pthread_mutex_unlock(&c->mutex);
}

static void *member(void *crowd)
{
        struct crowd *c = crowd;

        for (;;) {
                pthread_barrier_wait(&c->start);
                if (c->is_over)
                        return NULL;
                for (unsigned i = 0; i < c->n_brackets; i++) {
                        c->bracket(c);
                        spend(c->between_ns);
                }
                pthread_barrier_wait(&c->end);
        }
}

static void way_crowd(void *crowd, unsigned n_times)
{
        struct crowd *c = crowd;

        c->n_brackets = n_times / c->n_threads;
        pthread_barrier_wait(&c->start);
        pthread_barrier_wait(&c->end);
}

static void crowd_start(struct crowd *c)
{
        pthread_mutex_init(&c->mutex, NULL);
        pthread_barrier_init(&c->start, NULL, c->n_threads + 1);
        pthread_barrier_init(&c->end, NULL, c->n_threads + 1);
        for (unsigned i = 0; i < c->n_threads; i++)
                start_thread(&c->threads[i], member, c);
}

static void crowd_end(struct crowd *c)
{
        c->is_over = true;
        pthread_barrier_wait(&c->start);
        for (unsigned i = 0; i < c->n_threads; i++)
                pthread_join(c->threads[i], NULL);
        pthread_barrier_destroy(&c->start);
        pthread_barrier_destroy(&c->end);
        pthread_mutex_destroy(&c->mutex);
}

/* How long each thread has the key open, and how long not, in microseconds. */
struct occupancy {
        double inside_us, between_us;
};

static void measure_crowd(struct secret_setting *s, unsigned n_threads, const struct occupancy *o)
{
        struct crowd ours = {.setting = s, .bracket = read_keepmum, .n_threads = n_threads, .inside_ns = o->inside_us * 1000,
                             .between_ns = o->between_us * 1000};
        struct crowd theirs = ours;
        unsigned n_times = o->between_us < 10 ? 1280 : 384;
        char name[80], other[] = "libsodium under a mutex, the same";
        struct way w[] = {{.name = other, .run = way_crowd, .context = &theirs, .n_times = n_times},
                          {.name = name, .run = way_crowd, .context = &ours, .n_times = n_times}};

        theirs.bracket = read_sodium;
        snprintf(name, sizeof name, "%u threads, open %g us, %g us between", n_threads, o->inside_us, o->between_us);
        crowd_start(&ours);
        crowd_start(&theirs);
        measure_rounds(w, COUNT(w));
        crowd_end(&ours);
        crowd_end(&theirs);
        measure_row(&w[1], &w[0], 0);
}

static void measure_crowds(unsigned flags)
{
        static const unsigned n_threads[] = {2, 8, MOST_THREADS};
        static const struct occupancy occupancies[] = {{0, 0}, {0, 2}, {0, 20}, {5, 0}, {5, 20}};
        struct secret_setting s;

        secret_setting_start(&s, 32, flags);
        measure_table("Many threads reading one key: open_read, read, close", MEASURE_SPEED);
        for (size_t i = 0; i < COUNT(n_threads); i++)
                for (size_t k = 0; k < COUNT(occupancies); k++)
                        measure_crowd(&s, n_threads[i], &occupancies[k]);
        printf("\nns: wall time of the whole divided by the number of brackets of all threads.\n");
        secret_setting_end(&s);
}

int main(void)
{
        peers_start();
        measure_without_goals();
        printf("\n## Secrets, several running threads\n");
        measure_with_sibling(0);
        measure_crowds(0);
        return 0;
}

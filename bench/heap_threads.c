/* Patterns in which another thread frees than the one that allocated.
 *
 * They make their threads themselves. With heap_n_threads 1, one of them runs at a time and the others wait; with 2, two do. */
#include "heap_block.h"
#include "heap_patterns.h"

#include <pthread.h>

static void start_thread(pthread_t *thread, void *(*run)(void *), void *context)
{
        need(pthread_create(thread, NULL, run, context) == 0, "no thread");
}

/* ---- cross ---- */

enum { BATCH = 512, MOST_WAITING = 8 };

/* A bounded queue of batches of blocks. */
struct pipe {
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        struct block batches[MOST_WAITING][BATCH];
        unsigned n_put, n_got, most_waiting;
        struct random *r;
};

static void pipe_await(struct pipe *p, unsigned least, unsigned most)
{
        pthread_mutex_lock(&p->mutex);
        while (p->n_put - p->n_got < least || p->n_put - p->n_got > most)
                pthread_cond_wait(&p->changed, &p->mutex);
        pthread_mutex_unlock(&p->mutex);
}

static void pipe_step(struct pipe *p, unsigned *counter)
{
        pthread_mutex_lock(&p->mutex);
        ++*counter;
        pthread_cond_signal(&p->changed);
        pthread_mutex_unlock(&p->mutex);
}

enum { BATCHES = 2000 };

static void *produce(void *pipe)
{
        struct pipe *p = pipe;

        for (unsigned i = 0; i < BATCHES; i++) {
                pipe_await(p, 0, p->most_waiting - 1);
                for (int k = 0; k < BATCH; k++)
                        block_new(&p->batches[i % MOST_WAITING][k], block_usual_size(p->r));
                pipe_step(p, &p->n_put);
        }
        return NULL;
}

static uint64_t consume(struct pipe *p)
{
        uint64_t sum = 0;

        for (unsigned i = 0; i < BATCHES; i++) {
                pipe_await(p, 1, MOST_WAITING);
                sum += block_end_all(p->batches[i % MOST_WAITING], BATCH);
                pipe_step(p, &p->n_got);
        }
        return sum;
}

/* One thread makes, the other frees (xmalloc-test). */
uint64_t pattern_cross(struct random *r)
{
        static struct pipe pipe = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        pthread_t producer;
        uint64_t sum;

        pipe.r = r;
        pipe.most_waiting = heap_n_threads == 1 ? 1 : MOST_WAITING;
        start_thread(&producer, produce, &pipe);
        sum = consume(&pipe);
        pthread_join(producer, NULL);
        return sum;
}

/* ---- server ---- */

enum { SESSIONS = 4000, GENERATIONS = 450, REQUESTS = 600, HEADERS = 6 };

struct session {
        struct block state, name;
};

/* What one thread leaves to the next. */
struct service {
        struct random r;
        struct session sessions[SESSIONS];
        uint64_t sum;
};

static uint64_t serve_request(struct random *r, struct session *s)
{
        struct block head, headers[HEADERS], body;
        uint64_t sum = 0;

        block_new(&head, 200);
        for (int i = 0; i < HEADERS; i++)
                block_new(&headers[i], 8 + random_below(r, 56));
        block_new(&body, random_octave(r, 9, 14));
        if (random_below(r, 3) == 0) { /* a new session in the place of an old one, of whichever thread */
                sum += block_replace(&s->state, 100 + random_below(r, 900));
                sum += block_replace(&s->name, 8 + random_below(r, 24));
        }
        sum += block_end(&body) + block_end_all(headers, HEADERS);
        return sum + block_end(&head);
}

static void *serve(void *service)
{
        struct service *s = service;

        for (int i = 0; i < REQUESTS; i++)
                s->sum += serve_request(&s->r, &s->sessions[random_below(&s->r, SESSIONS)]);
        return NULL;
}

static void *serve_for_long(void *service)
{
        struct service *s = service;

        for (int i = 0; i < GENERATIONS; i++) {
                pthread_t thread;

                start_thread(&thread, serve, s);
                pthread_join(thread, NULL);
        }
        for (int i = 0; i < SESSIONS; i++)
                s->sum += block_end_all(&s->sessions[i].state, 1) + block_end_all(&s->sessions[i].name, 1);
        return NULL;
}

/* Requests that are served by threads, each of which ends after some hundreds; its successor replaces the sessions it made (larson). */
uint64_t pattern_server(struct random *r)
{
        static struct service services[2];
        pthread_t drivers[2];
        uint64_t sum = 0;

        for (unsigned i = 0; i < heap_n_threads; i++) {
                services[i].r.state = r->state + i;
                start_thread(&drivers[i], serve_for_long, &services[i]);
        }
        for (unsigned i = 0; i < heap_n_threads; i++) {
                pthread_join(drivers[i], NULL);
                sum += services[i].sum;
        }
        return sum;
}

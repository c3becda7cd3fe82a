/* What happens beside the thread at work: a helper thread, a child of fork, a limit, and somebody else who moves the break. */
#include "heap_world.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_THREADS = 3, MOST_FORKS = 1, MOST_FOREIGN_BYTES = 64 * 1024 * 1024 };

/* ---- the helper: a second thread with a cache of its own, at work only while the first one waits ---- */

static struct helper {
        pthread_t thread;
        sem_t is_asked, is_done;
        bool is_there;
        struct input *in; /* NULL: end */
        size_t n_operations;
} helper;

static void wait_for(sem_t *s)
{
        while (sem_wait(s) != 0)
                expect(errno == EINTR);
}

static void *help(void *arg)
{
        (void)arg;
        for (;;) {
                wait_for(&helper.is_asked);
                if (helper.in == NULL)
                        return NULL;
                for (size_t i = 0; i < helper.n_operations && helper.in->n_left > 0; i++)
                        world_operate(helper.in);
                sem_post(&helper.is_done);
        }
}

/* The operations that follow in the input are the helper's. */
void op_elsewhere(struct input *in, struct block *b)
{
        (void)b;
        if (world.is_elsewhere || (!helper.is_there && world.n_threads++ >= MOST_THREADS))
                return;
        if (!helper.is_there) {
                expect(sem_init(&helper.is_asked, 0, 0) == 0 && sem_init(&helper.is_done, 0, 0) == 0);
                expect(pthread_create(&helper.thread, NULL, help, NULL) == 0);
                helper.is_there = true;
        }
        helper.n_operations = input_byte(in) % 8 + 1;
        helper.in = in;
        world.is_elsewhere = true;
        sem_post(&helper.is_asked);
        wait_for(&helper.is_done);
        world.is_elsewhere = false;
}

void helper_end(void)
{
        if (!helper.is_there)
                return;
        helper.in = NULL;
        sem_post(&helper.is_asked);
        expect(pthread_join(helper.thread, NULL) == 0);
        helper.is_there = false;
}

void op_end_helper(struct input *in, struct block *b)
{
        (void)in;
        (void)b;
        if (!world.is_elsewhere)
                helper_end();
}

/* ---- children ---- */

static void *use_in_child(void *arg)
{
        world_set_errno();
        world_put(arg, keepmum_heap_malloc(100), 100, 16);
        return NULL;
}

/* A child has all blocks, may free them, and may go on with the heap, on other threads too. */
static void live_on(void *arg)
{
        pthread_t thread;

        (void)arg;
        keepmum_heap_check();
        world_check_blocks();
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i += 2)
                world_free(&world.blocks[i]);
        expect(pthread_create(&thread, NULL, use_in_child, &world.blocks[0]) == 0);
        expect(pthread_join(thread, NULL) == 0);
        (void)keepmum_heap_trim();
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++)
                world_free(&world.blocks[i]);
        world_check_stats();
        keepmum_heap_check();
}

void op_fork(struct input *in, struct block *b)
{
        (void)b;
        if (input_byte(in) == 'f' && world.n_forks++ < MOST_FORKS)
                expect(world_run_in_child(live_on, NULL) == 0);
}

/* With no memory to be had, requests are granted or refused, and nothing is lost. */
static void live_in_limits(void *arg)
{
        static const size_t sizes[] = {100, 5000, 20000, 300000, 600000};
        unsigned shape = *(unsigned *)arg;
        struct rlimit none = {0, 0};
        struct block *b = &world.blocks[0];

        if (shape & 1)
                (void)keepmum_heap_trim();
        expect(setrlimit(RLIMIT_DATA, &none) == 0);
        expect(setrlimit(RLIMIT_AS, &none) == 0);
        for (size_t i = 0; i < 5; i++) {
                size_t n_bytes = sizes[i];

                for (size_t n = 0; n < 300; n++) {
                        void **at = keepmum_heap_malloc(n_bytes);

                        if (at == NULL) {
                                expect(errno == ENOMEM);
                                break;
                        }
                        expect(*at == NULL);
                        *at = at;
                }
                errno = 0;
                if (b->at == NULL || n_bytes < b->n_bytes)
                        continue;
                b->at = keepmum_heap_realloc(b->at, n_bytes) != NULL ? NULL : b->at;
                expect(b->at == NULL || errno == ENOMEM);
        }
        if (b->at == NULL)
                *b = (struct block){0};
        world_check_blocks();
        for (size_t i = 0; i < WORLD_PLACES + world.n_burst; i++)
                world_free(&world.blocks[i]);
        keepmum_heap_check();
}

void op_limit(struct input *in, struct block *b)
{
        unsigned shape;

        (void)b;
        if (input_byte(in) != 'l' || world.n_forks++ >= MOST_FORKS)
                return;
        shape = input_byte(in);
        expect(world_run_in_child(live_in_limits, &shape) == 0);
}

/* ---- somebody else's memory between ours ---- */

static size_t n_left_behind; /* by all inputs: stretches that the heap has grown beyond */

void foreign_check(void)
{
        for (size_t i = 0; i < world.n_foreign; i++)
                for (size_t k = 0; k < world.foreign[i].n_bytes; k++)
                        expect(world.foreign[i].at[k] == (unsigned char)(k | 1));
}

void op_foreign(struct input *in, struct block *b)
{
        size_t n_bytes = world_take_size(in) % (80 * 1024) + 1;
        struct foreign *f = &world.foreign[world.n_foreign];

        (void)b;
        if (input_byte(in) != 's' || world.n_foreign == WORLD_FOREIGN || n_left_behind > MOST_FOREIGN_BYTES)
                return;
        *f = (struct foreign){sbrk((intptr_t)n_bytes), n_bytes};
        expect(f->at != (void *)-1);
        for (size_t k = 0; k < n_bytes; k++)
                f->at[k] = (unsigned char)(k | 1);
        world.n_foreign++;
}

/* What is on top goes back; the rest stays where it is. */
void foreign_end(void)
{
        if (world.n_foreign > 0)
                (void)keepmum_heap_trim();
        while (world.n_foreign > 0) {
                struct foreign *f = &world.foreign[--world.n_foreign];

                if (sbrk(0) != f->at + f->n_bytes || sbrk(-(intptr_t)f->n_bytes) == (void *)-1)
                        n_left_behind += f->n_bytes;
        }
}

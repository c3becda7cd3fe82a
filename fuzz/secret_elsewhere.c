/* What goes through pipes, and what other threads and a child process do. */
#include "secret_world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_THREADS = 4, PIPE_BYTES = 60000 };

/* ---- streams ---- */

void op_read_fd(struct input *in, struct model *m)
{
        size_t n_bytes = world_take_size(in) % PIPE_BYTES, max_bytes = world_take_size(in);
        unsigned flags = world_take_flags(in);
        uint8_t *source = world_some_bytes(in, n_bytes);
        keepmum_secret handle = {0};
        int fd[2], err, answer = model_create_answer(max_bytes, flags);

        world_empty(m);
        expect(pipe2(fd, O_CLOEXEC) == 0);
        expect(write(fd[1], source, n_bytes) == (ssize_t)n_bytes);
        close(fd[1]);
        err = keepmum_read_fd(&handle, fd[0], max_bytes, flags);
        close(fd[0]);
        if (answer == 0)
                answer = n_bytes > max_bytes ? KEEPMUM_ETOOBIG : n_bytes == 0 ? KEEPMUM_EEMPTY : 0;
        if (!world_may_refuse(err, flags)) {
                expect(err == answer || (max_bytes > KEEPMUM_MAX_BYTES && err == KEEPMUM_ETOOBIG));
                if (err == 0)
                        model_begin(m, handle, source, n_bytes, flags);
        }
        expect(err == 0 || handle.bits == 0);
        free(source);
}

void op_write_fd(struct input *in, struct model *m)
{
        int fd[2], err, answer = model_open_read_answer(m);
        uint8_t *got;

        if (m->n_bytes > PIPE_BYTES)
                return;
        if (input_byte(in) % 8 == 0) {
                err = keepmum_write_fd(m->handle, -1);
                expect(err == (answer == 0 ? KEEPMUM_EIO : answer) || world_may_not_open(err, m));
                return;
        }
        expect(pipe2(fd, O_CLOEXEC) == 0);
        err = keepmum_write_fd(m->handle, fd[1]);
        if (answer == 0 && world_may_not_open(err, m))
                answer = err;
        expect(err == answer);
        close(fd[1]);
        expect((got = malloc(PIPE_BYTES + 1)) != NULL);
        expect(read(fd[0], got, PIPE_BYTES + 1) == (answer == 0 ? (ssize_t)m->n_bytes : 0));
        if (answer == 0)
                expect(memcmp(got, m->bytes, m->n_bytes) == 0);
        close(fd[0]);
        free(got);
}

/* ---- other threads and processes ---- */

static void *destroy_elsewhere(void *arg)
{
        keepmum_destroy(arg);
        return NULL;
}

static void *close_elsewhere(void *arg)
{
        keepmum_close(*(keepmum_secret *)arg);
        return NULL;
}

static bool run_elsewhere(void *(*act)(void *), keepmum_secret *handle)
{
        pthread_t thread;

        if (world.n_threads++ >= MOST_THREADS)
                return false;
        expect(pthread_create(&thread, NULL, act, handle) == 0);
        expect(pthread_join(thread, NULL) == 0);
        return true;
}

void op_destroy_elsewhere(struct input *in, struct model *m)
{
        keepmum_secret handle = m->handle;

        (void)in;
        if (handle.bits != 0 && !m->is_dying && run_elsewhere(destroy_elsewhere, &handle))
                world_check_after_destroy(m, handle, false);
}

void op_close_elsewhere(struct input *in, struct model *m)
{
        (void)in;
        if (m->n_opens > 0 && run_elsewhere(close_elsewhere, &m->handle))
                world_check_after_close(m);
}

/* Only a child can do this and leave the parent what it has. */
static void check_wiped(void)
{
        keepmum_secret writer, closed, more;
        const void *bytes;
        void *mine;

        expect(keepmum_create(&writer, 100, 0) == 0 && keepmum_create(&closed, 100, 0) == 0);
        expect(keepmum_open_write(writer, &mine, NULL) == 0);
        keepmum_wipe_all();
        memset(mine, 'w', 100);
        keepmum_close(writer);
        model_check_closed(mine, 100);
        expect(keepmum_open_read(closed, &bytes, NULL) == KEEPMUM_EWIPED);
        expect(keepmum_create(&more, 1, 0) == KEEPMUM_EWIPED);
        keepmum_destroy(&closed);
        keepmum_destroy(&writer);
}

static void check_in_child(void)
{
        keepmum_secret fresh;
        const void *bytes;
        size_t n_bytes;

        for (size_t i = 0; i < WORLD_PLACES; i++) {
                struct model *m = &world.secrets[i];
                keepmum_secret handle = m->handle;

                if (handle.bits == 0)
                        continue;
                expect(keepmum_size(handle, &n_bytes) == KEEPMUM_EFORKED);
                expect(keepmum_open_read(handle, &bytes, NULL) == KEEPMUM_EFORKED);
                keepmum_close(handle);
                keepmum_destroy(&handle);
                expect(handle.bits == 0);
                if (m->n_opens > 0)
                        model_check_closed(m->at, m->n_bytes);
        }
        expect(keepmum_set_lock_budget(0) == 0);
        expect(keepmum_create(&fresh, 100, 0) == 0 && keepmum_open_read(fresh, &bytes, &n_bytes) == 0);
        expect(n_bytes == 100 && model_is_zero(bytes, n_bytes));
        keepmum_close(fresh);
        keepmum_destroy(&fresh);
        check_wiped();
}

void op_fork(struct input *in, struct model *m)
{
        static unsigned n_asked; /* a fork costs as much as a hundred inputs; a replayed input has its own */
        int status;
        pid_t child;

        (void)m;
        if (input_byte(in) != 'f' || world.n_forks++ > 0 || n_asked++ % 32 != 0)
                return;
        expect((child = fork()) >= 0);
        if (child == 0) {
                check_in_child();
                _exit(0);
        }
        while (waitpid(child, &status, 0) < 0)
                expect(errno == EINTR); /* libFuzzer's clock */
        expect(status == 0);
}

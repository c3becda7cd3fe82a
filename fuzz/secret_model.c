/* The model of a secret, and what can be seen of the real one from outside.
 *
 * Nothing here asks the library: addresses are tried by giving them to the kernel, which answers EFAULT for what the
 * process itself could not touch. */
#include "secret_model.h"

#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the shadow ---- */

static uint8_t *zeroes(size_t n_bytes)
{
        uint8_t *p = calloc(1, n_bytes);

        expect(p != NULL);
        return p;
}

void model_begin(struct model *m, keepmum_secret handle, const uint8_t *from, size_t n_bytes, unsigned flags)
{
        *m = (struct model){.handle = handle, .n_bytes = n_bytes, .flags = flags, .bytes = zeroes(n_bytes)};
        if (from != NULL)
                memcpy(m->bytes, from, n_bytes);
}

void model_resize(struct model *m, size_t n_bytes)
{
        uint8_t *bytes = zeroes(n_bytes);

        memcpy(bytes, m->bytes, n_bytes < m->n_bytes ? n_bytes : m->n_bytes);
        free(m->bytes);
        m->bytes = bytes;
        m->n_bytes = n_bytes;
        m->stays_at = NULL;
}

void model_end(struct model *m)
{
        free(m->bytes);
        *m = (struct model){0};
}

/* ---- answers ---- */

int model_look_answer(const struct model *m)
{
        if (m->handle.bits == 0)
                return KEEPMUM_EINVAL;
        return m->is_dying ? KEEPMUM_ESTALE : 0;
}

int model_open_read_answer(const struct model *m)
{
        int answer = model_look_answer(m);

        return answer == 0 && m->is_writing ? KEEPMUM_EBUSY : answer;
}

int model_open_write_answer(const struct model *m)
{
        int answer = model_look_answer(m);

        return answer == 0 && m->n_opens > 0 ? KEEPMUM_EBUSY : answer;
}

int model_create_answer(size_t n_bytes, unsigned flags)
{
        unsigned contrary = KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN, opposite = KEEPMUM_SEALED | KEEPMUM_STAY;

        if (flags > 63 || (flags & contrary) == contrary || (flags & opposite) == opposite || n_bytes == 0)
                return KEEPMUM_EINVAL;
        return n_bytes > KEEPMUM_MAX_BYTES ? KEEPMUM_ETOOBIG : 0;
}

/* ---- from outside ---- */

/* Raw calls: the sanitizers' own would look at their shadow of the address instead of asking the kernel. */
bool model_can_read(const void *at)
{
        static int pipe_fd[2] = {-1, -1};
        char byte;
        long n;

        if (pipe_fd[0] < 0)
                expect(pipe2(pipe_fd, O_CLOEXEC) == 0);
        n = syscall(SYS_write, pipe_fd[1], at, (size_t)1);
        expect(n == 1 || errno == EFAULT);
        if (n == 1)
                expect(read(pipe_fd[0], &byte, 1) == 1);
        return n == 1;
}

/* Overwrites a byte where it can. */
bool model_can_write(void *at)
{
        static int zero_fd = -1;
        long n;

        if (zero_fd < 0)
                expect((zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC)) >= 0);
        n = syscall(SYS_read, zero_fd, at, (size_t)1);
        expect(n == 1 || errno == EFAULT);
        return n == 1;
}

bool model_is_zero(const uint8_t *p, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                if (p[i] != 0)
                        return false;
        return true;
}

static size_t page(void)
{
        return (size_t)sysconf(_SC_PAGESIZE);
}

/* How far the payload is from the page behind it. */
static size_t room_of(const struct model *m)
{
        return m->flags & KEEPMUM_EXACT_END ? m->n_bytes : (m->n_bytes + 15) / 16 * 16;
}

static size_t alignment_of(const struct model *m)
{
        size_t room = room_of(m), most = m->flags & KEEPMUM_EXACT_END ? 1 : 64, a = 1;

        while (a < most && room % (2 * a) == 0)
                a *= 2;
        return a;
}

void model_check_open(struct model *m, const void *bytes, size_t n_bytes)
{
        expect(n_bytes == m->n_bytes);
        expect((uintptr_t)bytes % alignment_of(m) == 0);
        expect(((uintptr_t)bytes + room_of(m)) % page() == 0);
        expect(memcmp(bytes, m->bytes, n_bytes) == 0);
        expect(m->n_opens == 0 || bytes == m->at);
        expect(!(m->flags & KEEPMUM_STAY) || m->stays_at == NULL || m->stays_at == bytes);
        m->stays_at = bytes;
}

void model_check_access(const struct model *m)
{
        expect(model_can_read(m->at));
        expect(model_can_read(m->at + m->n_bytes - 1));
        expect(!model_can_read(m->at + room_of(m)));
        if (!m->is_writing)
                expect(!model_can_write(m->at + m->n_bytes - 1));
}

void model_check_closed(const unsigned char *at, size_t n_bytes)
{
        expect(!model_can_read(at));
        expect(!model_can_read(at + n_bytes - 1));
}

void model_check_state(const struct model *m, unsigned promises)
{
        unsigned always = KEEPMUM_IS_NODUMP | KEEPMUM_IS_NOFORK | KEEPMUM_IS_GUARDED;

        expect((promises & always) == always);
        expect((promises & KEEPMUM_IS_LOCKED) != 0 || (m->flags & KEEPMUM_ACCEPT_UNLOCKED) != 0);
        expect((promises & KEEPMUM_IS_HIDDEN) != 0 || !(m->flags & KEEPMUM_HIDDEN));
        if (!(promises & KEEPMUM_IS_SEALED)) /* the key may well be hidden */
                expect((promises & KEEPMUM_IS_HIDDEN) == 0 || !(m->flags & KEEPMUM_NOT_HIDDEN));
        if (m->n_opens > 0 || m->flags & KEEPMUM_STAY)
                expect((promises & KEEPMUM_IS_SEALED) == 0);
        else if (m->flags & KEEPMUM_SEALED)
                expect((promises & KEEPMUM_IS_SEALED) != 0);
        expect(((promises & KEEPMUM_IS_OPEN) != 0) == (m->n_opens > 0));
        expect(promises < 2 * KEEPMUM_IS_OPEN);
}

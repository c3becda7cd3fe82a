/* Couriers from outside: sent, forged, and looked into without the library. */
#include "outside/courier.h"

#include "outside/forked.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { SECRETMEM_MAGIC = 0x5345434d };

union control {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
};

bool courier_send(int socket, int fd)
{
        char byte = 'c';
        struct iovec one = {&byte, 1};
        union control control;
        struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);

        memset(&control, 0, sizeof control);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
        if (fd < 0)
                m.msg_controllen = 0;
        return sendmsg(socket, &m, MSG_NOSIGNAL) == 1;
}

int courier_get(int socket)
{
        char byte;
        struct iovec one = {&byte, 1};
        union control control;
        struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
        struct cmsghdr *c;
        int fd = -1;

        if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) == 1 && (c = CMSG_FIRSTHDR(&m)) != NULL && c->cmsg_type == SCM_RIGHTS)
                memcpy(&fd, CMSG_DATA(c), sizeof fd);
        return fd;
}

int courier_forge(bool is_hidden, size_t n_bytes)
{
        struct courier_header h = {.magic = "keepmum", .version = 1, .state = COURIER_FULL, .payload_bytes = n_bytes};
        int fd = is_hidden ? (int)syscall(SYS_memfd_secret, O_CLOEXEC) : memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -1;
        expect(ftruncate(fd, (off_t)(sizeof h + n_bytes)) == 0);
        courier_change(fd, &h, sizeof h, 0);
        return fd;
}

bool courier_is_hidden(int fd)
{
        struct statfs system;

        expect(fstatfs(fd, &system) == 0);
        return system.f_type == SECRETMEM_MAGIC;
}

/* A part of its file, copied one way or the other: no more pages are mapped than it takes, since they count as locked. */
static void copy_part(int fd, void *out, const void *in, size_t n_bytes, size_t at)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE), first = at / page * page;
        unsigned char *p = mmap(NULL, at + n_bytes - first, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)first);

        expect(p != MAP_FAILED);
        if (in != NULL)
                memcpy(p + (at - first), in, n_bytes);
        else
                memcpy(out, p + (at - first), n_bytes);
        munmap(p, at + n_bytes - first);
}

void courier_look(void *bytes, int fd, size_t n_bytes, size_t at)
{
        copy_part(fd, bytes, NULL, n_bytes, at);
}

void courier_change(int fd, const void *bytes, size_t n_bytes, size_t at)
{
        copy_part(fd, NULL, bytes, n_bytes, at);
}

bool courier_is_used_up(int fd)
{
        struct courier_header h;
        struct stat file;
        unsigned char *bytes, any = 0;
        size_t n;

        courier_look(&h, fd, sizeof h, 0);
        expect(fstat(fd, &file) == 0 && file.st_size > (off_t)sizeof h);
        n = (size_t)file.st_size - sizeof h;
        expect((bytes = malloc(n)) != NULL);
        courier_look(bytes, fd, n, sizeof h);
        for (size_t i = 0; i < n; i++)
                any |= bytes[i];
        free(bytes);
        return any == 0 && (courier_is_hidden(fd) ? h.state == COURIER_TAKEN : (fcntl(fd, F_GET_SEALS) & F_SEAL_SEAL) != 0);
}

bool courier_has_hidden;

int courier_find_out(void **state)
{
        int fd = courier_forge(true, 1);

        (void)state;
        courier_has_hidden = fd >= 0;
        close(fd);
        return 0;
}

bool courier_is_closed(int fd)
{
        return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

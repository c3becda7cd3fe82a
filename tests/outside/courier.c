/* Couriers from outside: sent, forged, and looked into without the library. */
#include "outside/courier.h"

#include "outside/forked.h"

#include <fcntl.h>
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

static unsigned char *map_all(int fd, size_t *n_bytes)
{
        struct stat file;
        void *p;

        expect(fstat(fd, &file) == 0);
        *n_bytes = (size_t)file.st_size;
        p = mmap(NULL, *n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        expect(p != MAP_FAILED);
        return p;
}

void courier_look(void *bytes, int fd, size_t n_bytes, size_t at)
{
        size_t n_all;
        unsigned char *p = map_all(fd, &n_all);

        expect(at + n_bytes <= n_all);
        memcpy(bytes, p + at, n_bytes);
        munmap(p, n_all);
}

void courier_change(int fd, const void *bytes, size_t n_bytes, size_t at)
{
        size_t n_all;
        unsigned char *p = map_all(fd, &n_all);

        expect(at + n_bytes <= n_all);
        memcpy(p + at, bytes, n_bytes);
        munmap(p, n_all);
}

bool courier_is_used_up(int fd)
{
        struct courier_header h;
        size_t n_all;
        unsigned char *p, any = 0;
        bool is_taken;

        courier_look(&h, fd, sizeof h, 0);
        is_taken = courier_is_hidden(fd) ? h.state == COURIER_TAKEN : (fcntl(fd, F_GET_SEALS) & F_SEAL_SEAL) != 0;
        p = map_all(fd, &n_all);
        for (size_t i = sizeof h; i < n_all; i++)
                any |= p[i];
        munmap(p, n_all);
        return is_taken && any == 0;
}

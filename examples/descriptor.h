/* One descriptor over a unix socket (SCM_RIGHTS, unix(7)): what is sent beside the byte is a second name for the same open file, given to
 * the process at the other end. */
#ifndef EXAMPLES_DESCRIPTOR_H
#define EXAMPLES_DESCRIPTOR_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Aligned as its header is. */
union descriptor_room {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
};

/* 0, or -1 with errno. The caller still has the descriptor, and closes it. */
static inline int descriptor_send(int socket, int fd)
{
        char byte = 0;
        struct iovec data = {&byte, 1};
        union descriptor_room room = {{0}};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        ssize_t n;

        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(part), &fd, sizeof fd);
        do
                n = sendmsg(socket, &message, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        return n == 1 ? 0 : -1;
}

/* 0 and the descriptor, close-on-exec; or -1: errno, or 0 where the other end sent none. */
static inline int descriptor_receive(int socket, int *fd)
{
        char byte;
        struct iovec data = {&byte, 1};
        union descriptor_room room = {{0}};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = CMSG_LEN(sizeof *fd)};
        struct cmsghdr *part; /* room for one descriptor and no more (padded there would be for two): the kernel closes what is beyond */
        ssize_t n;

        errno = 0;
        do
                n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -1;
        errno = 0;
        part = CMSG_FIRSTHDR(&message);
        if (n == 0 || part == NULL || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS || part->cmsg_len != CMSG_LEN(sizeof *fd))
                return -1;
        memcpy(fd, CMSG_DATA(part), sizeof *fd);
        return 0;
}

#endif

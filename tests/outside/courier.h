/* Descriptors over unix sockets, and a courier's file as another program sees it. */
#ifndef TESTS_OUTSIDE_COURIER_H
#define TESTS_OUTSIDE_COURIER_H

#include <keepmum.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* docs/design.md, "Couriers". */
struct courier_header {
        char magic[8];
        uint32_t version, state;
        uint64_t payload_bytes, zero[5];
};

enum {
        COURIER_FULL = 0x6c6c7566,
        COURIER_TAKEN = 0x656b6174,
        COURIER_PLAIN_FLAGS = KEEPMUM_NOT_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED /* flags of a secret that goes by an ordinary memory file */
};

/* Sends a descriptor, -1 for none; false if the other end is gone. */
bool courier_send(int socket, int fd);
int courier_get(int socket);

extern bool courier_has_hidden; /* once found out, for a group's setup: whether there is secret memory here */
int courier_find_out(void **state);
bool courier_is_closed(int fd); /* the descriptor */

/* Makes a file as a courier is: of secret memory or not; -1 where there is none. The header is a right one for n_bytes. */
int courier_forge(bool is_hidden, size_t n_bytes);
bool courier_is_hidden(int fd);
/* Copies of and to its file, by mapping it. */
void courier_look(void *bytes, int fd, size_t n_bytes, size_t at);
void courier_change(int fd, const void *bytes, size_t n_bytes, size_t at);
/* Whether it is taken, and nothing but zeroes behind the header. */
bool courier_is_used_up(int fd);

#endif

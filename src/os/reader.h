/* Reading a file at any place, without trusting what it is: core files, /proc/PID/mem, /proc/PID/pagemap. */
#ifndef OS_READER_H
#define OS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens for reading; never waits for the other end of a FIFO, never becomes the controlling terminal. 0;
 * KEEPMUM_ENOTFOUND, KEEPMUM_EDENIED, KEEPMUM_EIO with errno. */
int reader_open(int *fd, const char *path);
void reader_close(int fd);

/* Whether it is a regular file, and how long. 0 or KEEPMUM_EIO. */
int reader_look(int fd, bool *is_regular, uint64_t *n_bytes);

/* One read at a place: *n_got is 0 at the end, or less than wanted. 0 or KEEPMUM_EIO with errno. */
int reader_at(int fd, uint64_t at, void *bytes, size_t n_bytes, size_t *n_got);

/* Of a process's pagemap: the first pages from *at on, and before end, that are in memory or in swap; *at becomes their
 * beginning, *stop their end, both end if there are none. False where the kernel cannot tell so (before 6.7). */
bool reader_next_present(int pagemap_fd, uint64_t *at, uint64_t *stop, uint64_t end);

/* The first place from at on, and before end, that is not a hole of a sparse file; end if there is none. */
uint64_t reader_next_data(int fd, uint64_t at, uint64_t end);

#endif

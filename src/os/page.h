/* Pages: reserving, mapping, locking, closing. One function per system call, its policy inside.
 *
 * Functions that return int return 0 or a KEEPMUM_E... and leave errno as the cause; the others cannot fail on a mapping of
 * their own and end the process if they do. All sizes are multiples of page_bytes(). */
#ifndef OS_PAGE_H
#define OS_PAGE_H

#include "base/fatal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t page_bytes(void);

/* Address space nobody may touch. KEEPMUM_ELIMIT (under mlockall(MCL_FUTURE)), KEEPMUM_ENOMEM. */
int page_reserve(void **base, size_t n_bytes);
void page_release(void *base, size_t n_bytes);
/* Gives back memory and lock of part of a reservation; the addresses stay, untouchable. */
int page_vacate(void *at, size_t n_bytes);
/* Fills a hole of the address space, if it still is one. */
void page_plug(void *at, size_t n_bytes);

/* Memory, closed, over part of a reservation: shared anonymous, or of a secret memory file. */
int page_map_anonymous(void *at, size_t n_bytes);
int page_map_file(void *at, size_t n_bytes, int fd, uint64_t offset);
/* Plain private memory for book-keeping, all zero, with an untouchable page on both sides. */
int page_map_table(void **table, size_t n_bytes);

int page_lock(void *at, size_t n_bytes);
size_t page_lock_limit(void); /* of a process without privilege; SIZE_MAX for none */
int page_no_dump(void *at, size_t n_bytes);
int page_no_fork(void *at, size_t n_bytes);
int page_wipe_on_fork(void *at, size_t n_bytes);
void page_no_huge(void *at, size_t n_bytes); /* best effort: keeps a locked page in its frame */
/* Makes the kernel find the memory now, so that a shortage is KEEPMUM_ENOMEM here instead of SIGBUS later. */
int page_prefault(void *at, size_t n_bytes);

int page_open_first(void *at, size_t n_bytes);  /* while a chunk is made: failing is an error */
int page_close_first(void *at, size_t n_bytes);

/* The bare calls, one jump each: see secret/access.c about returns after a system call. For the three below. */
int page_set_none(void *at, size_t n_bytes);
int page_set_read(void *at, size_t n_bytes);
int page_set_write(void *at, size_t n_bytes);

static inline void page_close(void *at, size_t n_bytes)
{
        must(page_set_none(at, n_bytes) == 0, "mprotect of a slot failed");
}

static inline void page_open_read(void *at, size_t n_bytes)
{
        must(page_set_read(at, n_bytes) == 0, "mprotect of a slot failed");
}

static inline void page_open_write(void *at, size_t n_bytes)
{
        must(page_set_write(at, n_bytes) == 0, "mprotect of a slot failed");
}

/* Whether the kernel can write one byte there, asked without a signal and without a descriptor. Changes the byte if so. */
bool page_probe_writable(void *at);
/* Whether the kernel can read there, asked without a signal, a descriptor or a change of anything. At a multiple of 4. */
bool page_probe_readable(const void *at);
/* Whether the kernel holds the mapping for locked, asked without a descriptor. Its contents are lost if not. 0 or KEEPMUM_ESYSTEM. */
int page_probe_locked(bool *is_locked, void *at, size_t n_bytes);
/* Fills with random bytes, opening the page again as often as another thread closes it. Async-signal-safe. */
void page_scramble(void *at, size_t n_bytes);

/* ---- for the heap's ranges (heap/range.c, heap/run.c): best effort, errno kept ---- */

/* Drops the contents: the memory is zero when it is touched again. False if the kernel refuses (locked memory). */
bool page_discard(void *at, size_t n_bytes);
/* residents[i] is odd where page i is in memory now, even where it was never touched or is swapped out. False: not known. */
bool page_find_residents(unsigned char *residents, void *at, size_t n_bytes);
size_t page_address_limit(void); /* RLIMIT_AS in bytes, SIZE_MAX where there is none */

/* ---- for the heap's large blocks (heap/large.c, heap/large_cache.c): best effort, errno kept ---- */

/* Closed addresses that are charged as memory once they are opened (page_reserve's never are). NULL if refused. */
void *page_set_aside(size_t n_bytes);
/* Drops the memory of a part of them and closes it; false if the kernel refuses: then nothing is promised but that it is still ours. */
bool page_empty(void *at, size_t n_bytes);
bool page_unmap(void *base, size_t n_bytes); /* false at the limit of mappings, where the kernel may refuse to split one */
/* Moves the memory of from_bytes over to_bytes set aside elsewhere; what is more is open and zero. Where it was, and where it should
 * have gone if the kernel refuses, is a hole perhaps: page_mend() closes it again. False if it cannot, since
 * somebody else has got addresses of it, or if there was none. */
bool page_move(void *to, size_t to_bytes, void *from, size_t from_bytes);
bool page_mend(void *hole, size_t hole_bytes);

#endif

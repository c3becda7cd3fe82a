/* What the kernel says of this process, and what it is asked to do to it. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define OS_PROCESS_SINGLE 1
#endif

/* Reads a small file of /proc or /sys as text, NUL-terminated, cut if longer. errno is kept. */
bool process_read_text(const char *path, char *text, size_t text_bytes);
/* Whether the process has about as many mappings as vm.max_map_count allows. errno is kept. */
bool process_mappings_are_used_up(void);
/* KEEPMUM_ENOMEM that is the limit of mappings becomes KEEPMUM_ENOSLOT; other values stay. Slow where it is one: the list of mappings is read. */
int process_name_shortage(int err);
/* Whether a file may be as long as this (RLIMIT_FSIZE), asked because to try would raise SIGXFSZ; where not, errno is EFBIG. */
bool process_may_make_file(size_t n_bytes);
/* Lets others run: at the first times by giving up the CPU, later for a tenth of a millisecond. */
void process_pause(unsigned n_times_before);

int process_forbid_dump(void);         /* 0; KEEPMUM_ENODUMP */
int process_forbid_core(void);         /* 0; KEEPMUM_ENODUMP */
int process_forbid_new_privs(void);    /* 0; KEEPMUM_ESYSTEM */
int process_lock_all(void);            /* 0; KEEPMUM_ENOLOCK */

/* Whether no other thread was started by the C library; false if it does not tell. */
static inline bool process_has_one_thread(void)
{
#ifdef OS_PROCESS_SINGLE
        return __libc_single_threaded;
#else
        return false;
#endif
}

/* Lets others run: sleeps about a millisecond. errno is kept. */
void process_nap(void);

#endif

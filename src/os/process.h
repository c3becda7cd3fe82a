/* What the kernel says of this process, and what it is asked to do to it. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a small file of /proc or /sys as text, NUL-terminated, cut if longer. errno is kept. */
bool process_read_text(const char *path, char *text, size_t text_bytes);
/* Whether the process has about as many mappings as vm.max_map_count allows. errno is kept. */
bool process_mappings_are_used_up(void);

int process_forbid_dump(void);         /* 0; KEEPMUM_ENODUMP */
int process_forbid_core(void);         /* 0; KEEPMUM_ENODUMP */
int process_forbid_new_privs(void);    /* 0; KEEPMUM_ESYSTEM */
int process_lock_all(void);            /* 0; KEEPMUM_ENOLOCK */

#endif

/* Reading /proc/PID/smaps: what the kernel says of each mapping. */
#ifndef SECRET_SMAPS_H
#define SECRET_SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* VmFlags that matter here (proc(5)). */
#define MAPPING_LOCKED 1u        /* lo */
#define MAPPING_NO_DUMP 2u       /* dd */
#define MAPPING_NO_FORK 4u       /* dc */
#define MAPPING_WIPE_ON_FORK 8u  /* wf */
#define MAPPING_SEALED 16u       /* sl */

struct mapping {
        uint64_t start, end;          /* addresses; end is the first one after it */
        char perms[5];                /* such as "rw-p" */
        uint64_t offset, inode;
        char name[256];               /* path or [heap], "" for anonymous; cut if longer, escapes as the kernel wrote them */
        unsigned flags;               /* MAPPING_... */
        uint64_t rss_kb, locked_kb, swap_kb;
};

/* A parser that is fed text in pieces of any size and calls back once for each whole mapping. */
struct smaps {
        bool (*found)(void *context, const struct mapping *mapping); /* false: stop */
        void *context;
        struct mapping mapping;
        bool in_mapping, is_stopped, is_bad;
        size_t line_bytes;
        char line[512]; /* a longer line is cut */
};

void smaps_begin(struct smaps *s, bool (*found)(void *context, const struct mapping *mapping), void *context);
void smaps_feed(struct smaps *s, const char *text, size_t n_bytes);
bool smaps_end(struct smaps *s); /* flushes the last mapping; false if some line was not as the kernel writes them */

/* Reads a whole file of /proc through it. 0; KEEPMUM_ENOTFOUND, KEEPMUM_EDENIED, KEEPMUM_ESYSTEM with errno. */
int smaps_read(const char *path, bool (*found)(void *context, const struct mapping *mapping), void *context);

#endif

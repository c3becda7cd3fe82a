/* A core file: what of a process's memory stands where in it. */
#ifndef SECRETCTL_CORE_FILE_H
#define SECRETCTL_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_file {
        int fd;
        uint64_t n_bytes;    /* of the file */
        uint64_t headers_at; /* the program headers */
        uint64_t n_headers;
        uint64_t due_bytes;  /* the file should have, if it is cut off */
};

enum core_verdict {
        CORE_IS_FINE,
        CORE_IS_NO_FILE,    /* a FIFO, a directory, a device */
        CORE_IS_COMPRESSED,
        CORE_IS_NO_ELF,
        CORE_IS_NO_CORE,    /* a program, a library */
        CORE_IS_32_BIT,
        CORE_IS_OTHER_ENDIAN,
        CORE_IS_CUT_OFF,
        CORE_IS_DAMAGED,
        CORE_IS_UNREADABLE  /* errno says why */
};

enum core_part { CORE_MEMORY, CORE_NOTES, CORE_OTHER };

struct core_segment {
        enum core_part part;
        uint64_t start, end;           /* addresses; of memory */
        uint64_t file_at, file_bytes;  /* not more than end - start of memory */
        char perms[5];
};

/* Looks at all headers. fd stays the caller's. */
enum core_verdict core_open(struct core_file *c, int fd);

/* The i'th of n_headers; false if it is not (any more) one that core_open() lets pass. */
bool core_segment(const struct core_file *c, uint64_t i, struct core_segment *s);

/* The file names that the kernel has noted (NT_FILE), each with the addresses it was mapped at; long ones are cut. */
void core_names(const struct core_file *c,
                void (*found)(void *context, uint64_t start, uint64_t end, const char *name), void *context);

#endif

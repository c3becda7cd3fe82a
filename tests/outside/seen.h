/* What the kernel shows of a process: read by other means than the library's own parser, so that one checks the other. */
#ifndef TESTS_OUTSIDE_SEEN_H
#define TESTS_OUTSIDE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
        uintptr_t start, end;
        char perms[8];
        char name[128];
        char flags[160]; /* " rd wr lo dd ", a space on both sides of each */
};

struct view {
        size_t n;
        struct seen *all; /* lives until view_free() */
};

struct view view_of_self(void);
void view_free(struct view *v);
/* The mapping with this address in it, NULL for a hole. */
const struct seen *view_at(const struct view *v, const void *address);
bool seen_has(const struct seen *m, const char *two_letters);

/* One mapping or none: the permissions at an address ("" for a hole). */
bool is_shut(const void *address); /* ---s, of a slot */
bool is_hole(const void *address);

bool has_shared_memory(void); /* as all slots are */
size_t count_mappings(void);
size_t count_descriptors(void);
size_t locked_kb(void);       /* VmLck of this process */
size_t address_space_kb(void); /* VmSize */

#endif

/* What an audit looks through: the memory of a process, or a core file. */
#ifndef SECRETCTL_AUDITED_H
#define SECRETCTL_AUDITED_H

#include "secretctl/core_file.h"
#include "secretctl/findings.h"

/* Both give the search, begun with findings_count() and f, all the bytes there are. */

/* 0; KEEPMUM_ENOTFOUND, KEEPMUM_EDENIED; what layout_read() and keepmum_call_clean() return. f->is_complete is false
 * where the process ended meanwhile. */
int audited_process(struct findings *f, struct search *s, int pid);

/* 0; KEEPMUM_EIO with errno; KEEPMUM_EDAMAGED where the file changed meanwhile. */
int audited_core(struct findings *f, struct search *s, const struct core_file *c);

#endif

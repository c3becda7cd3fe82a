/* What an audit has found: a row for each place that holds copies, sums, and what was not looked at. */
#ifndef SECRETCTL_FINDINGS_H
#define SECRETCTL_FINDINGS_H

#include "secretctl/search.h"
#include "secret/smaps.h"

struct place_row {
        uint64_t start, end;
        char perms[5];
        char name[256];
        unsigned flags; /* MAPPING_..., of a process */
        bool is_secret_memory, has_flags; /* a core file tells no flags */
        uint64_t of[COPIES];
};

struct findings {
        struct place_row *rows;       /* those that hold copies, then those that were not wholly looked at */
        size_t n_rows, n_final, n_room;
        bool is_out_of_memory;
        uint64_t of[COPIES], total;
        uint64_t n_outside;           /* of total, in memory that may reach swap or a core file */
        uint64_t n_places_left_out;   /* with copies, but for which there is no row */
        uint64_t searched_bytes;
        uint64_t hidden_bytes;        /* not looked at: nobody reads it from outside */
        uint64_t unreadable_bytes;    /* not looked at: the kernel refused */
        uint64_t absent_bytes;        /* not looked at: in no memory of the process, or not in the core file */
        bool is_complete;             /* false: the process ended, or changed, before all was looked at */
};

/* Begins the place that bytes come from next; passed as search_passed() says. place's counts are zero. */
void findings_place(struct findings *f, const struct place_row *place, uint64_t passed);
/* For search_begin(). */
void findings_count(void *findings, uint64_t address, enum copy copy);
/* All was looked at: only rows with copies are left. */
void findings_finish(struct findings *f);
void findings_free(struct findings *f);

/* subject: such as "process 12". On standard output. */
void findings_show(const struct findings *f, const char *subject, size_t canary_bytes);
/* The object's fields from ", " on, without its end. */
void findings_json(const struct findings *f, size_t canary_bytes);

#endif

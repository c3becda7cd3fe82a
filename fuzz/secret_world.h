/* The eight secrets that fuzz_secret_operations.c plays with, and the operations it knows. */
#ifndef FUZZ_SECRET_WORLD_H
#define FUZZ_SECRET_WORLD_H

#include "secret_model.h"
#include "target.h"

enum { WORLD_PLACES = 8, WORLD_STALE = 4 };

extern struct world {
        struct model secrets[WORLD_PLACES];
        keepmum_secret stale[WORLD_STALE];
        unsigned n_stale;
        unsigned n_threads, n_forks, n_verifies; /* costly operations so far */
        size_t budget;
} world;

extern bool world_is_privileged, world_has_hidden;

/* What operations take out of the input. */
struct model *world_take_place(struct input *in);
size_t world_take_size(struct input *in);
unsigned world_take_flags(struct input *in);
uint8_t *world_some_bytes(struct input *in, size_t n_bytes);

/* Whether this error may be for want of locked memory, of which the model cannot know how much there is. */
bool world_may_refuse(int err, unsigned flags);
/* The same for a call that opens the secret, or does not need to: it stays where it is. */
bool world_may_not_open(int err, const struct model *m);
/* Compares what creation answered; whether there is a secret now. */
bool world_is_created(int err, size_t n_bytes, unsigned flags);

void world_close(struct model *m);
void world_check_after_close(struct model *m);
void world_destroy(struct model *m);
/* What destroying left: a writer's own destroy closes first, a reader's goes on until the last close. */
void world_check_after_destroy(struct model *m, keepmum_secret handle, bool by_writer);
void world_empty(struct model *m); /* closes and destroys whatever is there */

void world_check_counts(void);
uint64_t world_locked_bytes(void);
/* Closed ones are opened and compared: whatever was sealed meanwhile is there. */
void world_check_contents(struct model *m);

/* The operations. */
typedef void operation(struct input *in, struct model *m);
operation op_create, op_take, op_open_read, op_open_write, op_scribble, op_close, op_destroy, op_resize, op_equal,
        op_fill_random, op_look, op_verify, op_count, op_budget, op_null, op_read_fd, op_write_fd,
        op_destroy_elsewhere, op_close_elsewhere, op_fork, op_write_beside, op_misuse, op_stale, op_seal_all, op_clone,
        op_share, op_forged;

#endif

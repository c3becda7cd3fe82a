/* A spy: this process, which tries to read a closed secret out of another one by the roads that root has. */
#ifndef BENCH_SPY_H
#define BENCH_SPY_H

#include "keepers.h"

enum spy_road { SPY_MEM, SPY_VM_READV, SPY_PTRACE, SPY_ROADS };
extern const char *const spy_road_names[SPY_ROADS];

struct spying {
        bool is_read[SPY_ROADS];
        bool is_read_at_all;
};

/* NULL, or why it could not be tried: each road must first have led to bytes that are no secret. */
const char *spy_on(struct spying *s, const struct keeper *k);

#endif

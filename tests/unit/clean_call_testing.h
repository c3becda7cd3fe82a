/* What the tests of clean calls share: a function that is called, and whether the stack it ran on is clean. */
#ifndef TESTS_UNIT_CLEAN_CALL_TESTING_H
#define TESTS_UNIT_CLEAN_CALL_TESTING_H

#include "unit/harness.h"

#include "base/moved_call.h"
#include "secret/stack.h"

enum { MARK = 0x5a, DEEP_BYTES = 20000 };

static uintptr_t deepest; /* what make_dirty() last wrote to, on the stack of its caller */

/* Leaves its mark on the stack, deep down. */
static __attribute__((noinline, unused)) void make_dirty(void)
{
        volatile unsigned char bytes[DEEP_BYTES];

        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = MARK;
        deepest = (uintptr_t)bytes;
}

static inline bool is_all_zero(const unsigned char *bytes, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                if (bytes[i] != 0)
                        return false;
        return true;
}

/* A kept stack stays readable: from the deepest byte used to its end nothing is left. */
static inline bool is_clean(void)
{
        struct slot *at = NULL;

        for (uint32_t i = pool_first_slot; i < ledger_count(&pool_slots); i++)
                if (deepest - (uintptr_t)pool_slot(i)->bytes < pool_slot(i)->n_bytes)
                        at = pool_slot(i);
        return at != NULL && is_all_zero(at->bytes, at->n_bytes);
}

static inline int add_one(void *arg)
{
        make_dirty();
        return *(int *)arg + 1;
}

#endif

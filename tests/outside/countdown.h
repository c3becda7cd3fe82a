/* The call that fails, counted down to, once or from then on, with a cause: for programs that wrap calls (outside/wrapped.h). */
#ifndef TESTS_OUTSIDE_COUNTDOWN_H
#define TESTS_OUTSIDE_COUNTDOWN_H

#include "outside/wrapped.h"

#include <errno.h>
#include <stdbool.h>

static long countdown = -1; /* calls until the one that fails; -1: none does */
static bool is_lasting, has_fired;
static int cause;
static const char *failed;

static bool fails(const char *name)
{
        if (countdown < 0 || (countdown > 0 && --countdown >= 0))
                return false;
        has_fired = true;
        failed = name;
        if (!is_lasting)
                countdown = -1;
        errno = cause;
        return true;
}

#endif

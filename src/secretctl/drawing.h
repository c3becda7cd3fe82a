/* The address space of a process as a picture. */
#ifndef SECRETCTL_DRAWING_H
#define SECRETCTL_DRAWING_H

#include "secretctl/layout.h"

/* Draws on standard output, from high addresses to low. Returns false without memory for it. */
bool drawing_show(const struct layout *l);

#endif

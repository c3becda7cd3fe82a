/* Whether a text is JSON (RFC 8259), of which only that is asked. */
#ifndef TESTS_OUTSIDE_JSON_H
#define TESTS_OUTSIDE_JSON_H

#include <stdbool.h>
#include <stddef.h>

bool json_is_valid(const char *text, size_t n_bytes);

#endif

/* The tables about secrets, for one setting each. */
#ifndef BENCH_SECRET_TABLES_H
#define BENCH_SECRET_TABLES_H

#include "secret_ways.h"

/* which: what is said of the setting in the heading, such as "32 B, hidden memory". */
void table_life(struct secret_setting *s, const char *which);
void table_pool(struct secret_setting *s, const char *which, double goal);
void table_sealed(size_t n_bytes, unsigned flags, const char *which, double goal);
void table_brackets(struct secret_setting *s, const char *which);
void table_clean_calls(struct secret_setting *s, const char *which);

#endif

/* Running secretctl audit with the canary of audit_target.h, and what it should say of that target. */
#ifndef TESTS_OUTSIDE_AUDIT_RUN_H
#define TESTS_OUTSIDE_AUDIT_RUN_H

#include "outside/audit_target.h"
#include "outside/tool.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { FOUND = 14 }; /* the exit code */

/* The counts of copies in JSON. */
#define COPIES(whole, first, second, fragment, le, be, hex, upper, base64, url)                                     \
        "{\"whole\": " #whole ", \"first_half\": " #first ", \"second_half\": " #second ", \"fragment\": " #fragment   \
        ", \"utf16le\": " #le ", \"utf16be\": " #be ", \"hex\": " #hex ", \"hex_upper\": " #upper                      \
        ", \"base64\": " #base64 ", \"base64_url\": " #url "}"

/* What the target "forms" holds. */
enum { PLANTED = 3 + 3 + 2 + 6 + 3 + 4, PLANTED_OUTSIDE = PLANTED - 1 };

/* option may be NULL. */
struct run audit_with(const void *canary, size_t n_bytes, const char *subject, const char *option);
struct run audit_subject(const char *subject, const char *option);
struct run audit_process(pid_t pid, const char *option);

void assert_has(const char *text, const char *part);
uint64_t number_behind(const char *text, const char *field);
/* The counts of the row that begins at an address. */
void assert_row(const char *json, uint64_t start, const char *copies);
/* All rows of the target "forms"; a core file lacks what is kept out of it. */
void assert_planted(const char *json, bool has_kept);

#endif

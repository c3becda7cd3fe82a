/* The canary goes in by standard input. */
#include "outside/audit_run.h"

#include "cmocka_main.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run audit_with(const void *canary, size_t n_bytes, const char *subject, const char *option)
{
        return tool_run_with(canary, n_bytes, (const char *const[]){"audit", "--canary-fd=0", subject, option, NULL});
}

struct run audit_subject(const char *subject, const char *option)
{
        static unsigned char canary[CANARY_BYTES];

        for (size_t i = 0; i < sizeof canary; i++)
                canary[i] = canary_byte(i);
        return audit_with(canary, sizeof canary, subject, option);
}

struct run audit_process(pid_t pid, const char *option)
{
        char number[16];

        snprintf(number, sizeof number, "%d", (int)pid);
        return audit_subject(number, option);
}

void assert_has(const char *text, const char *part)
{
        if (strstr(text, part) == NULL)
                fail_msg("no \"%s\" in:\n%s", part, text);
}

/* The counts of the row that begins at an address: none_of_it with some numbers changed. */
void assert_row(const char *json, uint64_t start, const char *copies)
{
        char beginning[64];

        snprintf(beginning, sizeof beginning, "{\"start\": \"%" PRIx64 "\"", start);
        const char *row = strstr(json, beginning), *at = row != NULL ? strstr(row, "\"copies\": ") : NULL;
        if (at == NULL || strncmp(at + 10, copies, strlen(copies)) != 0)
                fail_msg("at %" PRIx64 ": not %s in:\n%s", start, copies, json);
}

uint64_t number_behind(const char *text, const char *field)
{
        const char *at = strstr(text, field);

        assert_non_null(at);
        return strtoull(at + strlen(field), NULL, 10);
}

void assert_planted(const char *json, bool has_kept)
{
        static const char one[] = COPIES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0);

        assert_row(json, PLACE_ADDRESS(PLACE_WHOLE), COPIES(3, 0, 0, 0, 0, 0, 0, 0, 0, 0));
        assert_row(json, PLACE_ADDRESS(PLACE_HEX), COPIES(0, 0, 0, 0, 0, 0, 2, 1, 0, 0));
        assert_row(json, PLACE_ADDRESS(PLACE_UTF16), COPIES(0, 0, 0, 0, 1, 1, 0, 0, 0, 0));
        assert_row(json, PLACE_ADDRESS(PLACE_BASE64), COPIES(0, 0, 0, 0, 0, 0, 0, 0, 3, 3));
        assert_row(json, PLACE_ADDRESS(PLACE_PARTS), COPIES(0, 1, 1, 1, 0, 0, 0, 0, 0, 0));
        assert_row(json, PLACE_ADDRESS(PLACE_MEMFD), one);
        assert_row(json, PLACE_ADDRESS(PLACE_CLOSED), one);
        assert_row(json, PLACE_ADDRESS(PLACE_TWO), one);
        if (has_kept)
                assert_row(json, PLACE_ADDRESS(PLACE_KEPT), one);
}

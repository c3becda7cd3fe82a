/* Attributes of an entry. The fields of the JSON object are frozen: name, user, url (strings, empty if there is
 * none), tags (an array of strings), added, changed (times in UTC to the millisecond, RFC 3339). */
#include "secretctl/entry.h"

#include "secretctl/output.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Milliseconds of the second; the rest in broken-down time. */
static int split_time(struct tm *tm, int64_t ms, struct tm *split(const time_t *, struct tm *))
{
        int fraction = (int)(ms % 1000);
        time_t t = (time_t)(ms / 1000 - (fraction < 0));

        if (split(&t, tm) == NULL)
                *tm = (struct tm){.tm_mday = 1, .tm_year = 70}; /* no calendar reaches there */
        return fraction < 0 ? fraction + 1000 : fraction;
}

static void json_time(const char *name, int64_t ms)
{
        struct tm tm;
        char text[64];
        int fraction = split_time(&tm, ms, gmtime_r);

        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
        output_format(", \"%s\": \"%s.%03dZ\"", name, text, fraction);
}

static void plain_time(const char *label, int64_t ms)
{
        struct tm tm;
        char text[64];

        split_time(&tm, ms, localtime_r);
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm);
        output_format("%-9s%s\n", label, text);
}

static void json_text(const char *name, const char *text)
{
        output_format("\"%s\": ", name);
        output_json_text(text);
}

static void json_tags(const char *tags)
{
        char tag[16385]; /* the longest list of tags there is, and its end */
        bool is_first = true;

        output_format(", \"tags\": [");
        while (*tags != '\0') {
                size_t n_bytes = strcspn(tags, ",");

                if (n_bytes > 0 && n_bytes < sizeof tag) {
                        memcpy(tag, tags, n_bytes);
                        tag[n_bytes] = '\0';
                        output_format(is_first ? "" : ", ");
                        output_json_text(tag);
                        is_first = false;
                }
                tags += n_bytes + (tags[n_bytes] == ',');
        }
        output_format("]");
}

void entry_as_json(const keepmum_vault *vault, size_t number)
{
        int64_t added_ms, changed_ms;

        keepmum_vault_times(vault, number, &added_ms, &changed_ms);
        output_format("{");
        json_text("name", keepmum_vault_text(vault, number, KEEPMUM_VAULT_NAME));
        output_format(", ");
        json_text("user", keepmum_vault_text(vault, number, KEEPMUM_VAULT_USER));
        output_format(", ");
        json_text("url", keepmum_vault_text(vault, number, KEEPMUM_VAULT_URL));
        json_tags(keepmum_vault_text(vault, number, KEEPMUM_VAULT_TAGS));
        json_time("added", added_ms);
        json_time("changed", changed_ms);
        output_format("}");
}

static void plain_text(const char *label, const char *text)
{
        if (text[0] == '\0')
                return;
        output_format("%-9s", label);
        output_text(text);
        output_format("\n");
}

void entry_as_text(const keepmum_vault *vault, size_t number)
{
        int64_t added_ms, changed_ms;

        keepmum_vault_times(vault, number, &added_ms, &changed_ms);
        plain_text("name:", keepmum_vault_text(vault, number, KEEPMUM_VAULT_NAME));
        plain_text("user:", keepmum_vault_text(vault, number, KEEPMUM_VAULT_USER));
        plain_text("url:", keepmum_vault_text(vault, number, KEEPMUM_VAULT_URL));
        plain_text("tags:", keepmum_vault_text(vault, number, KEEPMUM_VAULT_TAGS));
        plain_time("added:", added_ms);
        plain_time("changed:", changed_ms);
}

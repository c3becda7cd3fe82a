/* A reader of JSON that keeps nothing. Strings must be UTF-8, as far as lengths of sequences go. */
#include "json.h"

#include <string.h>

struct reader {
        const char *at, *end;
        int depth;
};

static bool value(struct reader *r);

static void skip_space(struct reader *r)
{
        while (r->at < r->end && *r->at != '\0' && strchr(" \t\r\n", *r->at) != NULL)
                r->at++;
}

static bool take(struct reader *r, const char *word)
{
        size_t n_bytes = strlen(word);

        if ((size_t)(r->end - r->at) < n_bytes || memcmp(r->at, word, n_bytes) != 0)
                return false;
        r->at += n_bytes;
        return true;
}

static bool digits(struct reader *r)
{
        const char *start = r->at;

        while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
                r->at++;
        return r->at > start;
}

static bool number(struct reader *r)
{
        take(r, "-");
        if (!take(r, "0") && !digits(r))
                return false;
        if (take(r, ".") && !digits(r))
                return false;
        if (take(r, "e") || take(r, "E")) {
                if (!take(r, "+"))
                        take(r, "-");
                return digits(r);
        }
        return true;
}

static bool escape(struct reader *r)
{
        if (r->at == r->end || strchr("\"\\/bfnrtu", *r->at) == NULL || *r->at == '\0')
                return false;
        if (*r->at++ != 'u')
                return true;
        for (int i = 0; i < 4; i++, r->at++)
                if (r->at == r->end || *r->at == '\0' || strchr("0123456789abcdefABCDEF", *r->at) == NULL)
                        return false;
        return true;
}

static bool character(struct reader *r)
{
        unsigned char c = (unsigned char)*r->at++;
        int n_more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;

        if (c < 0x20 || n_more < 0)
                return false;
        for (; n_more > 0; n_more--, r->at++)
                if (r->at == r->end || (*r->at & 0xc0) != 0x80)
                        return false;
        return c != '\\' || escape(r);
}

static bool string(struct reader *r)
{
        if (!take(r, "\""))
                return false;
        while (r->at < r->end && *r->at != '"')
                if (!character(r))
                        return false;
        return take(r, "\"");
}

static bool member(struct reader *r)
{
        skip_space(r);
        if (!string(r))
                return false;
        skip_space(r);
        return take(r, ":") && value(r);
}

static bool sequence(struct reader *r, bool part(struct reader *), const char *close)
{
        skip_space(r);
        if (take(r, close))
                return true;
        do {
                if (!part(r))
                        return false;
                skip_space(r);
        } while (take(r, ","));
        return take(r, close);
}

static bool value(struct reader *r)
{
        bool is_good;

        if (++r->depth > 50)
                return false;
        skip_space(r);
        if (r->at == r->end)
                is_good = false;
        else if (take(r, "{"))
                is_good = sequence(r, member, "}");
        else if (take(r, "["))
                is_good = sequence(r, value, "]");
        else if (*r->at == '"')
                is_good = string(r);
        else
                is_good = take(r, "true") || take(r, "false") || take(r, "null") || number(r);
        r->depth--;
        return is_good;
}

bool json_is_valid(const char *text, size_t n_bytes)
{
        struct reader r = {text, text + n_bytes, 0};

        if (!value(&r))
                return false;
        skip_space(&r);
        return r.at == r.end;
}

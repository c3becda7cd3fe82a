/*
 * What the second reader of the vault file finds in opened records: numbers, texts, fields, heads and secrets, each
 * taken only in its one right form. second_reader.c is its only user.
 */
#ifndef TESTS_VECTORS_SECOND_READER_H
#define TESTS_VECTORS_SECOND_READER_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ATTRIBUTES = 3 };

struct bytes {
        uint8_t *p;
        size_t n;
};

struct entry {
        uint8_t *head; /* in clear; name and attributes point into it */
        struct bytes name, attribute[ATTRIBUTES];
        int64_t added, changed;
        uint64_t secret_seq;
        size_t secret_at; /* offset of the record that has the secret */
};

static uint64_t number(const uint8_t *p, size_t n)
{
        return n == 0 ? 0 : number(p + 1, n - 1) << 8 | p[0];
}

static bool is_zero(const uint8_t *p, size_t n)
{
        return n == 0 || sodium_is_zero(p, n) == 1;
}

static bool is_text(const uint8_t *s, size_t n)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

        for (size_t len; n > 0; s += len, n -= len) {
                uint32_t c = s[0];

                len = c < 0x80 ? 1 : c < 0xc0 ? 5 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 5;
                if (len > 4 || len > n)
                        return false;
                if (len > 1)
                        c &= 0x7fu >> len;
                for (size_t i = 1; i < len; c = c << 6 | (s[i++] & 0x3f))
                        if ((s[i] & 0xc0) != 0x80)
                                return false;
                if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                        return false;
                if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                        return false;
        }
        return true;
}

/* A field at p; 0 if it is not within n bytes or not right in itself, else what it takes. */
static size_t field(uint8_t *p, size_t n, struct bytes *content)
{
        if (n < 5 || p[0] < 1 || p[0] > 3 || p[1] != 0)
                return 0;
        *content = (struct bytes){p + 4, (size_t)number(p + 2, 2)};
        return content->n < 1 || content->n > n - 4 ? 0 : 4 + content->n;
}

static bool parse_attributes(uint8_t *p, size_t n, struct entry *e)
{
        struct bytes content;
        int last = 0;

        while (n > 0) {
                size_t size = field(p, n, &content);

                if (size == 0 || p[0] <= last || content.n > 16384 || !is_text(content.p, content.n))
                        return false;
                e->attribute[p[0] - 1] = content;
                last = p[0];
                p += size;
                n -= size;
        }
        return true;
}

static size_t rounded(size_t n, size_t step)
{
        return (n + step - 1) / step * step;
}

static bool parse_head(uint8_t *head, size_t n, struct entry *e)
{
        size_t name_len = (size_t)number(head + 50, 2), attr_len = (size_t)number(head + 52, 4);
        size_t used = 56 + name_len + attr_len;
        int op = head[48];

        if (op < 1 || op > 3 || head[49] != 0)
                return false;
        if (attr_len > n || rounded(used, 128) != n || !is_zero(head + used, n - used))
                return false;
        *e = (struct entry){.head = head, .name = {head + 56, name_len}};
        e->added = e->changed = (int64_t)number(head + 32, 8);
        e->secret_seq = number(head + 40, 8);
        if (op == 3)
                return used == 56;
        return name_len >= 1 && name_len <= 1024 && is_text(head + 56, name_len) &&
               parse_attributes(head + 56 + name_len, attr_len, e);
}

static size_t class_of(size_t n)
{
        size_t size = 64;

        while (size < n && size < 4096)
                size *= 2;
        return size < n ? rounded(n, 4096) : size;
}

static bool parse_secret(uint8_t *p, size_t n, struct bytes *secret)
{
        size_t main_len = (size_t)number(p, 4), rest_len = (size_t)number(p + 4, 4), used = 8 + main_len + rest_len;
        struct bytes content;
        int last = 0;

        if (main_len > 1048576 || rest_len > 1114112 || main_len + rest_len > 1114112 || class_of(used) != n ||
            !is_zero(p + used, n - used))
                return false;
        *secret = (struct bytes){p + 8, main_len};
        for (p += 8 + main_len; rest_len > 0; rest_len -= 4 + content.n, p += 4 + content.n) {
                if (field(p, rest_len, &content) == 0 || p[0] < last || (p[0] == last && last < 3))
                        return false;
                last = p[0];
                if (last == 3) {
                        const uint8_t *end = memchr(content.p, 0, content.n);

                        if (end == NULL || end == content.p || !is_text(content.p, (size_t)(end - content.p)))
                                return false;
                }
        }
        return true;
}

#endif

/* Secrets as text and back: hexadecimal and base64, from one secret's page into another's.
 *
 * The conversions are libsodium's, which compute each character from its bits: no table is looked up, and neither branches nor addresses depend
 * on the bytes as long as the text is right. Where it is wrong, the time tells how much of it was right. What libsodium ends its text
 * with, a zero byte, is cut off: a secret's size says where it ends. */
#include "base/registers.h"

#include <keepmum.h>
#include <sodium.h>

enum {
        CREATION_FLAGS = KEEPMUM_HIDDEN | KEEPMUM_NOT_HIDDEN | KEEPMUM_ACCEPT_UNLOCKED | KEEPMUM_STAY | KEEPMUM_EXACT_END | KEEPMUM_SEALED
};

struct conversion {
        /* Bytes that the result takes while it is made; 0 if there can be none. */
        size_t (*room)(const char *from, size_t n_from, unsigned flags);
        bool (*convert)(void *to, size_t room, const void *from, size_t n_from, unsigned flags);
        size_t n_extra; /* of the room, at its end */
};

static int variant_of(unsigned flags)
{
        return flags & KEEPMUM_BASE64_URL ? sodium_base64_VARIANT_URLSAFE_NO_PADDING : sodium_base64_VARIANT_ORIGINAL;
}

static size_t room_of_hex(const char *from, size_t n_from, unsigned flags)
{
        (void)from;
        (void)flags;
        return 2 * n_from + 1;
}

static bool make_hex(void *to, size_t room, const void *from, size_t n_from, unsigned flags)
{
        (void)flags;
        return sodium_bin2hex(to, room, from, n_from) != NULL;
}

static size_t room_of_base64(const char *from, size_t n_from, unsigned flags)
{
        (void)from;
        return sodium_base64_encoded_len(n_from, variant_of(flags));
}

static bool make_base64(void *to, size_t room, const void *from, size_t n_from, unsigned flags)
{
        return sodium_bin2base64(to, room, from, n_from, variant_of(flags)) != NULL;
}

static size_t room_from_hex(const char *from, size_t n_from, unsigned flags)
{
        (void)from;
        (void)flags;
        return n_from % 2 == 0 ? n_from / 2 : 0;
}

static bool read_hex(void *to, size_t room, const void *from, size_t n_from, unsigned flags)
{
        size_t n = 0;

        (void)flags;
        return sodium_hex2bin(to, room, from, n_from, NULL, &n, NULL) == 0 && n == room;
}

/* How much padding there is tells nothing but the size of the result. */
static size_t room_from_base64(const char *from, size_t n_from, unsigned flags)
{
        size_t n_digits = n_from;

        if (!(flags & KEEPMUM_BASE64_URL)) {
                if (n_from % 4 != 0)
                        return 0;
                for (unsigned i = 0; i < 2 && from[n_digits - 1] == '='; i++)
                        n_digits--;
        }
        return n_digits % 4 == 1 ? 0 : n_digits / 4 * 3 + n_digits % 4 * 6 / 8;
}

/* libsodium 1.0.18 takes characters above 127 for digits where char is signed. */
static bool is_ascii(const unsigned char *text, size_t n_bytes)
{
        unsigned char all = 0;

        for (size_t i = 0; i < n_bytes; i++)
                all |= text[i];
        return all < 128;
}

static bool read_base64(void *to, size_t room, const void *from, size_t n_from, unsigned flags)
{
        size_t n = 0;

        return is_ascii(from, n_from) && sodium_base642bin(to, room, from, n_from, NULL, &n, NULL, variant_of(flags)) == 0 && n == room;
}

/* ---- from page to page ---- */

/* Into a new secret of the whole room. */
static int convert_to_new(keepmum_secret *out, const void *from, size_t n_from, const struct conversion *c, unsigned flags)
{
        size_t room = c->room(from, n_from, flags);
        keepmum_secret s;
        bool is_right;
        void *to;
        int err;

        if (room == 0)
                return KEEPMUM_EINVAL;
        if ((err = keepmum_create(&s, room, flags & CREATION_FLAGS)) != 0)
                return err;
        if ((err = keepmum_open_write(s, &to, NULL)) == 0) {
                is_right = c->convert(to, room, from, n_from, flags);
                registers_wipe();
                keepmum_close(s);
                err = is_right ? keepmum_resize(s, room - c->n_extra) : KEEPMUM_EINVAL;
        }
        if (err != 0)
                keepmum_destroy(&s);
        else
                *out = s;
        return err;
}

static int convert(keepmum_secret *out, keepmum_secret s, const struct conversion *c, unsigned flags, unsigned own_flags)
{
        const void *from;
        size_t n_from;
        int err;

        if (out == NULL || (flags & ~(CREATION_FLAGS | own_flags)) != 0)
                return KEEPMUM_EINVAL;
        if ((err = keepmum_open_read(s, &from, &n_from)) != 0)
                return err;
        err = convert_to_new(out, from, n_from, c, flags);
        keepmum_close(s);
        return err;
}

int keepmum_to_hex(keepmum_secret *out, keepmum_secret s, unsigned flags)
{
        static const struct conversion c = {room_of_hex, make_hex, 1};

        return convert(out, s, &c, flags, 0);
}

int keepmum_from_hex(keepmum_secret *out, keepmum_secret s, unsigned flags)
{
        static const struct conversion c = {room_from_hex, read_hex, 0};

        return convert(out, s, &c, flags, 0);
}

int keepmum_to_base64(keepmum_secret *out, keepmum_secret s, unsigned flags)
{
        static const struct conversion c = {room_of_base64, make_base64, 1};

        return convert(out, s, &c, flags, KEEPMUM_BASE64_URL);
}

int keepmum_from_base64(keepmum_secret *out, keepmum_secret s, unsigned flags)
{
        static const struct conversion c = {room_from_base64, read_base64, 0};

        return convert(out, s, &c, flags, KEEPMUM_BASE64_URL);
}

/* Making the forms: raw, UTF-16, hexadecimal, base64. They stand one after the other in a secret of their own, and
 * are computed by a clean call from the canary's page to theirs: nothing of them is anywhere else.
 *
 * UTF-16 is of the characters where the canary is UTF-8, else each byte is widened. Of base64 there are the
 * characters whose six bits are all the canary's: what depends on its neighbours is left out. */
#include "secretctl/forms.h"

#include "secretctl/cleanly.h"
#include "secretctl/shown.h"

#include <string.h>

struct making {
        struct forms *f;
        uint8_t *to;
        const uint8_t *canary;
        size_t n_bytes;
};

/* The units of a character, one or two. */
static size_t utf16_units(uint16_t units[static 2], uint32_t code)
{
        if (code < 0x10000) {
                units[0] = (uint16_t)code;
                return 1;
        }
        units[0] = (uint16_t)(0xd800 + ((code - 0x10000) >> 10));
        units[1] = (uint16_t)(0xdc00 + ((code - 0x10000) & 0x3ff));
        return 2;
}

/* shown_step() gives one byte and 0xfffd for what is no UTF-8. */
static bool is_utf8(const uint8_t *p, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes;) {
                struct shown_step step = shown_step(p + i, n_bytes - i);

                if (step.n_bytes == 1 && p[i] >= 0x80)
                        return false;
                i += step.n_bytes;
        }
        return true;
}

static size_t make_utf16(uint8_t *to, const struct making *m, bool is_big_endian)
{
        bool has_characters = is_utf8(m->canary, m->n_bytes);
        size_t n_out = 0;

        for (size_t i = 0; i < m->n_bytes;) {
                struct shown_step step = has_characters ? shown_step(m->canary + i, m->n_bytes - i) :
                                                          (struct shown_step){1, m->canary[i], true};
                uint16_t units[2];
                size_t n_units = utf16_units(units, step.code);

                for (size_t k = 0; k < n_units; k++) {
                        to[n_out++] = (uint8_t)(is_big_endian ? units[k] >> 8 : units[k]);
                        to[n_out++] = (uint8_t)(is_big_endian ? units[k] : units[k] >> 8);
                }
                i += step.n_bytes;
        }
        return n_out;
}

static size_t make_hex(uint8_t *to, const struct making *m, char ten)
{
        for (size_t i = 0; i < 2 * m->n_bytes; i++) {
                unsigned digit = i % 2 == 0 ? m->canary[i / 2] >> 4 : m->canary[i / 2] & 15;

                to[i] = (uint8_t)(digit < 10 ? '0' + digit : (unsigned)ten + digit - 10);
        }
        return 2 * m->n_bytes;
}

static uint8_t base64_digit(unsigned six, bool is_url)
{
        if (six < 26)
                return (uint8_t)('A' + six);
        if (six < 52)
                return (uint8_t)('a' + six - 26);
        if (six < 62)
                return (uint8_t)('0' + six - 52);
        return (uint8_t)(six == 62 ? (is_url ? '-' : '+') : is_url ? '_' : '/');
}

/* n_before bytes of something else stand before it. */
static size_t make_base64(uint8_t *to, const struct making *m, size_t n_before, bool is_url)
{
        size_t first_bit = 8 * n_before, n_out = 0;

        for (size_t at = (first_bit + 5) / 6 * 6 - first_bit; at + 6 <= 8 * m->n_bytes; at += 6) {
                unsigned next = at / 8 + 1 < m->n_bytes ? m->canary[at / 8 + 1] : 0;
                unsigned two = (unsigned)m->canary[at / 8] << 8 | next;

                to[n_out++] = base64_digit(two >> (10 - at % 8) & 63, is_url);
        }
        return n_out;
}

static size_t make_one(uint8_t *to, const struct making *m, unsigned form)
{
        switch (form) {
        case FORM_RAW: memcpy(to, m->canary, m->n_bytes); return m->n_bytes;
        case FORM_UTF16LE: return make_utf16(to, m, false);
        case FORM_UTF16BE: return make_utf16(to, m, true);
        case FORM_HEX: return make_hex(to, m, 'a');
        case FORM_HEX_UPPER: return make_hex(to, m, 'A');
        default: return make_base64(to, m, (form - FORM_BASE64) % 3, form >= FORM_BASE64_URL);
        }
}

static bool is_known(const struct forms *f, const uint8_t *all, unsigned form, size_t n_bytes)
{
        for (unsigned i = 0; i < form; i++)
                if (f->of[i].n_bytes == n_bytes && memcmp(all + f->of[i].at, all + f->of[form].at, n_bytes) == 0)
                        return true;
        return false;
}

static int make_all(void *arg)
{
        struct making *m = arg;
        struct forms *f = m->f;
        uint32_t at = 0;

        for (unsigned form = 0; form < FORMS; form++) {
                f->of[form].at = at;
                size_t n_bytes = make_one(m->to + at, m, form);
                f->of[form].n_bytes = is_known(f, m->to, form, n_bytes) ? 0 : (uint32_t)n_bytes;
                at += f->of[form].n_bytes;
                if (f->longest < n_bytes)
                        f->longest = (uint32_t)n_bytes;
        }
        return 0;
}

int forms_make(struct forms *f, keepmum_secret canary)
{
        struct making m = {.f = f};
        const void *bytes;
        void *to;
        int err = keepmum_open_read(canary, &bytes, &m.n_bytes);

        *f = (struct forms){0};
        if (err != 0)
                return err;
        /* raw 1, UTF-16 and hexadecimal 2 each, base64 less than 1.5 each */
        if ((err = keepmum_create(&f->all, (1 + 4 * 2 + 9) * m.n_bytes, 0)) == 0 &&
            (err = keepmum_open_write(f->all, &to, NULL)) == 0) {
                m.to = to;
                m.canary = bytes;
                err = cleanly(make_all, &m);
                keepmum_close(f->all);
        }
        keepmum_close(canary);
        if (err != 0)
                forms_end(f);
        return err;
}

void forms_end(struct forms *f)
{
        keepmum_destroy(&f->all);
}

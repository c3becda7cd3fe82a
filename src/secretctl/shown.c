/* What may be shown. A name or a path comes from a file, an argument or another program, and a terminal obeys what
 * it is told: an escape character in a name could move the cursor, change the title or hide a line. So nothing goes
 * to a terminal but printable characters; the rest is shown as \xHH.
 *
 * Not printable are C0 and C1 controls (xterm obeys C1 in UTF-8 too), line and paragraph separators, the marks that
 * turn the direction of writing, and whatever is not UTF-8 in its shortest form. */
#include "secretctl/shown.h"

#include <string.h>

static const struct shown_step no_text = {1, 0xfffd, false};

static bool is_printable(uint32_t code)
{
        if (code < 0x20 || (code >= 0x7f && code < 0xa0))
                return false;
        if (code == 0x200e || code == 0x200f)
                return false;
        return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

struct shown_step shown_step(const uint8_t *p, size_t n_bytes)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        struct shown_step step = {1, p[0], false};

        if (p[0] >= 0xf8 || (p[0] >= 0x80 && p[0] < 0xc0))
                return no_text;
        if (p[0] >= 0xc0) {
                step.n_bytes = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
                step.code = p[0] & (0x7fu >> step.n_bytes);
        }
        if (step.n_bytes > n_bytes)
                return no_text;
        for (size_t i = 1; i < step.n_bytes; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return no_text;
                step.code = step.code << 6 | (p[i] & 0x3f);
        }
        if (step.code < smallest[step.n_bytes] || step.code > 0x10ffff || (step.code >= 0xd800 && step.code < 0xe000))
                return no_text;
        step.is_printable = is_printable(step.code);
        return step;
}

void shown_hex(char out[static 4], uint8_t byte)
{
        static const char digits[] = "0123456789abcdef";

        out[0] = '\\';
        out[1] = 'x';
        out[2] = digits[byte >> 4];
        out[3] = digits[byte & 15];
}

size_t shown_escape(char *out, size_t out_bytes, const char *text)
{
        const uint8_t *p = (const uint8_t *)text;
        size_t used = 0, n_left = strlen(text);

        while (n_left > 0) {
                struct shown_step step = shown_step(p, n_left);
                size_t wanted = step.is_printable ? step.n_bytes : 4 * step.n_bytes;

                if (wanted >= out_bytes - used)
                        break;
                if (step.is_printable)
                        memcpy(out + used, p, step.n_bytes);
                for (size_t i = 0; !step.is_printable && i < step.n_bytes; i++)
                        shown_hex(out + used + 4 * i, p[i]);
                used += wanted;
                p += step.n_bytes;
                n_left -= step.n_bytes;
        }
        out[used] = '\0';
        return used;
}

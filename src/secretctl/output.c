/* Standard output. A secret goes from its guarded page to the descriptor by keepmum_write_fd() and touches nothing
 * on the way; all else goes through one buffer, which holds no secret ever. The two are not mixed by one command.
 *
 * Always true: no failure is forgotten. A full disk, /dev/full, a reader that went away, a closed descriptor: the
 * exit code says it. */
#include "secretctl/output.h"

#include "os/standard.h"
#include "os/stream.h"
#include "secretctl/exit_code.h"
#include "secretctl/report.h"
#include "secretctl/shown.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STANDARD_OUTPUT = 1 };

static char buffer[16384];
static size_t n_in_buffer;
static int first_error, first_cause;

static void note_error(int err)
{
        if (err == 0 || first_error != 0)
                return;
        first_error = err;
        first_cause = errno;
}

static void write_buffer(void)
{
        if (first_error == 0)
                note_error(stream_write(STANDARD_OUTPUT, buffer, n_in_buffer));
        n_in_buffer = 0;
}

static void put(const void *bytes, size_t n_bytes)
{
        if (n_bytes > sizeof buffer - n_in_buffer)
                write_buffer();
        memcpy(buffer + n_in_buffer, bytes, n_bytes);
        n_in_buffer += n_bytes;
}

void output_format(const char *format, ...)
{
        char line[1024];
        va_list arguments;

        va_start(arguments, format);
        int n_bytes = vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        put(line, n_bytes < (int)sizeof line ? (size_t)n_bytes : sizeof line - 1);
}

static bool is_for_a_person(void)
{
        static int answer = -1;

        if (answer < 0)
                answer = standard_is_terminal(STANDARD_OUTPUT);
        return answer == 1;
}

void output_text(const char *text)
{
        const uint8_t *p = (const uint8_t *)text;
        char hex[4];

        for (size_t n_left = strlen(text); n_left > 0;) {
                struct shown_step step = shown_step(p, n_left);

                if (step.is_printable || !is_for_a_person())
                        put(p, step.n_bytes);
                else
                        for (size_t i = 0; i < step.n_bytes; i++) {
                                shown_hex(hex, p[i]);
                                put(hex, sizeof hex);
                        }
                p += step.n_bytes;
                n_left -= step.n_bytes;
        }
}

/* Everything not printable is below 0x10000: no surrogate pairs are needed. */
void output_json_text(const char *text)
{
        const uint8_t *p = (const uint8_t *)text;

        put("\"", 1);
        for (size_t n_left = strlen(text); n_left > 0;) {
                struct shown_step step = shown_step(p, n_left);

                if (!step.is_printable)
                        output_format("\\u%04x", (unsigned)step.code);
                else if (step.code == '"' || step.code == '\\')
                        output_format("\\%c", (char)step.code);
                else
                        put(p, step.n_bytes);
                p += step.n_bytes;
                n_left -= step.n_bytes;
        }
        put("\"", 1);
}

void output_json_bool(bool value)
{
        output_format("%s", value ? "true" : "false");
}

void output_style(enum output_style style)
{
        static const char *const codes[] = {"\033[0m", "\033[1m", "\033[32m", "\033[31m"};
        const char *no_color = getenv("NO_COLOR");

        if (is_for_a_person() && (no_color == NULL || no_color[0] == '\0'))
                put(codes[style], strlen(codes[style]));
}

int output_columns(void)
{
        return is_for_a_person() ? standard_columns(STANDARD_OUTPUT) : 0;
}

/* As setlocale(3) would choose, without its tables. */
bool output_has_line_characters(void)
{
        static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
        const char *locale = NULL;

        for (size_t i = 0; i < sizeof names / sizeof names[0] && (locale == NULL || locale[0] == '\0'); i++)
                locale = getenv(names[i]);
        return is_for_a_person() && locale != NULL &&
               (strcasestr(locale, "utf-8") != NULL || strcasestr(locale, "utf8") != NULL);
}

int output_begin(void)
{
        if (standard_can_write(STANDARD_OUTPUT))
                return EXIT_OK;
        report("standard output is closed");
        return EXIT_OTHER;
}

/* What a terminal may get of a secret: text, its lines and tabs. */
static bool step_may_be_shown(struct shown_step step)
{
        return step.is_printable || step.code == '\n' || step.code == '\t';
}

static size_t escaped_bytes(const uint8_t *p, size_t n_bytes)
{
        size_t total = 0;

        for (size_t i = 0; i < n_bytes;) {
                struct shown_step step = shown_step(p + i, n_bytes - i);

                total += step_may_be_shown(step) ? step.n_bytes : 4 * step.n_bytes;
                i += step.n_bytes;
        }
        return total;
}

static void escape_into(uint8_t *out, const uint8_t *p, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes;) {
                struct shown_step step = shown_step(p + i, n_bytes - i);
                bool is_shown = step_may_be_shown(step);

                for (size_t end = i + step.n_bytes; i < end; i++) {
                        if (!is_shown)
                                shown_hex((char *)out, p[i]);
                        else
                                *out = p[i];
                        out += is_shown ? 1 : 4;
                }
        }
}

/* A secret that holds more than text, escaped, in a secret of its own; {0} if it needs no escaping. */
static int escape_secret(keepmum_secret *out, keepmum_secret s)
{
        const void *bytes;
        void *escaped;
        size_t n_bytes, wanted;
        int err = keepmum_open_read(s, &bytes, &n_bytes);

        *out = (keepmum_secret){0};
        if (err != 0)
                return err;
        wanted = escaped_bytes(bytes, n_bytes);
        if (wanted > n_bytes && (err = keepmum_create(out, wanted, 0)) == 0 &&
            (err = keepmum_open_write(*out, &escaped, NULL)) == 0) {
                escape_into(escaped, bytes, n_bytes);
                keepmum_close(*out);
        }
        keepmum_close(s);
        if (err != 0)
                keepmum_destroy(out);
        return err;
}

static int show_secret(keepmum_secret s)
{
        keepmum_secret escaped = {0};
        int err = s.bits == 0 ? 0 : escape_secret(&escaped, s);

        if (err != 0)
                return report_error(err, "cannot show the secret");
        if (s.bits != 0)
                note_error(keepmum_write_fd(escaped.bits != 0 ? escaped : s, STANDARD_OUTPUT));
        note_error(stream_write(STANDARD_OUTPUT, "\n", 1)); /* now: before what is said on standard error */
        if (escaped.bits != 0) {
                report("this secret is not only text: other bytes are shown as \\xHH");
                report_hint("send the output to a file or a pipe to get its exact bytes");
        }
        keepmum_destroy(&escaped);
        return EXIT_OK;
}

int output_secret(keepmum_secret s)
{
        if (is_for_a_person())
                return show_secret(s);
        if (s.bits != 0)
                note_error(keepmum_write_fd(s, STANDARD_OUTPUT));
        return EXIT_OK;
}

int output_end(void)
{
        write_buffer();
        note_error(standard_close(STANDARD_OUTPUT));
        if (first_error == 0)
                return EXIT_OK;
        errno = first_cause;
        return report_error(first_error, "cannot write to standard output");
}

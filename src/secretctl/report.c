/* Standard error: one write(2) a line, so that the lines of parallel commands do not mix.
 *
 * Always true: whatever stands in a line, a terminal gets printable characters only (secretctl/shown.h), in a file it
 * is the same. A line that could not be written is remembered, and main() does not then say that all went well. */
#include "secretctl/report.h"

#include "base/error.h"
#include "os/standard.h"
#include "os/stream.h"
#include "secretctl/exit_code.h"
#include "secretctl/shown.h"

#include <errno.h>
#include <keepmum.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { STANDARD_ERROR = 2, LONGEST_LINE = 6000 };

static bool something_was_lost;

static void say(const char *prefix, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

static void say(const char *prefix, const char *format, va_list arguments)
{
        char plain[LONGEST_LINE], line[LONGEST_LINE + 32];
        size_t n_bytes = strlen(prefix);

        vsnprintf(plain, sizeof plain, format, arguments);
        memcpy(line, prefix, n_bytes);
        n_bytes += shown_escape(line + n_bytes, sizeof line - n_bytes - 1, plain);
        line[n_bytes++] = '\n';
        something_was_lost |= stream_write(STANDARD_ERROR, line, n_bytes) != 0;
}

void report(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        say("secretctl: ", format, arguments);
        va_end(arguments);
}

void report_hint(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        say("secretctl: hint: ", format, arguments);
        va_end(arguments);
}

int report_usage(const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        say("secretctl: ", format, arguments);
        va_end(arguments);
        return EXIT_USAGE;
}

/* Where the kernel's word says more than ours. */
static const char *sentence_of(int error, int cause)
{
        if (cause != 0 && (error == KEEPMUM_EIO || error == KEEPMUM_ESYSTEM))
                return strerror(cause);
        return keepmum_error_text(error);
}

static void hint_at_protection(int error)
{
        if (error == KEEPMUM_ELIMIT || error == KEEPMUM_ENOLOCK)
                report_hint("raise the limit of locked memory: ulimit -l, or LimitMEMLOCK= in a service");
        else if (error_exit_code(error) == EXIT_NOT_PROTECTED)
                report_hint("this system does not give the protection; secretctl inspect shows what it gives");
}

int report_error(int error, const char *doing)
{
        report("%s: %s", doing, sentence_of(error, errno));
        hint_at_protection(error);
        return error_exit_code(error);
}

static void say_to_person(const char *bytes)
{
        if (standard_is_terminal(STANDARD_ERROR) && stream_write(STANDARD_ERROR, bytes, strlen(bytes)) != 0)
                something_was_lost = true;
}

void report_busy(const char *what)
{
        char line[64];

        snprintf(line, sizeof line, "secretctl: %s ...", what);
        say_to_person(line);
}

void report_idle(void)
{
        say_to_person("\r\033[K");
}

bool report_was_lost(void)
{
        return something_was_lost;
}

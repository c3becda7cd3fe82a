/* Random passwords: every character of the set is equally likely, each independent of the others.
 *
 * Random bytes are drawn into a secret, and those at or above the largest multiple of the set's size are thrown away
 * (rejection sampling): taking the remainder of all of them would favour the first characters. The character is
 * looked up by reading the whole set, so that neither branch nor cache line depends on it. */
#include "secretctl/password.h"

#include "secretctl/exit_code.h"
#include "secretctl/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const char letters_and_digits[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
static const char all_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                     "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

enum { DRAWN_BYTES = 256 };

static int check_set(const char *set)
{
        size_t n = strlen(set);

        for (size_t i = 0; i < n; i++) {
                if (set[i] < ' ' || set[i] > '~')
                        return report_usage("--characters takes printable ASCII characters only");
                if (strchr(set + i + 1, set[i]) != NULL)
                        return report_usage("--characters has %c twice: it would come up twice as often", set[i]);
        }
        return n >= 2 ? EXIT_OK : report_usage("--characters wants two characters or more");
}

static int choose_set(const char **set, const struct request *r)
{
        *set = was_given(r, OPTION_NO_SYMBOLS) ? letters_and_digits : all_characters;
        if (!was_given(r, OPTION_CHARACTERS))
                return EXIT_OK;
        if (was_given(r, OPTION_NO_SYMBOLS))
                return report_usage("--characters and --no-symbols exclude each other");
        *set = r->text[OPTION_CHARACTERS];
        return check_set(*set);
}

static char character_at(const char *set, unsigned n_set, unsigned index)
{
        unsigned found = 0;

        for (unsigned i = 0; i < n_set; i++)
                found |= (unsigned char)set[i] & ((((i ^ index) - 1u) >> 8) & 0xff);
        return (char)found;
}

/* Turns drawn bytes into characters; returns how many of them there were. */
static size_t turn(char *out, size_t n_wanted, const uint8_t *drawn, const char *set)
{
        unsigned n_set = (unsigned)strlen(set), limit = 256 - 256 % n_set;
        size_t n_done = 0;

        for (size_t i = 0; i < DRAWN_BYTES && n_done < n_wanted; i++)
                if (drawn[i] < limit)
                        out[n_done++] = character_at(set, n_set, drawn[i] % n_set);
        return n_done;
}

static int draw(keepmum_secret drawn, char *out, size_t *n_done, size_t n_wanted, const char *set)
{
        const void *bytes;
        int err = keepmum_fill_random(drawn);

        if (err != 0 || (err = keepmum_open_read(drawn, &bytes, NULL)) != 0)
                return err;
        *n_done += turn(out + *n_done, n_wanted - *n_done, bytes, set);
        keepmum_close(drawn);
        return 0;
}

static int fill(keepmum_secret password, const char *set)
{
        keepmum_secret drawn;
        void *bytes;
        size_t n_wanted, n_done = 0;
        int err = keepmum_create(&drawn, DRAWN_BYTES, 0);

        if (err != 0)
                return err;
        if ((err = keepmum_open_write(password, &bytes, &n_wanted)) == 0) {
                while (err == 0 && n_done < n_wanted)
                        err = draw(drawn, bytes, &n_done, n_wanted, set);
                keepmum_close(password);
        }
        keepmum_destroy(&drawn);
        return err;
}

int password_make(keepmum_secret *out, const struct request *r, int n_characters)
{
        const char *set;
        int err, status = choose_set(&set, r);

        if (status != EXIT_OK)
                return status;
        if ((err = keepmum_create(out, (size_t)n_characters, 0)) == 0 && (err = fill(*out, set)) != 0)
                keepmum_destroy(out);
        return err == 0 ? EXIT_OK : report_error(err, "cannot make a password");
}

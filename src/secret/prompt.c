/* Asking for a secret at the terminal: each character is read from the kernel straight into the secret's page and edited there.
 *
 * Always true: the terminal's mode and the application's signal handlers are put back on every way out, before a signal that came
 * meanwhile is raised again; a character that was erased is wiped; nothing is echoed, not even how many were typed. The kernel's own
 * line buffer is out of reach (docs/threat-model.md). */
#include "secret/prompt.h"

#include "base/wipe.h"
#include "os/interrupt.h"
#include "os/stream.h"
#include "os/terminal.h"
#include "secret/layer.h"

#include <errno.h>
#include <keepmum.h>
#include <pthread.h>
#include <string.h>

enum { MOST_BYTES = 65536 };

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

void prompt_start_anew(void)
{
        one_at_a_time = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* ---- the line ---- */

struct line {
        unsigned char *bytes; /* max_bytes, and one more for the character that is looked at */
        size_t n_bytes, max_bytes;
};

/* A whole UTF-8 character. */
static void erase(struct line *l)
{
        bool is_continuation = l->n_bytes > 0;

        while (is_continuation) {
                l->n_bytes--;
                is_continuation = (l->bytes[l->n_bytes] & 0xc0) == 0x80 && l->n_bytes > 0;
                l->bytes[l->n_bytes] = 0;
        }
}

/* Whether the line ends in the middle of a UTF-8 character. */
static bool is_cut(const struct line *l)
{
        size_t n = 0;
        unsigned char lead;

        while (n < l->n_bytes && n < 3 && (l->bytes[l->n_bytes - 1 - n] & 0xc0) == 0x80)
                n++;
        if (n == l->n_bytes)
                return false;
        lead = l->bytes[l->n_bytes - 1 - n];
        return n < (lead >= 0xf0 ? 3u : lead >= 0xe0 ? 2u : lead >= 0xc0 ? 1u : 0u);
}

static void erase_word(struct line *l)
{
        while (l->n_bytes > 0 && l->bytes[l->n_bytes - 1] == ' ')
                erase(l);
        while (l->n_bytes > 0 && l->bytes[l->n_bytes - 1] != ' ')
                erase(l);
}

static void kill_line(struct line *l)
{
        wipe(l->bytes, l->n_bytes);
        l->n_bytes = 0;
}

/* What to do about the character at bytes[n_bytes]. True when the line is done. */
static bool take_key(struct line *l, const struct terminal *t, int *err)
{
        enum terminal_key key = terminal_key(t, l->bytes[l->n_bytes]);

        if (key == TERMINAL_TEXT && l->n_bytes < l->max_bytes) {
                l->n_bytes++;
                return false;
        }
        l->bytes[l->n_bytes] = 0;
        switch (key) {
        case TERMINAL_TEXT: /* no room: not half of a character either */
                if (is_cut(l))
                        erase(l);
                *err = stream_write(t->fd, "\a", 1);
                return *err != 0;
        case TERMINAL_ERASE:
                erase(l);
                return false;
        case TERMINAL_ERASE_WORD:
                erase_word(l);
                return false;
        case TERMINAL_KILL:
                kill_line(l);
                return false;
        case TERMINAL_END_OF_FILE:
                *err = l->n_bytes == 0 ? KEEPMUM_ECANCELED : 0;
                return true;
        default:
                return true;
        }
}

static int read_line(struct line *l, const struct terminal *t, int wake_fd)
{
        bool is_done = false;
        int err = 0;

        while (err == 0 && !is_done)
                if ((err = terminal_read(t, &l->bytes[l->n_bytes], wake_fd)) == 0)
                        is_done = take_key(l, t, &err);
        return err;
}

/* ---- the terminal around it ---- */

static int ask_hidden(struct line *l, struct terminal *t, const char *prompt, int wake_fd)
{
        int err = terminal_hide(t);

        if (err == 0 && prompt != NULL)
                err = stream_write(t->fd, prompt, strlen(prompt));
        if (err == 0)
                err = read_line(l, t, wake_fd);
        terminal_restore(t);
        if (err == 0 || err == KEEPMUM_ECANCELED)
                if (stream_write(t->fd, "\n", 1) != 0 && err == 0)
                        err = KEEPMUM_EIO;
        return err;
}

/* Asks once; again after each time the process was stopped and went on. */
static int ask(struct line *l, struct terminal *t, const char *prompt)
{
        enum interrupt came;
        int err;

        do {
                int wake_fd;

                if ((err = interrupt_begin(&wake_fd)) != 0)
                        return err;
                err = ask_hidden(l, t, prompt, wake_fd);
                if (interrupt_has_come())
                        kill_line(l); /* before a signal ends the process */
                came = interrupt_end();
                if (came != INTERRUPT_NONE)
                        kill_line(l);
        } while (came == INTERRUPT_STOPPED);
        return came == INTERRUPT_CAME ? KEEPMUM_ECANCELED : err;
}

static int ask_into(keepmum_secret s, size_t *n_bytes, struct terminal *t, const char *prompt)
{
        struct line line = {0};
        void *bytes;
        size_t room;
        int err = keepmum_open_write(s, &bytes, &room);

        if (err != 0)
                return err;
        line.bytes = bytes;
        line.max_bytes = room - 1;
        err = ask(&line, t, prompt);
        *n_bytes = line.n_bytes;
        keepmum_close(s);
        return err;
}

static int prompt_at(struct terminal *t, keepmum_secret *out, const char *prompt, size_t max_bytes, unsigned flags)
{
        keepmum_secret s;
        size_t n = 0;
        int err = keepmum_create(&s, max_bytes + 1, flags);

        if (err != 0)
                return err;
        err = ask_into(s, &n, t, prompt);
        if (err == 0)
                err = n == 0 ? KEEPMUM_EEMPTY : keepmum_resize(s, n);
        if (err != 0)
                keepmum_destroy(&s);
        else
                *out = s;
        return err;
}

int keepmum_prompt(keepmum_secret *out, const char *prompt, size_t max_bytes, unsigned flags)
{
        struct terminal t;
        int err;

        if (out == NULL || max_bytes == 0)
                return KEEPMUM_EINVAL;
        if (max_bytes > MOST_BYTES)
                return KEEPMUM_ETOOBIG;
        if ((err = layer_enter()) != 0)
                return err;
        pthread_mutex_lock(&one_at_a_time);
        if ((err = terminal_open(&t)) == 0) {
                err = prompt_at(&t, out, prompt, max_bytes, flags);
                terminal_close(&t);
        }
        pthread_mutex_unlock(&one_at_a_time);
        return err;
}

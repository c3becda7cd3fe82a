/* One pass over the bytes, whatever the number of forms.
 *
 * A window is five bytes. Any eight bytes in a row hold one that begins at a multiple of four, so only every fourth
 * address is looked at: the window's hash picks a bit of the filter, and where it is set a chain of the windows of
 * all forms with that hash is gone through. Of the canary itself every window is in the index, for fragments; of the
 * other forms the first four, for only whole ones count.
 *
 * Each stretch of memory is counted once: a whole form before a part of the canary, the longer part before the
 * shorter. A part waits ("pending") until the place where it ends was looked at, since a whole copy may begin
 * within it. What is looked at stays in the buffer, a secret; the work is done by clean calls. */
#include "secretctl/search.h"

#include "secretctl/cleanly.h"

#include <endian.h>
#include <string.h>

enum {
        WINDOW_BYTES = 5,
        STEP_BYTES = 4,
        KEPT_BYTES = 8,          /* before the next window: a part may begin up to three bytes before it */
        SPARE_BYTES = 8,         /* a window is loaded as eight bytes */
        MOST_SAME_WINDOWS = 16,
        NO_WINDOW = UINT32_MAX,
        FEWEST_BITS = 13, /* of the filter: at 64 for each window one in 64 passes it by chance */
        MOST_BITS = 20,
        LARGEST_PIECE = 256 << 10,
        SMALLEST_BUFFER = 4096,
};

/* ---- the index ---- */

static inline uint64_t hash_at(const uint8_t *p)
{
        uint64_t word;

        memcpy(&word, p, sizeof word);
        return (le64toh(word) << 24) * UINT64_C(0x9e3779b97f4a7c15); /* the first five bytes */
}

/* Near the end of the forms eight bytes may not be there. */
static uint64_t hash_of_window(const uint8_t *p)
{
        uint8_t bytes[8] = {0};

        memcpy(bytes, p, WINDOW_BYTES);
        return hash_at(bytes);
}

static uint32_t *head_of(const struct search *s, uint64_t hash)
{
        return &s->heads[hash >> (64 - s->filter_bits + 5)];
}

static bool insert(struct search *s, uint32_t i, uint32_t from)
{
        uint64_t hash = hash_of_window(s->text + from), bit = hash >> (64 - s->filter_bits);
        uint32_t *head = head_of(s, hash);
        unsigned n_same = 0;

        for (uint32_t k = *head; k != NO_WINDOW; k = s->next[k])
                n_same += memcmp(s->text + s->from[k], s->text + from, WINDOW_BYTES) == 0;
        s->from[i] = from;
        s->next[i] = *head;
        *head = i;
        s->filter[bit / 64] |= (uint64_t)1 << bit % 64;
        return n_same < MOST_SAME_WINDOWS;
}

/* Eight equal bytes in a row would be found wherever memory is empty. */
static bool has_long_run(const uint8_t *p, size_t n_bytes)
{
        size_t n_equal = 1;

        for (size_t i = 1; i < n_bytes && n_equal < FRAGMENT_MIN_BYTES; i++)
                n_equal = p[i] == p[i - 1] ? n_equal + 1 : 1;
        return n_equal == FRAGMENT_MIN_BYTES;
}

static int fill_index(void *arg)
{
        struct search *s = arg;
        uint32_t i = 0;

        memset(s->heads, 0xff, sizeof *s->heads << (s->filter_bits - 5));
        s->err = has_long_run(s->text, s->forms->of[FORM_RAW].n_bytes) ? KEEPMUM_EINVAL : 0;
        for (unsigned form = 0; form < FORMS && s->err == 0; form++) {
                uint32_t n_bytes = s->forms->of[form].n_bytes;
                uint32_t n_windows = n_bytes < WINDOW_BYTES ? 0 : n_bytes - WINDOW_BYTES + 1;

                if (form != FORM_RAW && n_windows > STEP_BYTES)
                        n_windows = STEP_BYTES;
                for (uint32_t k = 0; k < n_windows && s->err == 0; k++)
                        if (!insert(s, i++, s->forms->of[form].at + k))
                                s->err = KEEPMUM_EINVAL;
        }
        return 0;
}

static int make_index(struct search *s)
{
        void *index;
        int err;

        s->n_windows = s->forms->of[FORM_RAW].n_bytes + FORMS * STEP_BYTES;
        for (s->filter_bits = FEWEST_BITS; s->filter_bits < MOST_BITS && s->n_windows > 1u << (s->filter_bits - 6);)
                s->filter_bits++;
        size_t n_heads = (size_t)1 << (s->filter_bits - 5), filter_bytes = (size_t)1 << (s->filter_bits - 3);
        if ((err = keepmum_create(&s->index, filter_bytes + (n_heads + 2 * s->n_windows) * sizeof *s->heads, 0)) != 0)
                return err;
        if ((err = keepmum_open_write(s->index, &index, NULL)) != 0) {
                keepmum_destroy(&s->index);
                return err;
        }
        s->filter = index;
        s->heads = (uint32_t *)(s->filter + filter_bytes / sizeof *s->filter);
        s->next = s->heads + n_heads;
        s->from = s->next + s->n_windows;
        err = cleanly(fill_index, s);
        return err != 0 ? err : s->err;
}

/* ---- what stands at a place ---- */

static const uint8_t *bytes_at(const struct search *s, uint64_t address)
{
        return s->bytes + (address - s->base);
}

static uint64_t end_of_bytes(const struct search *s)
{
        return s->base + s->n_bytes;
}

static void count(struct search *s, uint64_t address, enum copy copy)
{
        s->found(s->context, address, copy);
}

static enum copy copy_of_form(unsigned form)
{
        if (form >= FORM_BASE64)
                return form >= FORM_BASE64_URL ? COPY_BASE64_URL : COPY_BASE64;
        return form == FORM_RAW ? COPY_WHOLE : (enum copy)(COPY_UTF16LE + form - FORM_UTF16LE);
}

static enum copy copy_of_part(const struct search *s, size_t from, size_t n_bytes)
{
        size_t n_whole = s->forms->of[FORM_RAW].n_bytes, half = n_whole / 2;

        if (half < FRAGMENT_MIN_BYTES)
                return COPY_FRAGMENT;
        if (from == 0 && n_bytes >= half)
                return COPY_FIRST_HALF;
        return from <= half && from + n_bytes == n_whole ? COPY_SECOND_HALF : COPY_FRAGMENT;
}

/* Counts the part that waits, as far as it stands before end. */
static void flush(struct search *s, uint64_t end)
{
        uint64_t n_bytes = s->pending_bytes;

        if (n_bytes > 0 && s->pending + n_bytes > end)
                n_bytes = end > s->pending ? end - s->pending : 0;
        if (n_bytes >= FRAGMENT_MIN_BYTES) {
                count(s, s->pending, copy_of_part(s, s->pending_from, n_bytes));
                s->floor = s->pending + n_bytes;
        }
        s->pending_bytes = 0;
}

static bool form_stands_at(const struct search *s, unsigned form, uint64_t address)
{
        uint32_t n_bytes = s->forms->of[form].n_bytes;

        return n_bytes > 0 && address >= s->floor && address >= s->base && address + n_bytes <= end_of_bytes(s) &&
               memcmp(bytes_at(s, address), s->text + s->forms->of[form].at, n_bytes) == 0;
}

/* The form that the bytes at from are of. */
static unsigned form_at(const struct search *s, uint32_t from)
{
        unsigned form = 0;

        while (s->forms->of[form].n_bytes == 0 || from - s->forms->of[form].at >= s->forms->of[form].n_bytes)
                form++;
        return form;
}

static void count_whole(struct search *s, unsigned form, uint64_t address)
{
        /* Between zeroes the same bytes are UTF-16 of both kinds; it stands at an even address. */
        if (form == FORM_UTF16BE && address % 2 == 1 && form_stands_at(s, FORM_UTF16LE, address + 1)) {
                form = FORM_UTF16LE;
                address++;
        }
        flush(s, address);
        count(s, address, copy_of_form(form));
        s->floor = address + s->forms->of[form].n_bytes;
}

/* A form that begins at the window or up to three bytes before it; the longest. */
static bool take_whole(struct search *s, uint64_t hash)
{
        unsigned best = FORMS;
        uint64_t best_address = 0;

        for (uint32_t i = *head_of(s, hash); i != NO_WINDOW; i = s->next[i]) {
                unsigned form = form_at(s, s->from[i]);
                uint32_t k = s->from[i] - s->forms->of[form].at;

                if (k >= STEP_BYTES || k > s->at - s->base || !form_stands_at(s, form, s->at - k))
                        continue;
                if (best == FORMS || s->forms->of[form].n_bytes > s->forms->of[best].n_bytes) {
                        best = form;
                        best_address = s->at - k;
                }
        }
        if (best != FORMS)
                count_whole(s, best, best_address);
        return best != FORMS;
}

/* The part of the canary around the window that is the canary's at from. */
static void measure_part(const struct search *s, uint32_t from, uint64_t *address, uint64_t *n_bytes)
{
        uint32_t n_whole = s->forms->of[FORM_RAW].n_bytes, at = from;
        uint64_t end = s->at;

        for (*address = s->at; at > 0 && *address > s->floor && *address > s->base; --*address, at--)
                if (*bytes_at(s, *address - 1) != s->text[at - 1])
                        break;
        for (; from < n_whole && end < end_of_bytes(s) && *bytes_at(s, end) == s->text[from]; end++)
                from++;
        *n_bytes = end - *address;
}

static void take_part(struct search *s, uint64_t hash)
{
        uint64_t address, n_bytes;

        if (s->pending_bytes > 0 && s->at < s->pending + s->pending_bytes)
                return;
        flush(s, s->at);
        for (uint32_t i = *head_of(s, hash); i != NO_WINDOW; i = s->next[i]) {
                if (s->from[i] >= s->forms->of[FORM_RAW].n_bytes)
                        continue;
                measure_part(s, s->from[i], &address, &n_bytes);
                if (n_bytes < FRAGMENT_MIN_BYTES || n_bytes <= s->pending_bytes)
                        continue;
                s->pending = address;
                s->pending_bytes = n_bytes;
                s->pending_from = s->from[i] - (size_t)(s->at - address);
        }
}

/* ---- many places ---- */

static uint64_t last_window(const struct search *s)
{
        uint64_t needed = s->is_last ? WINDOW_BYTES : s->forms->longest + KEPT_BYTES;

        return s->n_bytes >= needed ? end_of_bytes(s) - needed : 0;
}

/* Looks at every window whose surroundings are there. */
static void look(struct search *s)
{
        uint64_t last = last_window(s), at = s->at;

        for (; at <= last; at += STEP_BYTES) {
                uint64_t hash = hash_at(bytes_at(s, at)), bit = hash >> (64 - s->filter_bits);

                if ((s->filter[bit / 64] >> bit % 64 & 1) == 0 || at < s->floor)
                        continue;
                s->at = at;
                if (!take_whole(s, hash))
                        take_part(s, hash);
        }
        s->at = at;
        if (s->is_last || s->at >= s->pending + s->pending_bytes)
                flush(s, end_of_bytes(s));
}

/* Makes room: what is before the next window by more than a little is not needed any more. */
static void shift(struct search *s)
{
        uint64_t drop = s->at - s->base < KEPT_BYTES ? 0 : s->at - s->base - KEPT_BYTES;

        if (drop > s->n_bytes)
                drop = s->n_bytes;
        memmove(s->bytes, s->bytes + drop, s->n_bytes - drop);
        s->base += drop;
        s->n_bytes -= (size_t)drop;
}

static int work(void *arg)
{
        look(arg);
        shift(arg);
        return 0;
}

static void run(struct search *s)
{
        int err = s->err == 0 ? cleanly(work, s) : 0;

        if (err != 0)
                s->err = err;
}

static void end_stretch(struct search *s)
{
        s->is_last = true;
        if (s->n_bytes > 0)
                run(s);
        s->is_last = false;
        s->n_bytes = 0;
}

uint8_t *search_room(struct search *s, uint64_t address, size_t *n_bytes)
{
        if (s->n_bytes == 0 || address != end_of_bytes(s)) {
                end_stretch(s);
                s->base = s->floor = address;
                s->at = (address + STEP_BYTES - 1) & ~(uint64_t)(STEP_BYTES - 1);
        }
        *n_bytes = s->room_bytes - s->n_bytes;
        return s->bytes + s->n_bytes;
}

void search_take(struct search *s, size_t n_bytes)
{
        s->n_bytes += n_bytes;
        run(s);
        if (s->err != 0)
                s->n_bytes = 0;
}

int search_finish(struct search *s)
{
        end_stretch(s);
        return s->err;
}

uint64_t search_passed(const struct search *s)
{
        uint64_t at = s->at - s->base > KEPT_BYTES ? s->at - KEPT_BYTES : s->base;

        return s->pending_bytes > 0 && s->pending < at ? s->pending : at;
}

/* ---- the whole ---- */

static int do_nothing(void *arg)
{
        (void)arg;
        return 0;
}

/* With room for the stack of clean calls beside it. */
static int try_buffer(struct search *s, size_t n_bytes)
{
        void *bytes;
        int err = keepmum_create(&s->buffer, n_bytes, 0);

        if (err != 0)
                return err;
        if ((err = keepmum_open_write(s->buffer, &bytes, NULL)) == 0)
                err = cleanly(do_nothing, NULL);
        if (err != 0) {
                keepmum_destroy(&s->buffer);
                return err;
        }
        s->bytes = bytes;
        s->room_bytes = n_bytes - SPARE_BYTES;
        return 0;
}

/* The smaller the limit of locked memory, the smaller the pieces. */
static int make_buffer(struct search *s)
{
        size_t needed = 4 * (size_t)s->forms->longest, n_bytes = LARGEST_PIECE + needed;
        int err = try_buffer(s, n_bytes);

        while ((err == KEEPMUM_ELIMIT || err == KEEPMUM_ENOSLOT) && n_bytes / 2 >= needed &&
               n_bytes / 2 >= SMALLEST_BUFFER) {
                n_bytes = n_bytes / 2 & ~(size_t)(SMALLEST_BUFFER - 1);
                err = try_buffer(s, n_bytes);
        }
        return err;
}

int search_begin(struct search *s, const struct forms *forms,
                 void (*found)(void *context, uint64_t address, enum copy copy), void *context)
{
        const void *text;
        int err = keepmum_open_read(forms->all, &text, NULL);

        *s = (struct search){.forms = forms, .text = text, .found = found, .context = context};
        if (err != 0) {
                s->text = NULL;
                return err;
        }
        if ((err = make_index(s)) != 0 || (err = make_buffer(s)) != 0)
                search_end(s);
        return err;
}

void search_end(struct search *s)
{
        keepmum_destroy(&s->buffer);
        keepmum_destroy(&s->index);
        if (s->text != NULL)
                keepmum_close(s->forms->all);
        s->text = NULL;
}

static bool stands_in(const void *p, uint64_t start, uint64_t end)
{
        return (uintptr_t)p >= start && (uintptr_t)p < end;
}

bool search_stands_in(const struct search *s, uint64_t start, uint64_t end)
{
        return stands_in(s->text, start, end) || stands_in(s->filter, start, end) || stands_in(s->bytes, start, end);
}

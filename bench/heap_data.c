/* Patterns of data structures: text cut into words, buffers that grow, cleared tables, search trees. */
#include "heap_block.h"
#include "heap_patterns.h"

/* ---- string ---- */

enum { LINE_BYTES = 512 };

static size_t make_line(struct random *r, char line[static LINE_BYTES])
{
        size_t n_chars = 80 + random_below(r, 300), to_blank = 0;

        for (size_t i = 0; i < n_chars; i++)
                if (to_blank-- == 0) {
                        to_blank = 1 + (random_next(r) & random_next(r)) % 16;
                        line[i] = ' ';
                } else
                        line[i] = (char)('a' + i % 26);
        line[n_chars] = '\0';
        return n_chars;
}

/* The words of a line, each a string of its own, in an array that grows by doubling. */
static size_t cut(const char *line, char ***words)
{
        size_t n_words = 0, room = 0;

        for (*words = NULL; *line != '\0'; line += strcspn(line, " ")) {
                line += strspn(line, " ");
                if (n_words == room) {
                        room = room == 0 ? 4 : 2 * room;
                        *words = block_given(realloc(*words, room * sizeof **words));
                }
                (*words)[n_words++] = block_given(strndup(line, strcspn(line, " ")));
        }
        return n_words;
}

static char *join(char *const *words, size_t n_words)
{
        size_t n_chars = 1;
        char *text, *end;

        for (size_t i = 0; i < n_words; i++)
                n_chars += strlen(words[i]) + 1;
        end = text = block_given(malloc(n_chars));
        for (size_t i = 0; i < n_words; i++) {
                *end++ = ' ';
                end = stpcpy(end, words[i]);
        }
        *end = '\0';
        return text;
}

/* Lines cut into words and joined again; the last 500 joined ones are kept, as by a program that reads text. */
uint64_t pattern_string(struct random *r)
{
        enum { KEPT = 500 };
        char line[LINE_BYTES], **words, *kept[KEPT] = {NULL};
        uint64_t sum = 0;

        for (int i = 0; i < 32000; i++) {
                size_t n_chars = make_line(r, line), n_words = cut(line, &words);

                free(kept[i % KEPT]);
                kept[i % KEPT] = join(words, n_words);
                need(strlen(kept[i % KEPT]) <= n_chars + 1, "a joined line is too long");
                sum += n_words + strlen(kept[i % KEPT]);
                for (size_t k = 0; k < n_words; k++)
                        free(words[k]);
                free(words);
        }
        for (int i = 0; i < KEPT; i++)
                free(kept[i]);
        return sum;
}

/* ---- realloc ---- */

struct buffer {
        unsigned char *bytes;
        size_t n_used, room, until; /* until: its size when it is done with */
        bool is_exact;              /* grows by what is added, as simple programs do; else by half */
};

static void buffer_start(struct buffer *b, struct random *r)
{
        uint32_t kind = random_below(r, 1000);

        *b = (struct buffer){.until = 32 + random_below(r, kind < 700 ? 1000 : kind < 985 ? 8000 : kind < 998 ? 60000 : 1000000)};
        b->is_exact = b->until < 1000 && kind % 2 == 0;
}

static void buffer_add(struct buffer *b, size_t n_bytes)
{
        if (b->n_used + n_bytes > b->room) {
                b->room = b->is_exact ? b->n_used + n_bytes : b->n_used + n_bytes + b->room / 2;
                b->bytes = block_given(realloc(b->bytes, b->room));
        }
        memset(b->bytes + b->n_used, (int)(b->n_used % 251), n_bytes);
        b->bytes[b->n_used] = (unsigned char)n_bytes;
        b->n_used += n_bytes;
}

/* Walks what was added: all of it must be there. */
static uint64_t buffer_end(struct buffer *b, bool is_cut)
{
        uint64_t sum = 0;
        size_t at;

        if (is_cut)
                b->bytes = block_given(realloc(b->bytes, b->n_used));
        for (at = 0; at < b->n_used; at += b->bytes[at])
                sum++;
        need(at == b->n_used, "a buffer has changed");
        free(b->bytes);
        return sum;
}

/* Buffers that grow bit by bit, several at a time. */
uint64_t pattern_realloc(struct random *r)
{
        enum { LIVE = 64 };
        struct buffer buffers[LIVE] = {{0}};
        uint64_t sum = 0;

        for (int i = 0; i < 2500000; i++) {
                struct buffer *b = &buffers[random_below(r, LIVE)];

                if (b->n_used >= b->until) {
                        if (b->bytes != NULL)
                                sum += buffer_end(b, i % 4 == 0);
                        buffer_start(b, r);
                }
                buffer_add(b, b->until < 10000 ? 8 + random_below(r, 56) : 100 + random_below(r, 150));
        }
        for (int i = 0; i < LIVE; i++)
                if (buffers[i].bytes != NULL)
                        sum += buffer_end(&buffers[i], false);
        return sum;
}

/* ---- calloc ---- */

/* Records are read and written whole; of a larger table, as a hash table's, one word in eight. */
static size_t table_step(size_t n_words)
{
        return n_words <= 512 ? 1 : 8;
}

static uint64_t *table_new(size_t n_words)
{
        uint64_t *words = block_given(calloc(n_words, sizeof *words)), all = 0;

        for (size_t i = 0; i < n_words; i += table_step(n_words)) {
                all |= words[i];
                words[i] = n_words;
        }
        need(all == 0, "what calloc gave is not zero");
        return words;
}

/* Cleared records and tables, a thousand alive. */
uint64_t pattern_calloc(struct random *r)
{
        enum { LIVE = 1000 };
        uint64_t **tables = block_given(calloc(LIVE, sizeof *tables)), sum = 0;

        for (int i = 0; i < 500000; i++) {
                uint64_t **t = &tables[random_below(r, LIVE)];
                uint32_t kind = random_below(r, 1000);

                if (*t != NULL)
                        sum += **t;
                free(*t);
                *t = table_new(kind < 700    ? 4 + random_below(r, 28)
                               : kind < 970  ? 32 + random_below(r, 224)
                               : kind < 998  ? 512 + random_below(r, 3584)
                                             : 8192 + random_below(r, 24576));
        }
        for (int i = 0; i < LIVE; i++)
                free(tables[i]);
        free(tables);
        return sum;
}

/* ---- tree ---- */

struct node {
        uint32_t key;
        struct node *sides[2];
        char *value;
};

static char *make_value(struct random *r)
{
        size_t n_chars = 4 + random_below(r, 40);
        char *value = block_given(malloc(n_chars + 1));

        memset(value, 'v', n_chars);
        value[n_chars] = '\0';
        return value;
}

static void tree_put(struct node **at, uint32_t key, char *value)
{
        while (*at != NULL && (*at)->key != key)
                at = &(*at)->sides[(*at)->key < key];
        if (*at != NULL)
                free((*at)->value);
        else {
                *at = block_given(malloc(sizeof **at));
                **at = (struct node){.key = key};
        }
        (*at)->value = value;
}

static uint64_t tree_end(struct node *n)
{
        uint64_t sum;

        if (n == NULL)
                return 0;
        sum = n->key + strlen(n->value) + tree_end(n->sides[0]) + tree_end(n->sides[1]);
        free(n->value);
        free(n);
        return sum;
}

/* Maps from keys to strings: filled, one key in three met again, and cleared. */
uint64_t pattern_tree(struct random *r)
{
        uint64_t sum = 0;

        for (int map = 0; map < 24; map++) {
                struct node *root = NULL;
                uint32_t n_keys = 500 + random_below(r, 40000);

                for (uint32_t i = 0; i < n_keys; i++)
                        tree_put(&root, random_below(r, n_keys) * 2654435761u, make_value(r));
                sum += tree_end(root);
        }
        return sum;
}

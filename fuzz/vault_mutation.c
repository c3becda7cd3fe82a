/* Mutations of vault files that still authenticate.
 *
 * With a keyed check in the way, changed bytes only ever meet the check. So an input is opened in place under the
 * test key, changed as plaintext - bytes, fields, whole records, key slots - and sealed again with sequence numbers,
 * chain and tags repaired; one time in four some repair is left out, and one time in eight raw bytes are changed
 * afterwards, cut off or added. Everything follows from the seed. */
#include "vault_mutation.h"

#include "vault_sealing.h"

#include "base/bytes.h"
#include "vault/vault_format.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_RECORDS = 64 };

static uint32_t below(struct draft *d, size_t n)
{
        d->random = d->random * 6364136223846793005u + 1442695040888963407u;
        return n == 0 ? 0 : (uint32_t)((d->random >> 33) % n);
}

static void fill(struct draft *d, uint8_t *p, size_t n_bytes)
{
        for (size_t i = 0; i < n_bytes; i++)
                p[i] = (uint8_t)below(d, 256);
}

/* ---- records ---- */

/* Where records begin; returns how many. The one behind the last is where they end. */
static size_t find_records(const uint8_t *bytes, size_t n_bytes, size_t at[static MOST_RECORDS + 1])
{
        size_t n = 0, n_record;

        at[0] = HEADER_BYTES;
        while (n < MOST_RECORDS && (n_record = sealing_record_bytes(bytes + at[n], n_bytes - at[n])) != 0) {
                at[n + 1] = at[n] + n_record;
                n++;
        }
        return n;
}

static void insert(struct draft *d, size_t at, const uint8_t *bytes, size_t n_bytes)
{
        if (n_bytes > d->max_bytes - d->n_bytes)
                return;
        memmove(d->bytes + at + n_bytes, d->bytes + at, d->n_bytes - at);
        memcpy(d->bytes + at, bytes, n_bytes);
        d->n_bytes += n_bytes;
}

static void cut(struct draft *d, size_t at, size_t n_bytes)
{
        memmove(d->bytes + at, d->bytes + at + n_bytes, d->n_bytes - at - n_bytes);
        d->n_bytes -= n_bytes;
}

static size_t put_field(struct draft *d, uint8_t *p, uint8_t type, size_t most)
{
        size_t n = 1 + below(d, below(d, 16) == 0 ? most : 12);

        p[0] = type;
        p[1] = 0;
        bytes_put16(p + 2, (uint16_t)n);
        for (size_t i = 0; i < n; i++)
                p[4 + i] = (uint8_t)('a' + below(d, 26));
        if (type == FIELD_CUSTOM && n > 2)
                p[4 + n / 2] = 0;
        return 4 + n;
}

static size_t padded_content(size_t n_bytes)
{
        size_t padded = SECRET_MIN_BYTES;

        while (padded < n_bytes && padded < SECRET_STEP)
                padded *= 2;
        return n_bytes <= padded ? padded : (n_bytes + SECRET_STEP - 1) / SECRET_STEP * SECRET_STEP;
}

static size_t make_head(struct draft *d, uint8_t *head, uint8_t op, const uint8_t *entry_id)
{
        size_t n_name = op == HEAD_REMOVE ? 0 : 1 + below(d, below(d, 8) == 0 ? 1200 : 8), n_attrs = 0;
        uint8_t *p = head + HEAD_AT_NAME;

        memcpy(head + HEAD_AT_ENTRY_ID, entry_id, VAULT_ID_BYTES);
        bytes_put64(head + HEAD_AT_TIME, 1700000000000u + below(d, 1 << 30));
        head[HEAD_AT_OP] = op;
        for (size_t i = 0; i < n_name; i++)
                p[i] = (uint8_t)('a' + below(d, 4));
        for (uint8_t type = 1; op != HEAD_REMOVE && type <= 3; type++)
                if (below(d, 2) == 0)
                        n_attrs += put_field(d, p + n_name + n_attrs, type, 500);
        bytes_put16(head + HEAD_AT_NAME_LEN, (uint16_t)n_name);
        bytes_put32(head + HEAD_AT_ATTR_LEN, (uint32_t)n_attrs);
        return (HEAD_AT_NAME + n_name + n_attrs + HEAD_STEP - 1) / HEAD_STEP * HEAD_STEP;
}

static size_t make_content(struct draft *d, uint8_t *content)
{
        size_t n_main = below(d, below(d, 8) == 0 ? 3000 : 40), n_rest = 0;

        fill(d, content + SECRET_AT_MAIN, n_main);
        for (uint8_t type = 1; type <= 3; type++)
                if (below(d, 4) == 0)
                        n_rest += put_field(d, content + SECRET_AT_MAIN + n_main + n_rest, type, 200);
        bytes_put32(content, (uint32_t)n_main);
        bytes_put32(content + 4, (uint32_t)n_rest);
        return padded_content(SECRET_AT_MAIN + n_main + n_rest);
}

/* A whole record in clear, for a fresh entry or one that is there. */
static void add_record(struct draft *d, const size_t *at, size_t n_records)
{
        static uint8_t record[16384];
        uint8_t op = (uint8_t)(n_records == 0 ? HEAD_PUT : 1 + below(d, 3)), id[VAULT_ID_BYTES];
        size_t n_head, n_secret;

        memset(record, 0, sizeof record);
        if (n_records > 0 && (op != HEAD_PUT || below(d, 4) == 0))
                memcpy(id, d->bytes + at[below(d, n_records)] + FRAME_BYTES + HEAD_AT_ENTRY_ID, sizeof id);
        else
                fill(d, id, sizeof id);
        n_head = make_head(d, record + FRAME_BYTES, op, id);
        n_secret = op == HEAD_PUT ? make_content(d, record + FRAME_BYTES + n_head) : 0;
        bytes_put32(record, (uint32_t)(FRAME_BYTES + n_head + n_secret));
        bytes_put32(record + FRAME_AT_SECRET_BYTES, (uint32_t)n_secret);
        fill(d, record + FRAME_AT_HEAD_NONCE, VAULT_NONCE_BYTES);
        if (n_secret > 0)
                fill(d, record + FRAME_AT_SECRET_NONCE, VAULT_NONCE_BYTES);
        insert(d, at[below(d, 4) == 0 ? below(d, n_records + 1) : n_records], record, FRAME_BYTES + n_head + n_secret);
}

static void move_record(struct draft *d, const size_t *at, size_t n_records, bool is_copy)
{
        size_t from = below(d, n_records), to = below(d, n_records + 1), n = at[from + 1] - at[from];
        uint8_t *kept;

        if (n_records == 0 || (kept = malloc(n)) == NULL)
                return;
        memcpy(kept, d->bytes + at[from], n);
        if (is_copy && below(d, 2) == 0)
                fill(d, kept + FRAME_BYTES + HEAD_AT_ENTRY_ID, VAULT_ID_BYTES);
        if (!is_copy)
                cut(d, at[from], n);
        insert(d, !is_copy && to > from ? at[to] - n : at[to], kept, n);
        free(kept);
}

/* Records of another input, opened under its own header. */
static void splice(struct draft *d, const size_t *at, size_t n_records)
{
        size_t theirs[MOST_RECORDS + 1], n, which;
        uint8_t *copy;

        if (d->other_bytes < HEADER_BYTES || (copy = malloc(d->other_bytes)) == NULL)
                return;
        memcpy(copy, d->other, d->other_bytes);
        sealing_open(copy, d->other_bytes);
        n = find_records(copy, d->other_bytes, theirs);
        which = below(d, n);
        if (n > 0)
                insert(d, at[below(d, n_records + 1)], copy + theirs[which], theirs[which + 1] - theirs[which]);
        free(copy);
}

/* ---- fields and bytes ---- */

static uint32_t interesting(struct draft *d, uint32_t now)
{
        static const uint32_t values[] = {0,    1,    2,    3,     4,     16,    31,    32,      64,            127,        128,
                                          255,  256,  1024, 1025,  4096,  16384, 16385, 65535,   65536,         1 << 20,
                                          (1 << 20) + 1, 0x7fffffff, 0x80000000, 0xffffffff};

        switch (below(d, 4)) {
        case 0:
                return now + below(d, 9) - 4;
        case 1:
                return now + (below(d, 9) - 4) * 32;
        default:
                return values[below(d, sizeof values / sizeof *values)];
        }
}

static void change_number(struct draft *d, uint8_t *p, size_t n_bytes)
{
        if (n_bytes == 1)
                *p = (uint8_t)interesting(d, *p);
        else if (n_bytes == 2)
                bytes_put16(p, (uint16_t)interesting(d, bytes_get16(p)));
        else
                bytes_put32(p, interesting(d, bytes_get32(p)));
}

static void change_bytes(struct draft *d, uint8_t *p, size_t n_bytes)
{
        size_t at = below(d, n_bytes), n = 1 + below(d, 8);

        if (n_bytes == 0)
                return;
        n = n < n_bytes - at ? n : n_bytes - at;
        switch (below(d, 4)) {
        case 0:
                p[at] ^= (uint8_t)(1 << below(d, 8));
                break;
        case 1:
                fill(d, p + at, n);
                break;
        case 2:
                memset(p + at, below(d, 2) ? 0 : 0xff, n);
                break;
        default:
                memmove(p + at, p + below(d, n_bytes - n + 1), n);
        }
}

static void change_record(struct draft *d, uint8_t *record)
{
        static const struct {
                size_t at, n_bytes;
        } fields[] = {{FRAME_BYTES + HEAD_AT_OP, 1},         {FRAME_BYTES + HEAD_AT_ZERO, 1},
                      {FRAME_BYTES + HEAD_AT_NAME_LEN, 2},   {FRAME_BYTES + HEAD_AT_ATTR_LEN, 4},
                      {FRAME_BYTES + HEAD_AT_SECRET_SEQ, 4}, {FRAME_BYTES + HEAD_AT_TIME, 4},
                      {0, 4},                                {FRAME_AT_SECRET_BYTES, 4},
                      {FRAME_AT_SEQ, 4},                     {FRAME_AT_ZERO, 1}};
        size_t n_head = sealing_head_bytes(record), n_secret = sealing_secret_bytes(record), which;

        switch (below(d, 6)) {
        case 0:
                which = below(d, sizeof fields / sizeof *fields);
                change_number(d, record + fields[which].at, fields[which].n_bytes);
                break;
        case 1:
                change_bytes(d, record + FRAME_BYTES + HEAD_AT_NAME, n_head - HEAD_AT_NAME);
                break;
        case 2:
                if (n_secret > 8)
                        change_number(d, record + FRAME_BYTES + n_head + 4 * below(d, 2), 4);
                break;
        case 4: /* the first attribute's length */
                which = HEAD_AT_NAME + bytes_get16(record + FRAME_BYTES + HEAD_AT_NAME_LEN) + 2;
                if (which + 2 <= n_head)
                        change_number(d, record + FRAME_BYTES + which, 2);
                break;
        case 3:
                change_bytes(d, record + FRAME_BYTES + n_head, n_secret < 256 ? n_secret : 256);
                break;
        default:
                change_bytes(d, record, FRAME_BYTES + n_head);
        }
}

static void change_header(struct draft *d)
{
        uint8_t *slot = d->bytes + HEADER_AT_SLOTS + below(d, KEY_SLOTS) * KEY_SLOT_BYTES;

        switch (below(d, 6)) {
        case 0:
                memcpy(slot, d->bytes + HEADER_AT_SLOTS + below(d, KEY_SLOTS) * KEY_SLOT_BYTES, KEY_SLOT_BYTES);
                break;
        case 1:
                memset(slot, 0, KEY_SLOT_BYTES);
                break;
        case 2: /* another kind, as it should look */
                slot[KEY_SLOT_AT_KIND] = (uint8_t)(1 + below(d, 4));
                slot[KEY_SLOT_AT_KDF] = slot[KEY_SLOT_AT_KIND] & 1;
                bytes_put32(slot + KEY_SLOT_AT_PASSES, slot[KEY_SLOT_AT_KDF] * (1 + below(d, 34)));
                bytes_put32(slot + KEY_SLOT_AT_MEMORY_KIB, slot[KEY_SLOT_AT_KDF] * (60000u + below(d, 1000000)));
                break;
        case 3:
                change_number(d, slot + 4 * below(d, 4), 4);
                break;
        case 4:
                change_number(d, d->bytes + HEADER_AT_SIZE + 4 * below(d, 4), 4);
                break;
        default:
                change_bytes(d, d->bytes, HEADER_BYTES);
        }
}

/* ---- the whole ---- */

static void change_once(struct draft *d)
{
        size_t at[MOST_RECORDS + 1], n = find_records(d->bytes, d->n_bytes, at), which = below(d, n);

        switch (below(d, 12)) {
        case 0:
        case 1:
                add_record(d, at, n);
                break;
        case 2:
                move_record(d, at, n, true);
                break;
        case 3:
                move_record(d, at, n, false);
                break;
        case 4:
                if (n > 0)
                        cut(d, at[which], at[which + 1] - at[which]);
                break;
        case 5:
                splice(d, at, n);
                break;
        case 6:
                change_header(d);
                break;
        default:
                if (n > 0)
                        change_record(d, d->bytes + at[which]);
        }
}

/* After sealing: what a crash or an attacker without the key leaves. */
static void change_sealed(struct draft *d)
{
        size_t n_body = d->n_bytes - HEADER_BYTES, n, at;

        switch (below(d, 4)) {
        case 0:
                d->n_bytes -= below(d, n_body + 1);
                break;
        case 1:
                n = 1 + below(d, 1100);
                n = n < d->max_bytes - d->n_bytes ? n : d->max_bytes - d->n_bytes;
                memset(d->bytes + d->n_bytes, 0, n);
                d->n_bytes += n;
                break;
        case 2:
                at = below(d, n_body) / 512 * 512;
                n = n_body - at < 512 ? n_body - at : 512;
                memset(d->bytes + HEADER_BYTES + at, 0, n);
                break;
        default:
                change_bytes(d, d->bytes, d->n_bytes);
        }
}

/* The smallest vault: for inputs that are none. */
static void begin_anew(struct draft *d)
{
        uint8_t *slot = d->bytes + HEADER_AT_SLOTS;

        memset(d->bytes, 0, HEADER_BYTES);
        memcpy(d->bytes, HEADER_MAGIC, HEADER_MAGIC_BYTES);
        bytes_put32(d->bytes + HEADER_AT_SIZE, HEADER_BYTES);
        bytes_put64(d->bytes + HEADER_AT_GENERATION, 1);
        fill(d, d->bytes + HEADER_AT_VAULT_ID, VAULT_ID_BYTES + VAULT_FILE_ID_BYTES);
        slot[KEY_SLOT_AT_KIND] = KEY_SLOT_KEY_FILE;
        fill(d, slot + KEY_SLOT_AT_ID, 32);
        fill(d, slot + KEY_SLOT_AT_NONCE, VAULT_NONCE_BYTES);
        d->n_bytes = HEADER_BYTES;
}

size_t mutation(struct draft *d)
{
        static const unsigned single[] = {REPAIR_HEADER,  REPAIR_SEQ,   REPAIR_CHAIN, REPAIR_SECRET_SEQ,
                                          REPAIR_PADDING, REPAIR_CHECK, REPAIR_TAGS,  REPAIR_CONTENT, REPAIR_SLOTS};
        unsigned repairs = REPAIR_ALL;

        if (d->max_bytes < HEADER_BYTES || sodium_init() < 0)
                return d->n_bytes;
        if (d->n_bytes < HEADER_BYTES || memcmp(d->bytes, HEADER_MAGIC, HEADER_MAGIC_BYTES) != 0)
                begin_anew(d);
        sealing_open(d->bytes, d->n_bytes);
        for (unsigned n = 1 + below(d, 4); n > 0; n--)
                change_once(d);
        if (below(d, 4) == 0)
                repairs &= ~single[below(d, sizeof single / sizeof *single)];
        if (below(d, 2) == 0)
                repairs |= REPAIR_TEXT;
        sealing_close(d->bytes, d->n_bytes, repairs);
        if (below(d, 8) == 0)
                change_sealed(d);
        return d->n_bytes;
}


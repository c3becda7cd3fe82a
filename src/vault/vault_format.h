/* The numbers of the vault file, version 1. docs/vault-format.md is the file byte by byte; a number here that
 * differs from that page is a bug here. All numbers in the file are little-endian. */
#ifndef VAULT_VAULT_FORMAT_H
#define VAULT_VAULT_FORMAT_H

#include <assert.h>
#include <keepmum_vault.h>
#include <string.h>

enum {
        VAULT_KEY_BYTES = 32,
        VAULT_ID_BYTES = 16,
        VAULT_NONCE_BYTES = 24,
        VAULT_TAG_BYTES = 16,
        VAULT_FILE_ID_BYTES = 32,

        /* header */
        HEADER_BYTES = 4096,
        HEADER_MAGIC_BYTES = 16,
        HEADER_AT_SIZE = 16,
        HEADER_AT_FEATURES = 20,
        HEADER_AT_GENERATION = 24,
        HEADER_AT_VAULT_ID = 32,
        HEADER_AT_FILE_ID = 48,
        HEADER_AT_ZERO_1 = 80,
        HEADER_AT_SLOTS = 96,
        HEADER_AT_ZERO_2 = 1376,
        HEADER_AT_MAC = 4064,
        HEADER_MAC_BYTES = 32,

        /* key slot */
        KEY_SLOT_BYTES = 160,
        KEY_SLOTS = 8,
        KEY_SLOT_AT_KIND = 0,
        KEY_SLOT_AT_KDF = 1,
        KEY_SLOT_AT_ZERO_1 = 2,
        KEY_SLOT_AT_PASSES = 4,
        KEY_SLOT_AT_MEMORY_KIB = 8,
        KEY_SLOT_AT_ZERO_2 = 12,
        KEY_SLOT_AT_ID = 16,
        KEY_SLOT_AT_SALT = 32,
        KEY_SLOT_AT_COMMITMENT = 48,
        KEY_SLOT_AT_NONCE = 80,
        KEY_SLOT_AT_WRAPPED = 104,
        KEY_SLOT_AT_TAG = 136,
        KEY_SLOT_AT_ZERO_3 = 152,
        KEY_SLOT_COMMITMENT_BYTES = 32,

        KEY_SLOT_EMPTY = 0,
        KEY_SLOT_PASSPHRASE = 1,
        KEY_SLOT_KEY_FILE = 2,
        KEY_SLOT_PASSPHRASE_AND_KEY_FILE = 3,
        KEY_SLOT_RECOVERY_CODE = 4,
        KEY_SLOT_KDF_NONE = 0,
        KEY_SLOT_KDF_ARGON2ID = 1,

        /* record: the frame is what is clear */
        FRAME_BYTES = 128,
        FRAME_AT_SECRET_BYTES = 4,
        FRAME_AT_SEQ = 8,
        FRAME_AT_CHECK = 16,
        FRAME_CHECK_BYTES = 16,
        FRAME_AT_HEAD_NONCE = 32,
        FRAME_AT_HEAD_TAG = 56,
        FRAME_AT_SECRET_NONCE = 72,
        FRAME_AT_SECRET_TAG = 96,
        FRAME_AT_ZERO = 112,
        FRAME_STEP = 32,

        /* head, in clear */
        HEAD_AT_PREV_TAG = 0,
        HEAD_AT_ENTRY_ID = 16,
        HEAD_AT_TIME = 32,
        HEAD_AT_SECRET_SEQ = 40,
        HEAD_AT_OP = 48,
        HEAD_AT_ZERO = 49,
        HEAD_AT_NAME_LEN = 50,
        HEAD_AT_ATTR_LEN = 52,
        HEAD_AT_NAME = 56,
        HEAD_STEP = 128,
        HEAD_MAX_BYTES = 65536,
        HEAD_PUT = 1,
        HEAD_RENAME = 2,
        HEAD_REMOVE = 3,
        HEAD_MAX_ATTR_BYTES = 16384,
        HEAD_ATTRS = 3,

        FIELD_HEADER_BYTES = 4, /* type u8, 0 u8, length u16 */
        FIELD_NOTES = 1,
        FIELD_OTPAUTH = 2,
        FIELD_CUSTOM = 3,

        /* secret, in clear */
        SECRET_AT_MAIN = 8,
        SECRET_MIN_BYTES = 64,
        SECRET_STEP = 4096,
        SECRET_MAX_MAIN_BYTES = 1 << 20,
        SECRET_MAX_CONTENT_BYTES = SECRET_MAX_MAIN_BYTES + 65536, /* main and fields */
        SECRET_MAX_BYTES = SECRET_MAX_CONTENT_BYTES + SECRET_STEP,

        FRAME_MIN_RECORD_BYTES = FRAME_BYTES + HEAD_STEP,
        FRAME_MAX_RECORD_BYTES = FRAME_BYTES + HEAD_MAX_BYTES + SECRET_MAX_BYTES,
        FRAME_SECTOR_BYTES = 512,

        VAULT_MAX_ENTRIES = 1000000,
        VAULT_MAX_FILE_BYTES = 1 << 30,
};

#define HEADER_MAGIC "keepmum vault 1\n"
#define VAULT_MAX_SEQ UINT32_MAX

/* Key derivation a file may ask for. */
enum {
        COST_MAX_SLOTS = 4,
        COST_MIN_MEMORY_KIB = 64 << 10,
        COST_MAX_MEMORY_KIB = 1 << 20,
        COST_MAX_PASSES = 32,
};
#define COST_MAX_SLOT_KIB ((uint64_t)4 << 20)  /* passes x memory, one slot */
#define COST_MAX_TOTAL_KIB ((uint64_t)8 << 20) /* and all slots */

/* Reserved bytes and padding. Not for secrets: the time it takes tells where the first other byte is. */
static inline bool format_is_zero(const uint8_t *bytes, size_t n_bytes)
{
        return n_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n_bytes - 1) == 0);
}

static_assert(HEADER_AT_SLOTS + KEY_SLOTS * KEY_SLOT_BYTES == HEADER_AT_ZERO_2, "the slots fill their place");
static_assert(HEADER_AT_MAC + HEADER_MAC_BYTES == HEADER_BYTES, "the tag ends the header");
static_assert(FRAME_MAX_RECORD_BYTES % FRAME_STEP == 0, "records lie on steps");
static_assert((size_t)SECRET_MAX_MAIN_BYTES == KEEPMUM_VAULT_MAX_SECRET_BYTES, "one limit");

#endif

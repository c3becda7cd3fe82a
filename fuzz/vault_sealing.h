/* Vault files as text that can be changed: every sealed part replaced by its plaintext in place, and back. */
#ifndef FUZZ_VAULT_SEALING_H
#define FUZZ_VAULT_SEALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The key file and the vault key of all test vaults. */
extern const uint8_t sealing_key_file[64];
extern const uint8_t sealing_vault_key[32];

/* What sealing_close() sets right on its way. */
enum {
        REPAIR_HEADER = 1,     /* the header's tag */
        REPAIR_SEQ = 2,        /* sequence numbers */
        REPAIR_CHAIN = 4,      /* the tag of the record before */
        REPAIR_SECRET_SEQ = 8, /* where an entry's secret is */
        REPAIR_PADDING = 16,   /* zeroes behind what is said to be in a head */
        REPAIR_CHECK = 32,     /* the check of the lengths */
        REPAIR_TAGS = 64,      /* off: ciphertext is made, but the tags stay what they were */
        REPAIR_CONTENT = 128,  /* zeroes behind what is said to be in a secret */
        REPAIR_SLOTS = 256,    /* key slots of key files */
        REPAIR_ALL = 511,
        REPAIR_TEXT = 512      /* names and attributes become printable ASCII */
};

/* The length of a record whose lengths are possible, 0 otherwise. */
size_t sealing_record_bytes(const uint8_t *record, size_t n_left);
size_t sealing_head_bytes(const uint8_t *record);
uint32_t sealing_secret_bytes(const uint8_t *record);

/* n_bytes is at least the header's; returns where the records end that could be opened. */
size_t sealing_open(uint8_t *file, size_t n_bytes);
void sealing_close(uint8_t *file, size_t n_bytes, unsigned repairs);

#endif

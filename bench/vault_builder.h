/* Vaults for measuring: large ones, made quickly. */
#ifndef BENCH_VAULT_BUILDER_H
#define BENCH_VAULT_BUILDER_H

#include <keepmum.h>
#include <stddef.h>
#include <stdint.h>

/* Writes a vault of n_entries (at least 1) that key_file opens. Entry i is called as vault_builder_name() says. */
void vault_build(const char *path, keepmum_secret key_file, unsigned n_entries);
void vault_builder_name(char name[static 32], unsigned i);

/* The sealed names of a vault, in memory, with all that their bare decryption needs. */
struct sealed_names {
        uint8_t *file;       /* all of it */
        uint32_t *at;        /* offsets of the records */
        unsigned n_records;
        uint8_t key[32];     /* a copy: the vault is a trial and its secrets are none */
};

void vault_read_names(struct sealed_names *names, const char *path, keepmum_secret key_file);
/* Decrypts all of them, as XChaCha20-Poly1305 alone; ends the program if a tag is wrong. */
void vault_decrypt_names(const struct sealed_names *names);

#endif

/* What is done with a key, for the residue table: the same list for the program that does it and for the one that looks for what it left. */
#ifndef TESTS_OUTSIDE_RESIDUE_OPS_H
#define TESTS_OUTSIDE_RESIDUE_OPS_H

/* name, what the table calls it */
#define RESIDUE_OPS(X)                                      \
        X(sodium_sign, "libsodium Ed25519 sign")            \
        X(sodium_secretbox, "libsodium secretbox")          \
        X(sodium_pwhash, "libsodium Argon2id")              \
        X(sodium_hmac, "libsodium HMAC-SHA-256")            \
        X(openssl_gcm, "OpenSSL AES-256-GCM")               \
        X(openssl_hmac, "OpenSSL HMAC-SHA-256")             \
        X(openssl_ed25519, "OpenSSL Ed25519 sign")          \
        X(openssl_rsa, "OpenSSL RSA-2048 sign")             \
        X(glue, "own code that forgets a copy on its stack") \
        X(registers, "code that ends with it in registers")  \
        X(stdio, "fwrite to a file")

enum residue_op {
#define RESIDUE_OP(name, title) OP_##name,
        RESIDUE_OPS(RESIDUE_OP)
#undef RESIDUE_OP
        RESIDUE_N_OPS
};

enum { RESIDUE_KEY_BYTES = 32, RESIDUE_MAX_BYTES = 4096 };
enum residue_way { IN_PLAIN_CALL, IN_PLAIN_CALL_OF_SODIUM, IN_CLEAN_CALL, RESIDUE_WAYS };
enum residue_signals { NO_SIGNAL, ONE_SIGNAL, SIGNAL_STORM, STORM_ON_ALTERNATE_STACK, RESIDUE_SIGNALS };

#endif

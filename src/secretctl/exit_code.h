/* The exit codes of secretctl: frozen, scripts rely on them. */
#ifndef SECRETCTL_EXIT_CODE_H
#define SECRETCTL_EXIT_CODE_H

/* Value, name, meaning. KEEPMUM_ERRORS in keepmum.h maps every error to one of them. */
#define EXIT_CODES(X)                                    \
        X(0, EXIT_OK, "ok")                              \
        X(1, EXIT_OTHER, "another error")                \
        X(2, EXIT_USAGE, "wrong usage")                  \
        X(3, EXIT_ABORTED, "aborted by the user")        \
        X(4, EXIT_LOCKED, "the vault is locked")         \
        X(5, EXIT_WRONG_KEY, "wrong passphrase or key")  \
        X(6, EXIT_NOT_FOUND, "not found")                \
        X(7, EXIT_EXISTS, "exists already")              \
        X(8, EXIT_DENIED, "denied")                      \
        X(9, EXIT_DAMAGED, "damaged")                    \
        X(10, EXIT_BUSY, "busy")                         \
        X(11, EXIT_NO_SPACE, "no space is left")         \
        X(12, EXIT_NOT_PROTECTED, "a protection could not be had") \
        X(13, EXIT_ROLLED_BACK, "rolled back")           \
        X(14, EXIT_FOUND, "copies were found")

enum exit_code {
#define EXIT_CODE_VALUE(value, name, meaning) name = value,
        EXIT_CODES(EXIT_CODE_VALUE)
#undef EXIT_CODE_VALUE
};

#endif

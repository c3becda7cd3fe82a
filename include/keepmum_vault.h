/* keepmum_vault.h: passwords in one encrypted, append-only, fully authenticated file.
 *
 * What secretctl is made of, for programs that want it without the tool. Secrets come and go as handles of keepmum.h; names,
 * users, URLs and tags are plain strings. docs/vault-format.md is the file, byte by byte.
 *
 * Rules that hold for all of it
 *  - A vault handle is for one thread at a time; different handles, of the same file too, may be used at once, in any number of
 *    processes: a writer waits for another writer, a reader waits for nobody.
 *  - Errors and aborts are as in keepmum.h. On an error nothing was saved and the file is as it was.
 *  - Texts are UTF-8, end with NUL, and hold no control characters. */
#ifndef KEEPMUM_VAULT_H
#define KEEPMUM_VAULT_H

#include <keepmum.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct keepmum_vault keepmum_vault;

#define KEEPMUM_VAULT_MAX_NAME_BYTES 1024
#define KEEPMUM_VAULT_MAX_SECRET_BYTES ((size_t)1 << 20)
#define KEEPMUM_VAULT_MIN_KEY_FILE_BYTES 32

/* Flags of opening. */
#define KEEPMUM_VAULT_ACCEPT_ROLLBACK 1u  /* take an older file for the right one (after restoring a backup) */

/** Begin a new vault in memory. The file appears, whole, with the first keepmum_vault_add(): KEEPMUM_EEXISTS then if one is there.
 *
 *  out    *out:        the vault, unlocked; to be closed with keepmum_vault_close()
 *  in     path:        where the file shall be; its directory must exist, belong to the user or to root, and be writable by nobody else
 *         state_dir:   where the rollback state is kept (see keepmum_vault_open()); NULL for none
 *         passphrase:  opens the vault later, through Argon2id at libsodium's MODERATE cost (256 MiB); {0} for none
 *         key_file:    the contents of a key file that opens it, 32 bytes or more; {0} for none. With both, either opens
 *  returns 0; KEEPMUM_ELOCKED when neither is given; KEEPMUM_EINVAL; KEEPMUM_EEMPTY (a key file below 32 bytes); KEEPMUM_EEXISTS; KEEPMUM_EUNSAFE; KEEPMUM_ENOTFOUND (no
 *         directory); KEEPMUM_ENOMEM
 *         (keepmum_vault_detail(): the MiB wanted); what keepmum_create() returns
 *  cost: one Argon2id where a passphrase is given */
KEEPMUM_CHECKED int keepmum_vault_create(keepmum_vault **out, const char *path, const char *state_dir, keepmum_secret passphrase,
                                         keepmum_secret key_file);

/** Open and unlock a vault, and authenticate every entry's head.
 *
 *  out    *out:        the vault; to be closed with keepmum_vault_close()
 *  in     path:        the file
 *         state_dir:   directory, made if missing (0700), that remembers how far each vault had got, so that an older copy put in its
 *                      place is seen; NULL: not looked for
 *         passphrase, key_file:  either may be {0}
 *         flags:       0 or KEEPMUM_VAULT_ACCEPT_ROLLBACK
 *  returns 0; KEEPMUM_EINVAL (an empty path, an unknown flag); KEEPMUM_ENOTFOUND (no file); KEEPMUM_EDENIED; KEEPMUM_EUNSAFE (the file or its directory may be written by others); KEEPMUM_ENEWER;
 *         KEEPMUM_ELOCKED (nothing given that fits a key slot); KEEPMUM_EWRONGKEY; KEEPMUM_EDAMAGED (keepmum_vault_detail(): the offset); KEEPMUM_ECOST;
 *         KEEPMUM_EROLLEDBACK; KEEPMUM_ENOMEM (keepmum_vault_detail(): the MiB wanted, 0 if unknown); KEEPMUM_EIO; what keepmum_create() returns
 *  cost: Argon2id for each passphrase slot tried, then one authenticated decryption an entry */
KEEPMUM_CHECKED int keepmum_vault_open(keepmum_vault **out, const char *path, const char *state_dir, keepmum_secret passphrase,
                                       keepmum_secret key_file, unsigned flags);

/** Close a vault and wipe its keys and names. NULL is left alone. */
KEEPMUM_API void keepmum_vault_close(keepmum_vault *vault);

/** What the last error of this thread was about: the file offset for KEEPMUM_EDAMAGED, the MiB wanted for KEEPMUM_ENOMEM, 1 for another
 *  error that is about state_dir and not the vault, else 0. */
KEEPMUM_API uint64_t keepmum_vault_detail(void);

/* Things to tell the user although all went well. */
#define KEEPMUM_VAULT_TORN_TAIL 1u        /* an unfinished entry at the end (a crash while saving) is ignored */
#define KEEPMUM_VAULT_STATE_NOT_SAVED 2u  /* the rollback state could not be written */
#define KEEPMUM_VAULT_FIRST_SEEN 4u       /* no rollback state was there for this vault */

/** Warnings gathered so far, KEEPMUM_VAULT_... bits. */
KEEPMUM_API unsigned keepmum_vault_warnings(const keepmum_vault *vault);

/** Save a new entry: one record appended and synced before it returns.
 *
 *  in     name:             1 .. 1024 bytes
 *         secret:           up to 1 MiB; {0} for an empty one. Not open for writing
 *         user, url, tags:  each up to 16 KiB, NULL for none; tags are separated by commas
 *  returns 0; KEEPMUM_EBADNAME; KEEPMUM_EINVAL; KEEPMUM_ETOOBIG (the secret, a text, or the vault: 1 GiB, 1,000,000 entries); KEEPMUM_EEXISTS; KEEPMUM_ENOSPACE; KEEPMUM_EIO;
 *         KEEPMUM_EDENIED; KEEPMUM_EUNSAFE; KEEPMUM_EDAMAGED; KEEPMUM_EROLLEDBACK; KEEPMUM_ENOTFOUND (the file is gone); KEEPMUM_ELOCKED (another key opens it now); KEEPMUM_ENOMEM; what
 *         keepmum_create() returns, and keepmum_open_read() of the secret
 *  cost: O(size of the entry), not of the vault */
KEEPMUM_CHECKED int keepmum_vault_add(keepmum_vault *vault, const char *name, keepmum_secret secret, const char *user, const char *url,
                                      const char *tags);

/** Get an entry's secret into a new secret.
 *
 *  returns 0; KEEPMUM_EINVAL; KEEPMUM_ENOTFOUND; KEEPMUM_EEMPTY when the stored secret has no bytes; KEEPMUM_EDAMAGED; KEEPMUM_EIO; what keepmum_create() returns
 *  cost: one authenticated decryption of that secret, in place in guarded memory */
KEEPMUM_CHECKED int keepmum_vault_get(keepmum_vault *vault, const char *name, keepmum_secret *out);

/** Give an entry another name. returns as keepmum_vault_add(), and KEEPMUM_ENOTFOUND; KEEPMUM_EEXISTS if new_name is taken */
KEEPMUM_CHECKED int keepmum_vault_rename(keepmum_vault *vault, const char *name, const char *new_name);

/** Remove an entry. Its old record stays in the file, encrypted. returns as keepmum_vault_add(), and KEEPMUM_ENOTFOUND */
KEEPMUM_CHECKED int keepmum_vault_remove(keepmum_vault *vault, const char *name);

/** Number of live entries. They are numbered 0 .. count - 1 in the byte order of their names. */
KEEPMUM_API size_t keepmum_vault_count(const keepmum_vault *vault);

/** Find an entry's number. returns 0; KEEPMUM_ENOTFOUND; KEEPMUM_EINVAL */
KEEPMUM_CHECKED int keepmum_vault_find(const keepmum_vault *vault, const char *name, size_t *number);

enum keepmum_vault_text { KEEPMUM_VAULT_NAME = 0, KEEPMUM_VAULT_USER = 1, KEEPMUM_VAULT_URL = 2, KEEPMUM_VAULT_TAGS = 3 };

/** A text of an entry; "" where it has none. Valid until the next call that changes or closes the vault.
 *  aborts on number >= count */
KEEPMUM_API const char *keepmum_vault_text(const keepmum_vault *vault, size_t number, enum keepmum_vault_text which);

/** When an entry was added and last changed, in milliseconds since 1970 UTC. aborts on number >= count */
KEEPMUM_API void keepmum_vault_times(const keepmum_vault *vault, size_t number, int64_t *added_ms, int64_t *changed_ms);

#ifdef __cplusplus
}
#endif
#endif

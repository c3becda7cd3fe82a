/* keepmum.h: secrets in guarded memory, for Linux.
 *
 * A secret is a handle. Its bytes stand in locked pages of their own, between pages nobody may touch, and are
 * closed (PROT_NONE) unless somebody has them open:
 *
 *      keepmum_secret key;
 *      void *bytes;
 *      size_t n_bytes;
 *      int err = keepmum_create(&key, 32, 0);
 *      if (err == 0 && (err = keepmum_open_write(key, &bytes, &n_bytes)) == 0) {
 *              ...                                       (fill bytes[0 .. n_bytes))
 *              keepmum_close(key);
 *      }
 *      keepmum_destroy(&key);
 *
 * Rules that hold for all of it
 *  - Arguments stand in this order: the secrets acted on, outputs, inputs, flags; a length follows its pointer.
 *  - Functions that can fail return 0 or one negative KEEPMUM_E... value; outputs are then untouched, the secret is as it
 *    was, and errno holds the kernel's cause where there is one. Never ignore a result.
 *  - What only a bug can do (a second destroy, a close without an open, a write beside the secret) ends the process:
 *    one fixed sentence on standard error, without a byte of any secret, then abort(). docs/misuse.md lists them.
 *  - Sizes are bytes. Any thread may call any function at any time; exceptions are named. Only keepmum_wipe_all() may be
 *    called from a signal handler. No function is a cancellation point: a thread that is to be cancelled ends behind it, also where
 *    it waits for a descriptor or a terminal. (PTHREAD_CANCEL_ASYNCHRONOUS must not be set.)
 *  - After fork() the child has no secret of its parent: functions return KEEPMUM_EFORKED for the parent's handles, close and
 *    destroy of them do nothing. New secrets may be made in the child.
 *  - Nothing is to be initialised: the first use does it.
 *  - There may be more secrets than memory that can be locked: where a limit is met, closed ones that were not used lately are
 *    encrypted ("sealed") under a key that no other process has, and come back when they are opened. So the bytes may stand
 *    elsewhere at the next open; KEEPMUM_STAY forbids that. At least three pages must be there to lock.
 *
 * docs/promises.md says what is promised, which test observes it, and what is not proven. */
#ifndef KEEPMUM_H
#define KEEPMUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined __GNUC__
#define KEEPMUM_API __attribute__((visibility("default")))
#define KEEPMUM_CHECKED __attribute__((visibility("default"), warn_unused_result))
#else
#define KEEPMUM_API
#define KEEPMUM_CHECKED
#endif

/** A secret's handle: plain data, may be copied and compared by .bits. {0} is no secret. */
typedef struct {
        uint64_t bits;
} keepmum_secret;

/** Largest secret, in bytes (16 MiB). The smallest is 1. */
#define KEEPMUM_MAX_BYTES ((size_t)16 << 20)

/* The errors: name, value, exit code of secretctl, sentence. The one table that keepmum_error_text(), the tool and
 * the manual page are made from. */
#define KEEPMUM_ERRORS(X)                                                                                                  \
        X(KEEPMUM_EINVAL, -1, 2, "invalid argument")                                                                       \
        X(KEEPMUM_ETOOBIG, -2, 2, "larger than the limit")                                                                 \
        X(KEEPMUM_EEMPTY, -3, 2, "no bytes where at least one is needed")                                                  \
        X(KEEPMUM_ENOMEM, -4, 1, "out of memory")                                                                          \
        X(KEEPMUM_ELIMIT, -5, 12, "the limit of locked memory is reached (raise it with ulimit -l)")                       \
        X(KEEPMUM_ENOSLOT, -6, 12, "no slot is left: all are open or must stay, or the limit of mappings or secrets is met") \
        X(KEEPMUM_EBUSY, -7, 10, "busy: open elsewhere, or locked by another writer")                                      \
        X(KEEPMUM_ESTALE, -8, 1, "the secret was destroyed")                                                               \
        X(KEEPMUM_EFORKED, -9, 1, "the secret belongs to the parent process")                                              \
        X(KEEPMUM_EWIPED, -10, 1, "all secrets of this process were wiped")                                                \
        X(KEEPMUM_ENOLOCK, -11, 12, "memory could not be locked: it might reach swap")                                     \
        X(KEEPMUM_ENODUMP, -12, 12, "memory could not be kept out of core dumps")                                          \
        X(KEEPMUM_ENOFORK, -13, 12, "memory could not be kept from child processes")                                       \
        X(KEEPMUM_ENOGUARD, -14, 12, "memory could not be closed or guarded: page protection has no effect here")          \
        X(KEEPMUM_ENOHIDDEN, -15, 12, "memory could not be hidden: memfd_secret is not available here")                    \
        X(KEEPMUM_EIO, -16, 1, "reading or writing failed")                                                                \
        X(KEEPMUM_ENOTTY, -17, 1, "there is no terminal to ask at")                                                        \
        X(KEEPMUM_ECANCELED, -18, 3, "canceled")                                                                           \
        X(KEEPMUM_ESYSTEM, -19, 1, "a system call failed")                                                                 \
        X(KEEPMUM_ELOCKED, -20, 4, "the vault is locked: a passphrase or a key file is needed")                            \
        X(KEEPMUM_EWRONGKEY, -21, 5, "wrong passphrase or key file")                                                       \
        X(KEEPMUM_ENOTFOUND, -22, 6, "not found")                                                                          \
        X(KEEPMUM_EEXISTS, -23, 7, "exists already")                                                                       \
        X(KEEPMUM_EDENIED, -24, 8, "permission denied")                                                                    \
        X(KEEPMUM_EDAMAGED, -25, 9, "the vault is damaged")                                                                \
        X(KEEPMUM_ENOSPACE, -26, 11, "no space is left; nothing was saved")                                                \
        X(KEEPMUM_EROLLEDBACK, -27, 13, "the vault is older than the one last seen, or another one stands in its place")   \
        X(KEEPMUM_ENEWER, -28, 1, "the vault was made by a newer version")                                                 \
        X(KEEPMUM_EBADNAME, -29, 2, "a name must be 1 to 1024 bytes of UTF-8 without control characters")                  \
        X(KEEPMUM_ECOST, -30, 9, "the vault asks for more key derivation work than is allowed")                            \
        X(KEEPMUM_EUNSAFE, -31, 8, "the file or its directory may be changed or replaced by others")   \
        X(KEEPMUM_ENOTSUP, -32, 1, "not supported on this machine")                                                        \
        X(KEEPMUM_ENOTCOURIER, -33, 1, "the descriptor is not a courier that a secret can be received from")               \
        X(KEEPMUM_ETAKEN, -34, 1, "the courier's secret was received before")

enum keepmum_error {
#define KEEPMUM_ERROR_VALUE(name, value, exit_code, sentence) name = value,
        KEEPMUM_ERRORS(KEEPMUM_ERROR_VALUE)
#undef KEEPMUM_ERROR_VALUE
};

/* Flags of creation. A bit not named here is KEEPMUM_EINVAL. */
#define KEEPMUM_HIDDEN 1u           /* require memory that not even root reads from outside (memfd_secret) */
#define KEEPMUM_NOT_HIDDEN 2u       /* forbid it: ordinary locked memory */
#define KEEPMUM_ACCEPT_UNLOCKED 4u  /* where locking fails: an unlocked secret, whose state says so, instead of an error */
#define KEEPMUM_STAY 8u             /* never sealed: the address is the same at every open, until it is resized */
#define KEEPMUM_EXACT_END 16u       /* the last byte stands right before the guard page; alignment is then 1 */
#define KEEPMUM_SEALED 32u          /* encrypted whenever it is not open: sealed anew by each last close */

/* Promises of a secret, as keepmum_state() and keepmum_verify() report them. */
#define KEEPMUM_IS_LOCKED 1u   /* cannot reach swap */
#define KEEPMUM_IS_NODUMP 2u   /* in no core file */
#define KEEPMUM_IS_NOFORK 4u   /* in no child process */
#define KEEPMUM_IS_GUARDED 8u  /* an untouchable page on both sides */
#define KEEPMUM_IS_HIDDEN 16u  /* not readable from outside, not even by root */
#define KEEPMUM_IS_SEALED 32u  /* encrypted at the moment; or never written, and in no memory at all */
#define KEEPMUM_IS_OPEN 64u    /* open at the moment */

/** Create a secret of n_bytes zero bytes, closed.
 *
 *  out    *out:     the handle
 *  in     n_bytes:  1 .. KEEPMUM_MAX_BYTES
 *         flags:    KEEPMUM_HIDDEN, _NOT_HIDDEN, _ACCEPT_UNLOCKED, _STAY, _EXACT_END, _SEALED
 *  returns 0; KEEPMUM_EINVAL (out NULL, n_bytes 0, unknown or contradicting flags); KEEPMUM_ETOOBIG; KEEPMUM_ELIMIT (the lock limit or
 *         budget has no room for such a secret even when all others are sealed); KEEPMUM_ENOSLOT (every slot that would serve is
 *         open or must stay); KEEPMUM_ENOMEM (also where there is none to seal another one into); KEEPMUM_ENOLOCK, _ENODUMP, _ENOFORK, _ENOGUARD, _ENOHIDDEN when that protection could
 *         not be had; KEEPMUM_ESYSTEM (errno says why: no descriptor left for KEEPMUM_HIDDEN, or a call that a sandbox forbids); KEEPMUM_EWIPED
 *  The bytes are aligned to the largest power of two, up to 64, that divides n_bytes rounded up to 16. A write past the end
 *         faults at once where n_bytes is a multiple of 16 or KEEPMUM_EXACT_END is given; every other write beside the bytes,
 *         within the page, aborts at close.
 *  threads: any; cost: no system call when a freed slot of the size class is there, nor where a limit is met: the slot is then taken
 *         from another secret at the first open; source: docs/design.md, "Secret", "Sealing" */
KEEPMUM_CHECKED int keepmum_create(keepmum_secret *out, size_t n_bytes, unsigned flags);

/** Create a secret from bytes, and wipe the source.
 *
 *  out    *out:     the handle
 *  inout  bytes:    n_bytes, copied, then overwritten with zeroes; on an error it is left as it was
 *  in     n_bytes, flags, returns: as keepmum_create(); KEEPMUM_EINVAL also where bytes is NULL
 *  threads: any; cost: keepmum_create() and one bracket for writing */
KEEPMUM_CHECKED int keepmum_take(keepmum_secret *out, void *bytes, size_t n_bytes, unsigned flags);

/** Wipe a secret and end its handle. Afterwards its address faults and *s is {0}.
 *
 *  inout  *s:  a live secret, or {0}, which is left alone
 *  Open for writing by the calling thread: closes it first (cheaper than close and destroy). Open otherwise: the handle ends at
 *         once, the bytes are wiped and shut by the last close.
 *  aborts on NULL, on a destroyed secret, on a handle that was never given out, on a write beside the secret
 *  threads: any; cost: two mprotect, none if it was never written */
KEEPMUM_API void keepmum_destroy(keepmum_secret *s);

/** Change the size of a closed secret. Bytes up to the smaller size are kept, new ones are zero, what falls away is wiped.
 *
 *  in     s:        a live, closed secret
 *         n_bytes:  1 .. KEEPMUM_MAX_BYTES
 *  returns 0; KEEPMUM_EINVAL, KEEPMUM_ETOOBIG; KEEPMUM_EBUSY while it is open; KEEPMUM_ESTALE, _EFORKED, _EWIPED; and where another slot is needed
 *         what keepmum_create() returns. The secret is unchanged on an error. The bytes may move, also with KEEPMUM_STAY
 *  threads: any; cost: one bracket in the same size class, else two and a copy; what a sealed one costs to open comes on top */
KEEPMUM_CHECKED int keepmum_resize(keepmum_secret s, size_t n_bytes);

/** Make a second secret with the same size, bytes and creation flags. The two share one sealed copy until one of them is opened for
 *  writing, resized or destroyed; to change or destroy one never changes the other.
 *
 *  out    *out:  the handle
 *  in     s:     a live secret, not open for writing
 *  returns 0; KEEPMUM_EINVAL (out NULL, or s is {0}); KEEPMUM_EBUSY while s is open for writing; KEEPMUM_ESTALE, _EFORKED, _EWIPED; KEEPMUM_ENOMEM;
 *         KEEPMUM_ENOSLOT where there are as many secrets as there can be; with
 *         KEEPMUM_STAY, and where nothing can be sealed, all that keepmum_create() returns
 *  threads: any; cost: no system call where s is sealed or was sealed and not written since; else one bracket for reading and one
 *         sealing */
KEEPMUM_CHECKED int keepmum_clone(keepmum_secret *out, keepmum_secret s);

/** Tell a secret's size.
 *
 *  out    *n_bytes: 1 .. KEEPMUM_MAX_BYTES
 *  in     s:        a live secret, open or closed
 *  returns 0; KEEPMUM_EINVAL (NULL, or s is {0}); KEEPMUM_ESTALE, _EFORKED, _EWIPED
 *  threads: any; cost: no system call */
KEEPMUM_CHECKED int keepmum_size(keepmum_secret s, size_t *n_bytes);

/** Open a secret for reading. Pairs with keepmum_close(); nests, from any thread.
 *
 *  out    *bytes:    first byte, read-only; valid until the matching close, never to be kept
 *         *n_bytes:  its size; may be NULL
 *  in     s:         a live secret
 *  returns 0; KEEPMUM_EINVAL (bytes NULL, or s is {0}); KEEPMUM_EBUSY while it is open for writing, also by the same thread; KEEPMUM_ESTALE after
 *         its destroy; KEEPMUM_EFORKED in a child of fork; KEEPMUM_EWIPED; KEEPMUM_ELIMIT beyond 1,048,575 opens at a time. For a secret that
 *         is sealed or was never opened also KEEPMUM_ENOSLOT where every slot that would serve is open or must stay, KEEPMUM_ENOMEM where
 *         there is no memory to seal another one into, and KEEPMUM_ELIMIT, KEEPMUM_ESYSTEM; nothing is lost, a later open may succeed
 *  aborts on a handle that was never given out, on a sealed secret whose encrypted bytes were changed
 *  threads: any; another thread's opening or closing in progress is waited for; cost: one mprotect for the outermost open, none
 *         for a nested one; a sealed secret costs three more, and one decryption; source: docs/design.md, "Secret", "Sealing" */
KEEPMUM_CHECKED int keepmum_open_read(keepmum_secret s, const void **bytes, size_t *n_bytes);

/** Open a secret for writing, alone. Pairs with keepmum_close().
 *
 *  as keepmum_open_read(), but bytes may be written, and KEEPMUM_EBUSY is returned while the secret is open at all
 *  returns also KEEPMUM_ENOMEM for a secret with KEEPMUM_SEALED, whose next sealed copy is allocated before it is opened
 *  threads: any; cost: one mprotect; at the first open the unused part of the page is filled with a pattern */
KEEPMUM_CHECKED int keepmum_open_write(keepmum_secret s, void **bytes, size_t *n_bytes);

/** End one open. The last close shuts the bytes: any access faults.
 *
 *  in     s:  a secret that is open; any thread may close what another has opened
 *  aborts on a close without an open, on a handle that is stale or was never given out, on a write beside the secret
 *  threads: any; cost: one mprotect for the last close; after writing the rest of the page is compared with its pattern; with
 *         KEEPMUM_SEALED a wipe, one or two mprotect more, and after writing one encryption */
KEEPMUM_API void keepmum_close(keepmum_secret s);

/** Run a function so that nothing it leaves behind stays: on a stack of its own in guarded, locked memory, with signals blocked. When it is
 *  left, every register that a function may change is cleared, then the whole stack is wiped, then the signal mask is set back.
 *
 *  out    *result:      what fn returned; may be NULL
 *  in     fn, arg:      called as fn(arg), with errno and thread-locals of this thread
 *         stack_bytes:  0 for 64 KiB, at most 256 KiB; 64 KiB are enough for libsodium, and for OpenSSL's AES, HMAC, RSA and elliptic
 *                       curves. More than there is ends in SIGSEGV at a guard page
 *  returns 0; KEEPMUM_EINVAL (fn NULL); KEEPMUM_ETOOBIG; KEEPMUM_ENOTSUP on a CPU that is neither x86-64 nor aarch64; what keepmum_create()
 *         returns where no stack could be had. fn was not called then
 *  A C++ exception, pthread_exit() and thread cancellation may leave fn, and clean up the same. fn may make clean calls. Signals that
 *         came meanwhile are delivered afterwards; SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGSYS are not blocked. What fn puts on the
 *         heap, gives to the kernel or leaves in contexts that live on is not covered, nor is a crash inside fn.
 *  fn must not fork(): the child has no such stack and ends by SIGSEGV at once (vfork(), posix_spawn() and system() work)
 *  aborts when fn of an earlier call in this thread was left by longjmp() or by switching to another context, and no call
 *         around it has ended since
 *  threads: any; as many stacks are locked as calls run at one time, and a few are kept; cost: two signal masks, 64 KiB of wiping, no
 *         mprotect while a kept stack is there; source: docs/design.md, "Clean calls" */
KEEPMUM_CHECKED int keepmum_call_clean(int *result, int (*fn)(void *arg), void *arg, size_t stack_bytes);

/** Compare two secrets in constant time (of their size).
 *
 *  out    *equal:  whether sizes and bytes are the same
 *  in     a, b:    live secrets, not open for writing; may be the same
 *  returns 0 or what keepmum_open_read() returns
 *  threads: any; cost: two brackets for reading */
KEEPMUM_CHECKED int keepmum_equal(keepmum_secret a, keepmum_secret b, bool *equal);

#define KEEPMUM_BASE64_URL 256u /* of keepmum_to_base64() and keepmum_from_base64(): the alphabet of URLs, without padding (RFC 4648, 5) */

/** Write a secret's bytes as hexadecimal text into a new secret: two digits a byte, in lower case, without an end mark.
 *
 *  out    *out:   the handle
 *  in     s:      a live secret, not open for writing; stays as it is
 *         flags:  as keepmum_create()
 *  returns 0; KEEPMUM_EINVAL; KEEPMUM_ETOOBIG; else what keepmum_open_read() and keepmum_create() return
 *  threads: any; cost: keepmum_create(), two brackets and a keepmum_resize(); time depends on the size alone, registers are cleared */
KEEPMUM_CHECKED int keepmum_to_hex(keepmum_secret *out, keepmum_secret s, unsigned flags);

/** Read hexadecimal text, of either case, into a new secret.
 *
 *  returns KEEPMUM_EINVAL also where the text is anything but pairs of hexadecimal digits: no space, no end of line. Nothing is made then
 *  else as keepmum_to_hex(); for text that is right, time depends on the size alone */
KEEPMUM_CHECKED int keepmum_from_hex(keepmum_secret *out, keepmum_secret s, unsigned flags);

/** Write a secret's bytes as base64 text into a new secret, in one line, without an end mark.
 *
 *  in     flags:  as keepmum_create(); KEEPMUM_BASE64_URL for the alphabet of URLs, which then has no padding; without it the standard
 *                 alphabet, padded with '='
 *  else as keepmum_to_hex() */
KEEPMUM_CHECKED int keepmum_to_base64(keepmum_secret *out, keepmum_secret s, unsigned flags);

/** Read base64 text into a new secret. There is one text for each secret: padding must be there, or with KEEPMUM_BASE64_URL not be there, and
 *  bits that stand for nothing must be 0.
 *
 *  returns KEEPMUM_EINVAL also where the text is not such: other characters, spaces, line ends. Nothing is made then
 *  else as keepmum_from_hex(), with flags as keepmum_to_base64() */
KEEPMUM_CHECKED int keepmum_from_base64(keepmum_secret *out, keepmum_secret s, unsigned flags);

/** Fill a secret with random bytes from the kernel.
 *
 *  in     s:  a live, closed secret
 *  returns 0 or what keepmum_open_write() returns
 *  threads: any; cost: one bracket for writing and getrandom(2) */
KEEPMUM_CHECKED int keepmum_fill_random(keepmum_secret s);

/** Read a descriptor to its end into a new secret. No buffer but the secret itself is used.
 *
 *  out    *out:       the handle; its size is the number of bytes read
 *  in     fd:         file, pipe, socket or terminal, open for reading; interrupted calls are repeated, a non-blocking
 *                     descriptor is waited for
 *         max_bytes:  1 .. KEEPMUM_MAX_BYTES - 1; locked memory of up to four times the bytes read is used meanwhile
 *         flags:      as keepmum_create()
 *  returns 0; KEEPMUM_ETOOBIG when there are more than max_bytes; KEEPMUM_EEMPTY when there are none; KEEPMUM_EIO (errno says why); else
 *         what keepmum_create() returns. What was read until then is wiped and lost
 *  threads: any */
KEEPMUM_CHECKED int keepmum_read_fd(keepmum_secret *out, int fd, size_t max_bytes, unsigned flags);

/** Write all of a secret's bytes to a descriptor. The kernel's own buffers are then out of keepmum's hands.
 *
 *  in     s:   a live secret, not open for writing
 *         fd:  open for writing; short writes go on, interrupted calls are repeated, a non-blocking descriptor is waited for
 *  returns 0; KEEPMUM_EIO (errno says why; some bytes may have been written); else what keepmum_open_read() returns
 *  A closed pipe raises SIGPIPE as write(2) does. threads: any */
KEEPMUM_CHECKED int keepmum_write_fd(keepmum_secret s, int fd);

/** Put a secret's bytes into a courier: a descriptor that carries them to one other process, which calls keepmum_receive_fd() there.
 *
 *  out    *fd:  close-on-exec; to be sent over a unix socket (SCM_RIGHTS) and then closed, the sooner the better. Until the courier is received, who
 *               holds a descriptor of it holds the secret: also a child that is forked meanwhile, and who may look into /proc/PID/fd
 *  in     s:    a live secret, not open for writing; stays as it is
 *  The courier is secret memory (memfd_secret), which no read(2), not even root's, sees; but not with KEEPMUM_NOT_HIDDEN. Where that is not to be
 *         had, and on a machine that could hibernate, it is a memory file (memfd) of sealed size, whose pages can reach swap: only for a secret that
 *         was created with KEEPMUM_ACCEPT_UNLOCKED, and never for one with KEEPMUM_HIDDEN. While a courier of secret memory lives, the machine cannot
 *         hibernate: one that could is kept from it only where nothing else is left
 *  returns 0; KEEPMUM_EINVAL (fd NULL, or s is {0}); KEEPMUM_EBUSY while s is open for writing, or was resized meanwhile; KEEPMUM_ESTALE,
 *         _EFORKED, _EWIPED; KEEPMUM_ENOLOCK where there is but a memory file and s does not accept that; KEEPMUM_ENOHIDDEN the same for one with
 *         KEEPMUM_HIDDEN; KEEPMUM_ESYSTEM (errno says why: no descriptor left; EFBIG under a file size limit); KEEPMUM_EIO where there is no memory
 *         for a memory file; else what keepmum_open_read() returns.
 *         *fd is untouched then, and there is no courier. Secret memory is locked while it is mapped here: where the limit or the budget is
 *         met, closed secrets are sealed to make room, and KEEPMUM_ELIMIT or _ENOSLOT is returned where that is not enough
 *  threads: any; keepmum_wipe_all() does not reach couriers that were given out; cost: one bracket for reading and about ten system calls;
 *         source: docs/design.md, "Couriers" */
KEEPMUM_CHECKED int keepmum_share_fd(keepmum_secret s, int *fd);

/** Make a secret of what a courier carries; the courier is wiped and closed, so that one receiver has it.
 *
 *  out    *out:   the handle, of a slot of its own: nothing that the sender kept reaches it
 *  in     fd:     a descriptor from keepmum_share_fd() of any process, or anything else that a stranger has sent
 *         flags:  as keepmum_create(); they are the receiver's, the sender's do not come along
 *  returns 0; KEEPMUM_EINVAL (out NULL, flags); KEEPMUM_ENOTCOURIER for what is no courier, for one that another process could make longer or
 *         shorter, or that could not be wiped; KEEPMUM_ETAKEN where it was received before, here or elsewhere; KEEPMUM_EIO where its memory was
 *         lost, or another holder sealed it against the wiping; KEEPMUM_ESYSTEM (errno EFBIG: a file size limit forbids to wipe a memory file);
 *         KEEPMUM_EWIPED; else what keepmum_create() returns, since secret memory is locked while it is mapped here: see keepmum_share_fd()
 *  On success fd is closed; on an error it is open still, to be closed or received again. Until the bytes are under way to the new secret the courier
 *         is left as it was; after that it is wiped, also where KEEPMUM_EIO or KEEPMUM_EWIPED is returned, and KEEPMUM_ETAKEN comes next
 *  A sender can give any bytes, up to KEEPMUM_MAX_BYTES of them, and change them until they are copied, once: look at the size, and at
 *         who the sender is (SO_PEERCRED)
 *  threads: any, but one for a descriptor; of several that receive one courier over descriptors of their own one succeeds; cost:
 *         keepmum_create(), one bracket for writing and about ten system calls; source: docs/design.md, "Couriers" */
KEEPMUM_CHECKED int keepmum_receive_fd(keepmum_secret *out, int fd, unsigned flags);

/** Ask for a secret at the controlling terminal, without echo. The line is edited inside the secret's own page: erase,
 *  erase word and kill are as the terminal has them set.
 *
 *  out    *out:       the handle: the line without its end
 *  in     prompt:     written to the terminal before; NULL for none; control characters in it are not filtered
 *         max_bytes:  1 .. 65536; further characters are answered by the bell and not taken
 *         flags:      as keepmum_create()
 *  returns 0; KEEPMUM_ESYSTEM where no descriptor is left; KEEPMUM_ENOTTY where there is no terminal; KEEPMUM_EEMPTY for an empty line; KEEPMUM_ECANCELED at end of file, or after a signal
 *         whose handler returned (after a stop it asks again); KEEPMUM_EIO; else what keepmum_create() returns
 *  The terminal is set back on every way out. For SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM and SIGPIPE,
 *         where they are not ignored, handlers stand in during the call; the signal is then raised again as the application has it.
 *  threads: one prompt at a time, others wait; source: docs/design.md, "Prompt" */
KEEPMUM_CHECKED int keepmum_prompt(keepmum_secret *out, const char *prompt, size_t max_bytes, unsigned flags);

/** Tell which promises hold for a secret, as recorded when its memory was made. For a sealed one they are those of the key's memory.
 *
 *  out    *promises:  KEEPMUM_IS_... bits
 *  returns 0; KEEPMUM_EINVAL, _ESTALE, _EFORKED, _EWIPED
 *  threads: any; cost: no system call */
KEEPMUM_CHECKED int keepmum_state(keepmum_secret s, unsigned *promises);

/** The same, read back from the kernel (/proc/self/smaps): sees what somebody undid, such as munlockall().
 *
 *  returns also KEEPMUM_ESYSTEM where smaps cannot be read
 *  threads: any; cost: as large as the process has mappings (milliseconds with thousands) */
KEEPMUM_CHECKED int keepmum_verify(keepmum_secret s, unsigned *promises);

/* What keepmum_stats() counts. */
enum keepmum_stat {
        KEEPMUM_STAT_SECRETS,         /* live secrets */
        KEEPMUM_STAT_OPENS,           /* opens standing, over all secrets: also those of threads that have ended */
        KEEPMUM_STAT_SLOTS,           /* slots mapped, without those of the sealing keys */
        KEEPMUM_STAT_FREE_SLOTS,      /* of these, free for reuse */
        KEEPMUM_STAT_HIDDEN_SLOTS,    /* of the mapped ones, of memfd_secret */
        KEEPMUM_STAT_UNLOCKED_SLOTS,  /* of the mapped ones, not locked (KEEPMUM_ACCEPT_UNLOCKED) */
        KEEPMUM_STAT_LOCKED_BYTES,    /* locked by keepmum */
        KEEPMUM_STAT_LOCK_BUDGET,     /* as set by keepmum_set_lock_budget(); 0: none */
        KEEPMUM_STAT_RESIDENT,        /* of the live secrets, those that have a slot */
        KEEPMUM_STAT_SEALED,          /* of the live secrets, those that have none: sealed, or never opened */
        KEEPMUM_STAT_EVICTIONS,       /* how often a secret lost its slot to another one, or to keepmum_seal_all() */
        KEEPMUM_STAT_CLEAN_EVICTIONS, /* of these, without an encryption: not written since it was sealed last, or never */
        KEEPMUM_STATS
};

/** Fill an array with counts, indexed by enum keepmum_stat. Places this version does not know become 0.
 *
 *  out    values:    n_values numbers
 *  returns 0; KEEPMUM_EINVAL (NULL)
 *  threads: any; the numbers are each right, taken one after the other; cost: one pass over all secrets */
KEEPMUM_CHECKED int keepmum_stats(uint64_t *values, size_t n_values);

/** Seal every secret that is closed and not sealed, but those with KEEPMUM_STAY: before a long sleep, or a fork into the unknown.
 *  Each comes back when it is opened next. One with KEEPMUM_HIDDEN and KEEPMUM_ACCEPT_UNLOCKED stays as it is where no hidden key could be had.
 *
 *  returns 0; KEEPMUM_ENOMEM when some could not be sealed for want of memory: all others are; KEEPMUM_EWIPED; at the first use what
 *         keepmum_create() returns
 *  threads: any; what others open and close meanwhile may be missed; cost: two mprotect a secret, and one encryption for each that
 *         was written since it was sealed last */
KEEPMUM_CHECKED int keepmum_seal_all(void);

/** Wipe every secret of the process at once: the last thing to do in a handler for SIGTERM or a fatal signal. The sealing keys go
 *  first, so that what is sealed is lost too.
 *
 *  Never waits and takes no lock. Bytes that another thread has open at that moment become noise under its hands. Afterwards every
 *         open and create returns KEEPMUM_EWIPED and close and destroy do nothing. errno is kept.
 *  threads: any, async-signal-safe; cost: three to four system calls a secret */
KEEPMUM_API void keepmum_wipe_all(void);

/** Bound the memory that keepmum locks. Beyond it, secrets are sealed to make room for others.
 *
 *  in     n_bytes:  0 for no bound but the kernel's (the start), else at least three pages. What is locked already stays
 *  returns 0; KEEPMUM_EINVAL; KEEPMUM_EWIPED; at the first use what keepmum_create() returns
 *  threads: any */
KEEPMUM_CHECKED int keepmum_set_lock_budget(size_t n_bytes);

#define KEEPMUM_NO_NEW_PRIVS 1u  /* also prctl(PR_SET_NO_NEW_PRIVS) */
#define KEEPMUM_LOCK_PROCESS 2u  /* also mlockall(MCL_CURRENT | MCL_FUTURE): everything, not only secrets */

#define KEEPMUM_WIPE_ON_CRASH 4u /* cores stay allowed, but no key is in them: see keepmum_harden_process() */

/** Harden the process: not dumpable (no core, no ptrace or /proc/PID/mem by the same user), core size 0.
 *
 *  in     flags:  0, or KEEPMUM_NO_NEW_PRIVS, KEEPMUM_LOCK_PROCESS, KEEPMUM_WIPE_ON_CRASH
 *  returns 0; KEEPMUM_EINVAL; KEEPMUM_ENODUMP, KEEPMUM_ENOLOCK (also where the limit is too small), KEEPMUM_ESYSTEM, KEEPMUM_ENOTSUP
 *         (KEEPMUM_WIPE_ON_CRASH on a CPU that is neither x86-64 nor aarch64): what was done before the failing step stays done
 *  With KEEPMUM_WIPE_ON_CRASH the process stays dumpable, for those who need core files of their crashes, and handlers stand in for the
 *         signals that write one (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT, SIGQUIT, SIGXCPU, SIGXFSZ) where the application
 *         has none: the registers of all threads are cleared, but for those that say where they were, secrets are wiped, and the signal
 *         strikes again at the same place. Signal, cause and frames in the core are the true ones. What stands on the stacks of plain calls is not
 *         touched. Not reached: a thread that blocks SIGSEGV, a stack overflow without sigaltstack()
 *  threads: any; before the first secret exists. A later exec of another program undoes non-dumpable */
KEEPMUM_CHECKED int keepmum_harden_process(unsigned flags);

/** Install a hook that runs first when keepmum is about to abort. It cannot resume: when it returns, the process ends.
 *
 *  in     hook:  gets the sentence; may call keepmum_wipe_all() and nothing else of keepmum; NULL removes it. If it leaves by
 *                longjmp, every later call of keepmum returns KEEPMUM_EWIPED
 *  threads: any */
KEEPMUM_API void keepmum_on_fatal(void (*hook)(const char *sentence));

/** The sentence of an error, in English, static; "no error" for 0. threads: any, async-signal-safe */
KEEPMUM_API const char *keepmum_error_text(int error);

/** The version of the library, such as "0.1.0". threads: any, async-signal-safe */
KEEPMUM_API const char *keepmum_version(void);

#ifdef __cplusplus
}
#endif
#endif

/* The process as a whole: prctl, limits, and the few facts that only /proc tells.
 *
 * Files of /proc are read with read(2) into the caller's buffer: no stdio, no allocation, so that it works at any time. */
#include "os/process.h"

#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool process_read_text(const char *path, char *text, size_t text_bytes)
{
        int kept = errno, fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
        size_t used = 0, n = 1;

        if (fd >= 0) {
                while (err == 0 && n > 0 && used < text_bytes - 1) {
                        n = 0;
                        err = stream_read(fd, text + used, &n, text_bytes - 1 - used);
                        used += n;
                }
                close(fd);
        }
        text[used] = '\0';
        errno = kept;
        return fd >= 0 && err == 0;
}

/* Looks for a line that begins with a key, and takes the number behind it. Lines before it may be of any length: a user may be
 * in thousands of groups. */
struct line_reader {
        const char *key;
        size_t at; /* in the line */
        bool is_other_line, is_found;
        uint64_t value;
};

static void line_take(struct line_reader *r, char c)
{
        size_t key_bytes = strlen(r->key);

        if (c == '\n') {
                r->is_found = !r->is_other_line && r->at > key_bytes;
                r->at = 0;
                r->is_other_line = false;
                return;
        }
        if (r->at < key_bytes && c != r->key[r->at])
                r->is_other_line = true;
        else if (r->at >= key_bytes && !r->is_other_line && c >= '0' && c <= '9')
                r->value = r->value * 10 + (uint64_t)(c - '0');
        r->at++;
}

bool process_locked_kb(uint64_t *kb)
{
        int kept = errno, fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC), err = 0;
        struct line_reader r = {.key = "VmLck:"};
        size_t n = 1;

        if (fd < 0)
                return false;
        while (err == 0 && n > 0 && !r.is_found) {
                char text[1024];

                n = 0;
                err = stream_read(fd, text, &n, sizeof text);
                for (size_t i = 0; i < n && !r.is_found; i++)
                        line_take(&r, text[i]);
        }
        close(fd);
        errno = kept;
        *kb = r.value;
        return r.is_found;
}

/* One line of /proc/self/maps is one mapping. */
static bool count_mappings(uint64_t *n_mappings)
{
        char text[4096];
        size_t n = 1;
        int err = 0, fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return false;
        *n_mappings = 0;
        while (err == 0 && n > 0) {
                n = 0;
                err = stream_read(fd, text, &n, sizeof text);
                for (size_t i = 0; i < n; i++)
                        *n_mappings += text[i] == '\n';
        }
        close(fd);
        return err == 0;
}

bool process_mappings_are_used_up(void)
{
        enum { NEAR = 8 }; /* a new slot and its neighbours take a few at once */
        int kept = errno;
        char text[32];
        uint64_t used;
        bool is_known = process_read_text("/proc/sys/vm/max_map_count", text, sizeof text) && count_mappings(&used);

        errno = kept;
        return is_known && used + NEAR >= strtoull(text, NULL, 10);
}

int process_forbid_dump(void)
{
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : KEEPMUM_ENODUMP;
}

int process_forbid_core(void)
{
        struct rlimit none = {0, 0};

        return setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : KEEPMUM_ENODUMP;
}

int process_forbid_new_privs(void)
{
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : KEEPMUM_ESYSTEM;
}

int process_lock_all(void)
{
        return mlockall(MCL_CURRENT | MCL_FUTURE) == 0 ? 0 : KEEPMUM_ENOLOCK;
}

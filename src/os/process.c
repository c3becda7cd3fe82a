/* The process as a whole: prctl, limits, and the few facts that only /proc tells.
 *
 * Files of /proc are read with read(2) into the caller's buffer: no stdio, no allocation, so that it works at any time. */
#include "os/process.h"

#include "os/cancel.h"
#include "os/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

bool process_read_text(const char *path, char *text, size_t text_bytes)
{
        UNCANCELLED;
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

/* One line of /proc/self/maps is one mapping. */
static bool count_mappings(uint64_t *n_mappings)
{
        UNCANCELLED;
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

int process_name_shortage(int err)
{
        return err == KEEPMUM_ENOMEM && process_mappings_are_used_up() ? KEEPMUM_ENOSLOT : err;
}

void process_pause(unsigned n_times_before)
{
        UNCANCELLED;
        static const struct timespec nap = {0, 100000};
        int kept = errno;

        if (n_times_before < 50)
                sched_yield();
        else
                nanosleep(&nap, NULL);
        errno = kept;
}

bool process_may_make_file(size_t n_bytes)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || n_bytes <= limit.rlim_cur)
                return true;
        errno = EFBIG;
        return false;
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

void process_nap(void)
{
        UNCANCELLED;
        int kept = errno;
        struct timespec millisecond = {0, 1000000};

        (void)nanosleep(&millisecond, NULL); /* cut short by a signal: as good */
        errno = kept;
}

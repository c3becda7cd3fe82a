/* /proc/PID/task and /proc/PID/stat.
 *
 * /proc/PID/task/TID/syscall is "number arguments... stack-pointer program-counter", or "running" (proc(5)). The stack
 * pointer in /proc/PID/stat is not used: it is 0 for every process that lives. */
#include "os/tasks.h"

#include "os/process.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last but one word. */
static bool parse_stack_pointer(uint64_t *stack_pointer, const char *text)
{
        const char *last = strrchr(text, ' '), *p = last;

        while (p != NULL && p > text && p[-1] != ' ')
                p--;
        if (p == NULL || p == text)
                return false;
        *stack_pointer = strtoull(p, NULL, 16);
        return *stack_pointer != 0;
}

static void read_task(const char *tasks, const char *name, void (*found)(void *, int, uint64_t), void *context)
{
        char path[128], text[256];
        uint64_t stack_pointer;

        snprintf(path, sizeof path, "%s/%.20s/syscall", tasks, name);
        if (process_read_text(path, text, sizeof text) && parse_stack_pointer(&stack_pointer, text))
                found(context, atoi(name), stack_pointer);
}

void tasks_read(int pid, void (*found)(void *context, int thread, uint64_t stack_pointer), void *context)
{
        int kept = errno;
        char path[64] = "/proc/self/task";

        if (pid != 0)
                snprintf(path, sizeof path, "/proc/%d/task", pid);
        DIR *d = opendir(path);
        if (d != NULL) {
                for (struct dirent *e; (e = readdir(d)) != NULL;)
                        if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
                                read_task(path, e->d_name, found, context);
                closedir(d);
        }
        errno = kept;
}

/* "number (name) letter ...", where the name may hold brackets and spaces. */
char tasks_state(int pid)
{
        char path[64], text[512];

        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        if (!process_read_text(path, text, sizeof text))
                return '\0';
        const char *bracket = strrchr(text, ')');
        return bracket != NULL && bracket[1] == ' ' ? bracket[2] : '\0';
}

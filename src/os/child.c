/* One child process at a time, its standard output read through a pipe.
 *
 * posix_spawn(3) and not fork(2): the child has none of this process's memory even for a moment. It gets no input
 * (standard input may be where a secret comes from), the usual signals, and no descriptor but the standard ones and
 * those that whoever started us left open. */
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <keepmum.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn_into(struct child *c, char *const words[], int write_end)
{
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        sigset_t usual;
        int error;

        sigemptyset(&usual);
        sigaddset(&usual, SIGPIPE);
        sigaddset(&usual, SIGXFSZ);
        if ((error = posix_spawn_file_actions_init(&files)) != 0)
                return error;
        if ((error = posix_spawnattr_init(&attributes)) != 0)
                goto files_end;
        if ((error = posix_spawnattr_setsigdefault(&attributes, &usual)) == 0 &&
            (error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF)) == 0 &&
            (error = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)) == 0 &&
            (error = posix_spawn_file_actions_adddup2(&files, write_end, STDOUT_FILENO)) == 0)
                error = posix_spawnp(&c->pid, words[0], &files, &attributes, words, environ);
        posix_spawnattr_destroy(&attributes);
files_end:
        posix_spawn_file_actions_destroy(&files);
        return error;
}

int child_start(struct child *c, const char *program, const char *argument)
{
        /* posix_spawn takes them as char * and leaves them alone. */
        char *const words[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)argument, NULL};
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) != 0)
                return KEEPMUM_ESYSTEM;
        int error = spawn_into(c, words, ends[1]);
        close(ends[1]);
        if (error != 0) {
                close(ends[0]);
                errno = error;
                return KEEPMUM_ESYSTEM;
        }
        c->from_it = ends[0];
        return 0;
}

bool child_end(struct child *c)
{
        int status;

        close(c->from_it);
        while (waitpid(c->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Workers: the same program, several times over, at the same point of main().
 *
 * Where the kernel puts a program's pages and mappings stays for the life of a process and moves a figure by up to a tenth, so rounds
 * are spread over processes. Always true: at most one of them is at work, all others wait in read(2); what a worker prints is
 * thrown away; a worker whose program has gone ends by itself. */
#include "workers.h"

#include "need.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static struct {
        int to, from;
} workers[WORKERS];
static bool exist, am_one;
static int answer_fd;

static void send_all(int fd, const void *bytes, size_t n_bytes)
{
        const char *p = bytes;

        for (ssize_t n = 0; n_bytes > 0; p += n, n_bytes -= (size_t)n)
                need((n = write(fd, p, n_bytes)) > 0, "the other process is gone");
}

static void receive_all(int fd, void *bytes, size_t n_bytes)
{
        char *p = bytes;

        for (ssize_t n = 0; n_bytes > 0; p += n, n_bytes -= (size_t)n)
                if ((n = read(fd, p, n_bytes)) <= 0)
                        exit(1); /* it has said why */
}

/* ---- starting ---- */

/* A worker reads its orders from standard input and answers to what was its standard output. */
static void become_one(void)
{
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        am_one = true;
        answer_fd = dup(STDOUT_FILENO);
        need(nowhere >= 0 && answer_fd >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0, "a worker does not start");
}

static void start_one(unsigned i, char *name)
{
        char mark[] = "--worker", *words[] = {name, mark, NULL};
        posix_spawn_file_actions_t files;
        int orders[2], answers[2];
        pid_t pid;

        need(pipe2(orders, O_CLOEXEC) == 0 && pipe2(answers, O_CLOEXEC) == 0, "no pipe");
        need(posix_spawn_file_actions_init(&files) == 0 && posix_spawn_file_actions_adddup2(&files, orders[0], STDIN_FILENO) == 0 &&
                     posix_spawn_file_actions_adddup2(&files, answers[1], STDOUT_FILENO) == 0 &&
                     posix_spawn(&pid, "/proc/self/exe", &files, NULL, words, environ) == 0,
             "a worker cannot be started");
        posix_spawn_file_actions_destroy(&files);
        close(orders[0]);
        close(answers[1]);
        workers[i].to = orders[1];
        workers[i].from = answers[0];
}

void workers_start(char *const argv[])
{
        if (argv[1] != NULL && strcmp(argv[1], "--worker") == 0) {
                become_one();
                return;
        }
        for (unsigned i = 0; i < WORKERS; i++)
                start_one(i, argv[0]);
        exist = true;
}

bool workers_exist(void)
{
        return exist;
}

bool workers_am_one(void)
{
        return am_one;
}

/* ---- the program's side ---- */

void workers_gather(void)
{
        char here;

        for (unsigned i = 0; i < WORKERS; i++)
                receive_all(workers[i].from, &here, 1);
}

void workers_ask(unsigned worker, void *answer, size_t n_bytes)
{
        send_all(workers[worker].to, "", 1);
        receive_all(workers[worker].from, answer, n_bytes);
}

void workers_release(void)
{
        for (unsigned i = 0; i < WORKERS; i++)
                send_all(workers[i].to, "", 1);
}

/* ---- the worker's side ---- */

void workers_wait_for_turn(void)
{
        char order;

        send_all(answer_fd, "", 1);
        receive_all(STDIN_FILENO, &order, 1);
}

void workers_answer(const void *answer, size_t n_bytes)
{
        char order;

        send_all(answer_fd, answer, n_bytes);
        receive_all(STDIN_FILENO, &order, 1);
}

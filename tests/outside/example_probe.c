/* What check_examples cannot do in a shell: look for a key in the memory of a process, forbid hidden memory to a program, type at a
 * terminal, and be a client that does not speak TLS. One verb a run. */
#include "outside/memory_scan.h"
#include "outside/pty.h"
#include "outside/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KEY_BYTES = 32, CANNOT_BE_READ = 3, ANSWER_MS = 60000, PATIENCE_SECONDS = 20 };

static int usage(void)
{
        fputs("usage: count PID <HEX | plain PROGRAM... | type PROGRAM... -- PROMPT ANSWER... | knock PORT BYTES | hold PORT\n", stderr);
        return 2;
}

static int failed(const char *what)
{
        perror(what);
        return 1;
}

/* ---- count: copies of 32 bytes, in either order, then those outside of locked memory that is in no core ---- */

static bool read_key(unsigned char key[static KEY_BYTES])
{
        for (int i = 0; i < KEY_BYTES; i++)
                if (scanf("%2hhx", &key[i]) != 1)
                        return false;
        return true;
}

static int open_of(pid_t pid, const char *name)
{
        char path[64];

        snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
        return open(path, O_RDONLY | O_CLOEXEC);
}

static int count(char **args)
{
        static struct needle needles[2];
        unsigned char key[KEY_BYTES], reversed[KEY_BYTES];
        pid_t pid = (pid_t)atoi(args[0]);
        int mem = open_of(pid, "mem"), smaps = open_of(pid, "smaps");
        struct findings f = {0};

        if (mem < 0 || smaps < 0)
                return errno == EACCES || errno == EPERM ? CANNOT_BE_READ : failed(args[0]);
        if (!read_key(key))
                return usage();
        for (int i = 0; i < KEY_BYTES; i++)
                reversed[i] = key[KEY_BYTES - 1 - i];
        needle_make(&needles[0], "key", key, KEY_BYTES);
        needle_make(&needles[1], "key, last byte first", reversed, KEY_BYTES);
        if (kill(pid, SIGSTOP) != 0)
                return failed("SIGSTOP");
        scan_process(&f, needles, 2, mem, smaps, false);
        if (kill(pid, SIGCONT) != 0)
                return failed("SIGCONT");
        findings_show(&f, "searched");
        if (f.read_bytes < 1 << 20 || f.unread_bytes > 0)
                return fputs("that was not all of it\n", stderr), 1;
        printf("%zu %zu\n", f.n_copies, f.n_outside);
        return 0;
}

/* ---- plain: without memfd_secret, whose pages nobody could search ---- */

static int plain(char **args)
{
        const struct sandbox_rule rule = {SYS_memfd_secret, -1, 0, ENOSYS};

        sandbox_answer(&rule, 1);
        execv(args[0], args);
        return failed(args[0]);
}

/* ---- type: at a terminal of its own, on standard output what was seen there ---- */

static int type(char **args)
{
        static struct pty p;
        char **at = args;

        while (*at != NULL && strcmp(*at, "--") != 0)
                at++;
        if (*at == NULL)
                return usage();
        *at++ = NULL;
        int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10); /* 0 becomes the terminal in the child */
        if (input < 0)
                return failed("standard input");
        pty_start(&p, (const char *const *)args, input);
        for (; at[0] != NULL && at[1] != NULL; at += 2)
                pty_answer(&p, at[0], at[1]);
        int status = pty_end(&p, ANSWER_MS);
        fputs(p.seen, stdout);
        return status;
}

/* ---- knock, hold: clients on the loopback address ---- */

static int client_of(const char *port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sin_port = htons((uint16_t)atoi(port));
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
            connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
                perror("client");
                exit(1);
        }
        return fd;
}

/* Bytes of no protocol; the server may hang up in the middle of them. */
static int knock(char **args)
{
        int fd = client_of(args[0]);
        char bytes[4096];

        for (long left = atol(args[1]); left > 0;) {
                size_t n = left < (long)sizeof bytes ? (size_t)left : sizeof bytes;

                if (getrandom(bytes, n, 0) != (ssize_t)n)
                        return failed("getrandom");
                ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
                if (sent <= 0)
                        break;
                left -= sent;
        }
        close(fd);
        return 0;
}

/* Says nothing until the server hangs up. */
static int hold(char **args)
{
        int fd = client_of(args[0]);
        char byte;
        ssize_t n = read(fd, &byte, 1);

        close(fd);
        return n == 0 || (n < 0 && errno == ECONNRESET) ? 0 : failed("the server did not hang up");
}

int main(int argc, char **argv)
{
        static const struct {
                const char *verb;
                int n_words;
                int (*run)(char **args);
        } verbs[] = {{"count", 1, count}, {"plain", 1, plain}, {"type", 2, type}, {"knock", 2, knock}, {"hold", 1, hold}};

        for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
                if (strcmp(argv[1], verbs[i].verb) == 0 && argc - 2 >= verbs[i].n_words)
                        return verbs[i].run(argv + 2);
        return usage();
}

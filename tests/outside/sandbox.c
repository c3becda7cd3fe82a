/* Small seccomp programs, put together call by call. */
#include "outside/sandbox.h"

#include "unit/harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { MOST = 128 };

static struct sock_filter code[MOST];
static unsigned short n_code;

static void add(struct sock_filter line)
{
        code[n_code++] = line;
}

static void load(size_t offset)
{
        add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void answer_with(unsigned action)
{
        add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void skip_unless(unsigned value, unsigned char n_lines)
{
        add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n_lines));
}

static void install(void)
{
        struct sock_fprog program = {n_code, code};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
                perror("seccomp");
                _exit(97);
        }
        n_code = 0;
}

/* The low half of an argument; flags and advice are int. */
static size_t argument_offset(int index)
{
        size_t at = offsetof(struct seccomp_data, args) + (size_t)index * 8;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        at += 4;
#endif
        return at;
}

void sandbox_answer(const struct sandbox_rule rules[], size_t n_rules)
{
        for (size_t i = 0; i < n_rules; i++) {
                bool has_argument = rules[i].argument >= 0;

                load(offsetof(struct seccomp_data, nr));
                skip_unless((unsigned)rules[i].call, has_argument ? 3 : 1);
                if (has_argument) {
                        load(argument_offset(rules[i].argument));
                        skip_unless(rules[i].value, 1);
                }
                answer_with(SECCOMP_RET_ERRNO | (unsigned)rules[i].answer);
        }
        answer_with(SECCOMP_RET_ALLOW);
        install();
}

void sandbox_allow_only(const int calls[], size_t n_calls)
{
        load(offsetof(struct seccomp_data, nr));
        skip_unless(SYS_exit_group, 1);
        answer_with(SECCOMP_RET_ALLOW);
        for (size_t i = 0; i < n_calls; i++) {
                skip_unless((unsigned)calls[i], 1);
                answer_with(SECCOMP_RET_ALLOW);
        }
        answer_with(SECCOMP_RET_KILL_PROCESS);
        install();
}

bool sandbox_is_meaningful(void)
{
        const char *preloaded = getenv("LD_PRELOAD");

        return !IS_SANITIZED && (preloaded == NULL || strstr(preloaded, "vgpreload") == NULL);
}

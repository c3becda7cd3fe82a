/* secretctl audit: how many copies of a canary a process or a core file holds, in which forms, and where.
 *
 * The canary comes from a descriptor and stands in secrets only, with all its forms and with whatever was read to be
 * looked at: an audit must not be one more place that holds it. The fields of the JSON object are frozen; so is that
 * copies found are an exit code of their own. */
#include "os/reader.h"
#include "os/standard.h"
#include "secretctl/audited.h"
#include "secretctl/commands.h"
#include "secretctl/exit_code.h"
#include "secretctl/output.h"
#include "secretctl/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the canary ---- */

static int say_too_short(void)
{
        report("the canary is shorter than %d bytes: its copies could not be told from chance", CANARY_MIN_BYTES);
        report_hint("use %d bytes or more, random ones, as of: head -c 32 /dev/urandom", 2 * CANARY_MIN_BYTES);
        return EXIT_USAGE;
}

static int read_canary(keepmum_secret *out, int fd)
{
        size_t n_bytes;
        int err;

        if (standard_is_terminal(fd)) {
                report_usage("--canary-fd %d is a terminal: what is typed there would be seen", fd);
                report_hint("give it a file or a pipe: --canary-fd 3 3<FILE");
                return EXIT_USAGE;
        }
        standard_keep(fd);
        err = keepmum_read_fd(out, fd, CANARY_MAX_BYTES, 0);
        if (err == KEEPMUM_EEMPTY)
                return say_too_short();
        if (err == KEEPMUM_ETOOBIG) {
                report("the canary is longer than %d bytes", CANARY_MAX_BYTES);
                return EXIT_USAGE;
        }
        if (err == 0 && (err = keepmum_size(*out, &n_bytes)) != 0)
                keepmum_destroy(out);
        if (err != 0)
                return report_error(err, "cannot read the canary");
        if (n_bytes >= CANARY_MIN_BYTES)
                return EXIT_OK;
        keepmum_destroy(out);
        return say_too_short();
}

/* ---- what is looked through ---- */

struct subject {
        int pid;          /* 0: a core file */
        const char *word; /* as it was given */
        struct core_file core;
        char name[300];   /* for a person */
};

static int say_process(int err, const struct subject *t)
{
        if (err == KEEPMUM_ENOTFOUND) {
                report("there is no process %d, or it has no memory", t->pid);
                return EXIT_NOT_FOUND;
        }
        if (err == KEEPMUM_EDENIED) {
                report("process %d may not be looked into: permission denied", t->pid);
                report_hint("it belongs to another user, or keeps others out as every holder of secrets should, or the "
                            "kernel forbids it (/proc/sys/kernel/yama/ptrace_scope): ask as root");
                return EXIT_DENIED;
        }
        return report_error(err, "cannot audit the process");
}

static int say_core(enum core_verdict verdict, const struct subject *t)
{
        static const struct {
                const char *says, *hint;
                int status;
        } words[] = {
                [CORE_IS_NO_FILE] = {"is no regular file", "write it to a file first: it is read at many places",
                                     EXIT_USAGE},
                [CORE_IS_COMPRESSED] = {"is compressed",
                                        "unpack it first, as with zstd -d -o core FILE or coredumpctl dump -o core PID",
                                        EXIT_USAGE},
                [CORE_IS_NO_ELF] = {"is no core file", "a number is a process, everything else a core file",
                                    EXIT_USAGE},
                [CORE_IS_NO_CORE] = {"is a program or a library, no core file", NULL, EXIT_USAGE},
                [CORE_IS_32_BIT] = {"is a core file of a 32-bit program", "only those of 64-bit programs are read",
                                    EXIT_USAGE},
                [CORE_IS_OTHER_ENDIAN] = {"is a core file of a machine with another byte order",
                                          "audit it on a machine of that kind", EXIT_USAGE},
                [CORE_IS_DAMAGED] = {"is a damaged core file", "what it says of itself cannot be", EXIT_DAMAGED},
        };

        if (verdict == CORE_IS_UNREADABLE)
                return report_error(KEEPMUM_EIO, t->word);
        if (verdict == CORE_IS_CUT_OFF) {
                report("%s is cut off: it has %" PRIu64 " of at least %" PRIu64 " bytes", t->word, t->core.n_bytes,
                       t->core.due_bytes);
                report_hint("let cores grow (ulimit -c unlimited, ProcessSizeMax= in coredump.conf), and look whether "
                            "the disk was full");
                return EXIT_DAMAGED;
        }
        report("%s %s", t->word, words[verdict].says);
        if (words[verdict].hint != NULL)
                report_hint("%s", words[verdict].hint);
        return words[verdict].status;
}

static int open_core(struct subject *t)
{
        enum core_verdict verdict;
        int fd, err = reader_open(&fd, t->word);

        t->core.fd = -1;
        if (err != 0)
                return report_error(err, t->word);
        if ((verdict = core_open(&t->core, fd)) == CORE_IS_FINE) {
                snprintf(t->name, sizeof t->name, "core file %.256s", t->word);
                return EXIT_OK;
        }
        reader_close(fd);
        t->core.fd = -1;
        return say_core(verdict, t);
}

/* All digits are a process; a core file of such a name is written as ./NAME. */
static int open_subject(struct subject *t, const char *word)
{
        size_t n_digits = strspn(word, "0123456789");
        char *end;
        long n;

        *t = (struct subject){.word = word, .core.fd = -1};
        if (word[0] == '\0' || word[n_digits] != '\0')
                return open_core(t);
        n = strtol(word, &end, 10);
        if (n < 1 || n > INT32_MAX)
                return report_usage("%s is no process number", word);
        t->pid = (int)n;
        snprintf(t->name, sizeof t->name, "process %d", t->pid);
        return EXIT_OK;
}

static void close_subject(struct subject *t)
{
        if (t->core.fd >= 0)
                reader_close(t->core.fd);
}

/* ---- the audit ---- */

static void show(const struct request *r, const struct subject *t, const struct findings *f, size_t canary_bytes)
{
        if (!was_given(r, OPTION_JSON)) {
                findings_show(f, t->name, canary_bytes);
                return;
        }
        output_format("{\n  \"pid\": ");
        output_format(t->pid != 0 ? "%d" : "null", t->pid);
        output_format(",\n  \"core\": ");
        if (t->pid != 0)
                output_format("null");
        else
                output_json_text(t->word);
        findings_json(f, canary_bytes);
        output_format("\n}\n");
}

static int conclude(const struct subject *t, const struct findings *f)
{
        if (!f->is_complete)
                report("process %d ended before all of it was looked at", t->pid);
        if (f->total > 0)
                return EXIT_FOUND;
        return f->is_complete ? EXIT_OK : EXIT_OTHER;
}

static int search_all(const struct request *r, const struct subject *t, struct search *s, struct findings *f)
{
        int err = t->pid != 0 ? audited_process(f, s, t->pid) : audited_core(f, s, &t->core);

        if (err == KEEPMUM_EDAMAGED) {
                report("%s changed while it was looked at", t->word);
                return EXIT_DAMAGED;
        }
        if (err != 0)
                return t->pid != 0 ? say_process(err, t) : report_error(err, t->word);
        show(r, t, f, s->forms->of[FORM_RAW].n_bytes);
        return conclude(t, f);
}

static int say_cannot_search(int err)
{
        if (err == KEEPMUM_ENOSLOT || err == KEEPMUM_ELIMIT) {
                report("cannot make ready for the search: %s", keepmum_error_text(KEEPMUM_ELIMIT));
                report_hint("an audit needs 100 kB of locked memory and 64 times as much as the canary");
                return EXIT_NOT_PROTECTED;
        }
        if (err != KEEPMUM_EINVAL)
                return report_error(err, "cannot make ready for the search");
        report("the canary repeats itself: its copies could not be told from other bytes");
        report_hint("use random bytes, as of: head -c 32 /dev/urandom");
        return EXIT_USAGE;
}

static int audit(const struct request *r, const struct subject *t)
{
        struct findings f = {.rows = NULL};
        keepmum_secret canary;
        struct forms forms;
        struct search s;
        int status = read_canary(&canary, r->number[OPTION_CANARY_FD]);

        if (status != EXIT_OK)
                return status;
        int err = forms_make(&forms, canary);
        keepmum_destroy(&canary);
        if (err != 0)
                return say_cannot_search(err);
        if ((err = search_begin(&s, &forms, findings_count, &f)) == 0) {
                status = search_all(r, t, &s, &f);
                search_end(&s);
        } else {
                status = say_cannot_search(err);
        }
        forms_end(&forms);
        findings_free(&f);
        return status;
}

int command_audit(const struct request *r)
{
        struct subject t;
        int status;

        if (!was_given(r, OPTION_CANARY_FD)) {
                report_usage("audit wants --canary-fd N: the canary is never taken from the command line");
                report_hint("give it a file or a pipe: --canary-fd 3 3<FILE");
                return EXIT_USAGE;
        }
        if ((status = open_subject(&t, r->operand[0])) == EXIT_OK)
                status = audit(r, &t);
        close_subject(&t);
        return status;
}

/* secretctl inspect: the memory layout of a process, drawn from /proc/PID/smaps, and what of it could reach swap or
 * a core.
 *
 * Of itself it also tells what protections this system gives: it makes one secret, opens it, and has
 * keepmum_verify() read back from the kernel what holds. The fields of the JSON object are frozen. */
#include "os/tasks.h"
#include "secretctl/commands.h"
#include "secretctl/drawing.h"
#include "secretctl/exit_code.h"
#include "secretctl/layout.h"
#include "secretctl/output.h"
#include "secretctl/report.h"

#include <inttypes.h>
#include <keepmum.h>
#include <stdlib.h>

static const char *const group_names[LAYOUT_GROUPS] = {"text", "data", "bss", "heap", "mappings", "stack"};

static const struct {
        unsigned promise;
        const char *field, *says;
} promises[] = {
        {KEEPMUM_IS_LOCKED, "locked", "locked: cannot reach swap"},
        {KEEPMUM_IS_NODUMP, "not_dumped", "not dumped: in no core file"},
        {KEEPMUM_IS_NOFORK, "not_forked", "not forked: in no child process"},
        {KEEPMUM_IS_GUARDED, "guarded", "guarded: an untouchable page on both sides"},
        {KEEPMUM_IS_HIDDEN, "hidden", "hidden: not readable from outside, not even by root"},
};

enum { N_PROMISES = sizeof promises / sizeof promises[0] };

/* ---- for a person ---- */

static void draw_flag(bool holds, const char *word, bool *is_first)
{
        if (!holds)
                return;
        output_format("%s%s", *is_first ? "" : ",", word);
        *is_first = false;
}

static void draw_flags(const struct layout_mapping *m)
{
        bool is_first = true;

        output_format("  ");
        draw_flag(m->is_secret_memory, "secret", &is_first);
        draw_flag(m->is.flags & MAPPING_LOCKED, "locked", &is_first);
        draw_flag(m->is.flags & MAPPING_NO_DUMP, "no-dump", &is_first);
        draw_flag(m->is.flags & MAPPING_NO_FORK, "no-fork", &is_first);
        draw_flag(m->is.flags & MAPPING_WIPE_ON_FORK, "wipe-on-fork", &is_first);
        if (is_first)
                output_format("-");
}

static void draw_numbers(uint64_t size, uint64_t resident, uint64_t locked, uint64_t to_swap, uint64_t to_core)
{
        output_format(" %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64, size, resident, locked, to_swap,
                      to_core);
}

static void draw_mapping(const struct layout_mapping *m)
{
        bool is_kept = (m->is.flags & MAPPING_LOCKED) != 0 && (m->is.flags & MAPPING_NO_DUMP) != 0;

        output_style(m->is_secret_memory || is_kept ? OUTPUT_GOOD : OUTPUT_PLAIN);
        output_format("  %012" PRIx64 "-%012" PRIx64 " %s", m->is.start, m->is.end, m->is.perms);
        draw_numbers(m->size_kb, m->is.rss_kb, m->is.flags & MAPPING_LOCKED ? m->is.rss_kb : 0, m->could_swap_kb,
                     m->could_dump_kb);
        draw_flags(m);
        output_format("  ");
        output_text(m->is.name);
        output_style(OUTPUT_PLAIN);
        output_format("\n");
}

static void draw_sums(const char *name, const struct layout_sums *sums)
{
        output_style(OUTPUT_HEADING);
        output_format("%-32s", name);
        draw_numbers(sums->size_kb, sums->rss_kb, sums->locked_kb, sums->could_swap_kb, sums->could_dump_kb);
        output_style(OUTPUT_PLAIN);
        output_format("\n");
}

static void draw_table(const struct layout *l)
{
        output_format("%-32s %8s %8s %8s %8s %8s  flags  name\n", "kB", "size", "resident", "locked", "to swap", "to core");
        for (int group = 0; group < LAYOUT_GROUPS; group++) {
                draw_sums(group_names[group], &l->of_group[group]);
                for (size_t i = 0; i < l->n_mappings; i++)
                        if ((int)l->mappings[i].group == group)
                                draw_mapping(&l->mappings[i]);
        }
        draw_sums("total", &l->total);
        output_format("%" PRIu64 " kB secret memory; at most %" PRIu64 " kB could reach swap, ", l->total.secret_kb,
                      l->total.could_swap_kb);
        output_format("%" PRIu64 " kB a core file\n", l->total.could_dump_kb);
}

static bool draw_layout(const struct layout *l)
{
        output_text(l->program);
        output_format("%s\n\n", l->program[0] != '\0' ? "" : "(no program file)");
        if (!drawing_show(l))
                return false;
        draw_table(l);
        return true;
}

static void draw_promises(unsigned held)
{
        output_format("\na secret of this process, read back from the kernel:\n");
        for (int i = 0; i < N_PROMISES; i++) {
                bool holds = (held & promises[i].promise) != 0;

                output_style(holds ? OUTPUT_GOOD : OUTPUT_BAD);
                output_format("  %-4s%s", holds ? "yes" : "no", promises[i].says);
                output_style(OUTPUT_PLAIN);
                output_format("\n");
        }
}

/* ---- as JSON ---- */

static void json_number(const char *field, uint64_t value)
{
        output_format(", \"%s\": %" PRIu64, field, value);
}

static void json_sums(const struct layout_sums *sums)
{
        output_format("{\"size_kb\": %" PRIu64, sums->size_kb);
        json_number("resident_kb", sums->rss_kb);
        json_number("locked_kb", sums->locked_kb);
        json_number("secret_kb", sums->secret_kb);
        json_number("could_swap_kb", sums->could_swap_kb);
        json_number("could_dump_kb", sums->could_dump_kb);
        output_format("}");
}

static void json_flag(const char *field, bool holds)
{
        output_format(", \"%s\": ", field);
        output_json_bool(holds);
}

static void json_mapping(const struct layout_mapping *m)
{
        output_format("{\"group\": \"%s\", ", group_names[m->group]);
        output_format("\"start\": \"%" PRIx64 "\", \"end\": \"%" PRIx64 "\", ", m->is.start, m->is.end);
        output_format("\"permissions\": \"%s\", \"name\": ", m->is.perms);
        output_json_text(m->is.name);
        json_number("size_kb", m->size_kb);
        json_number("resident_kb", m->is.rss_kb);
        json_number("swapped_kb", m->is.swap_kb);
        json_flag("locked", m->is.flags & MAPPING_LOCKED);
        json_flag("not_dumped", m->is.flags & MAPPING_NO_DUMP);
        json_flag("not_forked", m->is.flags & MAPPING_NO_FORK);
        json_flag("wiped_on_fork", m->is.flags & MAPPING_WIPE_ON_FORK);
        json_flag("secret_memory", m->is_secret_memory);
        json_number("could_swap_kb", m->could_swap_kb);
        json_number("could_dump_kb", m->could_dump_kb);
        if (m->thread != 0)
                json_number("thread", (uint64_t)m->thread);
        output_format("}");
}

static void json_layout(const struct layout *l)
{
        output_format("{\n  \"program\": ");
        output_json_text(l->program);
        output_format(",\n  \"mappings\": [");
        for (size_t i = 0; i < l->n_mappings; i++) {
                output_format(i == 0 ? "\n    " : ",\n    ");
                json_mapping(&l->mappings[i]);
        }
        output_format("\n  ],\n  \"groups\": {");
        for (int group = 0; group < LAYOUT_GROUPS; group++) {
                output_format("%s\n    \"%s\": ", group == 0 ? "" : ",", group_names[group]);
                json_sums(&l->of_group[group]);
        }
        output_format("\n  },\n  \"total\": ");
        json_sums(&l->total);
}

static void json_promises(unsigned held)
{
        output_format(",\n  \"secret\": {");
        for (int i = 0; i < N_PROMISES; i++) {
                output_format("%s\"%s\": ", i == 0 ? "" : ", ", promises[i].field);
                output_json_bool((held & promises[i].promise) != 0);
        }
        output_format("}");
}

/* ---- the command ---- */

/* Kernel threads never have memory, and of a process that has ended nothing is left but its exit status. */
static int say_no_memory(const struct request *r, const struct layout *l, int pid)
{
        if (was_given(r, OPTION_JSON))
                json_layout(l);
        else
                output_format("process %d has no memory: %s\n", pid,
                              tasks_state(pid) == 'Z' ? "it has ended, and its parent has not asked how yet (zombie)" :
                                                        "it is a thread of the kernel, or has just ended");
        return EXIT_OK;
}

static int say_not_inspected(int err, int pid)
{
        if (err == KEEPMUM_ENOTFOUND) {
                report("there is no process %d", pid);
                return EXIT_NOT_FOUND;
        }
        if (err == KEEPMUM_EDENIED) {
                report("process %d may not be looked into: permission denied", pid);
                report_hint("it belongs to another user, or keeps others out as every holder of secrets should: "
                            "ask as root");
                return EXIT_DENIED;
        }
        return report_error(err, "cannot inspect the process");
}

/* pid 0: this one. */
static int inspect_process(const struct request *r, int pid)
{
        struct layout l;
        int status = EXIT_OK, err = layout_read(&l, pid);

        if (err == KEEPMUM_ENOTFOUND && pid != 0 && tasks_state(pid) != '\0')
                err = 0; /* it is there, and has no mappings */
        if (err != 0)
                return say_not_inspected(err, pid);
        if (l.n_mappings > 0)
                layout_find_stacks(&l, pid);
        if (l.n_mappings == 0)
                status = say_no_memory(r, &l, pid);
        else if (was_given(r, OPTION_JSON))
                json_layout(&l);
        else if (!draw_layout(&l))
                status = report_error(KEEPMUM_ENOMEM, "cannot draw the process");
        layout_free(&l);
        return status;
}

static int inspect_self(const struct request *r)
{
        keepmum_secret s;
        const void *bytes;
        unsigned held;
        int err = keepmum_create(&s, 32, 0), status;

        if (err != 0)
                return report_error(err, "cannot make a secret");
        if ((err = keepmum_fill_random(s)) != 0 || (err = keepmum_open_read(s, &bytes, NULL)) != 0) {
                status = report_error(err, "cannot open a secret");
        } else {
                err = keepmum_verify(s, &held);
                status = err != 0 ? report_error(err, "cannot verify a secret") : inspect_process(r, 0);
                if (status == EXIT_OK && was_given(r, OPTION_JSON))
                        json_promises(held);
                else if (status == EXIT_OK)
                        draw_promises(held);
                keepmum_close(s);
        }
        keepmum_destroy(&s);
        return status;
}

static int read_pid(const char *text, int *pid)
{
        char *end;
        long n = strtol(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > INT32_MAX)
                return report_usage("%s is no process number", text);
        *pid = (int)n;
        return EXIT_OK;
}

int command_inspect(const struct request *r)
{
        int pid = 0, status = r->n_operands == 0 ? inspect_self(r) : read_pid(r->operand[0], &pid);

        if (pid != 0 && status == EXIT_OK)
                status = inspect_process(r, pid);
        if (status == EXIT_OK && was_given(r, OPTION_JSON))
                output_format("\n}\n");
        return status;
}

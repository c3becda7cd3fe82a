/* AddressSanitizer and valgrind know the heap's blocks where it was built with --enable-checks: each finds a use after free, and a read
 * past the end, at the very instruction. Without AddressSanitizer the program runs itself under valgrind. */
#include "unit/harness.h"

#include "heap/tools.h"
#include "outside/forked.h"

#include <errno.h>
#include <keepmum_heap.h>
#include <stdlib.h>

static const char *itself;
static volatile char sink;

static char *block(void)
{
        char *p = keepmum_heap_malloc(40);

        expect(p != NULL);
        memset(p, 'x', 40);
        return p;
}

static void read_after_free(void)
{
        char *p = block();

        keepmum_heap_free(p);
        sink = p[20];
}

static void read_past_the_end(void)
{
        sink = block()[40];
}

static void keep_to_the_rules(void)
{
        char *p = block();

        sink = p[39];
        keepmum_heap_free(p);
        keepmum_heap_check();
}

static const struct {
        const char *name;
        void (*act)(void);
        const char *asan, *valgrind;
} acts[] = {
        {"read_after_free", read_after_free, "use-after-poison", "Invalid read of size 1"},
        {"read_past_the_end", read_past_the_end, "use-after-poison", "Invalid read of size 1"},
        {"keep_to_the_rules", keep_to_the_rules, NULL, NULL},
};

static void run_act(void *which)
{
        size_t i = *(size_t *)which;

#ifdef TOOLS_ASAN
        acts[i].act();
#else
        /* without debug information, of which valgrind does not know every version */
        execlp("sh", "sh", "-c", "strip -g -o \"$0.bare\" \"$0\" && { valgrind -q --error-exitcode=9 \"$0.bare\" \"$1\"; rm \"$0.bare\"; }", itself,
               acts[i].name, (char *)NULL);
        expect(false);
#endif
}

static void a_tool_sees_each_act(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(acts); i++) {
                struct ending e = forked_run(run_act, &i);
#ifdef TOOLS_ASAN
                const char *words = acts[i].asan;
#else
                const char *words = acts[i].valgrind;
#endif

                if (words != NULL ? strstr(e.said, words) == NULL : e.signal_number != 0 || e.said[0] != 0)
                        fail_msg("%s: signal %d, said %s", acts[i].name, e.signal_number, e.said);
        }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(a_tool_sees_each_act)};

int main(int argc, char **argv)
{
        itself = argv[0];
        for (size_t i = 0; argc == 2 && i < n_of(acts); i++)
                if (strcmp(argv[1], acts[i].name) == 0) {
                        acts[i].act();
                        return 0;
                }
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

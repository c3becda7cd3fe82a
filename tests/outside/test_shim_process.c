/* libkeepmum-malloc.so as a whole process has it: that it is there, from the first call to the last; what it says of itself; and the
 * check at exit. */
#include "outside/shim_family.h"

#include "outside/forked.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>

/* ---- the preload itself ---- */

static void every_function_is_that_of_the_shim(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(family); i++) {
                void *address = dlsym(RTLD_DEFAULT, family[i].name);
                Dl_info from = {0};

                assert_int_not_equal(dladdr(address, &from), 0);
                if (strcmp(from.dli_fname, library) != 0)
                        fail_msg("%s is that of %s", family[i].name, from.dli_fname);
        }
}

static void what_the_c_library_allocates_comes_from_the_shim(void **state)
{
        char *copy = strdup("seven b"), *line = NULL, *made;
        size_t n = 0;
        FILE *stream = fopen("/proc/self/status", "r");

        (void)state;
        assert_int_equal(shim.malloc_usable_size(copy), 8); /* glibc's says 24 */
        assert_non_null(stream);
        assert_true(getline(&line, &n, stream) > 0);
        assert_int_equal(shim.malloc_usable_size(line), n);
        assert_true(asprintf(&made, "%0300d", 7) == 300);
        assert_true(shim.malloc_usable_size(made) >= 301);
        fclose(stream);
        free(copy);
        free(line);
        free(made);
}

/* ---- what programs ask of glibc's malloc ---- */

static void mallinfo_follows_what_is_allocated(void **state)
{
        enum { N = 40 };
        struct mallinfo2 before = shim.mallinfo2(), during, after;
        struct mallinfo narrow;
        void *medium[N], *large = shim.malloc(KIB(10240));

        (void)state;
        for (size_t i = 0; i < N; i++)
                memset(medium[i] = shim.malloc(KIB(100)), 1, KIB(100));
        during = shim.mallinfo2();
        narrow = shim.mallinfo();
        assert_true(during.uordblks >= before.uordblks + N * KIB(100));
        assert_true(during.uordblks < before.uordblks + 2 * N * KIB(100));
        assert_true(during.hblkhd >= before.hblkhd + KIB(10240));
        assert_true(during.hblkhd < before.hblkhd + KIB(10752));
        assert_true(during.arena >= during.uordblks + during.fordblks);
        assert_int_equal(narrow.uordblks, during.uordblks);
        assert_int_equal(narrow.hblkhd, during.hblkhd);
        assert_int_equal(narrow.arena, during.arena);
        for (size_t i = 0; i < N; i++)
                shim.free(medium[i]);
        shim.free(large);
        shim.malloc_trim(0); /* some freed ones are kept at hand till then */
        after = shim.mallinfo2();
        assert_true(after.uordblks <= during.uordblks - N * KIB(100));
        assert_true(after.hblkhd <= during.hblkhd - KIB(10240));
}

static void mallinfo_says_the_most_an_int_holds(void **state)
{
        void *huge = shim.malloc((size_t)5 << 30); /* address space only */

        (void)state;
        if (huge == NULL)
                return; /* a limit of the machine: nothing is larger than an int then */
        assert_int_equal(shim.mallinfo().hblkhd, INT_MAX);
        assert_true(shim.mallinfo2().hblkhd >= (size_t)5 << 30);
        shim.free(huge);
}

static void malloc_trim_says_whether_it_gave_back(void **state)
{
        void *blocks[64];

        (void)state;
        for (size_t i = 0; i < n_of(blocks); i++)
                memset(blocks[i] = shim.malloc(KIB(200)), 1, KIB(200));
        for (size_t i = 0; i < n_of(blocks); i++)
                shim.free(blocks[i]);
        shim.free(shim.malloc(KIB(4096)));
        assert_int_equal(shim.malloc_trim(0), 1);
        assert_int_equal(shim.malloc_trim(0), 0);
}

static void mallopt_sets_nothing_and_says_so(void **state)
{
        (void)state;
        assert_int_equal(shim.mallopt(M_MMAP_THRESHOLD, 1), 0);
        assert_int_equal(shim.mallopt(M_PERTURB, 0x55), 0);
        assert_block(shim.malloc(1000), 16, 1000);
}

static void print_stats(void *arg)
{
        (void)arg;
        shim.malloc_stats();
}

static void the_reports_name_every_counter(void **state)
{
        struct ending e = forked_run(print_stats, NULL);
        char *text, *at;
        size_t n, n_lines = 0;
        FILE *stream = open_memstream(&text, &n);

        (void)state;
        for (at = e.said; (at = strchr(at, '\n')) != NULL; at++)
                n_lines++;
        assert_int_equal(e.exit_code, 0);
        assert_true(n_lines >= 9);
        assert_non_null(strstr(e.said, "keepmum heap: slab_bytes"));
        assert_int_equal(shim.malloc_info(1, stream), EINVAL);
        assert_int_equal(shim.malloc_info(0, stream), 0);
        fclose(stream);
        assert_true(strncmp(text, "<malloc version=\"keepmum-1\">\n", 29) == 0);
        assert_string_equal(text + n - 10, "</malloc>\n");
        assert_non_null(strstr(text, "<total type=\"slab_bytes\" size=\""));
        free(text);
}

/* ---- from the first call to the last ---- */

static void *early; /* from before main() */

static __attribute__((constructor)) void allocate_before_main(void)
{
        early = malloc(100);
}

static void allocate_late(void)
{
        void *p = malloc(1000);

        free(realloc(p, 100000));
        free(strdup("late"));
}

/* Runs as one of the last. */
static __attribute__((destructor(101))) void allocate_behind_exit(void)
{
        allocate_late();
        free(early);
}

static pthread_key_t key;

static void allocate_in_a_dying_thread(void *block)
{
        static __thread int again;

        free(block);
        allocate_late();
        if (again++ < PTHREAD_DESTRUCTOR_ITERATIONS)
                pthread_setspecific(key, malloc(500));
}

static void *live_shortly(void *arg)
{
        pthread_setspecific(key, malloc(500));
        allocate_late();
        return arg;
}

static void exit_with_threads_and_handlers(void)
{
        pthread_t threads[8];

        pthread_key_create(&key, allocate_in_a_dying_thread);
        for (size_t i = 0; i < n_of(threads); i++)
                pthread_create(&threads[i], NULL, live_shortly, NULL);
        for (size_t i = 0; i < n_of(threads); i++)
                pthread_join(threads[i], NULL);
        atexit(allocate_late);
}

static void exit_with_an_overrun(void)
{
        volatile char *p = shim.malloc(40);

        p[40] = 'x';
}

static void exit_with_a_write_after_free(void)
{
        volatile char *p = shim.malloc(1000);

        shim.free((void *)(uintptr_t)p);
        p[999] = 'x';
}

static void exit_with_a_write_after_free_of_another_environment(void)
{
        clearenv();
        setenv("KEEPMUM_HEAP_CHECK", "0", 1);
        exit_with_a_write_after_free();
}

#define OVERRUN "keepmum: write past the end of a heap block\n"
#define AFTER_FREE "keepmum: write to a heap block after its free\n"

/* What this program does when it is started with a number. */
static const struct {
        void (*act)(void);
        const char *wish; /* KEEPMUM_HEAP_CHECK; NULL: not in the environment */
        const char *said; /* NULL: it ends with 0 */
} exits[] = {
        {exit_with_threads_and_handlers, "1", NULL},
        {exit_with_threads_and_handlers, NULL, NULL},
        {exit_with_an_overrun, "1", OVERRUN},
        {exit_with_an_overrun, NULL, NULL},
        {exit_with_a_write_after_free, "1", AFTER_FREE},
        {exit_with_a_write_after_free, "yes", AFTER_FREE},
        {exit_with_a_write_after_free, NULL, NULL},
        {exit_with_a_write_after_free, "", NULL},
        {exit_with_a_write_after_free, "0", NULL},
        {exit_with_a_write_after_free_of_another_environment, "1", AFTER_FREE},
};

static void start_anew(void *arg)
{
        size_t i = *(const size_t *)arg;
        char number[8];

        snprintf(number, sizeof number, "%zu", i);
        unsetenv("KEEPMUM_HEAP_CHECK");
        if (exits[i].wish != NULL)
                setenv("KEEPMUM_HEAP_CHECK", exits[i].wish, 1);
        execl("/proc/self/exe", "test_shim_process", number, (char *)NULL);
        _exit(97);
}

static void the_heap_is_checked_at_exit_when_asked(void **state)
{
        (void)state;
        for (size_t i = 0; i < n_of(exits); i++) {
                struct ending e = forked_run(start_anew, &i);

                assert_string_equal(e.said, exits[i].said != NULL ? exits[i].said : "");
                assert_int_equal(e.signal_number, exits[i].said != NULL ? SIGABRT : 0);
                assert_int_equal(e.exit_code, exits[i].said != NULL ? -1 : 0);
        }
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_that_of_the_shim),
        cmocka_unit_test(what_the_c_library_allocates_comes_from_the_shim),
        cmocka_unit_test(mallinfo_follows_what_is_allocated),
        cmocka_unit_test(mallinfo_says_the_most_an_int_holds),
        cmocka_unit_test(malloc_trim_says_whether_it_gave_back),
        cmocka_unit_test(mallopt_sets_nothing_and_says_so),
        cmocka_unit_test(the_reports_name_every_counter),
        cmocka_unit_test(the_heap_is_checked_at_exit_when_asked),
};

int main(int n_words, char **words)
{
        shim_start(words);
        if (n_words == 2) {
                exits[atoi(words[1])].act();
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

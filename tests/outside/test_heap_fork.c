/* The heap and what else moves a process: fork() in every state, others who use the break, and memory that goes back to
 * the kernel. Each test in a child; one that hangs is ended by its alarm. */
#include "outside/heap_work.h"

#include <stdlib.h>
#include <sys/wait.h>

static struct known *of_parent[40];

static void make_blocks_of_parent(void)
{
        for (unsigned i = 0; i < n_of(of_parent); i++)
                of_parent[i] = known_make(known_sizes[i % n_of(known_sizes)] + i, i);
}

static void *be_a_thread(void *arg)
{
        work((uint64_t)(uintptr_t)arg, 20);
        return NULL;
}

static void fork_a_family(unsigned generation);

/* What every child does, and its own children, to the last generation. */
static void live_as_a_child(unsigned generation)
{
        alarm(20);
        work(generation + 1, 30);
        for (size_t i = generation; i < n_of(of_parent); i += 3) {
                known_drop(of_parent[i]);
                of_parent[i] = NULL;
        }
        keepmum_heap_check();
        in_another_thread(be_a_thread, of_parent);
        if (generation > 0)
                fork_a_family(generation - 1);
        for (size_t i = 0; i < n_of(of_parent); i++)
                known_drop(of_parent[i]);
        keepmum_heap_trim();
        keepmum_heap_check();
        _exit(0);
}

static void fork_a_family(unsigned generation)
{
        int status;
        pid_t pid = fork();

        expect(pid >= 0);
        if (pid == 0)
                live_as_a_child(generation);
        expect_int(waitpid(pid, &status, 0), pid);
        expect_int(status, 0);
}

static void fork_among_workers(void *arg)
{
        pthread_t threads[4];

        (void)arg;
        make_blocks_of_parent();
        start_workers(threads, n_of(threads));
        for (unsigned i = 0; i < 50; i++) {
                fork_a_family(i % 10 == 0 ? 2 : 0);
                work(i + 1, 5);
        }
        end_workers(threads, n_of(threads));
        keepmum_heap_check();
        for (size_t i = 0; i < n_of(of_parent); i++)
                known_drop(of_parent[i]);
}

static unsigned n_handled;

/* Other libraries' handlers do what they please. */
static void handle_fork(void)
{
        n_handled++;
        work(n_handled, 40);
        known_drop(of_parent[0]);
        of_parent[0] = known_make(n_handled % 5000, n_handled);
        of_parent[1] = of_parent[1] == NULL ? known_make(3000, n_handled)
                                            : known_resize(of_parent[1], 40 * (n_handled % 1000));
}

static void allocate_in_atfork_handlers(void *arg)
{
        pthread_t threads[2];

        (void)arg;
        expect_int(pthread_atfork(handle_fork, handle_fork, handle_fork), 0); /* before the heap's own */
        make_blocks_of_parent();
        expect_int(pthread_atfork(handle_fork, handle_fork, handle_fork), 0);
        fork_a_family(1);
        expect_int(n_handled, 4);
        start_workers(threads, n_of(threads));
        for (unsigned i = 0; i < (IS_SANITIZED ? 10 : 100); i++)
                fork_a_family(i % 20 == 0);
        end_workers(threads, n_of(threads));
        keepmum_heap_check();
}

/* The first use of the heap is in the child, or in a handler while the process forks. */
static void fork_before_any_use(void *arg)
{
        int status;
        pid_t pid;

        if (arg != NULL)
                expect_int(pthread_atfork(handle_fork, handle_fork, handle_fork), 0);
        pid = fork();
        if (pid == 0) {
                make_blocks_of_parent();
                live_as_a_child(1);
        }
        expect_int(waitpid(pid, &status, 0), pid);
        expect_int(status, 0);
        make_blocks_of_parent();
        fork_a_family(1);
}

/* ---- the break belongs to others too ---- */

static void share_the_break(void *arg)
{
        static const size_t taken[] = {1000, 4096, 100, 65536, 1 << 20, 12345};
        char *theirs[60], *from_libc[60];

        (void)arg;
        for (unsigned i = 0; i < n_of(theirs); i++) {
                size_t n = taken[i % n_of(taken)];

                theirs[i] = sbrk((intptr_t)n);
                expect(theirs[i] != (void *)-1);
                fill(theirs[i], n, i);
                from_libc[i] = malloc(100 * i + 1);
                fill(from_libc[i], 100 * i + 1, i);
                if (i == 0)
                        make_blocks_of_parent();
                work(i + 1, i % 7 == 0 ? 3000 : 300);
                if (i % 9 == 0)
                        keepmum_heap_trim();
                if (i % 13 == 12) { /* they give theirs back, if it is on top */
                        char *top = sbrk(0);

                        if (top == theirs[i] + n)
                                sbrk(-(intptr_t)n);
                        else
                                expect(holds(theirs[i], n, i));
                        theirs[i] = NULL;
                }
        }
        for (unsigned i = 0; i < n_of(theirs); i++) {
                expect(theirs[i] == NULL || holds(theirs[i], taken[i % n_of(taken)], i));
                expect(holds(from_libc[i], 100 * i + 1, i));
                free(from_libc[i]);
        }
        keepmum_heap_check();
        for (size_t i = 0; i < n_of(of_parent); i++)
                known_drop(of_parent[i]);
        keepmum_heap_trim();
        for (unsigned i = 0; i < n_of(theirs); i++)
                expect(theirs[i] == NULL || holds(theirs[i], taken[i % n_of(taken)], i));
}

/* ---- giving back ---- */

static void *idle_until_over(void *unused)
{
        (void)unused;
        while (!work_is_over)
                usleep(1000);
        return NULL;
}

struct heap_use {
        size_t n_bytes;
        bool has_threads, is_top_kept; /* a block above all others stays, so that only the inside can be given back */
};

static void give_back(void *arg)
{
        const struct heap_use *use = arg;
        size_t n = ((size_t)200 << 20) / use->n_bytes, before, full, after;
        char **p = malloc(n * sizeof *p), *top;
        pthread_t t;

        if (use->has_threads)
                expect_int(pthread_create(&t, NULL, idle_until_over, NULL), 0);
        memset(p, 1, n * sizeof *p);
        work(1, 100);
        keepmum_heap_trim();
        before = rss_kb();
        for (size_t i = 0; i < n; i++) {
                p[i] = keepmum_heap_malloc(use->n_bytes);
                expect(p[i] != NULL);
                memset(p[i], 1, use->n_bytes);
        }
        top = keepmum_heap_malloc(use->n_bytes);
        full = rss_kb();
        expect(full >= before + (190 << 10));
        if (!use->is_top_kept)
                keepmum_heap_free(top);
        for (size_t i = 0; i < n; i++)
                keepmum_heap_free(p[i]);
        expect(keepmum_heap_trim() <= (size_t)300 << 20);
        after = rss_kb() - heap_stat(KEEPMUM_HEAP_STAT_BOOKS) / 1024; /* what was opened of these stays */
        if (after > before + (4 << 10))
                dprintf(STDERR_FILENO, "%zu KiB before, %zu full, %zu after\n", before, full, rss_kb());
        expect(after <= before + (4 << 10));
        expect(heap_stat(KEEPMUM_HEAP_STAT_SLABS) + heap_stat(KEEPMUM_HEAP_STAT_MEDIUM) <= 8 << 20);
        work_is_over = true;
        work(2, 1000);
        keepmum_heap_check();
}

static void what_was_freed_goes_back(void **state)
{
        (void)state;
        if (IS_SANITIZED)
                return; /* their shadow is resident too */
        for (int i = 0; i < 16; i++) {
                static const size_t each[] = {40, 1000, 100000, 2000000};
                struct heap_use use = {each[i / 4], i % 4 / 2 != 0, i % 2 != 0};

                if (!forked_passes(give_back, &use))
                        fail_msg("200 MiB in blocks of %zu%s%s", use.n_bytes, use.has_threads ? ", with threads" : "",
                                 use.is_top_kept ? ", below one that stays" : "");
        }
}

/* Ten times 50 forks. */
static void children_of_a_busy_process_have_a_whole_heap(void **state)
{
        (void)state;
        for (int i = 0; i < (IS_SECOND_RUN ? 1 : 10); i++)
                assert_true(forked_passes(fork_among_workers, NULL));
}

TEST_IN_CHILD(atfork_handlers_may_allocate, allocate_in_atfork_handlers, NULL)
TEST_IN_CHILD(a_child_may_be_the_first_to_use_it, fork_before_any_use, NULL)
TEST_IN_CHILD(a_handler_of_fork_may_be_the_first_to_use_it, fork_before_any_use, &n_handled)
/* Who owns the top of the break, after all above it was trimmed, may give it back. */
static void give_the_break_back(void *arg)
{
        char *blocks[64], *mine;

        (void)arg;
        keepmum_heap_free(keepmum_heap_malloc(100000));
        mine = sbrk(65536);
        expect(mine != (char *)-1);
        for (int round = 0; round < 2; round++) {
                for (size_t i = 0; i < n_of(blocks); i++)
                        memset(blocks[i] = keepmum_heap_malloc(100000), 'b', 100000);
                for (size_t i = 0; i < n_of(blocks); i++)
                        keepmum_heap_free(blocks[i]);
                keepmum_heap_trim();
                if (mine != NULL && sbrk(0) == mine + 65536)
                        expect(sbrk(-65536) != (void *)-1);
                mine = NULL;
        }
        keepmum_heap_check();
}

TEST_IN_CHILD(a_step_of_the_break_may_be_given_back_after_a_trim, give_the_break_back, NULL)
TEST_IN_CHILD(others_may_use_the_break_too, share_the_break, NULL)

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_of_the_break_may_be_given_back_after_a_trim),
        cmocka_unit_test(children_of_a_busy_process_have_a_whole_heap),
        cmocka_unit_test(atfork_handlers_may_allocate),
        cmocka_unit_test(a_child_may_be_the_first_to_use_it),
        cmocka_unit_test(a_handler_of_fork_may_be_the_first_to_use_it),
        cmocka_unit_test(others_may_use_the_break_too),
        cmocka_unit_test(what_was_freed_goes_back),
};

int main(void)
{
        if (IS_THREAD_SANITIZED)
                forked_skip_all("ThreadSanitizer allows no threads in a child of a process with threads");
        return cmocka_run_group_tests(tests, NULL, NULL) != 0 ? 1 : 0;
}

/* The start of the heap, and fork(): all locks are taken before it in one order, so that the child finds every book consistent.
 *
 * Other libraries' atfork handlers may allocate while we hold the locks: the forking thread passes them (heap/lock.h). A child
 * made by _Fork() or clone() has no handler run: it may use the heap only if the process had one thread. */
#include "heap/fork.h"

#include "heap/books.h"
#include "heap/cache.h"
#include "heap/canary.h"
#include "heap/guarded.h"
#include "heap/large.h"
#include "heap/lock.h"
#include "heap/run.h"
#include "heap/slab.h"
#include "heap/zero.h"

#include <stdatomic.h>

__thread bool heap_is_forking;
static struct heap_lock start_lock = HEAP_LOCK_INITIAL;
static atomic_bool is_started;

static void before_fork(void)
{
        cache_lock();
        slab_lock();
        run_lock();
        books_lock();
        large_lock();
        guarded_lock();
        heap_is_forking = true;
}

static void in_parent(void)
{
        heap_is_forking = false;
        guarded_unlock();
        large_unlock();
        books_unlock();
        run_unlock();
        slab_unlock();
        cache_unlock();
}

static void in_child(void)
{
        heap_is_forking = false;
        guarded_lock_renew();
        large_lock_renew();
        books_lock_renew();
        run_lock_renew();
        slab_lock_renew();
        cache_lock_renew();
        cache_forsake_others();
}

void heap_start(void)
{
        bool is_first = false;

        if (atomic_load_explicit(&is_started, memory_order_acquire))
                return;
        heap_lock(&start_lock);
        if (!atomic_load_explicit(&is_started, memory_order_relaxed)) {
                canary_start();
                zero_start();
                slab_lock_renew();
                cache_start();
                atomic_store_explicit(&is_started, true, memory_order_release);
                is_first = true;
        }
        heap_unlock(&start_lock);
        if (is_first) /* may allocate; fails only without memory, and then fork() is as safe as the process has one thread */
                (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <omp.h>
#include <stdatomic.h>

#include "crucible/base/parallel.h"

/* libgomp's fork and join are invisible to ThreadSanitizer; these tell it of them. */
#if defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define TSAN_ACQUIRE(p) __tsan_acquire(p)
#define TSAN_RELEASE(p) __tsan_release(p)
#else
#define TSAN_ACQUIRE(p) ((void)(p))
#define TSAN_RELEASE(p) ((void)(p))
#endif

int cru_threads_available(void) {
    int n = omp_get_max_threads();
    return n < 1 ? 1 : n;
}

struct team {
    void (*body)(void *context, int thread);
    void *context;
    char fork, join;
};

void cru_parallel_threads(int n_threads, void (*body)(void *context, int thread), void *context) {
    if (n_threads <= 1) {
        body(context, 0);
        return;
    }
    struct team team = {body, context, 0, 0};
    struct team *shared = &team;
    TSAN_RELEASE(&team.fork);
    omp_set_dynamic(0);
#pragma omp parallel num_threads(n_threads) default(none) firstprivate(shared)
    {
        TSAN_ACQUIRE(&shared->fork);
        shared->body(shared->context, omp_get_thread_num());
        TSAN_RELEASE(&shared->join);
    }
    TSAN_ACQUIRE(&team.join);
}

struct range {
    atomic_size_t next;
    size_t n, grain;
    void (*body)(void *context, size_t i, int thread);
    void *context;
};

static void range_body(void *context, int thread) {
    struct range *r = context;
    for (;;) {
        size_t from = atomic_fetch_add(&r->next, r->grain);
        if (from >= r->n) return;
        size_t to = r->n - from < r->grain ? r->n : from + r->grain;
        for (size_t i = from; i < to; i++) r->body(r->context, i, thread);
    }
}

void cru_parallel_for(size_t n, size_t grain, int n_threads,
                      void (*body)(void *context, size_t i, int thread), void *context) {
    struct range r = {.n = n, .grain = grain ? grain : 1, .body = body, .context = context};
    atomic_init(&r.next, 0);
    size_t pieces = n / r.grain + (n % r.grain != 0);
    if ((size_t)n_threads > pieces) n_threads = pieces > 0 ? (int)pieces : 1;
    cru_parallel_threads(n_threads, range_body, &r);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <omp.h>
#include <stdatomic.h>

#include "crucible/base/parallel.h"

int cru_threads_available(void) {
    int n = omp_get_max_threads();
    return n < 1 ? 1 : n;
}

const void *cru_thread_mark(void) {
    static _Thread_local char mark;
    return &mark;
}

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer cannot see libgomp's fork and join, and would report every argument passed to a thread.
 * Its builds start the same bodies with pthreads, which it knows. */
#include <pthread.h>
#include <stdlib.h>

struct started {
    pthread_t id;
    int thread;
    void (*body)(void *context, int thread);
    void *context;
};

static void *start(void *argument) {
    struct started *s = argument;
    s->body(s->context, s->thread);
    return NULL;
}

void cru_parallel_threads(int n_threads, void (*body)(void *context, int thread), void *context) {
    struct started *all = n_threads > 1 ? calloc((size_t)n_threads, sizeof *all) : NULL;
    int running = 0;
    while (all && running + 1 < n_threads) {
        all[running] = (struct started){.thread = running + 1, .body = body, .context = context};
        if (pthread_create(&all[running].id, NULL, start, &all[running])) break;
        running++;
    }
    body(context, 0);
    for (int i = 0; i < running; i++) (void)pthread_join(all[i].id, NULL);
    free(all);
}
#else
void cru_parallel_threads(int n_threads, void (*body)(void *context, int thread), void *context) {
    if (n_threads <= 1) {
        body(context, 0);
        return;
    }
    omp_set_dynamic(0);
#pragma omp parallel num_threads(n_threads) default(none) firstprivate(body, context)
    body(context, omp_get_thread_num());
}
#endif

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

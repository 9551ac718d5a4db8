/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way to start threads in the library: OpenMP lives in parallel.c alone, with the
 * annotations that let ThreadSanitizer see its fork and join.
 */
#ifndef CRU_BASE_PARALLEL_H
#define CRU_BASE_PARALLEL_H

#include <stddef.h>

/* Threads to use for -j 0: what OMP_NUM_THREADS or the machine offers. */
int cru_threads_available(void);

/* What differs between any two threads that are alive. */
const void *cru_thread_mark(void);

/* Runs body(context, t) for t in [0, n_threads), each in its own thread, and waits for all. */
void cru_parallel_threads(int n_threads, void (*body)(void *context, int thread), void *context);

/* Runs body(context, i, t) for i in [0, n) on n_threads threads, `grain` consecutive i at a time,
 * dynamically; the assignment of i to threads is not fixed, so body(i) must write only what i owns. */
void cru_parallel_for(size_t n, size_t grain, int n_threads,
                      void (*body)(void *context, size_t i, int thread), void *context);

#endif

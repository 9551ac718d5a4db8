/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MB of text a CPU second of one thread signs: minhash_bench FILE.jsonl. Words alone, then
 * signatures (14 x 8, 5 words) with each kernel this machine has. The texts are held in memory; CPU
 * time of the thread; best of three.
 */
#include <time.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/dedup/decontaminate.h"
#include "crucible/dedup/minhash.h"
#include "crucible/doc/json.h"

static double cpu_seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t count_words(const struct cru_fold *fold, const struct cru_batch *batch) {
    uint64_t hashes[512], words = 0;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_word_scan scan;
        cru_word_scan_init(&scan, fold, batch->docs[i].text);
        for (size_t got; (got = cru_word_scan_next(&scan, hashes, NULL, 512)) > 0;) words += got;
    }
    return words;
}

static uint64_t sign_all(const struct cru_minhash *m, struct cru_minhash_work *work,
                         const struct cru_batch *batch) {
    uint64_t sum = 0, keys[14];
    for (size_t i = 0; i < batch->n; i++) {
        if (!cru_minhash_sign(m, work, batch->docs[i].text)) continue;
        cru_minhash_keys(m, work->minima, keys);
        for (size_t k = 0; k < 14; k++) sum ^= keys[k];
    }
    return sum;
}

static int load(const char *path, struct cru_batch *batch, double *bytes) {
    struct cru_error err = {0};
    struct cru_input *input = NULL;
    struct cru_json_parser *parser = cru_json_parser_new();
    enum cru_status s = parser ? cru_input_open(path, &input, &err) : CRU_FATAL;
    while (s == CRU_OK) {
        struct cru_span line;
        bool whole;
        if ((s = cru_input_line(input, &line, &whole, &err)) != CRU_OK) break;
        struct cru_doc *doc = cru_batch_add(batch);
        if (!doc)
            s = CRU_FATAL;
        else
            s = cru_json_document(parser, line, "text", path, batch->n, batch, doc, &err);
        if (s == CRU_BAD) s = CRU_OK;
        if (doc) *bytes += (double)doc->text.n;
    }
    cru_input_close(input);
    if (parser) cru_json_parser_free(parser);
    if (s != CRU_END) fprintf(stderr, "%s\n", err.message);
    return s == CRU_END ? 0 : 1;
}

int main(int argc, char **argv) {
    struct cru_batch batch;
    struct cru_minhash m;
    double bytes = 0;
    cru_batch_init(&batch);
    struct cru_fold *fold = cru_fold_new();
    if (argc != 2 || !fold || load(argv[1], &batch, &bytes)) return 2;
    if (cru_minhash_init(&m, fold, 14, 8, 5, 0, NULL)) return 2;
    struct cru_minhash_work *work = cru_minhash_work_new(&m, &batch.arena);
    if (!work) return 2;
    printf("%zu documents, %.1f MB of text\n", batch.n, bytes / 1e6);
    struct {
        const char *name;
        cru_minima_kernel *kernel;
    } kernels[] = {{"words alone", NULL},
                   {"plain C", cru_minima_plain},
                   {"AVX2", cru_minima_avx2()},
                   {"AVX-512", cru_minima_avx512()}};
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        if (k && !kernels[k].kernel) continue;
        m.minima.kernel = kernels[k].kernel;
        double best = 0;
        uint64_t answer = 0;
        for (int round = 0; round < 3; round++) {
            double start = cpu_seconds();
            answer = k ? sign_all(&m, work, &batch) : count_words(fold, &batch);
            double seconds = cpu_seconds() - start;
            if (round == 0 || seconds < best) best = seconds;
        }
        printf("%-12s %8.1f MB/s   %.2f s   (%016llx)\n", kernels[k].name, bytes / 1e6 / best, best,
               (unsigned long long)answer);
    }
    cru_minhash_release(&m);
    cru_batch_release(&batch);
    cru_fold_free(fold);
    return 0;
}

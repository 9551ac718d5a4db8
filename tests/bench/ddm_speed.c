/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MB/s of the DDM analyzer and the quality factors on one core: texts in memory, CPU seconds.
 *
 *   ddm_speed [traces|web] FILE.jsonl [SECONDS]
 *
 * Prints the median and the best of rounds over all texts, for the analyzer alone and with the
 * quality factors. MB are 1e6 bytes of text.
 */
#include <time.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/doc/json.h"
#include "ddm/ddm.h"
#include "ddm/quality.h"

enum { ROUNDS = 201 };

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum cru_status load(const char *path, struct cru_batch *batch, struct cru_error *err) {
    struct cru_input *input;
    struct cru_json_parser *parser = cru_json_parser_new();
    enum cru_status status = cru_input_open(path, &input, err);
    bool whole;
    struct cru_span line;
    while (status == CRU_OK && (status = cru_input_line(input, &line, &whole, err)) == CRU_OK) {
        struct cru_doc *doc = cru_batch_add(batch);
        status = doc ? cru_json_document(parser, line, "text", path, batch->n, batch, doc, err)
                     : CRU_FATAL;
    }
    cru_input_close(input);
    cru_json_parser_free(parser);
    return status == CRU_END ? CRU_OK : status;
}

int main(int argc, char **argv) {
    struct cru_batch batch;
    struct cru_error err = {0};
    const struct cru_ddm_config *config = argc > 2 ? cru_ddm_profile(argv[1]) : NULL;
    if (!config) {
        fprintf(stderr, "usage: ddm_speed traces|web FILE.jsonl [SECONDS]\n");
        return 64;
    }
    cru_batch_init(&batch);
    if (load(argv[2], &batch, &err) != CRU_OK) {
        fprintf(stderr, "ddm_speed: %s\n", err.message);
        return 2;
    }
    double limit = argc > 3 ? strtod(argv[3], NULL) : 2, bytes = 0, sum = 0;
    for (size_t i = 0; i < batch.n; i++) bytes += (double)batch.docs[i].text.n;
    struct cru_ddm_analyzer *analyzer = cru_ddm_analyzer_new();
    for (int quality = 0; quality < 2; quality++) {
        double rounds[ROUNDS];
        size_t n = 0;
        for (double begin = cpu_seconds();
             n < ROUNDS && (n < 3 || cpu_seconds() - begin < limit);) {
            double start = cpu_seconds();
            for (size_t i = 0; i < batch.n; i++) {
                struct cru_ddm_result r;
                struct cru_quality q;
                if (cru_ddm_score(analyzer, batch.docs[i].text, CRU_DDM_AUTO, config, &r, &err) !=
                    CRU_OK)
                    return 2;
                sum += r.signal_score;
                if (!quality) continue;
                if (cru_quality_measure(analyzer, batch.docs[i].text, &q, &err) != CRU_OK) return 2;
                sum += q.factor[CRU_BYTE_ENTROPY];
            }
            rounds[n++] = cpu_seconds() - start;
        }
        qsort(rounds, n, sizeof *rounds, by_value);
        printf("%s: median %.1f, best %.1f MB/s (%zu rounds of %.1f MB)\n",
               quality ? "analyzer and quality" : "analyzer", bytes / rounds[n / 2] / 1e6,
               bytes / rounds[0] / 1e6, n, bytes / 1e6);
    }
    cru_ddm_analyzer_free(analyzer);
    cru_batch_release(&batch);
    return sum > 0 ? 0 : 1;
}

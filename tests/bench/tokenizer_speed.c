/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the encoder on a file of texts and writes their ids, for tokenizer_agree.py and
 * tokenizer_bench.py.
 *
 *   tokenizer_speed VOCAB text|recognise TEXTS [IDS [PASSES]]
 *
 * TEXTS: for each text a u32 length and its bytes. IDS: for each a u32 count and its ids ("-": none). Prints
 * bytes, ids, CPU seconds of loading, of the first pass and of the best later one.
 */
#include <time.h>

#include "crucible/base/base.h"
#include "tokenizer/tokenizer.h"

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *read_file(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return NULL;
    *n = (size_t)ftell(f);
    rewind(f);
    char *p = malloc(*n + 1);
    if (p && fread(p, 1, *n, f) != *n) p = NULL;
    fclose(f);
    return p;
}

/* One pass over all texts; false on any error. */
static bool pass(struct cru_encoder *e, enum cru_special special, const char *p, size_t n,
                 FILE *ids_file, uint64_t *bytes, uint64_t *count) {
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    bool good = true;
    *bytes = *count = 0;
    for (size_t at = 0; good && at + 4 <= n;) {
        uint32_t length;
        memcpy(&length, p + at, 4);
        at += 4;
        good = length <= n - at;
        cru_ids_clear(&ids);
        if (good && cru_encode(e, cru_span_make(p + at, length), special, &ids, &err)) {
            fprintf(stderr, "%s\n", err.message);
            good = false;
        }
        at += length;
        *bytes += length;
        *count += ids.n;
        uint32_t made = (uint32_t)ids.n;
        if (good && ids_file)
            good = fwrite(&made, 4, 1, ids_file) == 1 &&
                   fwrite(ids.p, 4, ids.n, ids_file) == ids.n;
    }
    cru_ids_release(&ids);
    return good;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: tokenizer_speed VOCAB text|recognise TEXTS [IDS [PASSES]]\n");
        return 64;
    }
    enum cru_special special =
        strcmp(argv[2], "text") == 0 ? CRU_SPECIAL_TEXT : CRU_SPECIAL_RECOGNISE;
    size_t n;
    char *texts = read_file(argv[3], &n);
    struct cru_tokenizer *t;
    struct cru_error err;
    double start = cpu();
    if (!texts || cru_tokenizer_open(argv[1], &t, &err)) {
        fprintf(stderr, "tokenizer_speed: %s\n", texts ? err.message : "cannot read TEXTS");
        return 2;
    }
    double load = cpu() - start, first = 0, best = 1e30;
    struct cru_encoder *e = cru_encoder_new(t);
    FILE *out = argc > 4 && strcmp(argv[4], "-") ? fopen(argv[4], "wb") : NULL;
    long passes = argc > 5 ? strtol(argv[5], NULL, 10) : 3;
    uint64_t bytes = 0, count = 0;
    bool good = e != NULL;
    for (long i = 0; good && i < passes; i++) {
        start = cpu();
        good = pass(e, special, texts, n, NULL, &bytes, &count);
        double took = cpu() - start;
        if (i == 0) first = took;
        else if (took < best) best = took;
    }
    if (good && out) good = pass(e, special, texts, n, out, &bytes, &count);
    if (out && fclose(out)) good = false;
    if (good)
        printf("{\"bytes\":%llu,\"ids\":%llu,\"load_s\":%.4f,\"cold_s\":%.4f,\"warm_s\":%.4f}\n",
               (unsigned long long)bytes, (unsigned long long)count, load, first,
               passes > 1 ? best : first);
    cru_encoder_free(e);
    cru_tokenizer_free(t);
    free(texts);
    return good ? 0 : 2;
}

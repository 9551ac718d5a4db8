/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the encoder on a file of texts and writes its ids and what they decode to, for
 * tokenizer_bench.py and tokenizer_agree.py.
 *
 *   tokenizer_speed VOCAB text|recognise TEXTS [IDS [PASSES|steady [DECODED]]]
 *
 * TEXTS, DECODED: for each text a u32 length and its bytes. IDS: for each a u32 count and its ids
 * ("-": none). Prints a line of JSON: bytes and ids of a whole pass, and CPU seconds of loading, of
 * the first pass (cold_s) and of the best later one (warm_s). "steady": every other text first
 * (cold_s), then the others, which the caches have not seen, timed (warm_s); bytes and ids are of
 * those others.
 */
#include <time.h>

#include "crucible/base/base.h"
#include "tokenizer/tokenizer.h"

struct texts {
    char *p;
    size_t n;
    uint64_t bytes, ids; /* of the last pass */
};

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

static bool put(FILE *f, const void *p, size_t n, size_t size) {
    uint32_t count = (uint32_t)n;
    return fwrite(&count, 4, 1, f) == 1 && fwrite(p, size, n, f) == n;
}

/* One pass over text number `first` and every `step`-th after it; CPU seconds, or -1 on an error.
 */
static double pass(struct cru_encoder *e, enum cru_special special, struct texts *t, size_t first,
                   size_t step) {
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    bool good = true;
    double start = cpu();
    t->bytes = t->ids = 0;
    for (size_t at = 0, i = step - first; good && at + 4 <= t->n; i++) {
        uint32_t length;
        memcpy(&length, t->p + at, 4);
        at += 4;
        good = length <= t->n - at;
        if (good && i % step == 0) {
            cru_ids_clear(&ids);
            if (cru_encode(e, cru_span_make(t->p + at, length), special, &ids, &err)) {
                fprintf(stderr, "%s\n", err.message);
                good = false;
            }
            t->bytes += length;
            t->ids += ids.n;
        }
        at += length;
    }
    cru_ids_release(&ids);
    return good ? cpu() - start : -1;
}

/* Encodes every text once, writes ids and what they decode to (either may be NULL). */
static bool write_ids(struct cru_encoder *e, const struct cru_tokenizer *tokenizer,
                      enum cru_special special, struct texts *t, FILE *ids_file, FILE *decoded) {
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_buffer text = {0};
    struct cru_error err;
    bool good = true;
    t->bytes = t->ids = 0;
    for (size_t at = 0; good && at + 4 <= t->n;) {
        uint32_t length;
        memcpy(&length, t->p + at, 4);
        at += 4;
        good = length <= t->n - at;
        cru_ids_clear(&ids);
        if (good && cru_encode(e, cru_span_make(t->p + at, length), special, &ids, &err)) {
            fprintf(stderr, "%s\n", err.message);
            good = false;
        }
        at += length;
        t->bytes += length;
        t->ids += ids.n;
        if (good && ids_file) good = put(ids_file, ids.p, ids.n, 4);
        if (good && decoded) {
            cru_buffer_clear(&text);
            cru_tokenizer_decode(tokenizer, ids.p, ids.n, &text);
            good = !text.failed && put(decoded, text.p, text.n, 1);
        }
    }
    cru_ids_release(&ids);
    cru_buffer_release(&text);
    return good;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(
            stderr,
            "usage: tokenizer_speed VOCAB text|recognise TEXTS [IDS [PASSES|steady [DECODED]]]\n");
        return 64;
    }
    enum cru_special special =
        strcmp(argv[2], "text") == 0 ? CRU_SPECIAL_TEXT : CRU_SPECIAL_RECOGNISE;
    struct texts t = {0};
    t.p = read_file(argv[3], &t.n);
    struct cru_tokenizer *tokenizer;
    struct cru_error err;
    double start = cpu();
    if (!t.p || cru_tokenizer_open(argv[1], &tokenizer, &err)) {
        fprintf(stderr, "tokenizer_speed: %s\n", t.p ? err.message : "cannot read TEXTS");
        return 2;
    }
    double load = cpu() - start, first = 0, best = 0;
    struct cru_encoder *e = cru_encoder_new(tokenizer);
    FILE *ids = argc > 4 && strcmp(argv[4], "-") ? fopen(argv[4], "wb") : NULL;
    FILE *decoded = argc > 6 ? fopen(argv[6], "wb") : NULL;
    bool steady = argc > 5 && strcmp(argv[5], "steady") == 0;
    long passes = steady ? 2 : argc > 5 ? strtol(argv[5], NULL, 10) : 3;
    bool good = e != NULL;
    for (long i = 0; good && i < passes; i++) {
        double took = pass(e, special, &t, steady ? (size_t)i : 0, steady ? 2 : 1);
        good = took >= 0;
        if (i == 0) first = took;
        if (i < 2 || took < best) best = took;
    }
    if (good && (ids || decoded)) good = write_ids(e, tokenizer, special, &t, ids, decoded);
    if (ids && fclose(ids)) good = false;
    if (decoded && fclose(decoded)) good = false;
    if (good)
        printf("{\"bytes\":%llu,\"ids\":%llu,\"load_s\":%.5f,\"cold_s\":%.6f,\"warm_s\":%.6f}\n",
               (unsigned long long)t.bytes, (unsigned long long)t.ids, load, first, best);
    cru_encoder_free(e);
    cru_tokenizer_free(tokenizer);
    free(t.p);
    return good ? 0 : 2;
}

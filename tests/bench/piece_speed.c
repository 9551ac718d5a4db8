/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the encoding of single pieces, by search (bpe_backtrack.h) and by merging (bpe_merge.h), without
 * the rest of the encoder, and compares their ids.
 *
 *   piece_speed VOCAB [MEGABYTES]
 *
 * The long pieces are those of the worst-case table in RESULTS.md; the short ones are of 6 to 15 bytes,
 * each new. CPU time, the median of 7 passes with a fresh memo.
 */
#include <time.h>

#include "crucible/base/base.h"
#include "tokenizer/vocab.h"

enum { PASSES = 7 };

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t put_utf8(unsigned char *p, uint32_t c) {
    if (c < 0x80) return p[0] = (unsigned char)c, 1;
    if (c < 0x800) {
        p[0] = (unsigned char)(0xC0 | c >> 6);
        p[1] = (unsigned char)(0x80 | (c & 63));
        return 2;
    }
    p[0] = (unsigned char)(0xE0 | c >> 12);
    p[1] = (unsigned char)(0x80 | (c >> 6 & 63));
    p[2] = (unsigned char)(0x80 | (c & 63));
    return 3;
}

enum kind { RUN_A, SPACES, RANDOM_AZ, LATIN1, HAN, ZWJ, SHORT_AZ, SHORT_HAN, WORDS, KINDS };
static const char *const kind_names[KINDS] = {"a", "spaces", "random a-z", "latin-1 letters", "han",
                                              "zwj", "short a-z", "short han", "made-up words"};

/* Fills p with n bytes or a little fewer; ends[] of the pieces. */
static size_t fill(enum kind kind, unsigned char *p, size_t n, size_t *ends) {
    static const char zwj[] = "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xCC\x81";
    static const char *const syllables[] = {"ver", "tan", "blo", "ing", "est", "kra", "mi",
                                            "ould", "pre", "xy",  "ton", "ea",  "ish", "qua"};
    struct cru_random r = {1};
    size_t at = 0, pieces = 0, last = 0;
    while (at + 24 < n) {
        switch (kind) {
        case RUN_A: p[at++] = 'a'; break;
        case SPACES: p[at++] = ' '; break;
        case RANDOM_AZ:
        case SHORT_AZ: p[at++] = (unsigned char)('a' + cru_random_next(&r) % 26); break;
        case LATIN1: at += put_utf8(p + at, 0xC0 + (uint32_t)(cru_random_next(&r) % 64)); break;
        case ZWJ:
            memcpy(p + at, zwj, sizeof zwj - 1);
            at += sizeof zwj - 1;
            break;
        case WORDS: {
            const char *s = syllables[cru_random_next(&r) % (sizeof syllables / sizeof *syllables)];
            memcpy(p + at, s, strlen(s));
            at += strlen(s);
            break;
        }
        default: at += put_utf8(p + at, 0x4E00 + (uint32_t)(cru_random_next(&r) % 20992));
        }
        if (kind >= SHORT_AZ && at - last >= 6 && (at - last >= 12 || cru_random_next(&r) % 4 == 0))
            ends[pieces++] = last = at;
    }
    if (last < at) ends[pieces++] = at;
    return pieces;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times) {
    qsort(times, PASSES, sizeof *times, compare_doubles);
    return times[PASSES / 2];
}

static size_t encode(const struct cru_tokenizer *t, struct cru_bpe_scratch *scratch,
                     struct cru_merge_scratch *merging, bool by_search, const unsigned char *p,
                     const size_t *ends, size_t pieces, uint32_t *out) {
    size_t k = 0, at = 0, made;
    for (size_t i = 0; i < pieces; at = ends[i++]) {
        size_t n = ends[i] - at;
        if (by_search) {
            made = cru_bpe_piece(&t->bpe, scratch, p + at, n, out + k);
        } else if (n <= CRU_SHORT_PIECE) {
            made = cru_merge_short(&t->merges, p + at, n, out + k);
        } else if (!cru_merge_long(&t->merges, merging, p + at, n, out + k, &made)) {
            exit(2);
        }
        k += made;
    }
    return k;
}

int main(int argc, char **argv) {
    struct cru_tokenizer *t;
    struct cru_error err;
    if (argc < 2 || cru_tokenizer_open(argv[1], &t, &err)) {
        fprintf(stderr, "piece_speed: %s\n", argc < 2 ? "usage: piece_speed VOCAB [MEGABYTES]" : err.message);
        return 2;
    }
    size_t n = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1) * 1000000;
    unsigned char *p = malloc(n);
    size_t *ends = malloc(n * sizeof *ends);
    uint32_t *ids = malloc(n * sizeof *ids), *want = malloc(n * sizeof *want);
    struct cru_merge_scratch merging = {0};
    if (!p || !ends || !ids || !want) return 2;
    memset(ids, 1, n * sizeof *ids);
    printf("%-16s %10s %12s %12s %10s %10s\n", "piece", "ids", "search MB/s", "merge MB/s", "ns/piece", "ns/id");
    for (int kind = 0; kind < KINDS; kind++) {
        size_t pieces = fill((enum kind)kind, p, n, ends), bytes = ends[pieces - 1];
        double times[PASSES], start = cpu();
        size_t wanted = encode(t, NULL, &merging, false, p, ends, pieces, want), k = 0;
        double merge = cpu() - start;
        for (int pass = 0; pass < PASSES; pass++) {
            struct cru_bpe_scratch scratch;
            if (!cru_bpe_scratch_init(&scratch, &t->bpe)) return 2;
            start = cpu();
            k = encode(t, &scratch, NULL, true, p, ends, pieces, ids);
            times[pass] = cpu() - start;
            cru_bpe_scratch_release(&scratch);
        }
        double search = median(times);
        if (k != wanted || memcmp(ids, want, k * sizeof *ids) != 0) {
            printf("%s: the ids differ\n", kind_names[kind]);
            return 1;
        }
        printf("%-16s %10zu %12.1f %12.1f %10.0f %10.1f\n", kind_names[kind], k, (double)bytes / search / 1e6,
               (double)bytes / merge / 1e6, search * 1e9 / (double)pieces, search * 1e9 / (double)k);
    }
    cru_merge_scratch_release(&merging);
    cru_tokenizer_free(t);
    free(p);
    free(ends);
    free(ids);
    free(want);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a report says, read from WORK/catalog.db into plain structs; report_text.c, report_json.c and
 * report_html.c only print it.
 *
 *   report -> steps  -> stages -> reasons
 *                              -> mix | score | select | shards   (from the stage's own statistics)
 *          -> documents: bins, languages, histograms              (of the rows of the shards' documents)
 *          -> training: points of the log
 *
 * Strings are valid UTF-8, end in NUL, and live with everything else in the report's arena until
 * cru_report_release. One snapshot of the catalog is read, so a build may run meanwhile. One thread.
 */
#ifndef CRU_BUILD_REPORT_DATA_H
#define CRU_BUILD_REPORT_DATA_H

#include "crucible/base/arena.h"
#include "crucible/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_report_reason {
    const char *rule;
    uint64_t documents, bytes;
};

/* mix: shares are of the whole, `available`, `asked` and `got` in units of `by`. */
struct cru_report_mixed {
    const char *name;
    uint64_t documents, available, asked, got, picks;
    double asked_share, got_share, epochs;
};
struct cru_report_mix {
    const char *by;
    uint64_t total;
    struct cru_report_mixed *sources;
    size_t n;
};

/* score: all documents it saw, before anything is selected. */
struct cru_report_scored_bin {
    const char *name;
    uint64_t documents, words;
};
/* The path of one document through the accumulator (ddm/ddm.h), and the process it is a path of. */
struct cru_report_process {
    double theta, mu, v, sigma, x0, words_per_time, upper, lower;
};
struct cru_report_segment {
    unsigned words;
    double signal;
    unsigned kind; /* 1: it has a cue; 2: code; else 0 */
};
struct cru_report_path {
    const char *id, *bin;
    double signal, low_time;
    uint64_t words, all_segments; /* of the document; `n` of them are kept */
    int64_t place;                /* in the statistics */
    struct cru_report_segment *segments;
    size_t n;
};
struct cru_report_score {
    const char *profile;
    double mean, length_correlation;
    struct cru_report_scored_bin *bins;
    size_t n;
    struct cru_report_process process;
    struct cru_report_path *paths; /* the first long document of each bin */
    size_t n_paths;
};

/* select: a row a length stratum; `quota` in documents or tokens, `spent` in the same. */
struct cru_report_stratum {
    uint64_t low, high, documents, quota, selected, spent;
    double objective, upper;
};
struct cru_report_select {
    const char *guarantee, *length_in;
    uint64_t selected, evaluations;
    double objective, certificate;
    struct cru_report_stratum *strata;
    size_t n;
};

/* tokenize: what stands in the shards. */
struct cru_report_tokenized {
    const char *name;
    uint64_t documents, tokens, bytes;
    double bytes_per_token;
};
struct cru_report_shards {
    const char *vocab, *vocab_hash;
    uint64_t documents, tokens, bytes;
    uint64_t shards, shard_tokens, padding;
    struct cru_report_tokenized *sources;
    size_t n;
};

struct cru_report_stage {
    const char *name;
    uint64_t in, added, out, dropped, bad, bytes_in, bytes_out;
    double seconds; /* CPU, all threads */
    struct cru_report_reason *reasons; /* most documents first */
    size_t n_reasons;
    struct cru_report_mix *mix; /* these four: NULL when the stage is another */
    struct cru_report_score *score;
    struct cru_report_select *select;
    struct cru_report_shards *shards;
};

struct cru_report_step {
    const char *key, *name, *kind; /* name and kind: NULL when the step is not finished */
    const char *source, *output;   /* may be NULL */
    double seconds;
    bool finished;
    struct cru_report_stage *stages;
    size_t n_stages;
};

/* A group of the shards' documents. */
struct cru_report_group {
    const char *name; /* "" when the documents name none */
    uint64_t documents, tokens;
    double signal, weight; /* means; NaN when none has one */
};

enum { CRU_REPORT_BUCKETS = 40 };
struct cru_report_histogram {
    double low, width; /* bucket i holds low + i * width <= x < low + (i + 1) * width */
    uint64_t counts[CRU_REPORT_BUCKETS];
    size_t n;          /* buckets; 0: nothing to show */
    double least, median, most;
};

struct cru_report_documents {
    uint64_t documents, tokens, bytes;
    double signal; /* mean; NaN when unknown */
    struct cru_report_group *bins, *languages; /* most documents first */
    size_t n_bins, n_languages;
    struct cru_report_histogram signals, lengths; /* lengths: of log2(tokens) */
};

enum cru_report_phase { CRU_REPORT_TST, CRU_REPORT_ORDINARY, CRU_REPORT_EVAL };
struct cru_report_point {
    uint64_t step, tokens;
    double loss, bpb; /* NaN: not in the log */
    enum cru_report_phase phase;
};
struct cru_report_training {
    const char *log; /* NULL: the build has no finished training */
    const char *trouble; /* NULL, or why the log could not be read */
    struct cru_report_point *points;
    size_t n;
    uint64_t unreadable; /* lines that are not what a log holds */
    double seconds;
    struct {
        uint64_t points, first_step, last_step;
        double first_loss, last_loss, first_bpb, last_bpb;
    } phase[3];
};

struct cru_report {
    struct cru_arena arena;
    const char *work, *name, *recipe, *version;
    struct cru_report_step *steps;
    size_t n_steps, n_unfinished; /* n_unfinished: planned, without a result */
    size_t n_newer;               /* finished after these, but not of this build */
    bool complete;                /* the build has come to its end */
    bool other_documents;         /* the document rows are another build's, so they are left out */
    struct cru_report_documents documents;
    struct cru_report_training training;
};

/* CRU_FATAL when there is no catalog or it cannot be read. Release it in any case. */
enum cru_status cru_report_load(const char *work, struct cru_report *report, struct cru_error *err);
void cru_report_release(struct cru_report *report);

/* in + added - (out + dropped + bad): 0 when nothing vanished. */
int64_t cru_report_lost(const struct cru_report_stage *stage);
/* Documents that left the stage (or, for the first common step, all sources) before stage `k` of step
 * `at`; false when that is not known. */
bool cru_report_before(const struct cru_report *report, size_t at, size_t k, uint64_t *documents);
/* Does every stage let go of as many documents as it took, and take what came out before it? */
bool cru_report_conserved(const struct cru_report *report);
/* Input megabytes (1e6 bytes) a CPU second; 0 when no time was measured. */
double cru_report_speed(const struct cru_report_stage *stage);
/* The least of 1, 2 and 5 times a power of ten that is at least x; x above 0. */
double cru_report_round_up(double x);
/* 1234567 -> "1,234,567". The answer is `text`. */
enum { CRU_REPORT_NUMBER = 32 };
const char *cru_report_number(uint64_t n, char text[CRU_REPORT_NUMBER]);
/* 1234567 -> "1.23 M"; below 10,000 as it is. */
const char *cru_report_short_number(double n, char text[CRU_REPORT_NUMBER]);

#endif

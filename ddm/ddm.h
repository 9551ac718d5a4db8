/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DDM analyzer: one text in, numbers out. It reads a text as evidence that comes in over time:
 * each segment pushes a leaky accumulator (an Ornstein-Uhlenbeck process) up when it says something
 * new and down when it repeats what was said, and the path of the accumulator's mean is the score.
 *
 *    region ──> words ──> segments ──> s_i = signal, D_i = words / 50
 *
 *      A ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄╭────────╮┄┄┄┄┄  engaged above A: U, a share of the time
 *                    ╭────╯          ╰─╮        signal_score: area under m, over that for s = 1
 *      0 ───────────╯                   ╰──    m(t): mean of dx = theta(mu-x)dt + v s(t)dt + sigma
 * dW B ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄╲  degenerate when it stays below B for long: L
 *
 * The solution inside a segment is exact (the drive is constant there), so neither the cut of a
 * segment in two nor a step size has an influence. Nothing is random. Sources: the process and its
 * exact solution are textbook (Uhlenbeck, Ornstein 1930; Gillespie 1996); leaky accumulation of
 * evidence: Usher, McClelland 2001; Bogacz et al. 2006. Constants are Crucible's own choice: the
 * profile tables of ddm/profiles.c hold them all.
 *
 * What it is not: it does not know whether an answer is right. It sees novelty, repetition and the
 * words by which a writer corrects, checks and explores (ddm/lexicon.h); in a language without a
 * lexicon the three cue densities are 0 and the score rests on novelty, repetition and lexical
 * diversity.
 *
 * Memory: a cru_ddm_analyzer owns all scratch, 65 to 110 bytes a word of the longest text so far
 * (11 to 19 times its bytes in English), and does not allocate once warm. One thread at a time; one
 * analyzer a thread. Texts must be UTF-8 (any bytes are safe, but characters are then guessed) and
 * under 4 GiB.
 * Errors: CRU_FATAL when memory is short, CRU_BAD for a text of 4 GiB or more.
 */
#ifndef CRU_DDM_DDM_H
#define CRU_DDM_DDM_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"
#include <stdint.h>

enum cru_ddm_bin { CRU_DDM_REJECT = 0, CRU_DDM_WARMUP, CRU_DDM_CORE, CRU_DDM_ANNEAL };
enum { CRU_DDM_BINS = 4 };

/* Which part of a text is scored. */
enum cru_ddm_region {
    CRU_DDM_AUTO,     /* THINK when the profile seeks reasoning and there are tags, else TEXT */
    CRU_DDM_THINK,    /* what stands inside <think> tags; nothing when there are none */
    CRU_DDM_RESPONSE, /* what stands behind the last </think>; all when there is none */
    CRU_DDM_TEXT,     /* all */
};

/* Every constant of the analyzer. Length is in words; `words_per_time` words are a time of 1. */
struct cru_ddm_config {
    const char *name;
    /* the process */
    double theta, mu, v, sigma, x0, words_per_time;
    /* segments: merged forward to at least min_words, cut at max_words */
    uint32_t min_words, max_words;
    /* signal = w_novelty (2n-1) + w_lexical (2l-1)
     *        + n (w_correction c + w_verification e + w_exploration x) - w_repetition r */
    double w_novelty, w_lexical, w_correction, w_verification, w_exploration, w_repetition;
    double cue_scale; /* c = 1 - exp(-hits per 100 words / cue_scale) */
    /* boundaries */
    double upper, lower, sustained_time, sustained_share;
    /* bins: warmup below q_core, core below q_anneal; anneal also needs engagement and cues */
    double q_core, q_anneal, engaged_anneal;
    uint32_t cues_anneal;
    /* raw loss weight = floor + range / (1 + exp(-(Q - middle) / slope)); 0 for reject */
    double weight_floor, weight_range, weight_middle, weight_slope, weight_cap;
    bool seeks_reasoning; /* what AUTO means */
};

/* The profile called "traces" (reasoning) or "web" (everything else); NULL for another name. */
const struct cru_ddm_config *cru_ddm_profile(const char *name);

/* One segment as it was scored; `mean` and `sd` are those of the accumulator at its end. */
struct cru_ddm_segment {
    uint32_t begin, end; /* bytes of the text, from its first word to behind its last */
    uint32_t words;
    uint32_t corrections, verifications, explorations;
    double novelty, repetition, lexical; /* n, r, l */
    double signal, mean, sd;
    bool code;
};

struct cru_ddm_result {
    double signal_score; /* Q: mean signal, early segments counting more; [-1, 1] */
    uint64_t self_corrections, verifications, explorations; /* cues, code fences left out */
    double coherence; /* 1 - share of time with the mean below mu, where it rests */
    uint64_t thinking_words, segments;
    double time;                /* T */
    double engaged;             /* U: share of T with mean >= upper */
    double low_time;            /* L: longest time in one piece with mean <= lower */
    double p_low;               /* largest P(x <= lower) at the end of a segment */
    double first_low;           /* words before the mean first reaches lower; -1: never */
    double novelty, repetition; /* n and r, averaged over words */
    double weight;              /* raw loss weight */
    bool degenerate, tagged;    /* tagged: think tags were looked for and found */
    enum cru_ddm_bin bin;
};

struct cru_ddm_analyzer;
struct cru_ddm_analyzer *cru_ddm_analyzer_new(void); /* NULL when memory is short */
void cru_ddm_analyzer_free(struct cru_ddm_analyzer *analyzer);
/* The cues of the texts to come (ddm/lexicon.h); NULL: a language without a lexicon. A new analyzer
 * speaks the compiled-in English. The lexicon must outlive its use. */
struct cru_lexicon;
void cru_ddm_analyzer_speak(struct cru_ddm_analyzer *analyzer, const struct cru_lexicon *lexicon);

/* Scores a text. A region without a word gives bin reject, every number 0 (first_low -1). */
enum cru_status cru_ddm_score(struct cru_ddm_analyzer *analyzer, struct cru_span text,
                              enum cru_ddm_region region, const struct cru_ddm_config *config,
                              struct cru_ddm_result *result, struct cru_error *err);

/* The segments of the last text; valid until the next call. */
const struct cru_ddm_segment *cru_ddm_segments(const struct cru_ddm_analyzer *analyzer, size_t *n);

/* "reject", "warmup", "core", "anneal". */
const char *cru_ddm_bin_name(enum cru_ddm_bin bin);

#endif

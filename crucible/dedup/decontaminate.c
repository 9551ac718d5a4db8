/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/dedup/decontaminate.h"
#include "crucible/base/base.h"

enum { CHUNK = 1024, FILTER_BITS_A_GRAM = 16, LENGTH_BITS = 8 };

struct text_entry {
    uint64_t first; /* word */
    uint64_t words;
    uint64_t record;
    uint64_t file;
};

struct slot {
    uint64_t hash;
    uint64_t where; /* (first word + 1) << LENGTH_BITS | words; 0: free */
};

void cru_decontaminate_init(struct cru_decontaminate *d, const struct cru_fold *fold, size_t ngram,
                            struct cru_budget *budget) {
    memset(d, 0, sizeof *d);
    d->fold = fold;
    d->ngram = ngram;
    d->whole = ngram < CRU_DECONTAMINATE_WHOLE ? ngram : CRU_DECONTAMINATE_WHOLE;
    cru_spill_init(&d->words, sizeof(uint64_t), budget);
    cru_spill_init(&d->texts, sizeof(struct text_entry), budget);
    cru_spill_init(&d->slots, sizeof(struct slot), budget);
}

void cru_decontaminate_release(struct cru_decontaminate *d) {
    cru_spill_release(&d->words);
    cru_spill_release(&d->texts);
    cru_spill_release(&d->slots);
    free(d->filter);
    for (size_t i = 0; i < d->n_files; i++) free(d->files[i].name);
    free(d->files);
    d->filter = NULL;
    d->files = NULL;
    d->n_files = 0;
}

enum cru_status cru_decontaminate_file(struct cru_decontaminate *d, const char *name,
                                       struct cru_error *err) {
    struct cru_evaluation_file *files = realloc(d->files, (d->n_files + 1) * sizeof *files);
    if (!files) return cru_fail_memory(err, "evaluation files");
    d->files = files;
    memset(&files[d->n_files], 0, sizeof *files);
    files[d->n_files].name = strdup(name);
    if (!files[d->n_files].name) return cru_fail_memory(err, "evaluation files");
    d->n_files++;
    return CRU_OK;
}

enum cru_status cru_decontaminate_text(struct cru_decontaminate *d, struct cru_span text,
                                       uint64_t record, struct cru_error *err) {
    struct cru_evaluation_file *file = &d->files[d->n_files - 1];
    size_t first = d->words.n;
    uint64_t chunk[CHUNK];
    struct cru_word_scan scan;
    cru_word_scan_init(&scan, d->fold, text);
    for (size_t got; (got = cru_word_scan_next(&scan, chunk, NULL, CHUNK)) > 0;) {
        size_t at = d->words.n;
        enum cru_status s = cru_spill_resize(&d->words, at + got, err);
        if (s) return s;
        memcpy((uint64_t *)d->words.p + at, chunk, got * sizeof *chunk);
    }
    size_t words = d->words.n - first;
    file->texts++;
    if (words < d->whole) {
        file->too_short++;
        return cru_spill_resize(&d->words, first, err);
    }
    enum cru_status s = cru_spill_resize(&d->texts, d->texts.n + 1, err);
    if (s) return s;
    ((struct text_entry *)d->texts.p)[d->texts.n - 1] =
        (struct text_entry){first, words, record, d->n_files - 1};
    return CRU_OK;
}

/* A gram's hash from its sum; the length is part of it. */
static uint64_t gram_hash(uint64_t sum, size_t length) {
    return cru_mix64(sum + length * 0xA24BAED4963EE407u);
}

/* The slot of these words, or the free slot where they belong. */
static size_t find_slot(const struct cru_decontaminate *d, uint64_t hash, const uint64_t *words,
                        size_t length) {
    const struct slot *slots = d->slots.p;
    const uint64_t *all = d->words.p;
    size_t mask = d->slots.n - 1, i = (size_t)hash & mask;
    for (; slots[i].where; i = (i + 1) & mask)
        if (slots[i].hash == hash && (slots[i].where & ((1u << LENGTH_BITS) - 1)) == length &&
            memcmp(all + (slots[i].where >> LENGTH_BITS) - 1, words, length * sizeof *words) == 0)
            break;
    return i;
}

static size_t gram_length(const struct cru_decontaminate *d, const struct text_entry *text) {
    return text->words < d->ngram ? (size_t)text->words : d->ngram;
}

/* The first text with a gram keeps it. */
static void index_text(struct cru_decontaminate *d, const struct text_entry *text) {
    size_t length = gram_length(d, text);
    uint64_t power = cru_gram_power(length), sum = 0;
    const uint64_t *words = (const uint64_t *)d->words.p + text->first;
    struct slot *slots = d->slots.p;
    for (size_t i = 0; i < text->words; i++) {
        sum = sum * CRU_GRAM_BASE + words[i];
        if (i >= length) sum -= words[i - length] * power;
        if (i + 1 < length) continue;
        size_t start = i + 1 - length;
        uint64_t hash = gram_hash(sum, length);
        struct slot *slot = &slots[find_slot(d, hash, words + start, length)];
        if (slot->where) continue;
        slot->hash = hash;
        slot->where = (text->first + start + 1) << LENGTH_BITS | length;
        uint64_t bit = (hash >> 32) & d->filter_mask;
        d->filter[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
}

enum cru_status cru_decontaminate_build(struct cru_decontaminate *d, struct cru_error *err) {
    const struct text_entry *texts = d->texts.p;
    bool used[CRU_DECONTAMINATE_NGRAM_MAX + 1] = {false};
    uint64_t grams = 0;
    for (size_t i = 0; i < d->texts.n; i++) {
        size_t length = gram_length(d, &texts[i]);
        used[length] = true;
        grams += texts[i].words - length + 1;
    }
    if (!grams)
        return cru_fail(err, CRU_FATAL,
                        "evaluation set is empty: no text of %zu words or more in %zu files",
                        d->whole, d->n_files);
    for (size_t length = CRU_DECONTAMINATE_NGRAM_MAX; length > 0; length--)
        if (used[length]) {
            d->lengths[d->n_lengths] = length;
            d->powers[d->n_lengths++] = cru_gram_power(length);
        }
    size_t slots = 64;
    while (slots < grams + grams / 3 && slots < SIZE_MAX / 4) slots *= 2;
    uint64_t bits = 1024;
    while (bits < grams * FILTER_BITS_A_GRAM && bits < (uint64_t)1 << 32) bits *= 2;
    d->filter_mask = bits - 1;
    d->filter = calloc((size_t)(bits / 64), sizeof *d->filter);
    if (!d->filter) return cru_fail_memory(err, "filter of the evaluation set");
    enum cru_status s = cru_spill_resize(&d->slots, slots, err);
    if (s) return s;
    texts = d->texts.p;
    for (size_t i = 0; i < d->texts.n; i++) index_text(d, &texts[i]);
    return CRU_OK;
}

/* The last CRU_DECONTAMINATE_NGRAM_MAX words stay in front of each chunk. */
struct cru_overlap_work {
    uint64_t words[CRU_DECONTAMINATE_NGRAM_MAX + CHUNK];
    uint64_t prefix[CRU_DECONTAMINATE_NGRAM_MAX + 1 + CHUNK];
    struct cru_word_place places[CRU_DECONTAMINATE_NGRAM_MAX + CHUNK];
};

struct cru_overlap_work *cru_overlap_work_new(struct cru_arena *arena) {
    return cru_arena_alloc(arena, sizeof(struct cru_overlap_work));
}

/* Appends a run whose end is not before any other's, and merges it with those it touches. */
static bool add_run(struct cru_overlap *o, struct cru_overlap_run run, struct cru_arena *arena) {
    while (o->n_runs && o->runs[o->n_runs - 1].end_word >= run.first_word) {
        const struct cru_overlap_run *last = &o->runs[--o->n_runs];
        if (last->first_word < run.first_word) {
            run.first_word = last->first_word;
            run.begin = last->begin;
        }
    }
    if (o->n_runs == o->cap_runs) {
        size_t capacity = o->cap_runs ? 2 * o->cap_runs : 8;
        struct cru_overlap_run *runs = cru_arena_calloc(arena, capacity, sizeof *runs);
        if (!runs) return false;
        if (o->n_runs) memcpy(runs, o->runs, o->n_runs * sizeof *runs);
        o->runs = runs;
        o->cap_runs = capacity;
    }
    o->runs[o->n_runs++] = run;
    return true;
}

static void name_source(const struct cru_decontaminate *d, uint64_t word, struct cru_overlap *o) {
    const struct text_entry *texts = d->texts.p;
    size_t low = 0, high = d->texts.n; /* the last text that starts at or before `word` */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (texts[middle].first <= word)
            low = middle;
        else
            high = middle;
    }
    o->file = d->files[texts[low].file].name;
    o->record = texts[low].record;
}

/* True when the `length` words before work->words[end] stand in an evaluation text. */
static bool gram_found(const struct cru_decontaminate *d, const struct cru_overlap_work *work,
                       size_t end, size_t which, struct cru_overlap *o) {
    size_t length = d->lengths[which];
    uint64_t hash =
        gram_hash(work->prefix[end] - work->prefix[end - length] * d->powers[which], length);
    uint64_t bit = (hash >> 32) & d->filter_mask;
    if (!(d->filter[bit / 64] >> (bit % 64) & 1)) return false;
    const struct slot *slot =
        (const struct slot *)d->slots.p + find_slot(d, hash, work->words + end - length, length);
    if (!slot->where) return false;
    if (!o->file) name_source(d, (slot->where >> LENGTH_BITS) - 1, o);
    return true;
}

enum cru_status cru_decontaminate_match(const struct cru_decontaminate *d,
                                        struct cru_overlap_work *work, struct cru_span text,
                                        struct cru_arena *arena, struct cru_overlap *o,
                                        struct cru_error *err) {
    enum { BEFORE = CRU_DECONTAMINATE_NGRAM_MAX };
    memset(o, 0, sizeof *o);
    memset(work->prefix, 0, (BEFORE + 1) * sizeof *work->prefix);
    struct cru_word_scan scan;
    cru_word_scan_init(&scan, d->fold, text);
    /* prefix[e] is the sum over the words before words[e]. */
    for (size_t got; (got = cru_word_scan_next(&scan, work->words + BEFORE, work->places + BEFORE,
                                               CHUNK)) > 0;) {
        for (size_t i = BEFORE; i < BEFORE + got; i++)
            work->prefix[i + 1] = work->prefix[i] * CRU_GRAM_BASE + work->words[i];
        for (size_t end = BEFORE + 1; end <= BEFORE + got; end++) {
            uint64_t seen = o->words + end - BEFORE;
            bool hit = false;
            for (size_t k = 0; k < d->n_lengths; k++) {
                size_t length = d->lengths[k];
                if (seen < length || !gram_found(d, work, end, k, o)) continue;
                struct cru_overlap_run run = {seen - length, seen, work->places[end - length].begin,
                                              work->places[end - 1].end};
                if (!add_run(o, run, arena)) return cru_fail_memory(err, "overlaps");
                hit = true;
                break; /* a shorter gram that ends here covers nothing more */
            }
            o->hits += hit;
        }
        o->words += got;
        memmove(work->words, work->words + got, BEFORE * sizeof *work->words);
        memmove(work->places, work->places + got, BEFORE * sizeof *work->places);
        memmove(work->prefix, work->prefix + got, (BEFORE + 1) * sizeof *work->prefix);
    }
    for (size_t i = 0; i < o->n_runs; i++)
        o->covered += o->runs[i].end_word - o->runs[i].first_word;
    return CRU_OK;
}

struct cru_span cru_decontaminate_cut(struct cru_span text, const struct cru_overlap *o,
                                      struct cru_arena *arena) {
    char *out = cru_arena_alloc(arena, text.n + 1);
    if (!out) return cru_span_make(NULL, 0);
    size_t n = 0, run = 0;
    for (size_t line = 0; line < text.n;) {
        const char *newline = memchr(text.p + line, '\n', text.n - line);
        size_t end = newline ? (size_t)(newline - text.p) + 1 : text.n;
        while (run < o->n_runs && o->runs[run].end <= line) run++;
        if (run == o->n_runs || o->runs[run].begin >= end) {
            memcpy(out + n, text.p + line, end - line);
            n += end - line;
        }
        line = end;
    }
    out[n] = 0;
    return cru_span_make(out, n);
}

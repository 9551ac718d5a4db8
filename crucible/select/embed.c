/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <utf8proc.h>

#include "crucible/base/base.h"
#include "crucible/doc/json.h"
#include "crucible/select/embed.h"

/* Weights of the views; with only one view it has all. Topic decides, structure breaks ties. */
static const double ALPHA_TOPIC = 0.85, ALPHA_STRUCTURE = 0.15; /* hash and static share topic */

enum {
    BLOCKS = 16,        /* each feature adds +-1 in one place of each of 16 blocks */
    SLOTS_FIRST = 1024, /* of the feature table; grows with the text */
    WORD_MOST = 9,      /* letters beyond which a longer word is not thought rarer */
    CHARACTER = 4,      /* weight of a character of a script without spaces: like a 5-letter word */
    CELLS = 4,          /* marks on a soft scale */
};

/* One number of the structure view and the range that its scale covers. */
struct gauge {
    const char *path; /* in the document; NULL: measured on the text */
    double low, high;
    bool logarithmic; /* log2(1 + x) first */
};

enum text_gauge { BYTES, LINE, WORD, DIGITS, MARKS, CAPITALS, FOREIGN, SPACES, TEXT_GAUGES };

/* Ranges are those that prose, code and tables take up between them; outside they are clipped. */
static const struct gauge gauges[CRU_EMBED_STRUCTURE / CELLS] = {
    [BYTES] = {NULL, 6, 20, true},    /* of the text */
    [LINE] = {NULL, 3, 12, true},     /* bytes a line */
    [WORD] = {NULL, 2, 10, false},    /* bytes a run without space */
    [DIGITS] = {NULL, 0, 0.3, false}, /* shares of the bytes */
    [MARKS] = {NULL, 0, 0.4, false},
    [CAPITALS] = {NULL, 0, 0.3, false},
    [FOREIGN] = {NULL, 0, 1, false},
    [SPACES] = {NULL, 0, 0.5, false},
    {"crucible.ddm.signal_score", -0.3, 0.8, false},
    {"crucible.ddm.segments", 0, 9, true},
    {"crucible.ddm.self_corrections", 0, 6, true},
    {"crucible.ddm.verifications", 0, 6, true},
    {"crucible.ddm.explorations", 0, 6, true},
    {"crucible.ddm.coherence", 0, 1, false},
    {"crucible.quality.lexical_diversity", 0, 1, false},
    {"crucible.quality.byte_entropy", 3, 6.5, false},
};

struct feature {
    uint64_t key;
    uint32_t count;
    uint32_t weight;
};

/*
 *   slots   [ . | 3 | . | 1 | 2 | . ]   1 + place in features, by the low bits of the key; 0: empty
 *   features [ key count weight ][ ... ]  in the order met
 */
struct cru_embedder {
    struct cru_embed_spec spec;
    struct cru_json_parser *parser;
    uint32_t *slots;
    size_t slots_n, slots_capacity; /* in use for this text (a power of two); allocated */
    struct feature *features;
    size_t n, capacity;
    int64_t *sums;
    double *means; /* of the static view */
};

bool cru_embed_wants_static(const char *views) {
    struct cru_span rest = cru_span_of(views), view;
    while (cru_span_split(&rest, ',', &view))
        if (cru_span_is(cru_span_trim(view), "static")) return true;
    return false;
}

enum cru_status cru_embed_spec_parse(const char *views, int64_t dim,
                                     const struct cru_word_vectors *vectors,
                                     struct cru_embed_spec *spec, struct cru_error *err) {
    struct cru_span rest = cru_span_of(views), view;
    bool hash = false;
    size_t needed;
    memset(spec, 0, sizeof *spec);
    while (cru_span_split(&rest, ',', &view)) {
        view = cru_span_trim(view);
        if (cru_span_is(view, "hash"))
            hash = true;
        else if (cru_span_is(view, "structure"))
            spec->structure = true;
        else if (cru_span_is(view, "static"))
            spec->vectors = vectors;
        else
            return cru_fail(err, CRU_USAGE,
                            "unknown view: '%.*s': there are hash, static and structure",
                            (int)view.n, view.p);
    }
    if (cru_embed_wants_static(views) != (vectors != NULL))
        return cru_fail(err, CRU_USAGE,
                        "views: '%s': the view static and --static MODEL go together", views);
    if (!hash && !spec->structure && !spec->vectors)
        return cru_fail(err, CRU_USAGE, "no view: '%s': there are hash, static and structure",
                        views);
    if (dim < 64 || dim > CRU_EMBED_DIM_MOST || dim % 64)
        return cru_fail(err, CRU_USAGE, "dimension: '%lld': must be a multiple of 64 up to %d",
                        (long long)dim, CRU_EMBED_DIM_MOST);
    if (vectors) spec->static_dim = (cru_word_vectors_columns(vectors) + 63) / 64 * 64;
    needed = spec->static_dim + (spec->structure ? CRU_EMBED_STRUCTURE : 0);
    if ((size_t)dim < needed + (hash ? 64 : 0))
        return cru_fail(err, CRU_USAGE, "dimension: '%lld': these views need at least %zu",
                        (long long)dim, needed + (hash ? 64 : 0));
    spec->dim = (size_t)dim;
    if (hash) spec->hash_dim = spec->dim - needed;
    return CRU_OK;
}

struct cru_embedder *cru_embedder_new(const struct cru_embed_spec *spec) {
    struct cru_embedder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->spec = *spec;
    e->parser = cru_json_parser_new();
    e->sums = calloc(spec->dim, sizeof *e->sums);
    e->means = calloc(spec->static_dim + 1, sizeof *e->means);
    if (!e->parser || !e->sums || !e->means) {
        cru_embedder_free(e);
        return NULL;
    }
    return e;
}

void cru_embedder_free(struct cru_embedder *e) {
    if (!e) return;
    cru_json_parser_free(e->parser);
    free(e->slots);
    free(e->features);
    free(e->sums);
    free(e->means);
    free(e);
}

uint32_t cru_log2_256(uint64_t x) {
    uint32_t result = 0;
    int whole = 0;
    if (x < 2) return 0;
    while (x >> whole > 1) whole++;
    /* The mantissa in [1, 2) with 31 fraction bits; squaring it yields a binary place of the
     * logarithm. */
    x = whole > 31 ? x >> (whole - 31) : x << (31 - whole);
    for (int place = 0; place < 8; place++) {
        x = x * x >> 31;
        result <<= 1;
        if (x >> 32) {
            result |= 1;
            x >>= 1;
        }
    }
    return (uint32_t)whole * 256 + result;
}

/* ---- features ---- */

static bool slots_set(struct cru_embedder *e, size_t n) {
    if (n > e->slots_capacity) {
        uint32_t *slots = realloc(e->slots, n * sizeof *slots);
        if (!slots) return false;
        e->slots = slots;
        e->slots_capacity = n;
    }
    e->slots_n = n;
    memset(e->slots, 0, n * sizeof *e->slots);
    return true;
}

static bool features_grow(struct cru_embedder *e) {
    size_t capacity = e->capacity ? e->capacity * 2 : SLOTS_FIRST;
    struct feature *features = realloc(e->features, capacity * sizeof *features);
    if (!features) return false;
    e->features = features;
    e->capacity = capacity;
    return true;
}

static bool count_feature(struct cru_embedder *e, uint64_t key, uint32_t weight) {
    size_t slot = key & (e->slots_n - 1);
    for (; e->slots[slot]; slot = (slot + 1) & (e->slots_n - 1))
        if (e->features[e->slots[slot] - 1].key == key) {
            e->features[e->slots[slot] - 1].count++;
            return true;
        }
    if (e->n == e->capacity && !features_grow(e)) return false;
    e->features[e->n++] = (struct feature){key, 1, weight};
    e->slots[slot] = (uint32_t)e->n;
    if (2 * e->n < e->slots_n) return true;
    if (!slots_set(e, 2 * e->slots_n)) return false;
    for (size_t i = 0; i < e->n; i++) {
        for (slot = e->features[i].key & (e->slots_n - 1); e->slots[slot];)
            slot = (slot + 1) & (e->slots_n - 1);
        e->slots[slot] = (uint32_t)(i + 1);
    }
    return true;
}

enum letter { NO_LETTER, SPACED, UNSPACED };

/* Scripts that are written without spaces between words: there characters take the place of words.
 */
static bool unspaced(utf8proc_int32_t c) {
    return (c >= 0x2E80 && c <= 0x31FF) || (c >= 0x3400 && c <= 0x9FFF) || /* CJK, kana, bopomofo */
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFF66 && c <= 0xFF9D) ||
           (c >= 0x20000 && c <= 0x3FFFF) || (c >= 0x0E00 && c <= 0x0EFF) || /* Thai, Lao */
           (c >= 0x1000 && c <= 0x109F) || (c >= 0x1780 && c <= 0x17FF) ||   /* Myanmar, Khmer */
           (c >= 0x0F00 && c <= 0x0FFF);                                     /* Tibetan */
}

static enum letter classify(utf8proc_int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
        return unspaced(c) ? UNSPACED : SPACED;
    default:
        return NO_LETTER;
    }
}

struct word {
    uint64_t hash;
    uint32_t letters, weight;
};

/* A guess at how telling a word is, 1..8. */
static uint32_t word_weight(uint32_t letters) {
    if (letters > WORD_MOST) letters = WORD_MOST;
    return letters < 2 ? 1 : letters - 1;
}

static bool end_word(struct cru_embedder *e, struct word *word, struct word *before) {
    bool ok;
    if (word->letters == 0) return true;
    word->hash = cru_mix64(word->hash);
    if (word->weight == 0) word->weight = word_weight(word->letters);
    ok = count_feature(e, word->hash, word->weight);
    /* Pairs are many and each is rare: together they shall weigh about as much as the words. */
    if (ok && before->letters)
        ok = count_feature(e, cru_mix64(before->hash * 3 + word->hash),
                           (before->weight + word->weight + 1) / 3);
    *before = *word;
    *word = (struct word){0, 0, 0};
    return ok;
}

/* FNV-1a's step (Fowler, Noll, Vo), finished by cru_mix64. */
static void add_letter(struct word *word, uint32_t c) {
    word->hash = (word->hash ^ c) * 0x100000001B3u;
    word->letters++;
}

static bool collect_features(struct cru_embedder *e, struct cru_span text) {
    struct word word = {0, 0, 0}, before = {0, 0, 0};
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text.p;
    e->n = 0;
    if (!slots_set(e, SLOTS_FIRST)) return false;
    for (size_t at = 0; at < text.n;) {
        utf8proc_int32_t c = p[at];
        enum letter kind;
        if (c < 0x80) {
            at++;
            if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
            kind = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? SPACED : NO_LETTER;
        } else {
            utf8proc_ssize_t n = utf8proc_iterate(p + at, (utf8proc_ssize_t)(text.n - at), &c);
            if (n <= 0) { /* the cut at CRU_EMBED_TEXT may split a character */
                at++;
                continue;
            }
            at += (size_t)n;
            kind = classify(c);
            if (kind == SPACED) c = utf8proc_tolower(c);
        }
        if (kind != SPACED && !end_word(e, &word, &before)) return false;
        if (kind != NO_LETTER) add_letter(&word, (uint32_t)c);
        if (kind == UNSPACED) {
            word.weight = CHARACTER;
            if (!end_word(e, &word, &before)) return false;
        }
    }
    return end_word(e, &word, &before);
}

/*
 * Sparse Johnson-Lindenstrauss projection in blocks (Kane, Nelson 2014): the vector is cut into 16
 * blocks, and a feature adds its value with a hashed sign at one hashed place of each block.
 */
static void project(struct cru_embedder *e, int64_t *sums) {
    const uint64_t width = e->spec.hash_dim / BLOCKS;
    for (size_t i = 0; i < e->n; i++) {
        const struct feature *f = &e->features[i];
        int64_t value = (int64_t)f->weight * (256 + cru_log2_256(f->count)); /* 1 + log2(count) */
        uint64_t bits = 0;
        for (unsigned b = 0; b < BLOCKS; b++) {
            uint64_t place;
            if (b % 4 == 0) bits = cru_mix64(f->key + b);
            place = (bits & 0x7FFF) * width >> 15;
            sums[b * width + place] += bits & 0x8000 ? -value : value;
            bits >>= 16;
        }
    }
}

/* ---- structure ---- */

/* The values of the gauges that are measured on the text. */
static void measure(struct cru_span text, double *value) {
    uint64_t digits = 0, marks = 0, capitals = 0, foreign = 0, spaces = 0, lines = 0, words = 0;
    double bytes = (double)text.n;
    bool in_word = false, in_line = false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        spaces += space;
        words += !space && !in_word;
        in_word = !space;
        lines += c != '\n' && !in_line;
        in_line = c != '\n';
        digits += c >= '0' && c <= '9';
        capitals += c >= 'A' && c <= 'Z';
        foreign += c >= 0x80;
        marks +=
            c > ' ' && c < 0x7F && !((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9');
    }
    if (text.n == 0) return;
    value[BYTES] = bytes;
    value[LINE] = bytes / (double)(lines ? lines : 1);
    value[WORD] = (bytes - (double)spaces) / (double)(words ? words : 1);
    value[DIGITS] = (double)digits / bytes;
    value[MARKS] = (double)marks / bytes;
    value[CAPITALS] = (double)capitals / bytes;
    value[FOREIGN] = (double)foreign / bytes;
    value[SPACES] = (double)spaces / bytes;
}

/*
 * A value lies between two marks of its scale and is shared between them, so that near values have
 * near vectors:   low |---*----|--------|--------| high   ->   [ .6 .4 0 0 ]
 */
static void place_on_scale(const struct gauge *g, double value, int64_t *cells) {
    double t;
    int64_t at;
    if (!isfinite(value)) return;
    if (g->logarithmic) /* in integers, since log2() differs between C libraries */
        value =
            value < 0 ? 0 : (double)cru_log2_256(1 + (uint64_t)(value < 1e18 ? value : 1e18)) / 256;
    t = (value - g->low) / (g->high - g->low);
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    at = (int64_t)(t * (CELLS - 1) * 256);
    cells[at / 256] += 256 - at % 256;
    if (at / 256 + 1 < CELLS) cells[at / 256 + 1] += at % 256;
}

static void place_structure(struct cru_embedder *e, const struct cru_doc *doc, struct cru_span text,
                            int64_t *sums) {
    enum { N = sizeof gauges / sizeof *gauges };
    double value[N];
    for (size_t i = 0; i < N; i++)
        if (!gauges[i].path || !cru_doc_number(e->parser, doc, gauges[i].path, &value[i]))
            value[i] = (double)NAN;
    measure(text, value);
    for (size_t i = 0; i < N; i++) place_on_scale(&gauges[i], value[i], sums + i * CELLS);
}

/* ---- the vector ---- */

/* x = sqrt(alpha) sums / |sums|; the squares are summed in order, in double. */
static void normalise(const int64_t *sums, size_t n, double alpha, float *x) {
    double squares = 0, scale;
    for (size_t k = 0; k < n; k++) squares += (double)sums[k] * (double)sums[k];
    scale = squares > 0 ? sqrt(alpha / squares) : 0;
    for (size_t k = 0; k < n; k++) x[k] = (float)((double)sums[k] * scale);
}

/* The sum of the word vectors has the direction of their mean. */
static void place_static(struct cru_embedder *e, const uint32_t *ids, size_t n, double alpha,
                         float *x) {
    size_t dim = e->spec.static_dim;
    double squares = 0, scale;
    memset(e->means, 0, dim * sizeof *e->means);
    cru_word_vectors_add(e->spec.vectors, ids, n, e->means);
    for (size_t k = 0; k < dim; k++) squares += e->means[k] * e->means[k];
    scale = squares > 0 && isfinite(squares) ? sqrt(alpha / squares) : 0;
    for (size_t k = 0; k < dim; k++) x[k] = scale > 0 ? (float)(e->means[k] * scale) : 0;
}

enum cru_status cru_embed_document(struct cru_embedder *e, const struct cru_doc *doc,
                                   const uint32_t *ids, size_t n, float *x, struct cru_error *err) {
    const struct cru_embed_spec *spec = &e->spec;
    struct cru_span text = doc->text;
    bool topics = spec->hash_dim || spec->vectors;
    double topic = spec->structure ? ALPHA_TOPIC : 1;
    size_t at = spec->hash_dim;
    if (text.n > CRU_EMBED_TEXT) text.n = CRU_EMBED_TEXT;
    if (spec->hash_dim && spec->vectors) topic /= 2;
    memset(e->sums, 0, spec->dim * sizeof *e->sums);
    if (spec->hash_dim) {
        if (!collect_features(e, text)) return cru_fail_memory(err, "features of a document");
        project(e, e->sums);
        normalise(e->sums, spec->hash_dim, topic, x);
    }
    if (spec->vectors) {
        place_static(e, ids, n, topic, x + at);
        at += spec->static_dim;
    }
    if (spec->structure) {
        place_structure(e, doc, text, e->sums + at);
        normalise(e->sums + at, CRU_EMBED_STRUCTURE, topics ? ALPHA_STRUCTURE : 1, x + at);
        at += CRU_EMBED_STRUCTURE;
    }
    for (; at < spec->dim; at++) x[at] = 0;
    return CRU_OK;
}

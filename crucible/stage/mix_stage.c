/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mix: sources by ratio. It must know how much each source holds before it can say how often a document
 * is used, so it sees everything first. With T_s what source s holds and w_s its share, the mixture of
 * size N takes w_s N of each: whole epochs of all its documents, then as many as are missing in the order
 * of a seeded hash. The picks are shuffled by the same kind of hash; what is not picked comes last and
 * is dropped, so that nothing vanishes.
 *
 * Memory: 16 bytes a document and 16 a pick, spilling past --memory.
 */
#include <math.h>

#include "crucible/base/base.h"
#include "crucible/base/spill.h"
#include "crucible/stage/stage.h"
#include "crucible/stage/token_count.h"

enum { SOURCES_MAX = 256 };

struct mixed_source {
    struct cru_span name; /* in the stage's arena */
    double weight;        /* asked, normalised to a sum of 1 */
    uint64_t documents, amount;  /* there are, in units of --by */
    uint64_t asked, want, got;   /* units; want: what --max-epochs lets through of asked */
    uint64_t picks;
};

struct mixed_doc {
    uint64_t amount; /* units of --by */
    uint32_t source, copies;
};

struct ordered { /* a pick, or a document in drawing order */
    uint64_t hash;
    uint32_t index, copy;
};

struct mix_stage {
    struct cru_stage base;
    const char *weights, *by, *vocab;
    uint64_t total;
    double max_epochs, temperature;
    struct cru_token_counter *counter;
    struct cru_json_parser *parser; /* for source names with escapes */
    struct cru_budget budget;
    struct cru_spill_array docs, order;
    struct mixed_source sources[SOURCES_MAX];
    size_t n_sources, n_asked;
    uint64_t next, picks;
};

static const struct cru_option options[] = {
    {CRU_OPTION_STRING, 0, "weights", offsetof(struct mix_stage, weights), "A=W,B=W,...", NULL, NULL, 0, 0,
     "share of each source; a source not named gets none; default: shares by size and --temperature"},
    {CRU_OPTION_CHOICE, 0, "by", offsetof(struct mix_stage, by), "tokens|documents|bytes", "tokens", NULL, 0,
     0, "unit of the shares and of --total"},
    {CRU_OPTION_SIZE, 0, "total", offsetof(struct mix_stage, total), "N", "0", NULL, 0, 0,
     "size of the mixture (K, M, G are powers of 1024); 0: the largest that keeps the shares within --max-epochs"},
    {CRU_OPTION_REAL, 0, "max-epochs", offsetof(struct mix_stage, max_epochs), "E", "4", NULL, 0.01, 1000,
     "a source is repeated at most this often"},
    {CRU_OPTION_REAL, 0, "temperature", offsetof(struct mix_stage, temperature), "T", "1", NULL, 0.1, 100,
     "without --weights, shares go as size to the power 1/T"},
    {CRU_OPTION_STRING, 0, "vocab", offsetof(struct mix_stage, vocab), "NAME|PATH", "qwen3", NULL, 0, 0,
     "vocabulary that counts tokens"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL}};

static size_t find_source(const struct mix_stage *m, struct cru_span name) {
    size_t i = 0;
    while (i < m->n_sources && !cru_span_eq(name, m->sources[i].name)) i++;
    return i;
}

/* The place of a source by name, added when new. */
static enum cru_status source_of(struct mix_stage *m, struct cru_span name, size_t *place,
                                 struct cru_error *err) {
    *place = find_source(m, name);
    if (*place < m->n_sources) return CRU_OK;
    if (m->n_sources == SOURCES_MAX)
        return cru_fail(err, CRU_FATAL, "too many sources: more than %d", SOURCES_MAX);
    struct cru_span kept = cru_arena_copy(&m->base.store.arena, name);
    if (!kept.p) return cru_fail_memory(err, "source name");
    m->sources[m->n_sources++] = (struct mixed_source){.name = kept};
    return CRU_OK;
}

static enum cru_status parse_weights(struct mix_stage *m, struct cru_error *err) {
    struct cru_span rest = cru_span_of(m->weights), part;
    double sum = 0;
    while (cru_span_split(&rest, ',', &part)) {
        struct cru_span value = part, name, left;
        char number[40];
        char *end = number;
        size_t place;
        if (!cru_span_split(&value, '=', &name) || !value.p || value.n == 0 ||
            value.n >= sizeof number)
            return cru_fail(err, CRU_USAGE, "option '--weights': '%.*s' is not NAME=SHARE", (int)part.n,
                            part.p);
        left = cru_span_trim(name);
        value = cru_span_trim(value);
        memcpy(number, value.p, value.n);
        number[value.n] = 0;
        double w = strtod(number, &end);
        if (*end || end == number || !(w >= 0) || isinf(w))
            return cru_fail(err, CRU_USAGE, "option '--weights': '%s' is not a share", number);
        if (find_source(m, left) < m->n_sources)
            return cru_fail(err, CRU_USAGE, "option '--weights': '%.*s' is named twice", (int)left.n,
                            left.p);
        enum cru_status s = source_of(m, left, &place, err);
        if (s) return s;
        m->sources[place].weight = w;
        sum += w;
    }
    if (!(sum > 0)) return cru_fail(err, CRU_USAGE, "option '--weights': the shares sum to zero");
    if (isinf(sum)) return cru_fail(err, CRU_USAGE, "option '--weights': the shares are too large");
    for (size_t i = 0; i < m->n_sources; i++) m->sources[i].weight /= sum;
    m->n_asked = m->n_sources;
    return CRU_OK;
}

static enum cru_status mix_open(struct cru_stage *stage, struct cru_error *err) {
    struct mix_stage *m = (struct mix_stage *)stage;
    m->budget = (struct cru_budget){.limit = stage->common->memory, .tmpdir = stage->common->tmpdir};
    cru_spill_init(&m->docs, sizeof(struct mixed_doc), &m->budget);
    cru_spill_init(&m->order, sizeof(struct ordered), &m->budget);
    enum cru_status s = m->weights ? parse_weights(m, err) : CRU_OK;
    if (s == CRU_OK && !(m->parser = cru_json_parser_new())) s = cru_fail_memory(err, "JSON parser");
    if (s == CRU_OK && strcmp(m->by, "tokens") == 0)
        s = cru_token_counter_open(m->vocab, &m->counter, err);
    return s;
}

static enum cru_status mix_run(struct cru_stage *stage, struct cru_batch *batch,
                               struct cru_error *err) {
    struct mix_stage *m = (struct mix_stage *)stage;
    for (size_t i = 0; m->counter && i < batch->n; i++) {
        uint64_t tokens;
        enum cru_status s = cru_doc_tokens(m->counter, batch, &batch->docs[i], &tokens, err);
        if (s == CRU_BAD) s = cru_doc_wrong(batch, &batch->docs[i], "mix", "text", err->message);
        if (s) return s;
    }
    return CRU_OK;
}

/* crucible.source, decoded: two spellings of a name are one source. */
static struct cru_span source_name(struct mix_stage *m, struct cru_batch *batch,
                                   const struct cru_doc *doc) {
    struct cru_span raw = cru_doc_meta(doc, "source"), name;
    if (raw.n < 2 || raw.p[0] != '"') return CRU_SPAN("unnamed");
    if (!memchr(raw.p, '\\', raw.n)) return cru_span_make(raw.p + 1, raw.n - 2);
    return cru_json_string(m->parser, raw, "", &batch->arena, &name) ? name : CRU_SPAN("unnamed");
}

static enum cru_status mix_commit(struct cru_stage *stage, struct cru_batch *batch,
                                  struct cru_error *err) {
    struct mix_stage *m = (struct mix_stage *)stage;
    size_t from = m->docs.n;
    if (from + batch->n > UINT32_MAX) return cru_fail(err, CRU_FATAL, "more than 2^32 documents");
    enum cru_status s = cru_spill_resize(&m->docs, from + batch->n, err);
    for (size_t i = 0; s == CRU_OK && i < batch->n; i++) {
        const struct cru_doc *doc = &batch->docs[i];
        struct mixed_doc *d = (struct mixed_doc *)m->docs.p + from + i;
        size_t place;
        s = source_of(m, source_name(m, batch, doc), &place, err);
        if (s) break;
        d->source = (uint32_t)place;
        d->amount = doc->text.n;
        if (m->counter) s = cru_doc_tokens(m->counter, batch, &batch->docs[i], &d->amount, err);
        else if (strcmp(m->by, "documents") == 0) d->amount = 1;
        m->sources[place].documents++;
        m->sources[place].amount += d->amount;
    }
    return s;
}

/* Shares of `total` in whole units, by largest remainders, so that they sum to it; none above what
 * --max-epochs allows. */
static void round_wants(struct mix_stage *m, double total) {
    double rest[SOURCES_MAX], most[SOURCES_MAX], whole = 0;
    uint64_t given = 0;
    for (size_t i = 0; i < m->n_sources; i++) {
        struct mixed_source *s = &m->sources[i];
        double exact = fmin(s->weight * total, 0x1p62);
        most[i] = m->max_epochs * (double)s->amount;
        s->asked = (uint64_t)llround(exact);
        s->want = (uint64_t)fmin(exact, most[i]);
        rest[i] = 0;
        if (exact > most[i]) continue;
        rest[i] = exact - (double)s->want;
        whole += exact;
        given += s->want;
    }
    while ((double)given + 0.5 < whole) { /* fewer than there are sources */
        size_t best = m->n_sources;
        for (size_t i = 0; i < m->n_sources; i++)
            if (rest[i] > 0 && (double)(m->sources[i].want + 1) <= most[i] &&
                (best == m->n_sources || rest[i] > rest[best]))
                best = i;
        if (best == m->n_sources) return;
        m->sources[best].want++;
        given++;
        rest[best] = 0;
    }
}

static enum cru_status set_wants(struct mix_stage *m, struct cru_error *err) {
    double sum = 0, total = (double)m->total;
    for (size_t i = 0; i < m->n_sources && !m->weights; i++)
        sum += pow((double)m->sources[i].amount, 1 / m->temperature);
    for (size_t i = 0; i < m->n_sources && !m->weights && sum > 0; i++)
        m->sources[i].weight = pow((double)m->sources[i].amount, 1 / m->temperature) / sum;
    for (size_t i = 0; i < m->n_asked; i++)
        if (m->sources[i].weight > 0 && m->sources[i].documents == 0)
            return cru_fail(err, CRU_FATAL, "nothing to mix from source: '%s': no document has it",
                            m->sources[i].name.p);
    if (m->total == 0) {
        /* The largest mixture that no source limits; without repetition asked for, one epoch. */
        total = INFINITY;
        for (size_t i = 0; i < m->n_sources; i++) {
            struct mixed_source *s = &m->sources[i];
            if (s->weight > 0 && m->max_epochs * (double)s->amount / s->weight < total)
                total = m->max_epochs * (double)s->amount / s->weight;
        }
        double held = 0;
        for (size_t i = 0; i < m->n_sources; i++)
            if (m->sources[i].weight > 0) held += (double)m->sources[i].amount;
        if (total > held) total = held; /* never more than there is unless asked for */
        if (!isfinite(total)) total = 0;
    }
    round_wants(m, total);
    return CRU_OK;
}

static int by_hash(const void *a, const void *b) {
    const struct ordered *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return x->copy < y->copy ? -1 : x->copy > y->copy;
}

static uint64_t draw(const struct mix_stage *m, uint64_t index, uint64_t copy, uint64_t purpose) {
    return cru_mix64(cru_mix64((uint64_t)m->base.common->seed ^ purpose) ^ cru_mix64(index) ^
                     cru_mix64(~copy));
}

/* How often each document is used: whole epochs, then the rest in drawing order. */
static enum cru_status set_copies(struct mix_stage *m, struct cru_error *err) {
    enum cru_status s = cru_spill_resize(&m->order, m->docs.n, err);
    if (s) return s;
    struct mixed_doc *docs = m->docs.p;
    struct ordered *order = m->order.p;
    for (size_t i = 0; i < m->docs.n; i++)
        order[i] = (struct ordered){draw(m, i, 0, 1), (uint32_t)i, 0};
    if (m->docs.n) qsort(order, m->docs.n, sizeof *order, by_hash);
    for (size_t i = 0; i < m->docs.n; i++) {
        struct mixed_source *source = &m->sources[docs[i].source];
        uint64_t epochs = source->amount ? source->want / source->amount : 0;
        docs[i].copies = (uint32_t)epochs;
        source->got += epochs * docs[i].amount;
        source->picks += epochs;
    }
    for (size_t k = 0; k < m->docs.n; k++) {
        struct mixed_doc *d = &docs[order[k].index];
        struct mixed_source *source = &m->sources[d->source];
        /* Taken when it brings the source nearer to what is wanted. */
        if (source->got >= source->want || source->got + d->amount / 2 > source->want) continue;
        d->copies++;
        source->got += d->amount;
        source->picks++;
    }
    return CRU_OK;
}

static enum cru_status mix_finish(struct cru_stage *stage, struct cru_error *err) {
    struct mix_stage *m = (struct mix_stage *)stage;
    enum cru_status s = set_wants(m, err);
    if (s == CRU_OK) s = set_copies(m, err);
    if (s) return s;
    const struct mixed_doc *docs = m->docs.p;
    uint64_t unused = 0;
    for (size_t i = 0; i < m->docs.n; i++) {
        m->picks += docs[i].copies;
        unused += docs[i].copies == 0;
    }
    s = cru_spill_resize(&m->order, m->picks + unused, err);
    if (s) return s;
    struct ordered *order = m->order.p;
    uint64_t at = 0, last = m->picks;
    for (size_t i = 0; i < m->docs.n; i++) {
        if (docs[i].copies == 0) order[last++] = (struct ordered){0, (uint32_t)i, 0};
        for (uint32_t c = 0; c < docs[i].copies; c++)
            order[at++] = (struct ordered){draw(m, i, c, 2), (uint32_t)i, c};
    }
    if (m->picks) qsort(order, m->picks, sizeof *order, by_hash);
    return CRU_OK;
}

static enum cru_status mix_next(struct cru_stage *stage, struct cru_pick *pick) {
    struct mix_stage *m = (struct mix_stage *)stage;
    if (m->next >= m->order.n) return CRU_END;
    const struct ordered *o = (const struct ordered *)m->order.p + m->next++;
    *pick = (struct cru_pick){o->index, o->copy};
    return CRU_OK;
}

static enum cru_status mix_replay(struct cru_stage *stage, struct cru_batch *batch,
                                  struct cru_error *err) {
    struct mix_stage *m = (struct mix_stage *)stage;
    const struct mixed_doc *docs = m->docs.p;
    for (size_t i = 0; i < batch->n; i++) {
        struct cru_doc *doc = &batch->docs[i];
        enum cru_status s = CRU_OK;
        if (docs[doc->index].copies == 0)
            s = cru_doc_drop(batch, doc, "mix", "not-sampled", NAN, NAN);
        else if (doc->copy > 0)
            s = cru_doc_set_meta_number(batch, doc, "epoch", doc->copy);
        if (s) return cru_fail_memory(err, "batch");
    }
    return CRU_OK;
}

static void mix_stats(struct cru_stage *stage, struct cru_buffer *json) {
    const struct mix_stage *m = (const struct mix_stage *)stage;
    uint64_t all = 0;
    for (size_t i = 0; i < m->n_sources; i++) all += m->sources[i].got;
    cru_buffer_printf(json, ",\"by\":\"%s\",\"total\":%llu,\"sources\":[", m->by,
                      (unsigned long long)all);
    for (size_t i = 0; i < m->n_sources; i++) {
        const struct mixed_source *s = &m->sources[i];
        cru_buffer_add_string(json, i ? ",{\"name\":" : "{\"name\":");
        cru_buffer_add_json_string(json, s->name);
        cru_buffer_printf(json,
                          ",\"documents\":%llu,\"available\":%llu,\"asked_share\":%.6f,\"asked\":%llu,"
                          "\"got\":%llu,\"got_share\":%.6f,\"picks\":%llu,\"epochs\":%.4f}",
                          (unsigned long long)s->documents, (unsigned long long)s->amount, s->weight,
                          (unsigned long long)s->asked, (unsigned long long)s->got,
                          all ? (double)s->got / (double)all : 0.0, (unsigned long long)s->picks,
                          s->amount ? (double)s->got / (double)s->amount : 0.0);
    }
    cru_buffer_add_char(json, ']');
}

static void mix_release(struct cru_stage *stage) {
    struct mix_stage *m = (struct mix_stage *)stage;
    cru_spill_release(&m->docs);
    cru_spill_release(&m->order);
    cru_token_counter_free(m->counter);
    cru_json_parser_free(m->parser);
}

const struct cru_stage_class cru_mix_stage = {
    .name = "mix",
    .summary = "Mixes sources by ratio, sampling down or repeating.",
    .synopsis = "--weights A=W,B=W,... [options] [FILE...]",
    .options = options,
    .size = sizeof(struct mix_stage),
    .open = mix_open,
    .run = mix_run,
    .commit = mix_commit,
    .finish = mix_finish,
    .next = mix_next,
    .replay = mix_replay,
    .stats = mix_stats,
    .release = mix_release,
};

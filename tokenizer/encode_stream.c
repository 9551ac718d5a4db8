/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that comes bit by bit. Each step takes what the one before is sure of, holds back what it is not
 * sure of itself, and passes the rest on:
 *
 *   repair        a sequence of UTF-8 that is not whole yet: 3 bytes
 *   raw           added tokens: one byte less than the longest; blanks, when one takes them along
 *   normal form   a character and the marks behind it, until one comes that joins nothing
 *   normalized    added tokens that are looked for in the normal form
 *   pieces        piece_stream.h
 *
 * What is between two added tokens is a text of its own to the steps behind: "the stretch is over" is passed
 * on, and then the id.
 */
#include "crucible/base/base.h"
#include "crucible/base/utf8_repair.h"
#include "tokenizer/encoder.h"
#include "tokenizer/piece_stream.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_compile.h"

enum { SLICE = 1 << 16 };

/* One kind of added tokens being looked for.
 *
 *   text   [ .. taken | from ..        at | longest - 1 .. ]
 *                       text to pass on   not looked for yet, as the longest might not fit
 */
struct added_step {
    const struct cru_added_index *index;
    size_t longest;
    bool wanted, takes_before; /* one of them is LSTRIP */
    struct cru_buffer text;
    struct cru_added_scan scan; /* `from` can be ahead of `at`, in blanks that a token took along */
    bool taking;                /* and takes those that still come */
};

struct cru_encode_stream {
    struct cru_encoder *encoder;
    bool begun;
    unsigned char partial[4]; /* of a sequence */
    size_t n_partial;
    struct added_step raw, normal;
    struct cru_buffer composing; /* the normal form's step: from the last character that joins nothing */
    struct cru_piece_stream pieces;
};

bool cru_encoder_streams(const struct cru_encoder *e) {
    const struct cru_tokenizer *t = e->tokenizer;
    if (t->header->pattern == CRU_PATTERN_STEPS) return false;
    if (!(t->header->flags & CRU_VOCAB_IGNORE_MERGES)) return true;
    for (uint32_t id = 0; id < t->header->n_ids; id++) /* a piece that is a token must be held */
        if (cru_vocab_token(t, id).n > CRU_PIECE_PART) return false;
    return true;
}

static void added_step_init(struct added_step *a, const struct cru_tokenizer *t,
                            const struct cru_added_index *index) {
    a->index = index;
    cru_buffer_init(&a->text);
    for (uint32_t i = 0; i < index->n; i++) {
        const struct cru_vocab_added *added = &t->added[index->search[i]];
        size_t n = cru_vocab_token(t, added->id).n;
        if (n > a->longest) a->longest = n;
        a->takes_before |= (added->flags & CRU_ADDED_LSTRIP) != 0;
    }
}

static void added_step_clear(struct added_step *a) {
    cru_buffer_clear(&a->text);
    a->scan = (struct cru_added_scan){0, 0};
    a->taking = false;
}

struct cru_encode_stream *cru_encode_stream_new(struct cru_encoder *encoder) {
    struct cru_encode_stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->encoder = encoder;
    added_step_init(&s->raw, encoder->tokenizer, &encoder->tokenizer->added_raw);
    added_step_init(&s->normal, encoder->tokenizer, &encoder->tokenizer->added_normal);
    cru_buffer_init(&s->composing);
    if (cru_piece_stream_init(&s->pieces, &encoder->pieces)) return s;
    cru_encode_stream_free(s);
    return NULL;
}

void cru_encode_stream_free(struct cru_encode_stream *s) {
    if (!s) return;
    cru_buffer_release(&s->raw.text);
    cru_buffer_release(&s->normal.text);
    cru_buffer_release(&s->composing);
    cru_piece_stream_release(&s->pieces);
    free(s);
}

enum cru_status cru_encode_stream_begin(struct cru_encode_stream *s, enum cru_special special,
                                        struct cru_error *err) {
    if (!cru_encoder_streams(s->encoder))
        return cru_fail(err, CRU_USAGE,
                        "cannot encode bit by bit: '%s': its pre-tokeniser needs a text as a whole",
                        cru_tokenizer_name(s->encoder->tokenizer));
    s->begun = true;
    s->n_partial = 0;
    s->raw.wanted = special == CRU_SPECIAL_RECOGNISE && s->raw.index->n > 0;
    s->normal.wanted = special == CRU_SPECIAL_RECOGNISE && s->normal.index->n > 0;
    added_step_clear(&s->raw);
    added_step_clear(&s->normal);
    cru_buffer_clear(&s->composing);
    cru_piece_stream_clear(&s->pieces);
    return CRU_OK;
}

static enum cru_status too_much(const char *what, struct cru_error *err) {
    return cru_fail(err, CRU_BAD, "cannot encode: more than %d bytes of %s in a row",
                    CRU_ENCODE_WHOLE, what);
}

/* ------------------------------------------------------------------ normalized added tokens */

static enum cru_status added_feed(struct cru_encode_stream *s, struct added_step *a,
                                  struct cru_span text, bool last, struct cru_ids *ids,
                                  struct cru_error *err);

/* --------------------------------------------------------------------------- the normal form */

static enum cru_status pass_normal(struct cru_encode_stream *s, struct cru_span text,
                                   struct cru_ids *ids, struct cru_error *err) {
    struct cru_encoder *e = s->encoder;
    enum cru_status status =
        cru_normalise(&e->normaliser, &e->tokenizer->classes, text, &text, err);
    return status ? status : added_feed(s, &s->normal, text, false, ids, err);
}

static enum cru_status pass_composing(struct cru_encode_stream *s, struct cru_ids *ids,
                                      struct cru_error *err) {
    enum cru_status status = pass_normal(s, cru_buffer_span(&s->composing), ids, err);
    cru_buffer_clear(&s->composing);
    return status;
}

static enum cru_status normal_feed(struct cru_encode_stream *s, struct cru_span text,
                                   struct cru_ids *ids, struct cru_error *err) {
    const struct cru_tokenizer *t = s->encoder->tokenizer;
    enum cru_status status;
    if (text.n == 0) return CRU_OK;
    if (!(t->header->flags & CRU_VOCAB_NFC)) return added_feed(s, &s->normal, text, false, ids, err);
    if (s->composing.n > 0) {
        size_t n = cru_normal_first_cut(&t->classes, text);
        cru_buffer_add(&s->composing, text.p, n);
        if (s->composing.failed) return cru_fail_memory(err, "held text");
        if (s->composing.n > CRU_ENCODE_WHOLE) return too_much("combining marks", err);
        if (n == text.n) return CRU_OK;
        text = cru_span_make(text.p + n, text.n - n);
        status = pass_composing(s, ids, err);
        if (status) return status;
    }
    size_t n = cru_normal_last_cut(&t->classes, text);
    if (n == text.n) n = 0;
    if (n > 0) {
        status = pass_normal(s, cru_span_make(text.p, n), ids, err);
        if (status) return status;
    }
    cru_buffer_add(&s->composing, text.p + n, text.n - n);
    return s->composing.failed ? cru_fail_memory(err, "held text") : CRU_OK;
}

/* ------------------------------------------------------------------------------ added tokens */

static enum cru_status pass_between(struct cru_encode_stream *s, const struct added_step *a,
                                    struct cru_span text, struct cru_ids *ids,
                                    struct cru_error *err) {
    return a == &s->raw ? normal_feed(s, text, ids, err)
                        : cru_piece_stream_feed(&s->pieces, text, ids, err);
}

static enum cru_status end_stretch(struct cru_encode_stream *s, const struct added_step *a,
                                   struct cru_ids *ids, struct cru_error *err) {
    if (a != &s->raw) return cru_piece_stream_end(&s->pieces, ids, err);
    enum cru_status status = s->composing.n ? pass_composing(s, ids, err) : CRU_OK;
    return status ? status : added_feed(s, &s->normal, cru_span_make("", 0), true, ids, err);
}

/* Looks for added tokens in what is held, of which `last` says that it is all. */
static enum cru_status added_scan(struct cru_encode_stream *s, struct added_step *a, bool last,
                                  struct cru_ids *ids, struct cru_error *err) {
    struct cru_span text = cru_buffer_span(&a->text);
    size_t limit = last ? text.n : text.n >= a->longest ? text.n - a->longest + 1 : 0;
    struct cru_added_match match;
    enum cru_status status;
    if (a->taking) a->scan.from = cru_added_spaces_end(text, a->scan.from);
    a->taking = a->taking && a->scan.from == text.n;
    for (size_t from = a->scan.from;
         cru_added_find(s->encoder->tokenizer, a->index, text, limit, &a->scan, &match);
         from = a->scan.from) {
        size_t n = match.begin > from ? match.begin - from : 0;
        status = pass_between(s, a, cru_span_make(text.p + from, n), ids, err);
        if (!status) status = end_stretch(s, a, ids, err);
        if (status) return status;
        if (!cru_ids_room(ids, 1)) return cru_fail_memory(err, "token ids");
        ids->p[ids->n++] = match.id;
        a->taking = (match.flags & CRU_ADDED_RSTRIP) && match.end == text.n;
    }
    if (a->scan.at < limit) a->scan.at = limit;
    size_t from = a->scan.from, to = last ? text.n : a->scan.at;
    while (to > from && to < text.n && ((unsigned char)text.p[to] & 0xC0) == 0x80) to--;
    if (a->takes_before && !last && to > from) to = cru_added_spaces_begin(text, from, to);
    if (to > from) {
        status = pass_between(s, a, cru_span_make(text.p + from, to - from), ids, err);
        if (status) return status;
        a->scan.from = to;
    }
    if (last) {
        added_step_clear(a);
        return end_stretch(s, a, ids, err);
    }
    size_t done = a->scan.from < a->scan.at ? a->scan.from : a->scan.at;
    if (text.n - done > CRU_ENCODE_WHOLE + a->longest) return too_much("white space", err);
    memmove(a->text.p, a->text.p + done, text.n - done);
    a->text.n -= done;
    a->scan.from -= done;
    a->scan.at -= done;
    return CRU_OK;
}

static enum cru_status added_feed(struct cru_encode_stream *s, struct added_step *a,
                                  struct cru_span text, bool last, struct cru_ids *ids,
                                  struct cru_error *err) {
    enum cru_status status = CRU_OK;
    if (!a->wanted) {
        status = pass_between(s, a, text, ids, err);
        return status || !last ? status : end_stretch(s, a, ids, err);
    }
    do {
        size_t n = cru_whole_characters(text, SLICE);
        cru_buffer_add(&a->text, text.p, n);
        if (a->text.failed) return cru_fail_memory(err, "held text");
        text = cru_span_make(text.p + n, text.n - n);
        status = added_scan(s, a, last && text.n == 0, ids, err);
    } while (text.n > 0 && !status);
    return status;
}

/* -------------------------------------------------------------------------------------- repair */

static enum cru_status repair_feed(struct cru_encode_stream *s, struct cru_span bytes,
                                   struct cru_ids *ids, struct cru_error *err) {
    struct cru_encoder *e = s->encoder;
    if (!cru_text_is_utf8(bytes.p, bytes.n)) {
        cru_buffer_clear(&e->repaired);
        e->repairs += cru_utf8_repair(bytes, &e->repaired);
        if (e->repaired.failed) {
            cru_buffer_release(&e->repaired);
            return cru_fail_memory(err, "text");
        }
        bytes = cru_buffer_span(&e->repaired);
    }
    return added_feed(s, &s->raw, bytes, false, ids, err);
}

/* How long the sequence is that a lead byte begins; 1 for any other byte. */
static size_t sequence_bytes(unsigned char lead) {
    return lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* How many bytes at the end belong to a sequence that is not long enough yet. Whether what is there of it
 * is well formed, repair will see: a lead byte begins a sequence whatever is before it. */
static size_t unfinished(const unsigned char *p, size_t n) {
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        if ((p[n - back] & 0xC0) == 0x80) continue;
        return sequence_bytes(p[n - back]) > back ? back : 0;
    }
    return 0;
}

/* Completes the sequence that is held, as far as the bytes go; returns how many it took. */
static size_t complete(struct cru_encode_stream *s, const unsigned char *p, size_t n, bool *whole) {
    size_t want = sequence_bytes(s->partial[0]), taken = 0;
    while (s->n_partial < want && taken < n && (p[taken] & 0xC0) == 0x80)
        s->partial[s->n_partial++] = p[taken++];
    *whole = s->n_partial == want || taken < n;
    return taken;
}

enum cru_status cru_encode_stream_feed(struct cru_encode_stream *s, struct cru_span chunk,
                                       struct cru_ids *ids, struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)chunk.p;
    enum cru_status status = CRU_OK;
    size_t n = chunk.n;
    if (!s->begun) return cru_fail(err, CRU_USAGE, "a stream that was not begun was fed");
    if (s->n_partial > 0) {
        bool whole;
        size_t taken = complete(s, p, n, &whole);
        p += taken;
        n -= taken;
        if (!whole) return CRU_OK;
        status = repair_feed(s, cru_span_make((char *)s->partial, s->n_partial), ids, err);
        s->n_partial = 0;
    }
    while (n > 0 && !status) {
        size_t take = n < SLICE ? n : SLICE, held = unfinished(p, take);
        if (take == n) {
            memcpy(s->partial, p + take - held, held);
            s->n_partial = held;
        }
        if (take > held)
            status = repair_feed(s, cru_span_make((const char *)p, take - held), ids, err);
        p += take == n ? take : take - held;
        n -= take == n ? take : take - held;
    }
    if (status) s->begun = false;
    return status;
}

enum cru_status cru_encode_stream_end(struct cru_encode_stream *s, struct cru_ids *ids,
                                      struct cru_error *err) {
    enum cru_status status = CRU_OK;
    if (!s->begun) return cru_fail(err, CRU_USAGE, "a stream that was not begun was ended");
    if (s->n_partial > 0)
        status = repair_feed(s, cru_span_make((char *)s->partial, s->n_partial), ids, err);
    s->begun = false;
    return status ? status : added_feed(s, &s->raw, cru_span_make("", 0), true, ids, err);
}

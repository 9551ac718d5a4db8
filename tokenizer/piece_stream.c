/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/piece_stream.h"
#include "crucible/base/base.h"
#include "tokenizer/piece_end.h"

enum { TAIL_BITS = 11, TAIL_MOST = 1 << TAIL_BITS };

bool cru_piece_stream_init(struct cru_piece_stream *s, struct cru_piece_encoder *encoder) {
    memset(s, 0, sizeof *s);
    s->encoder = encoder;
    s->pattern = encoder->tokenizer->header->pattern;
    s->cased = s->pattern == CRU_PATTERN_O200K || s->pattern == CRU_PATTERN_TEKKEN;
    s->lines = s->pattern != CRU_PATTERN_GPT2;
    s->held = CRU_PIECE_HELD;
    s->most_part = CRU_PIECE_PART;
    s->text = malloc(CRU_PIECE_HELD + CRU_PIECE_SLICE);
    s->part = malloc(CRU_PIECE_PART);
    if (s->text && s->part &&
        cru_bpe_stream_init(&s->merges, &encoder->tokenizer->bpe, &encoder->merging))
        return true;
    cru_piece_stream_release(s);
    return false;
}

void cru_piece_stream_release(struct cru_piece_stream *s) {
    free(s->text);
    free(s->part);
    free(s->tail);
    cru_bpe_stream_release(&s->merges);
    memset(s, 0, sizeof *s);
}

void cru_piece_stream_clear(struct cru_piece_stream *s) {
    s->n = s->at = s->searched = s->n_tail = s->n_part = 0;
    s->run = CRU_RUN_NONE;
    s->begun = s->merging = false;
    s->merges.n = 0;
    s->merges.before = CRU_NONE;
}

/* ------------------------------------------------------------------ the bytes of one piece */

/* Whether a piece may be cut before the character at q, which is not the first; see join_rules.h. */
static bool may_cut(const struct cru_joins *joins, const unsigned char *q) {
    unsigned length;
    if (*q < 0xE0 || *q >= 0xF0 || q[-3] < 0xE0 || q[-3] >= 0xF0) return false;
    return !cru_joins_may(joins, cru_code_point(q - 3, &length), cru_code_point(q, &length), *q);
}

/* Whether none of the 8 characters or parts of one at q follows one of three bytes and has as many. */
static bool no_threes(const unsigned char *q) {
    const uint64_t high = 0xF0F0F0F0F0F0F0F0u, lead = 0xE0E0E0E0E0E0E0E0u;
    uint64_t here, before;
    memcpy(&here, q, 8);
    memcpy(&before, q - 3, 8);
    uint64_t other = ((here & high) ^ lead) | ((before & high) ^ lead); /* a byte of zeros: both */
    return ((other - lead / 0xE0) & ~other & lead / 0xE0 * 0x80) == 0;
}

static size_t first_join_cut(const struct cru_piece_stream *s) {
    const struct cru_joins *joins = s->encoder->tokenizer->joins;
    for (size_t i = 3; joins && i < s->n_part; i++) {
        while (i + 8 <= s->n_part && no_threes(s->part + i)) i += 8;
        if (i < s->n_part && may_cut(joins, s->part + i)) return i;
    }
    return 0;
}

static size_t last_join_cut(const struct cru_piece_stream *s) {
    const struct cru_joins *joins = s->encoder->tokenizer->joins;
    for (size_t i = s->n_part; joins && i > 3;) {
        while (i >= 3 + 8 && no_threes(s->part + i - 8)) i -= 8;
        if (i > 3 && may_cut(joins, s->part + --i)) return i;
    }
    return 0;
}

static void drop_part(struct cru_piece_stream *s, size_t n) {
    memmove(s->part, s->part + n, s->n_part - n);
    s->n_part -= n;
}

/* Merges the first n bytes of what is collected, which are all of a piece or a part that ends at a cut. */
static enum cru_status finish_part(struct cru_piece_stream *s, size_t n, struct cru_ids *ids,
                                   struct cru_error *err) {
    enum cru_status status = CRU_OK;
    if (s->merging) {
        status = cru_bpe_stream_feed(&s->merges, s->part, n, ids, err);
        if (!status) status = cru_bpe_stream_end(&s->merges, ids, err);
        s->merging = false;
    } else if (n > 0) {
        if (!cru_ids_room(ids, n + CRU_IDS_SLACK)) return cru_fail_memory(err, "token ids");
        uint32_t *out = ids->p + ids->n;
        out = s->letters ? cru_encode_pieces(s->encoder, cru_span_make((char *)s->part, n), out)
                         : cru_encode_piece(s->encoder, s->part, n, out);
        ids->n = (size_t)(out - ids->p);
    }
    drop_part(s, n);
    return status;
}

/* Makes room where a piece goes on: by a cut, or else by merging what more may follow. */
static enum cru_status spill_part(struct cru_piece_stream *s, struct cru_ids *ids,
                                  struct cru_error *err) {
    size_t cut = s->merging ? first_join_cut(s) : last_join_cut(s);
    if (cut) return finish_part(s, cut, ids, err);
    s->merging = true;
    enum cru_status status = cru_bpe_stream_feed(&s->merges, s->part, s->n_part, ids, err);
    s->n_part = 0;
    return status;
}

/* The next bytes of the piece, whole characters. */
static enum cru_status put(struct cru_piece_stream *s, const unsigned char *p,
                           const unsigned char *end, struct cru_ids *ids, struct cru_error *err) {
    while (p < end) {
        struct cru_span rest = cru_span_make((const char *)p, (size_t)(end - p));
        size_t n = cru_whole_characters(rest, s->most_part - s->n_part);
        memcpy(s->part + s->n_part, p, n);
        s->n_part += n;
        s->begun = true;
        p += n;
        if (p == end) break;
        enum cru_status status = spill_part(s, ids, err);
        if (status) return status;
    }
    return CRU_OK;
}

static enum cru_status end_piece(struct cru_piece_stream *s, struct cru_ids *ids,
                                 struct cru_error *err) {
    s->begun = false;
    return finish_part(s, s->n_part, ids, err);
}

/* ------------------------------------------------------------------------------ the tail */

static enum cru_status keep(struct cru_piece_stream *s, const unsigned char *p,
                            const unsigned char *end, struct cru_error *err) {
    for (unsigned length; p < end; p += length) {
        uint32_t c = cru_code_point(p, &length);
        uint32_t *last = s->n_tail ? &s->tail[s->n_tail - 1] : NULL;
        if (last && *last >> TAIL_BITS == c && (*last & (TAIL_MOST - 1)) < TAIL_MOST - 1) {
            ++*last;
            continue;
        }
        if (s->n_tail == CRU_PIECE_TAIL)
            return cru_fail(err, CRU_BAD,
                            "cannot encode: of more than %d characters in a row it is not known "
                            "whether they belong to the piece before them",
                            CRU_PIECE_TAIL);
        if (s->n_tail == s->tail_room) {
            size_t room = s->tail_room ? s->tail_room * 2 : 1024;
            uint32_t *tail = realloc(s->tail, room * sizeof *tail);
            if (!tail) return cru_fail_memory(err, "held text");
            s->tail = tail;
            s->tail_room = room;
        }
        s->tail[s->n_tail++] = c << TAIL_BITS;
    }
    return CRU_OK;
}

/* The tail belongs to the piece. */
static enum cru_status put_tail(struct cru_piece_stream *s, struct cru_ids *ids,
                                struct cru_error *err) {
    enum cru_status status = CRU_OK;
    for (size_t i = 0; i < s->n_tail && !status; i++) {
        unsigned char same[4 * TAIL_MOST];
        size_t times = (s->tail[i] & (TAIL_MOST - 1)) + 1;
        size_t length = cru_put_code_point(same, s->tail[i] >> TAIL_BITS);
        for (size_t k = 1; k < times; k++) memcpy(same + k * length, same, length);
        status = put(s, same, same + times * length, ids, err);
    }
    s->n_tail = 0;
    return status;
}

/* ------------------------------------------------------------------- characters and cuts */

/* CRU_LETTER, CRU_NUMBER, CRU_SPACE or 0, as the pattern's own scanner asks. */
static unsigned kind_at(const struct cru_piece_stream *s, const unsigned char *p,
                        unsigned *length) {
    if (!s->cased) return cru_class_at(s->encoder->rules.classes, p, length);
    unsigned category = cru_category_at(p, length);
    return category & CRU_CAT_LETTER   ? CRU_LETTER
           : category & CRU_CAT_NUMBER ? CRU_NUMBER
           : category & CRU_CAT_SPACE  ? CRU_SPACE
                                       : 0;
}

static const unsigned char *skip_kind(const struct cru_piece_stream *s, const unsigned char *p,
                                      const unsigned char *end, unsigned kind) {
    if (!s->cased) return cru_skip_class(s->encoder->rules.classes, p, end, kind);
    for (unsigned length; p < end && kind_at(s, p, &length) == kind; p += length) {}
    return p;
}

static bool has_case(const unsigned char *p, unsigned bits) {
    unsigned length;
    return cru_category_at(p, &length) & bits;
}

/*
 * Whether a piece begins at x for certain, w being the character before it, and the text up to x taken for
 * itself has the same pieces. So a space behind a space is none: \s+(?!\S) looks ahead.
 */
static bool is_cut(const struct cru_piece_stream *s, const unsigned char *w,
                   const unsigned char *x) {
    unsigned length, next = kind_at(s, x, &length);
    switch (kind_at(s, w, &length)) {
    case CRU_LETTER: /* marks go on with cased words, contractions belong to them */
        return s->cased ? *x != '\'' && !has_case(x, CRU_CAT_UPPER | CRU_CAT_LOWER)
                        : next != CRU_LETTER;
    case CRU_NUMBER:
        return next != CRU_NUMBER;
    case CRU_SPACE: /* a newline is the last of its piece, but for a slash where that may follow */
        return s->lines && cru_is_newline(*w) && next != CRU_SPACE && !(s->cased && *x == '/');
    default:
        return next == CRU_NUMBER || (next == CRU_SPACE && !(s->lines && cru_is_newline(*x)));
    }
}

/* The last cut behind `at` that has not been looked for, or 0. */
static size_t last_cut(const struct cru_piece_stream *s) {
    size_t lowest = s->searched > s->at ? s->searched : s->at + 1, x = s->n;
    const unsigned char *p = s->text;
    do x--;
    while (x > s->at && (p[x] & 0xC0) == 0x80);
    while (x >= lowest) {
        size_t w = x;
        do w--;
        while (w > s->at && (p[w] & 0xC0) == 0x80);
        if (is_cut(s, p + w, p + x)) return x;
        x = w;
    }
    return 0;
}

/* ------------------------------------------------------------- an enormous piece, followed */

/* Begins the piece at `at`, behind which much is held: its first characters say what it is. */
static enum cru_status begin_piece(struct cru_piece_stream *s, struct cru_ids *ids,
                                   struct cru_error *err) {
    const unsigned char *p = s->text + s->at, *end = s->text + s->n, *q = NULL;
    unsigned length, next;
    unsigned kind = kind_at(s, p, &length), ahead = kind_at(s, p + length, &next);
    bool front = kind != CRU_LETTER && kind != CRU_NUMBER && !cru_is_newline(*p);
    s->newline = s->shared = false;
    s->numbers = s->pattern == CRU_PATTERN_GPT2 ? SIZE_MAX : s->encoder->rules.digits;
    if (!s->cased && *p == '\'') q = cru_contraction(p, end, s->pattern == CRU_PATTERN_QWEN2);
    if (q) {
        s->run = CRU_RUN_OVER;
    } else if (s->pattern == CRU_PATTERN_GPT2) {
        if (*p == ' ' && ahead != CRU_SPACE) {
            q = p + length;
            kind = ahead;
        }
        s->run = kind == CRU_LETTER   ? CRU_RUN_LETTER
                 : kind == CRU_NUMBER ? CRU_RUN_NUMBER
                 : kind == CRU_SPACE  ? CRU_RUN_SPACE
                                      : CRU_RUN_OTHER;
    } else if (s->cased && has_case(p, CRU_CAT_UPPER | CRU_CAT_LOWER)) {
        s->run = CRU_RUN_UPPER; /* a mark, too: whether it is front or the first of U* is the same */
    } else if (s->cased && front && has_case(p + length, CRU_CAT_UPPER | CRU_CAT_LOWER)) {
        q = p + length;
        s->run = CRU_RUN_UPPER;
    } else if (kind == CRU_LETTER || (front && ahead == CRU_LETTER)) {
        q = p + length;
        s->run = CRU_RUN_LETTER;
    } else if (kind == CRU_NUMBER) {
        s->run = CRU_RUN_NUMBER;
    } else if (kind == 0 || (*p == ' ' && ahead == 0)) {
        q = p + length;
        s->run = CRU_RUN_OTHER;
    } else {
        s->run = CRU_RUN_SPACE;
    }
    s->letters = s->run == CRU_RUN_LETTER;
    if (!q) return CRU_OK;
    s->at = (size_t)(q - s->text);
    return put(s, p, q, ids, err);
}

/* Takes bytes up to `end` into the piece. If more of that kind may come it goes on, else it is at `then`. */
static enum cru_status take(struct cru_piece_stream *s, const unsigned char *end, bool open,
                            enum cru_piece_run then, struct cru_ids *ids, struct cru_error *err) {
    const unsigned char *p = s->text + s->at;
    s->at = (size_t)(end - s->text);
    if (!open) s->run = then;
    return put(s, p, end, ids, err);
}

/* Behind the last newline of [p, end), or NULL. */
static const unsigned char *behind_newline(const unsigned char *p, const unsigned char *end) {
    while (end > p && !cru_is_newline(end[-1])) end--;
    return end > p ? end : NULL;
}

/* The run of white space is over, [p, stop) being its last and blank part; another character follows, unless
 * it is the end of the text (`last`). Of two blanks or more the last one begins the next piece. */
static enum cru_status end_space(struct cru_piece_stream *s, const unsigned char *p,
                                 const unsigned char *stop, bool last, struct cru_ids *ids,
                                 struct cru_error *err) {
    enum cru_status status = CRU_OK;
    if (s->newline) status = end_piece(s, ids, err);
    if (!status) status = put_tail(s, ids, err);
    const unsigned char *until = stop;
    if (!last && p < stop) {
        do until--;
        while ((*until & 0xC0) == 0x80);
        if (until == p && !s->begun && !s->newline) until = stop;
    }
    if (!status) status = put(s, p, until, ids, err);
    s->at = (size_t)(until - s->text);
    s->run = CRU_RUN_OVER;
    return status;
}

static enum cru_status follow_space(struct cru_piece_stream *s, bool last, bool *wait,
                                    struct cru_ids *ids, struct cru_error *err) {
    const unsigned char *p = s->text + s->at, *end = s->text + s->n;
    const unsigned char *stop = skip_kind(s, p, end, CRU_SPACE), *until = stop;
    bool open = *wait = stop == end && !last;
    enum cru_status status = CRU_OK;
    if (open) /* its last character stays in the text, as end_space may want it */
        do until--;
        while ((*until & 0xC0) == 0x80);
    const unsigned char *line = s->lines ? behind_newline(p, until) : NULL;
    if (line) {
        s->newline = true;
        status = put_tail(s, ids, err);
        if (!status) status = put(s, p, line, ids, err);
        p = line;
    }
    if (status) return status;
    if (!open) return end_space(s, p, stop, stop == end, ids, err);
    s->at = (size_t)(until - s->text);
    return s->newline ? keep(s, p, until, err) : put(s, p, until, ids, err);
}

/* U*, and how it ends: see pretoken_o200k.h. */
static enum cru_status follow_upper(struct cru_piece_stream *s, bool last, struct cru_ids *ids,
                                    struct cru_error *err) {
    const unsigned char *p = s->text + s->at, *end = s->text + s->n, *q = p, *shared = NULL;
    unsigned category = 0;
    enum cru_status status = CRU_OK;
    for (unsigned length; q < end; q += length) {
        category = cru_category_at(q, &length);
        if (!(category & CRU_CAT_UPPER)) break;
        if (category & CRU_CAT_LOWER) shared = q + length;
    }
    s->at = (size_t)(q - s->text);
    if (shared) {
        s->shared = true;
        status = put_tail(s, ids, err);
        if (!status) status = put(s, p, shared, ids, err);
        p = shared;
    }
    if (status) return status;
    if (q == end && !last) return s->shared ? keep(s, p, q, err) : put(s, p, q, ids, err);
    bool lower = q < end && (category & CRU_CAT_LOWER);
    if (s->shared && !lower && (s->n_tail || p < q)) /* the rest is a word of its own */
        status = end_piece(s, ids, err);
    if (!status) status = put_tail(s, ids, err);
    s->run = lower ? CRU_RUN_LOWER : CRU_RUN_SUFFIX;
    return status ? status : put(s, p, q, ids, err);
}

/* Goes on with the piece as far as the text goes. `*wait`: it cannot be said yet what comes next. */
static enum cru_status follow(struct cru_piece_stream *s, bool last, bool *wait,
                              struct cru_ids *ids, struct cru_error *err) {
    const unsigned char *p = s->text + s->at, *end = s->text + s->n, *q = p;
    unsigned length;
    *wait = p == end && !last && s->run != CRU_RUN_OVER;
    if (*wait) return CRU_OK;
    switch (s->run) {
    case CRU_RUN_LETTER:
        q = skip_kind(s, p, end, CRU_LETTER);
        return take(s, q, q == end && !last, CRU_RUN_OVER, ids, err);
    case CRU_RUN_NUMBER:
        for (; s->numbers && q < end && kind_at(s, q, &length) == CRU_NUMBER; q += length)
            s->numbers--;
        return take(s, q, q == end && !last && s->numbers, CRU_RUN_OVER, ids, err);
    case CRU_RUN_OTHER:
        q = skip_kind(s, p, end, 0);
        return take(s, q, q == end && !last, s->lines ? CRU_RUN_LINES : CRU_RUN_OVER, ids, err);
    case CRU_RUN_LINES:
        while (q < end && (cru_is_newline(*q) || (s->cased && *q == '/'))) q++;
        return take(s, q, q == end && !last, CRU_RUN_OVER, ids, err);
    case CRU_RUN_SPACE:
        return follow_space(s, last, wait, ids, err);
    case CRU_RUN_UPPER:
        return follow_upper(s, last, ids, err);
    case CRU_RUN_LOWER:
        while (q < end && has_case(q, CRU_CAT_LOWER)) (void)cru_category_at(q, &length), q += length;
        return take(s, q, q == end && !last, CRU_RUN_SUFFIX, ids, err);
    case CRU_RUN_SUFFIX: /* "'re" and "'U+017F" are the longest */
        if (s->pattern == CRU_PATTERN_O200K && p < end && *p == '\'') {
            *wait = end - p < 3 && !last;
            if (*wait) return CRU_OK;
            q = cru_contraction(p, end, true);
        }
        return take(s, q ? q : p, false, CRU_RUN_OVER, ids, err);
    case CRU_RUN_NONE:
    case CRU_RUN_OVER:
        break;
    }
    s->run = CRU_RUN_NONE;
    return end_piece(s, ids, err);
}

/* ------------------------------------------------------------------------------- all of it */

static enum cru_status encode_held(struct cru_piece_stream *s, size_t to, struct cru_ids *ids,
                                   struct cru_error *err) {
    size_t n = to - s->at;
    if (n == 0) return CRU_OK;
    if (!cru_ids_room(ids, n + CRU_IDS_SLACK)) return cru_fail_memory(err, "token ids");
    struct cru_span text = cru_span_make((const char *)s->text + s->at, n);
    ids->n = (size_t)(cru_encode_pieces(s->encoder, text, ids->p + ids->n) - ids->p);
    s->at = to;
    return CRU_OK;
}

static enum cru_status advance(struct cru_piece_stream *s, bool last, struct cru_ids *ids,
                               struct cru_error *err) {
    for (;;) {
        enum cru_status status = CRU_OK;
        bool wait = false;
        if (s->run != CRU_RUN_NONE) {
            status = follow(s, last, &wait, ids, err);
            if (status || wait) return status;
            continue;
        }
        if (last) return encode_held(s, s->n, ids, err);
        if (s->at == s->n) return CRU_OK;
        size_t cut = last_cut(s);
        s->searched = s->n;
        if (cut) status = encode_held(s, cut, ids, err);
        if (status || s->n - s->at < s->held) return status;
        status = begin_piece(s, ids, err);
        if (status) return status;
    }
}

enum cru_status cru_piece_stream_feed(struct cru_piece_stream *s, struct cru_span text,
                                      struct cru_ids *ids, struct cru_error *err) {
    while (text.n > 0) {
        size_t n = cru_whole_characters(text, CRU_PIECE_SLICE);
        if (s->at > 0) {
            memmove(s->text, s->text + s->at, s->n - s->at);
            s->n -= s->at;
            s->searched = s->searched > s->at ? s->searched - s->at : 0;
            s->at = 0;
        }
        memcpy(s->text + s->n, text.p, n);
        s->n += n;
        text.p += n;
        text.n -= n;
        enum cru_status status = advance(s, false, ids, err);
        if (status) return status;
    }
    return CRU_OK;
}

enum cru_status cru_piece_stream_end(struct cru_piece_stream *s, struct cru_ids *ids,
                                     struct cru_error *err) {
    enum cru_status status = advance(s, true, ids, err);
    cru_piece_stream_clear(s);
    return status;
}

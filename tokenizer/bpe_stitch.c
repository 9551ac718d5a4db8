/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_stitch.h"
#include "crucible/base/base.h"

enum { PART = 31, STEP = 20 };

/* out[0 .. k) is what p[0 .. at) encodes to. */
struct stitch {
    const struct cru_bpe *bpe;
    struct cru_bpe_scratch *scratch;
    const unsigned char *p;
    size_t n, at, k;
    uint32_t *out;
};

static size_t bytes_of(const struct stitch *s, uint32_t id) {
    uint32_t bytes = s->bpe->nodes[id].bytes;
    return bytes ? bytes : 1; /* only where the image is damaged */
}

/* The last token that begins at `place` or before it; *begins: where. */
static size_t token_at(const struct stitch *s, size_t place, size_t *begins) {
    size_t i = s->k, at = s->at;
    while (i > 0 && at > place) {
        size_t bytes = bytes_of(s, s->out[--i]);
        at = bytes < at ? at - bytes : 0;
    }
    *begins = at;
    return i;
}

/* Goes over into the tokens of p[start .. end), if there is one in common. */
static bool go_over(struct stitch *s, size_t start, size_t end, const uint32_t *ids, size_t n) {
    size_t a, i = token_at(s, start, &a), b = start, j = 0;
    while (i < s->k && j < n && (a != b || s->out[i] != ids[j])) {
        bool both = a == b, first = a < b || both;
        if (first) a += bytes_of(s, s->out[i++]);
        if (!first || both) b += bytes_of(s, ids[j++]);
    }
    if (i == s->k || j == n || i + n - j > end) return false;
    memcpy(s->out + i, ids + j, (n - j) * sizeof *ids);
    s->k = i + n - j;
    s->at = end;
    return true;
}

/* Makes out that of p[0 .. end) or more: by searching a stretch from an earlier token on, or all. */
static void search_to(struct stitch *s, size_t end) {
    enum { MOST = 512 };
    uint32_t ids[MOST];
    for (size_t back = STEP; back < s->at && end - s->at + back + CRU_MAX_TOKEN / 16 < MOST; back *= 2) {
        size_t start;
        (void)token_at(s, s->at - back, &start);
        if (end - start > MOST) break;
        size_t made = cru_bpe_piece(s->bpe, s->scratch, s->p + start, end - start, ids);
        if (go_over(s, start, end, ids, made)) return;
    }
    end = end < s->n / 2 ? 2 * end : s->n; /* so that all such searches together are linear */
    s->k = cru_bpe_piece(s->bpe, s->scratch, s->p, end, s->out);
    s->at = end;
}

/* Whether the text at p comes again soon, as the search would use. */
static bool repeats(const unsigned char *p, size_t n) {
    enum { SOME = 32, NEAR = 512 };
    return n > SOME && memmem(p + 1, (n < NEAR ? n : NEAR) - 1, p, SOME) != NULL;
}

size_t cru_bpe_stitch(const struct cru_bpe *bpe, struct cru_bpe_scratch *scratch,
                      cru_bpe_batch_fn batch, const unsigned char *p, size_t n, uint32_t *out) {
    struct stitch s = {bpe, scratch, p, n, 0, 0, out};
    struct cru_bpe_task tasks[CRU_BATCH_TASKS];
    uint32_t ids[CRU_BATCH_TASKS][PART];
    while (s.at < n) {
        size_t from = s.at < PART - STEP ? 0 : s.at - (PART - STEP), parts = 0, joined = 0;
        for (size_t at = from; parts < CRU_BATCH_TASKS; at += STEP) {
            size_t bytes = n - at < PART ? n - at : PART;
            tasks[parts] = (struct cru_bpe_task){.p = p + at, .n = bytes, .out = ids[parts]};
            parts++;
            if (at + bytes == n) break;
        }
        if (repeats(p + from, n - from)) return cru_bpe_piece(bpe, scratch, p, n, out);
        batch(bpe, scratch, tasks, parts);
        for (size_t i = 0; i < parts; i++) {
            size_t start = from + i * STEP, end = start + tasks[i].n;
            if (end <= s.at) continue;
            if (s.at == 0) {
                memcpy(out, ids[i], tasks[i].made * sizeof *out);
                s.k = tasks[i].made;
                s.at = end;
            } else {
                bool over = go_over(&s, start, end, ids[i], tasks[i].made);
                if (!over) search_to(&s, end);
                joined += over;
            }
        }
        if (joined < parts / 2) return cru_bpe_piece(bpe, scratch, p, n, out);
    }
    return s.k;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/bpe_stream.h"
#include "crucible/base/base.h"

/* Makes the window this long, keeping what is held. */
static bool set_window(struct cru_bpe_stream *s, size_t window) {
    unsigned char *held = realloc(s->held, window);
    if (held) s->held = held;
    uint32_t *path = realloc(s->path, window * sizeof *path);
    if (path) s->path = path;
    uint32_t *reached = realloc(s->reached, (window + 1) * sizeof *reached);
    if (reached) s->reached = reached;
    if (!held || !path || !reached) return false;
    s->window = window;
    return true;
}

bool cru_bpe_stream_init(struct cru_bpe_stream *stream, const struct cru_bpe *bpe,
                         struct cru_bpe_scratch *scratch) {
    *stream = (struct cru_bpe_stream){
        .bpe = bpe, .scratch = scratch, .most = CRU_STREAM_MOST, .before = CRU_NONE};
    if (set_window(stream, CRU_STREAM_WINDOW)) return true;
    cru_bpe_stream_release(stream);
    return false;
}

void cru_bpe_stream_release(struct cru_bpe_stream *stream) {
    free(stream->held);
    free(stream->path);
    free(stream->reached);
    memset(stream, 0, sizeof *stream);
}

static enum cru_status give_out(struct cru_bpe_stream *s, size_t k, struct cru_ids *ids,
                                struct cru_error *err) {
    if (k > ids->capacity - ids->n) {
        size_t capacity = ids->capacity + ids->capacity / 2;
        if (capacity < ids->n + k) capacity = ids->n + k;
        uint32_t *p = realloc(ids->p, capacity * sizeof *p);
        if (!p) return cru_fail_memory(err, "token ids");
        ids->p = p;
        ids->capacity = capacity;
    }
    if (k) memcpy(ids->p + ids->n, s->path, k * sizeof *s->path);
    ids->n += k;
    return CRU_OK;
}

/* True when tokens lead from the border d, which `token` ends at, to each of the last `longest` places. */
static bool leads_everywhere(struct cru_bpe_stream *s, size_t d, uint32_t token) {
    const struct cru_bpe *bpe = s->bpe;
    size_t places = s->n - d;
    for (size_t i = 1; i <= places; i++) s->reached[i] = CRU_NONE;
    s->reached[0] = token;
    for (size_t i = 0; i < places; i++) {
        if (s->reached[i] == CRU_NONE) continue;
        uint32_t next = cru_bpe_longest(bpe, s->held + d + i, places - i).token;
        for (; next != CRU_NONE; next = cru_bpe_shorter(bpe, next)) {
            size_t to = i + bpe->nodes[next].bytes;
            if (to <= places && s->reached[to] == CRU_NONE &&
                cru_bpe_neighbourly(bpe, s->scratch, s->reached[i], next))
                s->reached[to] = next;
        }
    }
    for (size_t i = places - bpe->longest + 1; i <= places; i++)
        if (s->reached[i] == CRU_NONE) return false;
    return true;
}

/* Gives out what is certain of a full window; false when nothing is. */
static bool settle(struct cru_bpe_stream *s, struct cru_ids *ids, enum cru_status *status,
                   struct cru_error *err) {
    size_t d, longest = s->bpe->longest;
    size_t k = cru_bpe_search(s->bpe, s->scratch, s->before, s->held, s->n, false, s->path, &d);
    for (size_t back = 4 * longest; back < s->n; back *= 4) {
        while (k > 0 && d > s->n - back) d -= s->bpe->nodes[s->path[--k]].bytes;
        if (k == 0) return false;
        if (!leads_everywhere(s, d, s->path[k - 1])) continue;
        *status = give_out(s, k, ids, err);
        if (*status) return true;
        s->before = s->path[k - 1];
        memmove(s->held, s->held + d, s->n - d);
        s->n -= d;
        return true;
    }
    return false;
}

enum cru_status cru_bpe_stream_feed(struct cru_bpe_stream *s, const unsigned char *p, size_t n,
                                    struct cru_ids *ids, struct cru_error *err) {
    while (n > 0) {
        size_t take = s->window - s->n < n ? s->window - s->n : n;
        memcpy(s->held + s->n, p, take);
        s->n += take;
        p += take;
        n -= take;
        if (s->n < s->window) return CRU_OK;
        enum cru_status status = CRU_OK;
        if (!settle(s, ids, &status, err)) {
            if (s->window >= s->most)
                return cru_fail(
                    err, CRU_FATAL,
                    "cannot encode: a piece is longer than %zu bytes, and with this vocabulary "
                    "its beginning hangs on what follows",
                    s->most);
            if (!set_window(s, s->window * 2)) return cru_fail_memory(err, "a long piece");
        }
        if (status) return status;
    }
    return CRU_OK;
}

enum cru_status cru_bpe_stream_end(struct cru_bpe_stream *s, struct cru_ids *ids,
                                   struct cru_error *err) {
    size_t k = 0, end;
    if (s->n > 0)
        k = cru_bpe_search(s->bpe, s->scratch, s->before, s->held, s->n, true, s->path, &end);
    s->n = 0;
    s->before = CRU_NONE;
    return give_out(s, k, ids, err);
}

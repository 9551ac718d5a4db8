/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   symbols   [ - | t h e - h e - .. ]   every distinct piece of two bytes or more, a slot a byte,
 *             [ - | T . T - h e - .. ]   a border between pieces; a token's id stands in the slots
 *                                        of its first and its last byte, so that both neighbours
 *                                        are found by its length, and no links are kept
 *   words     where a piece begins in symbols, and how often it occurs
 *   pairs     (left, right) -> count, and where its places are; open addressing
 *   places    (word, offset) of a pair, in order; symbols tells which are no longer true
 *   heap      (count, pair); counts only fall once a pair is there, so a stale top is put back
 *
 * A pair's places and count are complete when the merge that made the later of its parts is done:
 * no string of bytes is a token by two merges, because equal stretches of equal bytes are merged
 * alike until something merges across their border. So each merge reads its own places only, all
 * merges together take time in proportion to the places there ever were, and a pair below
 * min_count is forgotten.
 */
#include "tokenizer/bpe_train.h"
#include "crucible/base/base.h"
#include "crucible/base/parallel.h"

static const uint32_t border = UINT32_MAX, inside = UINT32_MAX - 1;

struct word {
    uint64_t at, count;
};

struct place {
    uint32_t word, offset;
};

struct pair {
    uint64_t key; /* left << 32 | right; UINT64_MAX: free */
    int64_t count;
    uint64_t at; /* in places */
    uint64_t n;
};

struct heap_entry {
    int64_t count;
    uint64_t key;
};

/* What one merge does to the pairs with one neighbour, which is on the left or on the right. */
struct change {
    int64_t made, lost; /* counts */
    uint64_t n, at;     /* places of the pair made */
    bool touched;
};

/* A place for the pair made with a neighbour. */
struct found {
    uint32_t change;
    struct place place;
};

/* One thread's part of a merge: some of its places. */
struct merging {
    uint32_t left, right, made, n_left, n; /* ids; bytes of the left one, and of all */
    const uint32_t *lengths;
    const struct place *places; /* [n_places] all places of a word are in one part */
    uint64_t n_places;
    struct change
        *changes; /* [2 * n ids at most] neighbour on the left: 2 * id, on the right: 2 * id + 1 */
    uint32_t *touched; /* their numbers */
    size_t n_touched, n_found;
    struct found *found;
    uint64_t merged; /* how often, in the texts */
};

struct training {
    const struct cru_bpe_train_params *params;
    struct cru_bpe_vocab *vocab;
    uint32_t byte_id[256];
    uint32_t *lengths; /* [n ids at most] in bytes */
    struct cru_spill_array symbols, words, places;
    struct cru_spill_array found; /* of the merge at hand: two for each of its places */
    struct pair *pairs;
    size_t n_pairs;
    unsigned pair_bits;
    struct heap_entry *heap;
    size_t n_heap, cap_heap;
    struct merging *mergings; /* [n_mergings] the first gets what the others found, in order */
    size_t n_mergings;
};

uint32_t cru_byte_character(uint8_t byte) {
    if ((byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE)
        return byte;
    uint32_t before = byte; /* how many bytes below have no character of their own */
    if (byte > 0x20)
        before = 33 + byte - 0x7F; /* 0-32 are before these, and 173 is the last of all */
    return 0x100 + (byte == 0xAD ? 67 : before);
}

int cru_character_byte(uint32_t character) {
    for (int b = 0; b < 256; b++)
        if (cru_byte_character((uint8_t)b) == character) return b;
    return -1;
}

struct cru_span cru_bpe_vocab_token(const struct cru_bpe_vocab *v, uint32_t id) {
    return cru_span_make(v->text.p + v->offsets[id], v->offsets[id + 1] - v->offsets[id]);
}

void cru_bpe_vocab_release(struct cru_bpe_vocab *v) {
    free(v->merges);
    free(v->offsets);
    cru_buffer_release(&v->text);
    memset(v, 0, sizeof *v);
}

static uint64_t key_of(uint32_t left, uint32_t right) {
    return (uint64_t)left << 32 | right;
}

/* ------------------------------------------------------------------ pairs */

static struct pair *find_slot(struct pair *pairs, unsigned bits, uint64_t key) {
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = cru_mix64(key) & mask;; i = (i + 1) & mask)
        if (pairs[i].key == key || pairs[i].key == UINT64_MAX) return &pairs[i];
}

/* NULL when there is no such pair, or no longer one worth a merge. */
static struct pair *find_pair(struct training *t, uint64_t key) {
    struct pair *pair = find_slot(t->pairs, t->pair_bits, key);
    return pair->key == key ? pair : NULL;
}

static struct pair *pairs_new(unsigned bits) {
    struct pair *pairs = malloc(sizeof *pairs << bits);
    for (size_t i = 0; pairs && i < (size_t)1 << bits; i++) pairs[i].key = UINT64_MAX;
    return pairs;
}

/* The table is made anew without the pairs that have fallen below min_count. */
static bool pairs_grow(struct training *t) {
    size_t living = 0;
    for (size_t i = 0; i < (size_t)1 << t->pair_bits; i++)
        living +=
            t->pairs[i].key != UINT64_MAX && t->pairs[i].count >= (int64_t)t->params->min_count;
    unsigned bits = t->pair_bits;
    while (living > ((size_t)1 << bits) * 3 / 8) bits++;
    struct pair *pairs = pairs_new(bits);
    if (!pairs) return false;
    for (size_t i = 0; i < (size_t)1 << t->pair_bits; i++) {
        const struct pair *p = &t->pairs[i];
        if (p->key != UINT64_MAX && p->count >= (int64_t)t->params->min_count)
            *find_slot(pairs, bits, p->key) = *p;
    }
    free(t->pairs);
    t->pairs = pairs;
    t->pair_bits = bits;
    t->n_pairs = living;
    return true;
}

static bool higher(struct heap_entry a, struct heap_entry b) {
    return a.count != b.count ? a.count > b.count : a.key < b.key;
}

static void heap_down(struct training *t, size_t i) {
    struct heap_entry e = t->heap[i];
    for (size_t child; (child = 2 * i + 1) < t->n_heap; i = child) {
        if (child + 1 < t->n_heap && higher(t->heap[child + 1], t->heap[child])) child++;
        if (!higher(t->heap[child], e)) break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = e;
}

/* A new pair with its count and its places. */
static bool add_pair(struct training *t, struct pair pair) {
    if (t->n_pairs + 1 > ((size_t)1 << t->pair_bits) * 3 / 4 && !pairs_grow(t)) return false;
    *find_slot(t->pairs, t->pair_bits, pair.key) = pair;
    t->n_pairs++;
    if (t->n_heap == t->cap_heap) {
        size_t capacity = t->cap_heap ? t->cap_heap * 2 : 1 << 16;
        struct heap_entry *heap = realloc(t->heap, capacity * sizeof *heap);
        if (!heap) return false;
        t->heap = heap;
        t->cap_heap = capacity;
    }
    struct heap_entry e = {pair.count, pair.key};
    size_t i = t->n_heap++;
    for (; i > 0 && higher(e, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = e;
    return true;
}

/* The most frequent pair, taken off the heap; NULL when none is left. */
static struct pair *take_best(struct training *t) {
    while (t->n_heap) {
        struct heap_entry *top = t->heap;
        struct pair *pair = find_pair(t, top->key);
        int64_t count = pair ? pair->count : 0;
        bool worth = count >= (int64_t)t->params->min_count, fresh = count == top->count;
        if (worth && !fresh)
            top->count = count;
        else
            t->heap[0] = t->heap[--t->n_heap];
        if (t->n_heap) heap_down(t, 0);
        if (worth && fresh) return pair;
    }
    return NULL;
}

/* ------------------------------------------------------------------ the index */

static enum cru_status take_piece(void *context, struct cru_span piece, uint64_t count,
                                  struct cru_error *err) {
    struct training *t = context;
    uint64_t at = t->symbols.n;
    if (t->words.n == UINT32_MAX)
        return cru_fail(err, CRU_FATAL, "more than %u distinct pieces to train on", UINT32_MAX);
    enum cru_status status = cru_spill_resize(&t->symbols, at + piece.n + 1, err);
    if (!status) status = cru_spill_resize(&t->words, t->words.n + 1, err);
    if (status) return status;
    uint32_t *symbols = (uint32_t *)t->symbols.p + at;
    for (size_t i = 0; i < piece.n; i++) symbols[i] = t->byte_id[(unsigned char)piece.p[i]];
    symbols[piece.n] = border;
    ((struct word *)t->words.p)[t->words.n - 1] = (struct word){at, count};
    t->vocab->distinct++;
    t->vocab->tokens +=
        count * (piece.n - 1); /* more than the one that every piece is counted as */
    return CRU_OK;
}

/* Counts the pairs of neighbouring bytes; or, with `places`, notes where each is that has room. */
static void walk_bytes(const struct training *t, struct pair *pairs, struct place *places) {
    const struct word *words = t->words.p;
    for (uint32_t w = 0; w < t->words.n; w++) {
        const uint32_t *s = (const uint32_t *)t->symbols.p + words[w].at;
        for (uint32_t o = 0; s[o + 1] != border; o++) {
            struct pair *pair = &pairs[s[o] << 8 | s[o + 1]];
            if (!places) {
                pair->count += (int64_t)words[w].count;
                pair->n++;
            } else if (pair->n) {
                places[pair->at++] = (struct place){w, o};
            }
        }
    }
}

/* Every pair of bytes, with its places. */
static enum cru_status index_pairs(struct training *t, struct cru_error *err) {
    struct pair *pairs = calloc(65536, sizeof *pairs);
    if (!pairs) return cru_fail_memory(err, "pairs");
    walk_bytes(t, pairs, NULL);
    uint64_t n_places = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        pairs[i].key = key_of(i >> 8, i & 255);
        if (pairs[i].count < (int64_t)t->params->min_count) pairs[i].n = 0;
        pairs[i].at = n_places;
        n_places += pairs[i].n;
    }
    enum cru_status status = cru_spill_resize(&t->places, n_places, err);
    for (uint32_t i = 0; i < 65536 && !status; i++)
        if (pairs[i].n && !add_pair(t, pairs[i])) status = cru_fail_memory(err, "pairs");
    if (!status && n_places) walk_bytes(t, pairs, t->places.p);
    free(pairs);
    return status;
}

/* ------------------------------------------------------------------ one merge */

static inline struct change *change_of(struct merging *m, uint32_t number) {
    struct change *c = &m->changes[number];
    if (!c->touched) {
        c->touched = true;
        m->touched[m->n_touched++] = number;
    }
    return c;
}

/* A pair at one of its places: the token on the left, and how often its word occurs. */
struct spot {
    uint32_t *s;
    struct place place;
    int64_t count;
};

/* Merges at one spot, if the pair is still there. Returns how often that is. */
static inline uint64_t merge_spot(struct merging *m, struct spot spot) {
    uint32_t *s = spot.s;
    if (s[0] != m->left || s[m->n_left] != m->right) return 0;
    s[0] = m->made;
    s[m->n_left] = inside;
    s[m->n - 1] = m->made;
    uint32_t before = s[-1], behind = s[m->n]; /* the first slot of all is a border */
    if (before != border) {
        /* What the same merge made just before counts its neighbour among the pairs made. */
        if (before == m->made)
            change_of(m, 2 * m->left + 1)->made -= spot.count;
        else
            change_of(m, 2 * before)->lost += spot.count;
        struct change *c = change_of(m, 2 * before);
        c->made += spot.count;
        c->n++;
        uint32_t back = before == m->made ? m->n : m->lengths[before];
        m->found[m->n_found++] =
            (struct found){2 * before, {spot.place.word, spot.place.offset - back}};
    }
    if (behind != border) {
        struct change *c = change_of(m, 2 * behind + 1);
        c->lost += spot.count;
        c->made += spot.count;
        c->n++;
        m->found[m->n_found++] = (struct found){2 * behind + 1, spot.place};
    }
    return (uint64_t)spot.count;
}

/* Merges at the places of one part and notes what that does to the pairs around them. Each place is
 * two reads anywhere in memory, so those of many are begun before the first is waited for. */
static void merge_places(void *context, size_t part, int thread) {
    (void)thread;
    enum { BLOCK = 32 };
    const struct training *t = context;
    struct merging *m = &t->mergings[part];
    const struct place *places = m->places;
    uint64_t n = m->n_places;
    const struct word *words = t->words.p;
    uint32_t *symbols = t->symbols.p;
    struct spot spots[BLOCK];
    m->merged = 0;
    m->n_found = 0;
    for (uint64_t i = 0; i < n; i += BLOCK) {
        uint64_t end = n - i < BLOCK ? n - i : BLOCK, ahead = n - i < 2 * BLOCK ? n - i : 2 * BLOCK;
        for (uint64_t k = BLOCK; k < ahead; k++) __builtin_prefetch(&words[places[i + k].word]);
        for (uint64_t k = 0; k < end; k++) {
            struct word word = words[places[i + k].word];
            spots[k].s = symbols + word.at + places[i + k].offset;
            spots[k].place = places[i + k];
            spots[k].count = (int64_t)word.count;
            __builtin_prefetch(spots[k].s, 1);
        }
        for (uint64_t k = 0; k < end; k++) m->merged += merge_spot(m, spots[k]);
    }
}

static void lose(struct training *t, uint64_t key, int64_t count) {
    struct pair *pair = count ? find_pair(t, key) : NULL;
    if (pair) pair->count -= count;
}

/* Deals the places of a pair to threads and merges. */
static void merge_pair(struct training *t, const struct pair *pair, uint32_t made) {
    enum { WORTH = 4096 }; /* places; fewer are merged before other threads have woken up */
    const struct place *places = (const struct place *)t->places.p + pair->at;
    size_t parts = pair->n < WORTH ? 1 : t->n_mergings;
    uint32_t left = (uint32_t)(pair->key >> 32), right = (uint32_t)pair->key;
    for (size_t k = 0, from = 0; k < t->n_mergings; k++) {
        uint64_t to = k < parts ? pair->n / parts * (k + 1) : 0;
        if (to < from) to = from;
        if (k + 1 == parts) to = pair->n;
        while (to > from && to < pair->n && places[to].word == places[to - 1].word) to++;
        struct merging *m = &t->mergings[k];
        m->left = left;
        m->right = right;
        m->made = made;
        m->n_left = t->lengths[left];
        m->n = m->n_left + t->lengths[right];
        m->lengths = t->lengths;
        m->places = places + from;
        m->n_places = to - from;
        m->found = (struct found *)t->found.p + 2 * from;
        m->n_found = 0;
        m->merged = 0;
        from = to;
    }
    cru_parallel_for(parts, 1, (int)parts, merge_places, t);
}

/* Adds what the other threads found to what the first one did. */
static void gather(struct training *t) {
    struct merging *all = &t->mergings[0];
    for (size_t k = 1; k < t->n_mergings; k++) {
        struct merging *m = &t->mergings[k];
        for (size_t i = 0; i < m->n_touched; i++) {
            struct change *from = &m->changes[m->touched[i]];
            struct change *to = change_of(all, m->touched[i]);
            to->made += from->made;
            to->lost += from->lost;
            to->n += from->n;
            *from = (struct change){0};
        }
        m->n_touched = 0;
    }
}

/* Brings the pairs up to date after merge_pair, and clears the changes. */
static enum cru_status settle(struct training *t, struct cru_error *err) {
    struct merging *m = &t->mergings[0];
    uint64_t at = t->places.n;
    gather(t);
    for (size_t i = 0; i < m->n_touched; i++) {
        struct change *c = &m->changes[m->touched[i]];
        uint32_t other = m->touched[i] / 2;
        lose(t, m->touched[i] % 2 ? key_of(m->right, other) : key_of(other, m->left), c->lost);
        if (c->made < (int64_t)t->params->min_count) c->n = 0;
        c->at = at;
        at += c->n;
    }
    enum cru_status status = cru_spill_resize(&t->places, at, err);
    if (status) return status;
    struct place *places = t->places.p;
    for (size_t k = 0; k < t->n_mergings; k++) {
        const struct found *found = t->mergings[k].found;
        for (size_t i = 0; i < t->mergings[k].n_found; i++) {
            struct change *c = &m->changes[found[i].change];
            if (c->n) places[c->at++] = found[i].place;
        }
    }
    for (size_t i = 0; i < m->n_touched; i++) {
        struct change *c = &m->changes[m->touched[i]];
        uint32_t other = m->touched[i] / 2;
        struct pair pair = {m->touched[i] % 2 ? key_of(m->made, other) : key_of(other, m->made),
                            c->made, c->at - c->n, c->n};
        if (c->n && !add_pair(t, pair)) return cru_fail_memory(err, "pairs");
        *c = (struct change){0};
    }
    m->n_touched = 0;
    return CRU_OK;
}

static bool is_barred(const struct training *t, struct cru_span bytes) {
    if (bytes.n > t->params->max_bytes) return true;
    for (size_t i = 0; i < t->params->n_barred; i++)
        if (cru_span_eq(t->params->barred[i], bytes)) return true;
    return false;
}

/* Appends the bytes of the token that left and right make; false when it is barred. */
static bool append_token(struct training *t, uint32_t left, uint32_t right) {
    struct cru_bpe_vocab *v = t->vocab;
    uint32_t id = 256 + v->n_merges;
    for (int k = 0; k < 2; k++) {
        struct cru_span part = cru_bpe_vocab_token(v, k ? right : left);
        char *room = cru_buffer_room(&v->text, part.n);
        if (!room) return true;
        memcpy(room, v->text.p + v->offsets[k ? right : left], part.n); /* it may have moved */
        v->text.n += part.n;
    }
    struct cru_span made = cru_span_make(v->text.p + v->offsets[id], v->text.n - v->offsets[id]);
    if (is_barred(t, made)) {
        v->text.n = v->offsets[id];
        return false;
    }
    v->offsets[id + 1] = v->text.n;
    t->lengths[id] = (uint32_t)made.n;
    return true;
}

static enum cru_status merge_all(struct training *t, struct cru_error *err) {
    struct cru_bpe_vocab *v = t->vocab;
    enum cru_status status = CRU_OK;
    while (!status && v->n_merges < t->params->n_merges) {
        struct pair *best = take_best(t);
        if (!best) break;
        struct pair pair = *best;
        best->count = 0; /* merged or barred, it never comes again */
        uint32_t left = (uint32_t)(pair.key >> 32), right = (uint32_t)pair.key;
        if (!append_token(t, left, right)) continue;
        if (v->text.failed) return cru_fail_memory(err, "tokens");
        v->merges[v->n_merges] = (struct cru_bpe_merge){left, right};
        v->last_count = (uint64_t)pair.count;
        status = cru_spill_resize(&t->found, 2 * pair.n, err);
        if (status) break;
        merge_pair(t, &pair, 256 + v->n_merges++);
        for (size_t k = 0; k < t->n_mergings; k++) v->tokens -= t->mergings[k].merged;
        status = settle(t, err);
    }
    return status;
}

/* ------------------------------------------------------------------ all of it */

static enum cru_status begin(struct training *t, struct cru_error *err) {
    enum {
        CHANGES_BYTES = 128 << 20
    }; /* for the changes of all threads: with many ids, fewer threads */
    struct cru_bpe_vocab *v = t->vocab;
    size_t ids = 256 + (size_t)t->params->n_merges;
    v->merges = malloc((t->params->n_merges + 1u) * sizeof *v->merges);
    v->offsets = malloc((ids + 1) * sizeof *v->offsets);
    t->lengths = malloc(ids * sizeof *t->lengths);
    size_t each = 2 * ids * (sizeof(struct change) + sizeof(uint32_t)), most = CHANGES_BYTES / each;
    t->n_mergings = t->params->threads < most ? t->params->threads : most;
    if (t->n_mergings == 0) t->n_mergings = 1;
    t->mergings = calloc(t->n_mergings, sizeof *t->mergings);
    bool room = t->mergings;
    for (size_t i = 0; room && i < t->n_mergings; i++) {
        t->mergings[i].changes = calloc(2 * ids, sizeof(struct change));
        t->mergings[i].touched = malloc(2 * ids * sizeof(uint32_t));
        room = t->mergings[i].changes && t->mergings[i].touched;
    }
    t->pair_bits = 17;
    t->pairs = pairs_new(t->pair_bits);
    if (!v->merges || !v->offsets || !t->lengths || !t->pairs || !room)
        return cru_fail_memory(err, "vocabulary");
    uint32_t id = 0;
    for (uint32_t c = 0; id < 256; c++) {
        int byte = cru_character_byte(c);
        if (byte < 0) continue;
        t->byte_id[byte] = id;
        t->lengths[id] = 1;
        v->offsets[id++] = v->text.n;
        cru_buffer_add_char(&v->text, (char)byte);
    }
    v->offsets[256] = v->text.n;
    if (v->text.failed) return cru_fail_memory(err, "vocabulary");
    enum cru_status status = cru_spill_resize(&t->symbols, 1, err);
    if (!status) *(uint32_t *)t->symbols.p = border;
    return status;
}

enum cru_status cru_bpe_train(struct cru_piece_counter *const *counters, size_t n_counters,
                              const struct cru_bpe_train_params *params,
                              struct cru_bpe_vocab *vocab, struct cru_error *err) {
    memset(vocab, 0, sizeof *vocab);
    cru_buffer_init(&vocab->text);
    struct training t = {.params = params, .vocab = vocab};
    cru_spill_init(&t.symbols, sizeof(uint32_t), params->budget);
    cru_spill_init(&t.words, sizeof(struct word), params->budget);
    cru_spill_init(&t.places, sizeof(struct place), params->budget);
    cru_spill_init(&t.found, sizeof(struct found), params->budget);
    for (size_t i = 0; i < n_counters; i++) {
        struct cru_piece_totals totals = cru_piece_counter_totals(counters[i]);
        vocab->bytes += totals.bytes;
        vocab->pieces += totals.pieces;
    }
    vocab->tokens = vocab->pieces;
    enum cru_status status = begin(&t, err);
    if (!status) status = cru_piece_counters_merge(counters, n_counters, take_piece, &t, err);
    if (!status) status = index_pairs(&t, err);
    if (!status) status = merge_all(&t, err);
    cru_spill_release(&t.symbols);
    cru_spill_release(&t.words);
    cru_spill_release(&t.places);
    cru_spill_release(&t.found);
    for (size_t i = 0; t.mergings && i < t.n_mergings; i++) {
        free(t.mergings[i].changes);
        free(t.mergings[i].touched);
    }
    free(t.mergings);
    free(t.lengths);
    free(t.pairs);
    free(t.heap);
    return status;
}

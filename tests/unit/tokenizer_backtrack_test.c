/* SPDX-License-Identifier: Apache-2.0 */
/* The search against merging, with random vocabularies of every kind of order, and with damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "tokenizer/bpe_rounds.h"
#include "tokenizer/bpe_stitch.h"
#include "tokenizer/bpe_stream.h"
#include "tokenizer/bpe_tables.h"
#include "tokenizer/byte_masks.h"

enum {
    TOKENS = 60, /* made by merges, at most */
    IDS = 256 + TOKENS,
    MERGES = 400,
    PAIR_BITS = 10,
    TOY_BYTES = 24, /* of a token, at most */
    TASK_BYTES = 120,
    THREE_LETTERS = 4, /* E4 E5 80 81: eight characters */
    LONG = 700,
};

/* A vocabulary over a few bytes: letters; or what characters of three bytes are of, two of each. */
struct toy {
    unsigned letters;
    unsigned char letter[THREE_LETTERS];
    int chosen; /* how often a part is looked for that is of whole characters */
    size_t n_ids, n_merges;
    struct cru_merge_row rows[MERGES];
    uint32_t offsets[IDS + 1], byte_ids[256], byte_pair[65536], merged[MERGES];
    char text[256 + TOKENS * TOY_BYTES];
    uint64_t pairs[1 << PAIR_BITS], roots[65536], *units;
    uint32_t chars[65536];
    struct cru_char_halves halves[CRU_CHAR_HALVES];
    struct cru_bpe_node nodes[IDS];
    struct cru_bpe bpe;
    struct cru_bpe_scratch scratch;
};

/* How the list of merges is ordered. */
enum order {
    AS_MADE,    /* each joins two earlier tokens, one merge a token: what training gives */
    ALL_SPLITS, /* every way to split each token, by token: what conversions of rank files give */
    SHUFFLED,   /* all ways in no order, so that parts may be made later than the whole */
    SOME_SWAPS, /* as made with some exchanged, and some tokens with two ways */
    ORDERS
};

static size_t below(struct cru_random *r, size_t n) { return cru_random_next(r) % n; }

static uint32_t find_token(const struct toy *t, const char *p, size_t n) {
    for (uint32_t id = 0; id < t->n_ids; id++)
        if (t->offsets[id + 1] - t->offsets[id] == n && !memcmp(t->text + t->offsets[id], p, n))
            return id;
    return CRU_NONE;
}

static void add_row(struct toy *t, uint32_t left, uint32_t right, uint32_t made) {
    for (size_t i = 0; i < t->n_merges; i++)
        if (t->rows[i].left == left && t->rows[i].right == right) return;
    if (t->n_merges < MERGES) t->rows[t->n_merges++] = (struct cru_merge_row){left, right, made};
}

static void swap_rows(struct toy *t, size_t i, size_t j) {
    struct cru_merge_row row = t->rows[i];
    t->rows[i] = t->rows[j];
    t->rows[j] = row;
}

/* Whether a token is of whole characters of three bytes. */
static bool is_whole(const struct toy *t, uint32_t id) {
    return (t->offsets[id + 1] - t->offsets[id]) % 3 == 0 && (t->text[t->offsets[id]] & 0xF0) == 0xE0;
}

static uint32_t pick_part(const struct toy *t, struct cru_random *r) {
    for (int tries = 0;; tries++) {
        size_t among = t->letters + (t->n_ids - 256), pick = below(r, among);
        if (!t->chosen && below(r, 3) == 0) pick = below(r, t->letters);
        uint32_t part = (uint32_t)(pick < t->letters ? t->letter[pick] : 256 + pick - t->letters);
        if (tries == t->chosen || is_whole(t, part)) return part;
    }
}

static void add_tokens(struct toy *t, size_t tokens, struct cru_random *r) {
    for (size_t tries = 0; tries < tokens * 4 && t->n_ids < 256 + tokens; tries++) {
        uint32_t part[2];
        char joined[2 * TOY_BYTES];
        size_t n = 0;
        for (int k = 0; k < 2; k++) {
            part[k] = pick_part(t, r);
            size_t bytes = t->offsets[part[k] + 1] - t->offsets[part[k]];
            memcpy(joined + n, t->text + t->offsets[part[k]], bytes);
            n += bytes;
        }
        if (n > TOY_BYTES) continue;
        uint32_t made = find_token(t, joined, n);
        if (made == CRU_NONE) {
            made = (uint32_t)t->n_ids++;
            memcpy(t->text + t->offsets[made], joined, n);
            t->offsets[made + 1] = t->offsets[made] + (uint32_t)n;
        } else if (below(r, 2)) {
            continue;
        }
        add_row(t, part[0], part[1], made);
    }
}

static void add_all_splits(struct toy *t) {
    t->n_merges = 0;
    for (uint32_t id = 256; id < t->n_ids; id++) {
        const char *p = t->text + t->offsets[id];
        size_t n = t->offsets[id + 1] - t->offsets[id];
        for (size_t cut = 1; cut < n; cut++) {
            uint32_t left = find_token(t, p, cut), right = find_token(t, p + cut, n - cut);
            if (left != CRU_NONE && right != CRU_NONE) add_row(t, left, right, id);
        }
    }
}

static void add_token(struct toy *t, uint32_t left, uint32_t right) {
    uint32_t made = (uint32_t)t->n_ids++;
    for (int k = 0; k < 2; k++) {
        uint32_t part = k ? right : left, n = t->offsets[part + 1] - t->offsets[part];
        memcpy(t->text + (k ? t->offsets[made + 1] : t->offsets[made]), t->text + t->offsets[part], n);
        t->offsets[made + 1] = (k ? t->offsets[made + 1] : t->offsets[made]) + n;
    }
    add_row(t, left, right, made);
}

/* Tokens of most characters, in one of the two ways. */
static void add_chars(struct toy *t, struct cru_random *r) {
    for (uint32_t c = 0; c < 8; c++) {
        uint32_t a = t->letter[c >> 2], b = t->letter[2 + (c >> 1 & 1)], d = t->letter[2 + (c & 1)];
        char two[2] = {(char)(c & 1 ? b : a), (char)(c & 1 ? d : b)};
        if (below(r, 8) == 0) continue;
        uint32_t pair = find_token(t, two, 2);
        if (pair == CRU_NONE) {
            pair = (uint32_t)t->n_ids;
            add_token(t, (unsigned char)two[0], (unsigned char)two[1]);
        }
        if (c & 1)
            add_token(t, a, pair);
        else
            add_token(t, pair, d);
    }
}

static void toy_make_of(struct toy *t, enum order order, bool three, struct cru_random *r) {
    memset(t, 0, sizeof *t);
    t->letters = three ? THREE_LETTERS : 1 + (unsigned)below(r, 4);
    memcpy(t->letter, three ? "\xE4\xE5\x80\x81" : "abcd", THREE_LETTERS);
    for (uint32_t b = 0; b < 256; b++) {
        t->byte_ids[b] = b;
        t->text[b] = (char)b;
        t->offsets[b + 1] = b + 1;
    }
    t->n_ids = 256;
    if (three) {
        t->chosen = 1 << below(r, 6);
        add_chars(t, r);
    }
    add_tokens(t, 1 + t->n_ids - 256 + below(r, TOKENS - (t->n_ids - 256)), r);
    if (order == ALL_SPLITS || order == SHUFFLED) add_all_splits(t);
    if (order == SHUFFLED)
        for (size_t i = t->n_merges; i > 1; i--) swap_rows(t, i - 1, below(r, i));
    if (order == SOME_SWAPS)
        for (size_t i = 0; i < 3; i++) swap_rows(t, below(r, t->n_merges), below(r, t->n_merges));
    memset(t->byte_pair, 0xFF, sizeof t->byte_pair);
    memset(t->pairs, 0xFF, sizeof t->pairs);
    for (uint32_t i = 0; i < t->n_merges; i++) {
        const struct cru_merge_row *row = &t->rows[i];
        cru_pairs_add(t->pairs, PAIR_BITS, cru_pair(row->left, row->right), i);
        t->merged[i] = row->made;
        if (row->left < 256 && row->right < 256) t->byte_pair[row->left << 8 | row->right] = i;
    }
    t->bpe = (struct cru_bpe){
        .merges = {t->byte_ids, t->byte_pair, t->merged, t->pairs, PAIR_BITS, 0},
        .nodes = t->nodes, .chars = t->chars, .halves = t->halves, .roots = t->roots, .offsets = t->offsets, .text = t->text};
    struct cru_error err;
    size_t n_units;
    assert_int_equal(cru_bpe_make_nodes(&t->bpe, t->nodes, t->n_ids, t->rows, t->n_merges, &err),
                     CRU_OK);
    assert_int_equal(cru_bpe_make_chars(&t->bpe, t->rows, t->n_merges, t->chars, t->halves, &err), CRU_OK);
    assert_int_equal(cru_bpe_make_trie(&t->bpe, t->nodes, t->n_ids, t->roots, &t->units, &n_units,
                                       &err),
                     CRU_OK);
    t->bpe.units = t->units;
    assert_true(cru_bpe_scratch_init(&t->scratch, &t->bpe));
}

static void toy_make(struct toy *t, enum order order, struct cru_random *r) {
    toy_make_of(t, order, false, r);
}

static void toy_release(struct toy *t) {
    free(t->units);
    cru_bpe_scratch_release(&t->scratch);
}

/* The definition; tokenizer_merge_test has its own proof. */
static size_t merge(const struct toy *t, struct cru_merge_scratch *scratch, const unsigned char *p,
                    size_t n, uint32_t *out) {
    if (n <= CRU_SHORT_PIECE) return cru_merge_short(&t->bpe.merges, p, n, out);
    assert_true(cru_merge_long(&t->bpe.merges, scratch, p, n, out, &n));
    return n;
}

static void same_ids(const uint32_t *a, size_t na, const uint32_t *b, size_t nb) {
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na * sizeof *a);
}

/* Random letters; or one stretch again and again, with now and then a letter exchanged. */
static void make_text(const struct toy *t, unsigned char *p, size_t n, struct cru_random *r) {
    size_t period = below(r, 3) ? n : 1 + below(r, 12);
    for (size_t i = 0; i < n; i++)
        p[i] = i < period ? t->letter[below(r, t->letters)] : p[i - period];
    if (period < n && below(r, 2)) p[below(r, n)] = t->letter[below(r, t->letters)];
}

/* Pieces to be encoded at once, and what they are to become. */
struct tasks {
    size_t n;
    struct cru_bpe_task task[CRU_BATCH_TASKS];
    unsigned char text[CRU_BATCH_TASKS][TASK_BYTES];
    uint32_t got[CRU_BATCH_TASKS][TASK_BYTES], want[CRU_BATCH_TASKS][TASK_BYTES];
    size_t wanted[CRU_BATCH_TASKS];
};

static void add_task(struct tasks *b, const unsigned char *p, size_t n) {
    assert_in_range(n, 1, TASK_BYTES);
    memcpy(b->text[b->n], p, n);
    b->task[b->n] = (struct cru_bpe_task){.p = b->text[b->n], .n = n, .out = b->got[b->n]};
    b->n++;
}

/* By every version that this machine has. */
static void batch_equals_merging(const struct toy *t, struct cru_bpe_scratch *scratch, struct tasks *b) {
    const struct cru_mask_kernels *kernels = cru_mask_kernels_of(CRU_MASKS_AVX2);
    for (int avx2 = 0; avx2 < (kernels ? 2 : 1); avx2++) {
        cru_bpe_batch_for(avx2)(&t->bpe, scratch, b->task, b->n);
        for (size_t i = 0; i < b->n; i++) {
            same_ids(b->got[i], b->task[i].made, b->want[i], b->wanted[i]);
            memset(b->got[i], 0, sizeof b->got[i]);
        }
    }
    b->n = 0;
}

static void equals_merging(void **state) {
    (void)state;
    static struct toy t;
    struct cru_random r = {2026};
    struct cru_merge_scratch scratch = {0};
    uint64_t cases = 0, merged = 0, irregular = 0, batched = 0;
    static struct tasks batch;
    for (int vocabulary = 0; vocabulary < 1200; vocabulary++) {
        toy_make(&t, vocabulary % ORDERS, &r);
        irregular += t.bpe.irregular;
        for (int text = 0; text < 1000; text++) {
            unsigned char p[LONG];
            uint32_t want[LONG], got[LONG];
            size_t n = 1 + (text < 980 ? below(&r, 24) : text < 990 ? below(&r, 80) : below(&r, LONG));
            make_text(&t, p, n, &r);
            size_t wanted = merge(&t, &scratch, p, n, want), stopped;
            if (n <= TASK_BYTES) {
                memcpy(batch.want[batch.n], want, wanted * sizeof *want);
                batch.wanted[batch.n] = wanted;
                add_task(&batch, p, n);
                batched++;
            }
            if (batch.n == 1 + (size_t)vocabulary % CRU_BATCH_TASKS)
                batch_equals_merging(&t, &t.scratch, &batch);
            same_ids(got, cru_bpe_search(&t.bpe, &t.scratch, CRU_NONE, p, n, true, got, &stopped),
                     want, wanted);
            assert_int_equal(stopped, n);
            merged += n - wanted;
            cases++;
        }
        batch_equals_merging(&t, &t.scratch, &batch);
        toy_release(&t);
    }
    assert_true(cases == 1200000 && merged > cases && batched > 1100000);
    assert_in_range(irregular, 100, 1100);
    cru_merge_scratch_release(&scratch);
}

/* The same of characters of three bytes, with vocabularies whose tokens may hold parts of them. Whether ranks
 * are constants behind ids is by chance; half of the time they are not. */
static void characters_equal_merging(void **state) {
    (void)state;
    enum { MOST = TASK_BYTES / 3 };
    static struct toy t;
    static struct tasks batch;
    static struct cru_rounds_piece piece;
    struct cru_random r = {33};
    struct cru_merge_scratch scratch = {0};
    uint64_t cases = 0, by_chars = 0, joined = 0, refused = 0, constant = 0;
    for (int vocabulary = 0; vocabulary < 2000; vocabulary++) {
        toy_make_of(&t, vocabulary % ORDERS, true, &r);
        bool same = true;
        for (uint32_t i = 0; i < t.n_merges; i++) same &= t.merged[i] == t.merged[0] + i;
        if (same) t.bpe.merges.made_from = t.merged[0];
        constant += same;
        for (int text = 0; text < 300; text++) {
            unsigned char p[TASK_BYTES];
            size_t n = 1 + (below(&r, 8) ? below(&r, 6) : below(&r, MOST));
            for (size_t i = 0; i < n; i++) {
                p[3 * i] = t.letter[below(&r, 2)];
                p[3 * i + 1] = t.letter[2 + below(&r, 2)];
                p[3 * i + 2] = t.letter[2 + below(&r, 2)];
            }
            bool chars = cru_rounds_chars(&t.bpe, &piece, p, 3 * n);
            size_t wanted = merge(&t, &scratch, p, 3 * n, batch.want[batch.n]);
            batch.wanted[batch.n] = wanted;
            add_task(&batch, p, 3 * n);
            cases++;
            by_chars += chars;
            joined += chars && wanted < n;
            refused += !chars && n <= 2;
            if (batch.n == 1 + (size_t)vocabulary % CRU_BATCH_TASKS)
                batch_equals_merging(&t, &t.scratch, &batch);
        }
        batch_equals_merging(&t, &t.scratch, &batch);
        toy_release(&t);
    }
    assert_in_range(by_chars, cases / 20, cases);
    assert_in_range(joined, cases / 50, cases);
    assert_in_range(refused, cases / 50, cases);
    assert_in_range(constant, 100, 1900);
    cru_merge_scratch_release(&scratch);
}

/* Long pieces from overlapping parts: random ones, repeated ones, and random with a repeated end. */
static void stitches_equal_search(void **state) {
    (void)state;
    enum { MUCH = 6000 };
    static struct toy t;
    struct cru_random r = {44};
    static unsigned char p[MUCH];
    static uint32_t want[MUCH], got[MUCH];
    uint64_t tokens = 0;
    const bool avx2 = cru_mask_kernels_of(CRU_MASKS_AVX2) != NULL;
    for (int vocabulary = 0; vocabulary < 800; vocabulary++) {
        toy_make_of(&t, vocabulary % ORDERS, vocabulary % 5 == 0, &r);
        for (int text = 0; text < 12; text++) {
            size_t n = CRU_STITCH_LEAST + below(&r, text % 4 ? 500 : MUCH - CRU_STITCH_LEAST), random = n;
            if (text % 3 == 0) random = below(&r, n);
            for (size_t i = 0; i < random; i++) p[i] = t.letter[below(&r, t.letters)];
            if (random < n) make_text(&t, p + random, n - random, &r);
            size_t wanted = cru_bpe_piece(&t.bpe, &t.scratch, p, n, want);
            same_ids(got, cru_bpe_stitch(&t.bpe, &t.scratch, cru_bpe_batch_for(avx2 && text % 2), p, n, got), want, wanted);
            tokens += wanted;
        }
        toy_release(&t);
    }
    assert_true(tokens > 1000000);
}

/* Each token's node, and each border between two, by merging. */
static void nodes_and_borders(void **state) {
    (void)state;
    static struct toy t;
    struct cru_random r = {7};
    struct cru_merge_scratch scratch = {0};
    size_t yes = 0, no = 0, unmade = 0;
    for (int vocabulary = 0; vocabulary < 400; vocabulary++) {
        toy_make(&t, vocabulary % ORDERS, &r);
        const unsigned char *text = (const unsigned char *)t.text;
        for (uint32_t a = 'a'; a < t.n_ids; a = a == 'a' + t.letters - 1 ? 256 : a + 1) {
            uint32_t ids[2 * TOY_BYTES];
            size_t na = t.offsets[a + 1] - t.offsets[a];
            size_t made = merge(&t, &scratch, text + t.offsets[a], na, ids);
            assert_int_equal(t.nodes[a].bytes, made == 1 ? na : 0);
            unmade += made > 1;
            if (made > 1) continue;
            for (uint32_t b = 'a'; b < t.n_ids; b = b == 'a' + t.letters - 1 ? 256 : b + 1) {
                unsigned char both[2 * TOY_BYTES];
                size_t nb = t.offsets[b + 1] - t.offsets[b];
                if (!t.nodes[b].bytes) continue;
                memcpy(both, text + t.offsets[a], na);
                memcpy(both + na, text + t.offsets[b], nb);
                made = merge(&t, &scratch, both, na + nb, ids);
                bool want = made == 2 && ids[0] == a && ids[1] == b;
                assert_int_equal(cru_bpe_border(&t.bpe, &t.scratch, a, b, CRU_NONE) != CRU_BORDER_NO, want);
                want ? yes++ : no++;
            }
        }
        toy_release(&t);
    }
    assert_true(yes > 10000 && no > 10000 && unmade > 100);
    cru_merge_scratch_release(&scratch);
}

/* Numbers that no vocabulary has, all within what loading checks: any answer, but an answer. */
static void damaged_tables_end(void **state) {
    (void)state;
    static struct toy t;
    struct cru_random r = {3};
    static struct tasks batch;
    for (int vocabulary = 0; vocabulary < 300; vocabulary++) {
        toy_make_of(&t, vocabulary % ORDERS, vocabulary % 3 == 0, &r);
        for (size_t i = 0; i < 1 + below(&r, 40); i++) {
            uint32_t id = (uint32_t)(256 + below(&r, t.n_ids - 256));
            struct cru_bpe_node *node = &t.nodes[id];
            switch (below(&r, 6)) {
            case 0: node->shorter = (uint32_t)below(&r, t.n_ids); break;
            case 1: node->split = cru_pair((uint32_t)below(&r, t.n_ids), id) << CRU_RANK_BITS | 9; break;
            case 2: node->bytes = 0; break;
            case 3: t.chars[0x4000 + below(&r, 8192)] = (uint32_t)below(&r, t.n_ids); break;
            case 4: t.halves[0].before ^= cru_random_next(&r); break;
            default:
                t.roots[('a' + below(&r, 4)) << 8 | ('a' + below(&r, 4))] =
                    cru_unit(0, (uint32_t)below(&r, 256), id) | below(&r, 2048) << 53;
            }
        }
        for (int text = 0; text < 100; text++) {
            unsigned char p[LONG];
            uint32_t ids[LONG];
            size_t n = 1 + below(&r, LONG), stopped;
            make_text(&t, p, n, &r);
            size_t k = cru_bpe_search(&t.bpe, &t.scratch, CRU_NONE, p, n, true, ids, &stopped);
            assert_in_range(k, 1, n);
            assert_int_equal(stopped, n);
            if (n >= CRU_STITCH_LEAST)
                assert_in_range(cru_bpe_stitch(&t.bpe, &t.scratch, cru_bpe_batch, p, n, ids), 1, n);
            if (batch.n < CRU_BATCH_TASKS) add_task(&batch, p, 1 + n % TASK_BYTES);
        }
        cru_bpe_batch_for(vocabulary % 2 && cru_mask_kernels_of(CRU_MASKS_AVX2))(&t.bpe, &t.scratch, batch.task, batch.n);
        for (; batch.n > 0; batch.n--)
            assert_in_range(batch.task[batch.n - 1].made, 1, batch.task[batch.n - 1].n);
        toy_release(&t);
    }
}

/* A piece in random bits, through a window of a few tokens. */
static void streams_equal_pieces(void **state) {
    (void)state;
    enum { MUCH = 3000 };
    static struct toy t;
    struct cru_random r = {11};
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    static unsigned char p[MUCH];
    static uint32_t want[MUCH];
    size_t early = 0, all = 0, grown = 0;
    for (int vocabulary = 0; vocabulary < 400; vocabulary++) {
        toy_make(&t, vocabulary % ORDERS, &r);
        for (int text = 0; text < 20; text++) {
            struct cru_bpe_stream stream;
            assert_true(cru_bpe_stream_init(&stream, &t.bpe, &t.scratch));
            size_t n = 1 + below(&r, MUCH), most = 1 + below(&r, 400), window;
            make_text(&t, p, n, &r);
            size_t wanted = cru_bpe_piece(&t.bpe, &t.scratch, p, n, want);
            stream.window = window = 1 + below(&r, 9 * (size_t)t.bpe.longest);
            cru_ids_clear(&ids);
            for (size_t at = 0; at < n;) {
                size_t take = 1 + below(&r, most);
                if (take > n - at) take = n - at;
                assert_int_equal(cru_bpe_stream_feed(&stream, p + at, take, &ids, &err), CRU_OK);
                at += take;
            }
            early += ids.n;
            assert_int_equal(cru_bpe_stream_end(&stream, &ids, &err), CRU_OK);
            same_ids(ids.p, ids.n, want, wanted);
            all += ids.n;
            grown += stream.window > window;
            cru_bpe_stream_release(&stream);
        }
        toy_release(&t);
    }
assert_true(early > all / 2 && grown > 0);
    cru_ids_release(&ids);
}

/* Merges of byte i and i + 1, the last ones first: whether 0 and 1 merge hangs on all that follows. */
static void open_choices_end(void **state) {
    (void)state;
    static struct toy t;
    struct cru_random r = {5};
    toy_make(&t, AS_MADE, &r); /* for its bytes */
    toy_release(&t);
    struct cru_merge_scratch merging = {0};
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_error err;
    unsigned char p[TOKENS + 1];
    t.n_ids = 256 + TOKENS;
    t.n_merges = TOKENS;
    memset(t.nodes, 0, sizeof t.nodes);
    memset(t.byte_pair, 0xFF, sizeof t.byte_pair);
    memset(t.pairs, 0xFF, sizeof t.pairs);
    for (uint32_t i = 0; i < TOKENS; i++) {
        uint32_t left = TOKENS - 1 - i, made = 256 + i;
        t.rows[i] = (struct cru_merge_row){left, left + 1, made};
        t.offsets[made + 1] = t.offsets[made] + 2;
        t.text[t.offsets[made]] = (char)left;
        t.text[t.offsets[made] + 1] = (char)(left + 1);
        t.byte_pair[left << 8 | (left + 1)] = i;
        t.merged[i] = made;
        cru_pairs_add(t.pairs, PAIR_BITS, cru_pair(left, left + 1), i);
    }
    for (uint32_t i = 0; i <= TOKENS; i++) p[i] = (unsigned char)i;
    size_t n_units;
    assert_int_equal(cru_bpe_make_nodes(&t.bpe, t.nodes, t.n_ids, t.rows, t.n_merges, &err), CRU_OK);
    assert_int_equal(cru_bpe_make_trie(&t.bpe, t.nodes, t.n_ids, t.roots, &t.units, &n_units, &err),
                     CRU_OK);
    t.bpe.units = t.units;
    assert_true(cru_bpe_scratch_init(&t.scratch, &t.bpe));
    for (size_t n = TOKENS; n <= TOKENS + 1; n++) { /* an odd number leaves the first byte alone */
        uint32_t want[TOKENS + 1];
        struct cru_bpe_stream stream;
        assert_true(cru_bpe_stream_init(&stream, &t.bpe, &t.scratch));
        stream.window = 10;
        cru_ids_clear(&ids);
        assert_int_equal(cru_bpe_stream_feed(&stream, p, n, &ids, &err), CRU_OK);
        assert_int_equal(ids.n, 0);
        assert_int_equal(cru_bpe_stream_end(&stream, &ids, &err), CRU_OK);
        size_t made = merge(&t, &merging, p, n, want);
        same_ids(ids.p, ids.n, want, made);
        cru_bpe_stream_release(&stream);
    }
    struct cru_bpe_stream stream;
    assert_true(cru_bpe_stream_init(&stream, &t.bpe, &t.scratch));
    stream.window = 10;
    stream.most = 40;
    assert_int_equal(cru_bpe_stream_feed(&stream, p, TOKENS, &ids, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "hangs on what follows"));
    cru_bpe_stream_release(&stream);
    cru_merge_scratch_release(&merging);
    cru_ids_release(&ids);
    toy_release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_merging),
        cmocka_unit_test(characters_equal_merging),
        cmocka_unit_test(stitches_equal_search),
        cmocka_unit_test(nodes_and_borders),
        cmocka_unit_test(damaged_tables_end),
        cmocka_unit_test(streams_equal_pieces),
        cmocka_unit_test(open_choices_end),
    };
    return cmocka_run_group_tests_name("tokenizer backtrack", tests, NULL, NULL);
}

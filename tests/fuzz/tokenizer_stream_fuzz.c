/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as text in chunks, whose lengths are the first bytes: the ids of the whole, for every pattern with
 * a scanner, and with a machine for enormous pieces that takes words for some. */
#include "crucible/base/base.h"
#include "tokenizer/encoder.h"
#include "tokenizer/piece_stream.h"
#include "tokenizer/vocab_compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { PATTERNS = 4 };

static struct cru_tokenizer *make_tokenizer(uint32_t pattern) {
    static const char *const parts[][2] = {{"a", "a"},  {"aa", "aa"},     {" ", "t"},  {" ", " "},
                                           {" t", "h"}, {"\xE4", "\xB8"}, {"\n", "\n"}, {"A", "a"}};
    static const struct {
        const char *content;
        uint32_t flags;
    } added[] = {{"<a>", 0},
                 {"<a>b", 0},
                 {"<l>", CRU_ADDED_LSTRIP},
                 {"<r>", CRU_ADDED_RSTRIP},
                 {"<n>", CRU_ADDED_NORMALIZED | CRU_ADDED_LSTRIP}};
    enum { PARTS = sizeof parts / sizeof *parts, ADDED = sizeof added / sizeof *added };
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    struct cru_vocab_bytes image = {NULL, 0};
    struct cru_tokenizer *t = NULL;
    struct cru_error err;
    bool good = d != NULL;
    for (uint32_t b = 0; good && b < 256; b++)
        good = !cru_vocab_draft_token(d, b, cru_span_make(&(char){(char)b}, 1), &err);
    for (uint32_t i = 0; good && i < PARTS; i++) {
        char joined[8];
        int m = snprintf(joined, sizeof joined, "%s%s", parts[i][0], parts[i][1]);
        good = !cru_vocab_draft_token(d, 256 + i, cru_span_make(joined, (size_t)m), &err) &&
               !cru_vocab_draft_merge(d, cru_span_of(parts[i][0]), cru_span_of(parts[i][1]), &err);
    }
    for (uint32_t i = 0; good && i < ADDED; i++)
        good = !cru_vocab_draft_added(d, 256 + PARTS + i, cru_span_of(added[i].content),
                                      added[i].flags, &err);
    if (good) {
        cru_vocab_draft_rules(d, pattern, 3, CRU_VOCAB_NFC);
        if (!cru_vocab_draft_compile(d, "fuzz", &image, &err))
            (void)cru_tokenizer_from_image(image.p, image.n, &t, &err);
    }
    cru_vocab_draft_free(d);
    return t; /* kept, with its image, for the life of the process */
}

static void check_same(const struct cru_ids *a, const struct cru_ids *b) {
    if (a->n != b->n || (a->n && memcmp(a->p, b->p, a->n * sizeof *a->p))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static struct cru_encoder *encoders[PATTERNS];
    static struct cru_encode_stream *streams[PATTERNS];
    static struct cru_piece_stream pieces[PATTERNS];
    static struct cru_ids whole, chunks;
    enum { LENGTHS = 4 };
    struct cru_error err;
    if (!encoders[0])
        for (uint32_t k = 0; k < PATTERNS; k++) {
            struct cru_tokenizer *t = make_tokenizer(CRU_PATTERN_QWEN2 + k);
            if (!t || !(encoders[k] = cru_encoder_new(t))) abort();
            if (!(streams[k] = cru_encode_stream_new(encoders[k]))) abort();
            if (!cru_piece_stream_init(&pieces[k], &encoders[k]->pieces)) abort();
            pieces[k].held = 16;
            pieces[k].most_part = 8;
        }
    if (n < LENGTHS) return 0;
    struct cru_span text = cru_span_make((const char *)data + LENGTHS, n - LENGTHS);
    for (size_t k = 0; k < PATTERNS; k++) {
        cru_ids_clear(&whole);
        cru_ids_clear(&chunks);
        enum cru_special special = data[0] & 1 ? CRU_SPECIAL_RECOGNISE : CRU_SPECIAL_TEXT;
        if (cru_encode(encoders[k], text, special, &whole, &err)) abort();
        if (cru_encode_stream_begin(streams[k], special, &err)) abort();
        struct cru_span rest = text;
        for (size_t i = 0; rest.n; i++) {
            size_t some = data[i % LENGTHS] % 64u + 1;
            if (some > rest.n) some = rest.n;
            if (cru_encode_stream_feed(streams[k], cru_span_make(rest.p, some), &chunks, &err)) abort();
            rest = cru_span_make(rest.p + some, rest.n - some);
        }
        if (cru_encode_stream_end(streams[k], &chunks, &err)) abort();
        check_same(&whole, &chunks);

        if (!text.n || !cru_text_is_utf8(text.p, text.n)) continue;
        if (!cru_ids_room(&whole, text.n + CRU_IDS_SLACK)) abort();
        whole.n = (size_t)(cru_encode_pieces(&encoders[k]->pieces, text, whole.p) - whole.p);
        cru_ids_clear(&chunks);
        rest = text;
        for (size_t i = 0; rest.n; i++) {
            size_t some = cru_whole_characters(rest, data[i % LENGTHS] % 64u + 4);
            if (cru_piece_stream_feed(&pieces[k], cru_span_make(rest.p, some), &chunks, &err)) abort();
            rest = cru_span_make(rest.p + some, rest.n - some);
        }
        if (cru_piece_stream_end(&pieces[k], &chunks, &err)) abort();
        check_same(&whole, &chunks);
    }
    return 0;
}

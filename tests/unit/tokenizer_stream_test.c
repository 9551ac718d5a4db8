/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in chunks against texts as a whole: every pattern that has a scanner, with a vocabulary of random
 * merges and added tokens of every kind; pieces of hundreds of KiB; memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/utf8_repair.h"
#include "tokenizer/encoder.h"
#include "tokenizer/piece_end.h"
#include "tokenizer/piece_stream.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_compile.h"

enum { MERGES = 600, KINDS = 7 };

static const struct kind {
    uint32_t pattern, digits, flags;
} kinds[KINDS] = {
    {CRU_PATTERN_QWEN2, 1, CRU_VOCAB_NFC},
    {CRU_PATTERN_QWEN2, 3, CRU_VOCAB_IGNORE_MERGES},
    {CRU_PATTERN_QWEN2, 3, CRU_VOCAB_NFC},
    {CRU_PATTERN_GPT2, 0, 0},
    {CRU_PATTERN_O200K, 3, CRU_VOCAB_NFC},
    {CRU_PATTERN_TEKKEN, 1, 0},
    {CRU_PATTERN_STEPS, 0, CRU_VOCAB_NFC},
};

static const struct {
    const char *content;
    uint32_t flags;
} added[] = {
    {"<|a|>", 0},
    {"<|a|>b", 0},
    {"<|", 0},
    {"<e\xCC\x81>", 0},
    {"<l>", CRU_ADDED_LSTRIP},
    {"<r>", CRU_ADDED_RSTRIP},
    {"<lr>", CRU_ADDED_LSTRIP | CRU_ADDED_RSTRIP},
    {"  w", 0},
    {"\xE4\xB8\xAD\xE4\xB8\xAD", 0},
    {"<n>", CRU_ADDED_NORMALIZED},
    {"\xC3\xA9>", CRU_ADDED_NORMALIZED},
    {"<nl>", CRU_ADDED_NORMALIZED | CRU_ADDED_LSTRIP | CRU_ADDED_RSTRIP},
};

/* What strings are made of: of each some, so that runs and borders of every kind come up. */
static const char *const atoms[] = {
    "a",   "b",   "ab",  "A",    "B",    "'s",  "'re", "'LL", "'",  "'\xC5\xBF", "1",  "23",
    " ",   " ",   "  ",  "\t",   "\n",   "\r",  "\n\n", " \n", "/", "!",          "-?", ".",
    "\xC2\xA0", "\xE3\x80\x80", "\xE2\x80\xA8",              /* blanks beyond ASCII */
    "\xE4\xB8\xAD", "\xE6\x96\x87", "\xE5\xAD\x97", "\xC7\x85", "\xCA\xB0", /* Lo, Lt, Lm */
    "\xCC\x81", "\xCC\xA3", "\xCC\x88", "\xCD\x84", "e", "\xC3\xA9", "\xEF\xA4\x80", "\xE2\x84\xAB",
    "\xE1\x84\x80", "\xE1\x85\xA1", "\xE1\x86\xA8", "\xEA\xB0\x80", "\xE0\xA7\x87", "\xE0\xA6\xBE",
    "\xE0\xA5\x98", "\xF0\x9F\x98\x80", "\xE2\x80\x8D", "\xF0\x96\xB5\xA7", "\xF0\x9D\x85\x97",
    "\xC2\xB2", "\xD9\xA1", "<|a|>", "<|a|>b", "<|a", "<e\xCC\x81>", "<l>", "<r>", "<lr>", "  w",
    "<n>", "<nl>", "\xC3\xA9>", "e\xCC\x81>",
    "\xE4\xB8", "\xF0\x9F\x98", "\x80", "\xFF", "\xED\xA0\x80", "\xC0\xAF", "\xF4\x90", /* not UTF-8 */
};
enum { ATOMS = sizeof atoms / sizeof *atoms, VALID_ATOMS = ATOMS - 7 };

static struct cru_vocab_bytes images[KINDS];
static struct cru_tokenizer *tokenizers[KINDS];
static struct cru_encoder *encoders[KINDS];

static size_t below(struct cru_random *r, size_t n) { return (size_t)(cru_random_next(r) % n); }

/* Bytes, merges of two tokens picked at random, and the added tokens. */
static void make_tokenizer(size_t k) {
    static struct cru_span tokens[256 + MERGES];
    static char bytes[(256 + MERGES) * 16];
    struct cru_random r = {k + 1};
    struct cru_error err;
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    assert_non_null(d);
    size_t n = 0, at = 0;
    for (; n < 256; n++) {
        bytes[at] = (char)n;
        tokens[n] = cru_span_make(bytes + at++, 1);
        assert_int_equal(cru_vocab_draft_token(d, (uint32_t)n, tokens[n], &err), CRU_OK);
    }
    static const unsigned char likely[] = "aabbeAB  \n\r\t123!/.'srel\xCC\x81\xCC\xA3\xE4\xB8\xAD\xE6\x96\x87";
    while (n < 256 + MERGES) {
        struct cru_span part[2];
        for (int i = 0; i < 2; i++)
            part[i] = tokens[n > 256 && below(&r, 2) ? 256 + below(&r, n - 256)
                                                     : likely[below(&r, sizeof likely - 1)]];
        if (part[0].n + part[1].n > 12) continue;
        memcpy(bytes + at, part[0].p, part[0].n);
        memcpy(bytes + at + part[0].n, part[1].p, part[1].n);
        tokens[n] = cru_span_make(bytes + at, part[0].n + part[1].n);
        if (cru_vocab_draft_token(d, (uint32_t)n, tokens[n], &err)) continue; /* known */
        assert_int_equal(cru_vocab_draft_merge(d, part[0], part[1], &err), CRU_OK);
        at += tokens[n++].n;
    }
    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        assert_int_equal(cru_vocab_draft_added(d, (uint32_t)(n + i), cru_span_of(added[i].content),
                                               added[i].flags, &err),
                         CRU_OK);
    cru_vocab_draft_rules(d, kinds[k].pattern, kinds[k].digits, kinds[k].flags);
    if (kinds[k].pattern == CRU_PATTERN_STEPS) {
        struct cru_buffer steps;
        cru_buffer_init(&steps);
        cru_split_step_add(&steps, CRU_STEP_REGEX, CRU_SPLIT_ISOLATED, 0, CRU_SPAN("\\s+|\\S+"));
        assert_int_equal(cru_vocab_draft_steps(d, cru_buffer_span(&steps), &err), CRU_OK);
        cru_buffer_release(&steps);
    }
    enum cru_status status = cru_vocab_draft_compile(d, "toy", &images[k], &err);
    if (status) print_error("%s\n", err.message);
    assert_int_equal(status, CRU_OK);
    assert_int_equal(cru_tokenizer_from_image(images[k].p, images[k].n, &tokenizers[k], &err), CRU_OK);
    cru_vocab_draft_free(d);
    encoders[k] = cru_encoder_new(tokenizers[k]);
    assert_non_null(encoders[k]);
}

static void make_text(struct cru_random *r, size_t most, size_t n_atoms, struct cru_buffer *out) {
    size_t length = 1 + below(r, most), few[4];
    cru_buffer_clear(out);
    for (size_t i = 0; i < 4; i++) few[i] = below(r, n_atoms);
    for (size_t i = 0; i < length; i++) {
        const char *atom = atoms[below(r, 8) ? few[below(r, 4)] : below(r, n_atoms)];
        size_t times = below(r, 16) ? 1 : 1 + below(r, 40);
        while (times--) cru_buffer_add_string(out, atom);
    }
}

static void assert_same_ids(const struct cru_ids *got, const struct cru_ids *want) {
    assert_int_equal(got->n, want->n);
    if (want->n) assert_memory_equal(got->p, want->p, want->n * sizeof *want->p);
}

/* Feeds the text in chunks of 1 to `most` bytes, or, with most 0, in two, cut at `cut`. */
static void stream_text(struct cru_encode_stream *stream, struct cru_span text,
                        enum cru_special special, size_t most, size_t cut, struct cru_random *r,
                        struct cru_ids *ids) {
    struct cru_error err;
    cru_ids_clear(ids);
    assert_int_equal(cru_encode_stream_begin(stream, special, &err), CRU_OK);
    for (size_t at = 0; at < text.n;) {
        size_t n = most ? 1 + below(r, most) : at < cut ? cut - at : text.n - at;
        if (n > text.n - at) n = text.n - at;
        char *chunk = malloc(n); /* of its own, so that a look beyond it is seen */
        assert_non_null(chunk);
        memcpy(chunk, text.p + at, n);
        assert_int_equal(cru_encode_stream_feed(stream, cru_span_make(chunk, n), ids, &err), CRU_OK);
        free(chunk);
        at += n;
    }
    assert_int_equal(cru_encode_stream_end(stream, ids, &err), CRU_OK);
}

static void short_texts_at_every_cut(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_buffer text;
    struct cru_ids want = {NULL, 0, 0}, got = {NULL, 0, 0};
    cru_buffer_init(&text);
    for (size_t k = 0; k + 1 < KINDS; k++) {
        struct cru_random r = {k + 100};
        struct cru_encode_stream *stream = cru_encode_stream_new(encoders[k]);
        assert_non_null(stream);
        for (int i = 0; i < 1200; i++) {
            enum cru_special special = i % 4 ? CRU_SPECIAL_RECOGNISE : CRU_SPECIAL_TEXT;
            make_text(&r, i % 2 ? 8 : 60, ATOMS, &text);
            struct cru_span all = cru_buffer_span(&text);
            cru_ids_clear(&want);
            uint64_t repairs = cru_encoder_repairs(encoders[k]);
            assert_int_equal(cru_encode(encoders[k], all, special, &want, &err), CRU_OK);
            repairs = cru_encoder_repairs(encoders[k]) - repairs;
            for (size_t cut = 0; i % 2 && cut <= all.n && cut < 200; cut++) {
                stream_text(stream, all, special, 0, cut, &r, &got);
                assert_same_ids(&got, &want);
            }
            uint64_t before = cru_encoder_repairs(encoders[k]);
            stream_text(stream, all, special, i % 3 ? 1 + below(&r, 30) : 1, 0, &r, &got);
            assert_same_ids(&got, &want);
            assert_int_equal(cru_encoder_repairs(encoders[k]) - before, repairs);
        }
        cru_encode_stream_free(stream);
    }
    cru_ids_release(&want);
    cru_ids_release(&got);
    cru_buffer_release(&text);
}

/* The machine for enormous pieces, made to take anything beyond 16 bytes for one. */
static void every_piece_followed(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_buffer text;
    struct cru_ids want = {NULL, 0, 0}, got = {NULL, 0, 0};
    cru_buffer_init(&text);
    for (size_t k = 0; k + 1 < KINDS; k++) {
        struct cru_random r = {k + 200};
        struct cru_piece_stream stream = {0};
        for (int i = 0; i < 12000; i++) {
            if (i % 100 == 0) {
                cru_piece_stream_release(&stream);
                assert_true(cru_piece_stream_init(&stream, &encoders[k]->pieces));
                stream.merges.window = 16 + below(&r, 200);
            }
            make_text(&r, 40, VALID_ATOMS, &text);
            struct cru_span rest = cru_buffer_span(&text);
            stream.held = 16 + below(&r, 24);
            bool parts = !(kinds[k].flags & CRU_VOCAB_IGNORE_MERGES);
            stream.most_part = parts ? 8 + below(&r, 60) : CRU_PIECE_PART;
            assert_true(cru_ids_room(&want, rest.n + CRU_IDS_SLACK));
            want.n = (size_t)(cru_encode_pieces(&encoders[k]->pieces, rest, want.p) - want.p);
            cru_ids_clear(&got);
            for (size_t most = 4 + below(&r, 100); rest.n > 0;) {
                size_t n = cru_whole_characters(rest, 4 + below(&r, most));
                struct cru_span chunk = cru_span_make(rest.p, n);
                assert_int_equal(cru_piece_stream_feed(&stream, chunk, &got, &err), CRU_OK);
                rest = cru_span_make(rest.p + n, rest.n - n);
            }
            assert_int_equal(cru_piece_stream_end(&stream, &got, &err), CRU_OK);
            assert_same_ids(&got, &want);
        }
        cru_piece_stream_release(&stream);
    }
    cru_ids_release(&want);
    cru_ids_release(&got);
    cru_buffer_release(&text);
}

/* The definition, step by step and each over the whole text; added tokens are text. */
static void encode_slowly(size_t k, struct cru_span text, struct cru_ids *ids) {
    const struct cru_tokenizer *t = tokenizers[k];
    struct cru_buffer repaired;
    struct cru_normaliser normaliser;
    struct cru_bpe_scratch scratch;
    struct cru_error err;
    cru_buffer_init(&repaired);
    cru_normaliser_init(&normaliser);
    assert_true(cru_bpe_scratch_init(&scratch, &t->bpe));
    (void)cru_utf8_repair(text, &repaired);
    text = cru_buffer_span(&repaired);
    if (kinds[k].flags & CRU_VOCAB_NFC)
        assert_int_equal(cru_normalise(&normaliser, &t->classes, text, &text, &err), CRU_OK);
    const unsigned char *p = (const unsigned char *)text.p, *end = p + text.n, *q;
    cru_ids_clear(ids);
    assert_true(cru_ids_room(ids, text.n));
    for (; p < end; p = q) {
        size_t n = (size_t)((q = cru_piece_end(&t->classes, kinds[k].pattern, kinds[k].digits, p, end)) - p);
        uint32_t word = kinds[k].flags & CRU_VOCAB_IGNORE_MERGES
                            ? cru_vocab_word(t, p, n, cru_piece_hash(p, n))
                            : CRU_NO_TOKEN;
        if (word != CRU_NO_TOKEN)
            ids->p[ids->n++] = word;
        else
            ids->n += cru_bpe_piece(&t->bpe, &scratch, p, n, ids->p + ids->n);
    }
    cru_bpe_scratch_release(&scratch);
    cru_normaliser_release(&normaliser);
    cru_buffer_release(&repaired);
}

/* A piece of `bytes` bytes made of the atom, between a little text. */
static void make_long(const char *atom, size_t bytes, struct cru_buffer *out) {
    cru_buffer_clear(out);
    cru_buffer_add_string(out, "it's a\n");
    while (out->n < bytes) cru_buffer_add_string(out, atom);
}

static const char *const longs[] = {
    "a", "A", " ", " \n", "\n", "\t ", "1", "12a", "!", "!\n", "\n/", "\xE4\xB8\xAD", "\xE4\xB8\xAD\xE6\x96\x87",
    "\xCC\x81", "\xCC\x81\xCC\xA3", "e\xCC\xA3\xCC\x81", "\xE1\x86\xA8", "\xE1\x84\x80\xE1\x85\xA1", "\xEF\xA4\x80",
    "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xCC\x81", "ab", "'s", "\xFF", "\xE3\x80\x80", "!a",
};
static const char *const ends[] = {"", "b", "!", "1", "\n", "/", "'re x", "  ", "  x", "B\xE4\xB8\xAD" "c", "\xCC\x81"};

static void long_pieces(void **state) {
    (void)state;
    enum { SMALL = 200 << 10, LARGE = CRU_ENCODE_WHOLE + (100 << 10) };
    struct cru_error err;
    struct cru_buffer text;
    struct cru_ids want = {NULL, 0, 0}, got = {NULL, 0, 0};
    cru_buffer_init(&text);
    struct cru_random r = {3};
    for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
        for (size_t k = 0; k + 1 < KINDS; k++) {
            make_long(longs[i], SMALL, &text);
            cru_buffer_add_string(&text, ends[below(&r, sizeof ends / sizeof *ends)]);
            if (below(&r, 2)) /* a second run, of another kind, behind the first */
                for (size_t n = 0; n < 40000; n++)
                    cru_buffer_add_string(&text, longs[(i + k + 1) % (sizeof longs / sizeof *longs)]);
            cru_buffer_add_string(&text, ends[below(&r, sizeof ends / sizeof *ends)]);
            encode_slowly(k, cru_buffer_span(&text), &want);
            struct cru_encode_stream *stream = cru_encode_stream_new(encoders[k]);
            assert_non_null(stream);
            stream_text(stream, cru_buffer_span(&text), CRU_SPECIAL_TEXT, 1 + below(&r, 100000), 0, &r, &got);
            assert_same_ids(&got, &want);
            cru_encode_stream_free(stream);
        }
    for (size_t i = 0; i < 6; i++) { /* cru_encode's own slices, as a bad byte makes it; and as a whole */
        size_t k = below(&r, KINDS - 1);
        make_long(longs[below(&r, 13)], LARGE, &text);
        if (i % 3) cru_buffer_add_string(&text, "\xFF");
        cru_buffer_add_string(&text, ends[below(&r, sizeof ends / sizeof *ends)]);
        encode_slowly(k, cru_buffer_span(&text), &want);
        cru_ids_clear(&got);
        assert_int_equal(cru_encode(encoders[k], cru_buffer_span(&text), CRU_SPECIAL_TEXT, &got, &err), CRU_OK);
        assert_same_ids(&got, &want);
        uint64_t count;
        assert_int_equal(
            cru_encode_count(encoders[k], cru_buffer_span(&text), CRU_SPECIAL_TEXT, &count, &err), CRU_OK);
        assert_int_equal(count, want.n);
    }
    cru_ids_release(&want);
    cru_ids_release(&got);
    cru_buffer_release(&text);
}

/* A large text that is UTF-8 and NFC is not asked again between its added tokens; the next text is. */
static void large_clean_texts(void **state) {
    (void)state;
    static const char *const clean[] = {
        "a", "B ", "ab", "<|a|>", "<|a|>b", "<n>", "<l>", " <lr> ", "<nl>", "  w", "\n", "1", "'s", "\xC3\xA9>",
        "\xE4\xB8\xAD", "\xE4\xB8\xAD\xE4\xB8\xAD", "\xD9\x91", "n\xD9\x8B\xD9\x91", /* marks in order */
    };
    struct cru_error err;
    struct cru_buffer text;
    struct cru_normaliser normaliser;
    struct cru_ids want = {NULL, 0, 0}, got = {NULL, 0, 0};
    struct cru_random r = {11};
    cru_buffer_init(&text);
    cru_normaliser_init(&normaliser);
    for (size_t k = 0; k + 1 < KINDS; k++) {
        cru_buffer_clear(&text);
        while (text.n <= CRU_ENCODE_WHOLE)
            cru_buffer_add_string(&text, clean[below(&r, sizeof clean / sizeof *clean)]);
        struct cru_span all = cru_buffer_span(&text);
        assert_true(cru_is_normal(&normaliser, &tokenizers[k]->classes, all));
        struct cru_encode_stream *stream = cru_encode_stream_new(encoders[k]);
        assert_non_null(stream);
        stream_text(stream, all, CRU_SPECIAL_RECOGNISE, 100000, 0, &r, &want);
        cru_encode_stream_free(stream);
        cru_ids_clear(&got);
        assert_int_equal(cru_encode(encoders[k], all, CRU_SPECIAL_RECOGNISE, &got, &err), CRU_OK);
        assert_same_ids(&got, &want);
        encode_slowly(k, CRU_SPAN("e\xCC\x81\xFF"), &want);
        cru_ids_clear(&got);
        assert_int_equal(cru_encode(encoders[k], CRU_SPAN("e\xCC\x81\xFF"), CRU_SPECIAL_TEXT, &got, &err),
                         CRU_OK);
        assert_same_ids(&got, &want);
    }
    cru_normaliser_release(&normaliser);
    cru_ids_release(&want);
    cru_ids_release(&got);
    cru_buffer_release(&text);
}

static void what_cannot_be_is_said(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_buffer text;
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_encode_stream *stream = cru_encode_stream_new(encoders[KINDS - 1]);
    assert_non_null(stream);
    assert_int_equal(cru_encode_stream_begin(stream, CRU_SPECIAL_TEXT, &err), CRU_USAGE);
    assert_int_equal(cru_encode_stream_feed(stream, CRU_SPAN("a"), &ids, &err), CRU_USAGE);
    cru_encode_stream_free(stream);

    /* More marks in a row than are put in order: no ids, and the encoder is as good as before. */
    cru_buffer_init(&text);
    make_long("\xCC\x81\xCC\xA3", CRU_ENCODE_WHOLE + 100, &text);
    ids.n = 0;
    assert_int_equal(cru_encode(encoders[0], cru_buffer_span(&text), CRU_SPECIAL_TEXT, &ids, &err), CRU_BAD);
    assert_int_equal(ids.n, 0);
    text.n = CRU_ENCODE_WHOLE;
    assert_int_equal(cru_encode(encoders[0], cru_buffer_span(&text), CRU_SPECIAL_TEXT, &ids, &err), CRU_OK);

    /* White space that <l> might take along. */
    make_long(" ", CRU_ENCODE_WHOLE + 100, &text);
    cru_buffer_add_string(&text, "\xFF"); /* clean text of this size need not be cut */
    assert_int_equal(cru_encode(encoders[0], cru_buffer_span(&text), CRU_SPECIAL_TEXT, &ids, &err), CRU_OK);
    assert_int_equal(cru_encode(encoders[0], cru_buffer_span(&text), CRU_SPECIAL_RECOGNISE, &ids, &err), CRU_BAD);
    cru_buffer_release(&text);
    cru_ids_release(&ids);
}

/* The most memory this process has had, in KiB, since the last call of forget_peak. */
static size_t peak_kib(void) {
    char line[200];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0) kib = strtoul(line + 6, NULL, 10);
    fclose(f);
    return kib;
}

static bool forget_peak(void) {
    FILE *f = fopen("/proc/self/clear_refs", "w");
    bool done = f && fputs("5", f) >= 0;
    return f && fclose(f) == 0 && done;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Of CRUCIBLE_STREAM_MB, or 64, MB in one piece; those of the text itself do not count. */
static void memory_is_fixed(void **state) {
    (void)state;
    const char *mb = getenv("CRUCIBLE_STREAM_MB");
    size_t n = (mb ? strtoul(mb, NULL, 10) : 64) * 1000000, chunk = 1 << 20;
    static const char *const runs[] = {"a", " ", " \n", "!", "e\xCC\xA3\xCC\x81", "\xFF", "\xE4\xB8\xAD"};
    struct cru_error err;
    struct cru_ids ids = {NULL, 0, 0};
    if (SANITIZED || !forget_peak()) skip(); /* shadow memory is counted, too; or the kernel does not count */
    size_t before = peak_kib(), together = 0;
    struct cru_encoder *e = cru_encoder_new(tokenizers[0]);
    struct cru_encode_stream *stream = cru_encode_stream_new(e);
    char *p = malloc(chunk);
    assert_true(e && stream && p);
    for (size_t i = 0; i < (mb ? 1 : sizeof runs / sizeof *runs); i++) {
        size_t length = strlen(runs[i]), whole = chunk / length * length;
        for (size_t at = 0; at < whole; at += length) memcpy(p + at, runs[i], length);
        assert_int_equal(cru_encode_stream_begin(stream, CRU_SPECIAL_TEXT, &err), CRU_OK);
        for (size_t fed = 0; fed < (i ? n / 8 : n); fed += whole) {
            assert_int_equal(cru_encode_stream_feed(stream, cru_span_make(p, whole), &ids, &err), CRU_OK);
            cru_ids_clear(&ids);
        }
        assert_int_equal(cru_encode_stream_end(stream, &ids, &err), CRU_OK);
        cru_ids_clear(&ids);
    }
    free(p);
    size_t streamed = peak_kib() - before;
    p = malloc(n);
    assert_non_null(p);
    memset(p, 'a', n);
    (void)forget_peak();
    before = peak_kib();
    uint64_t count;
    assert_int_equal(cru_encode_count(e, cru_span_make(p, n), CRU_SPECIAL_TEXT, &count, &err), CRU_OK);
    p[n / 2] = (char)0xFF; /* one bad byte, and there is no copy */
    assert_int_equal(cru_encode_count(e, cru_span_make(p, n), CRU_SPECIAL_TEXT, &count, &err), CRU_OK);
    together = peak_kib() - before;
    if (mb) print_message("streamed %zu KiB, in one call %zu KiB more\n", streamed, together);
    assert_in_range(streamed, 0, 64 << 10);
    assert_in_range(streamed + together, 0, 64 << 10);
    free(p);
    cru_ids_release(&ids);
    cru_encode_stream_free(stream);
    cru_encoder_free(e);
}

static int begin(void **state) {
    (void)state;
    for (size_t k = 0; k < KINDS; k++) make_tokenizer(k);
    return 0;
}

static int end(void **state) {
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        cru_encoder_free(encoders[k]);
        cru_tokenizer_free(tokenizers[k]);
        free(images[k].p);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_fixed),          cmocka_unit_test(short_texts_at_every_cut),
        cmocka_unit_test(every_piece_followed),     cmocka_unit_test(long_pieces),
        cmocka_unit_test(large_clean_texts),        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests_name("tokenizer stream", tests, begin, end);
}

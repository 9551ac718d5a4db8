/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as text, with a vocabulary of bytes and a few merges: ids must decode to the NFC of the
 * repaired text, be the same again from a warm cache, and the pieces must cover the text. */
#include "crucible/base/base.h"
#include "crucible/base/utf8_repair.h"
#include "tokenizer/normalise.h"
#include "tokenizer/split_steps.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* DeepSeek V3's steps, which leave every byte in some piece. */
static bool add_steps(struct cru_vocab_draft *d, struct cru_error *err) {
    struct cru_buffer steps;
    cru_buffer_init(&steps);
    cru_split_step_add(&steps, CRU_STEP_DIGITS, CRU_SPLIT_CONTIGUOUS, 0, CRU_SPAN(""));
    cru_split_step_add(&steps, CRU_STEP_REGEX, CRU_SPLIT_ISOLATED, 0,
                       CRU_SPAN("[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{30ff}]+"));
    cru_split_step_add(
        &steps, CRU_STEP_REGEX, CRU_SPLIT_ISOLATED, 0,
        CRU_SPAN("[!-/][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+"
                 "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"));
    bool good = !steps.failed && !cru_vocab_draft_steps(d, cru_buffer_span(&steps), err);
    cru_buffer_release(&steps);
    return good;
}

static struct cru_tokenizer *make_tokenizer(uint32_t pattern, uint32_t digits) {
    static const char *const parts[][2] = {{"a", "a"},  {"aa", "aa"},     {" ", "t"},
                                           {" t", "h"}, {"\xE4", "\xB8"}, {"\n", "\n"}};
    struct cru_vocab_draft *d = cru_vocab_draft_new();
    struct cru_vocab_bytes image = {NULL, 0};
    struct cru_tokenizer *t = NULL;
    struct cru_error err;
    bool good = d != NULL;
    for (uint32_t b = 0; good && b < 256; b++)
        good = !cru_vocab_draft_token(d, b, cru_span_make(&(char){(char)b}, 1), &err);
    for (uint32_t i = 0; good && i < 6; i++) {
        char joined[8];
        int m = snprintf(joined, sizeof joined, "%s%s", parts[i][0], parts[i][1]);
        good = !cru_vocab_draft_token(d, 256 + i, cru_span_make(joined, (size_t)m), &err) &&
               !cru_vocab_draft_merge(d, cru_span_of(parts[i][0]), cru_span_of(parts[i][1]), &err);
    }
    if (good && pattern == CRU_PATTERN_STEPS) good = add_steps(d, &err);
    if (good) {
        cru_vocab_draft_rules(d, pattern, digits, CRU_VOCAB_NFC);
        if (!cru_vocab_draft_compile(d, "fuzz", &image, &err))
            (void)cru_tokenizer_from_image(image.p, image.n, &t, &err);
    }
    cru_vocab_draft_free(d);
    return t; /* kept, with its image, for the life of the process */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static struct cru_tokenizer *tokenizers[5];
    static struct cru_encoder *encoders[5];
    static struct cru_classes classes;
    if (!encoders[4]) {
        tokenizers[0] = make_tokenizer(CRU_PATTERN_QWEN2, 1);
        tokenizers[1] = make_tokenizer(CRU_PATTERN_GPT2, 0);
        tokenizers[2] = make_tokenizer(CRU_PATTERN_O200K, 3);
        tokenizers[3] = make_tokenizer(CRU_PATTERN_TEKKEN, 1);
        tokenizers[4] = make_tokenizer(CRU_PATTERN_STEPS, 0);
        for (int k = 0; k < 5; k++)
            if (!tokenizers[k] || !(encoders[k] = cru_encoder_new(tokenizers[k]))) abort();
        if (!cru_classes_init(&classes)) abort();
    }
    struct cru_error err;
    struct cru_buffer repaired, decoded;
    struct cru_normaliser normaliser;
    struct cru_span want;
    cru_buffer_init(&repaired);
    cru_buffer_init(&decoded);
    cru_normaliser_init(&normaliser);
    (void)cru_utf8_repair(cru_span_make((const char *)data, n), &repaired);
    if (cru_normalise(&normaliser, &classes, cru_buffer_span(&repaired), &want, &err)) abort();
    for (int k = 0; k < 5; k++) {
        struct cru_ids first = {NULL, 0, 0}, second = {NULL, 0, 0};
        struct cru_span text = cru_span_make((const char *)data, n);
        if (cru_encode(encoders[k], text, CRU_SPECIAL_TEXT, &first, &err) ||
            cru_encode(encoders[k], text, CRU_SPECIAL_TEXT, &second, &err))
            abort();
        cru_buffer_clear(&decoded);
        cru_tokenizer_decode(tokenizers[k], first.p, first.n, &decoded);
        if (!cru_span_eq(cru_buffer_span(&decoded), want)) abort();
        if (first.n != second.n || (first.n && memcmp(first.p, second.p, first.n * 4))) abort();
        cru_ids_release(&first);
        cru_ids_release(&second);
    }
    cru_normaliser_release(&normaliser);
    cru_buffer_release(&repaired);
    cru_buffer_release(&decoded);
    return 0;
}

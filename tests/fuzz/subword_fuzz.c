/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer.json that is no byte-level BPE, as anyone may send it, and a text behind it: refused, or ids that stay the
 * same whatever was encoded before. `JSON NUL TEXT`; the first byte picks one of the models below in place of the JSON. */
#include "crucible/base/base.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/subword.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BPE(more)                                                                                  \
    "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\",\"split\":false},"    \
    "\"model\":{\"type\":\"BPE\"," more "\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"b\":2,"  \
                                        "\"ab\":3,\"\xE2\x96\x81\":4,\"\xE2\x96\x81"               \
    "a\":5,\"aba\":6,"                                                                             \
    "\"<0xC3>\":7,\"<0xA9>\":8},\"merges\":[\"a b\",\"ab a\",\"\xE2\x96\x81 a\"]}}"

static const char *const models[] = {
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":"
    "\"BertPreTokenizer\"},\"added_tokens\":["
    "{\"content\":\"a "
    "b\",\"lstrip\":true,\"rstrip\":true},{\"content\":\"[b]\",\"normalized\":false,\"single_"
    "word\":true}],"
    "\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"##ab\":3}}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Nmt\"},{\"type\":\"NFKC\"}"
    ",{\"type\":\"Lowercase\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" "
    "\"},{\"type\":\"Strip\"}]},\"pre_tokenizer\":"
    "{\"type\":\"Metaspace\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,"
    "\"vocab\":[[\"?\",0],[\"a\",-1],"
    "[\"\xE2\x96\x81\",-2],[\"ab\",-1.5],[\"<0x41>\",0]]}}",
    BPE("\"byte_fallback\":true,\"fuse_unk\":true,"),
    BPE("\"ignore_merges\":true,"),
    "{\"normalizer\":{\"type\":\"NFD\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":"
    "[{\"type\":\"Whitespace\"},"
    "{\"type\":\"Digits\"},{\"type\":\"Punctuation\",\"behavior\":\"MergedWithNext\"},{\"type\":"
    "\"CharDelimiterSplit\","
    "\"delimiter\":\"-\"}]},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"a\":1},\"unk_"
    "token\":\"?\"}}",
};

static void encode(struct cru_subword_encoder *e, struct cru_span text, enum cru_special special,
                   struct cru_ids *ids) {
    struct cru_error err;
    cru_ids_clear(ids);
    if (cru_subword_encode(e, text, special, ids, &err) && ids->n) abort();
}

static void use(struct cru_subword *s, struct cru_span text) {
    struct cru_subword_encoder *e = cru_subword_encoder_new(s);
    struct cru_ids first = {NULL, 0, 0}, again = {NULL, 0, 0};
    if (!e) return;
    encode(e, text, CRU_SPECIAL_RECOGNISE, &first);
    encode(e, text, CRU_SPECIAL_TEXT, &again);
    encode(e, CRU_SPAN("an other text"), CRU_SPECIAL_TEXT, &again);
    encode(e, text, CRU_SPECIAL_RECOGNISE, &again);
    if (first.n != again.n || (first.n && memcmp(first.p, again.p, first.n * sizeof *first.p)))
        abort();
    cru_ids_release(&first);
    cru_ids_release(&again);
    cru_subword_encoder_free(e);
}

/* The bytes as a charsmap of their own, through base64. */
static void use_charsmap(struct cru_span table, struct cru_span text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct cru_charsmap map;
    struct cru_buffer base64, out;
    cru_buffer_init(&base64);
    cru_buffer_init(&out);
    for (size_t i = 0; i + 3 <= table.n; i += 3) {
        const unsigned char *p = (const unsigned char *)table.p + i;
        uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (int k = 18; k >= 0; k -= 6) cru_buffer_add_char(&base64, digits[bits >> k & 63]);
    }
    if (!cru_charsmap_init(&map, cru_buffer_span(&base64), NULL)) {
        cru_charsmap_apply(&map, text, &out);
        cru_charsmap_release(&map);
    }
    cru_buffer_release(&base64);
    cru_buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *nul;
    struct cru_subword *s = NULL;
    struct cru_error err;
    struct cru_span json, text;
    size_t n_models = sizeof models / sizeof *models;
    if (size == 0) return 0;
    nul = memchr(data + 1, 0, size - 1);
    json = cru_span_make((const char *)data + 1, nul ? (size_t)(nul - data - 1) : size - 1);
    text = nul ? cru_span_make((const char *)nul + 1, size - (size_t)(nul - data) - 1)
               : CRU_SPAN("A text, 12 caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 e\xCC\x81\r\n ab aba");
    if (data[0] < n_models) {
        json = cru_span_of(models[data[0]]);
        text = cru_span_make((const char *)data + 1, size - 1);
    } else if (data[0] == 255) {
        use_charsmap(cru_span_make((const char *)data + 1, size - 1),
                     CRU_SPAN("Abc\r\n e\xCC\x81 \xEF\xAC\x81\xE1\x84\x80\xE1\x85\xA1"));
        return 0;
    }
    if (cru_subword_from_json(json, &s, &err) == CRU_OK && s) use(s, text);
    cru_subword_free(s);
    return 0;
}

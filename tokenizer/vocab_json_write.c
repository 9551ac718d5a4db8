/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/vocab_json_write.h"
#include "crucible/base/base.h"

/* The pattern as Qwen2's and Qwen3's tokenizer.json spell it; pretoken.h says what it means. */
static const char qwen2_pattern[] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
                                    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
                                    "|\\p{N}"
                                    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                                    "|\\s*[\\r\\n]+"
                                    "|\\s+(?!\\S)"
                                    "|\\s+";

static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                                 "\"trim_offsets\":false,\"use_regex\":false}";

/* The JSON of each byte's character within a string: at most 2 bytes, for '"' and '\\' as well. */
struct characters {
    char p[256][2];
    size_t n[256];
};

static void make_characters(struct characters *c) {
    for (int b = 0; b < 256; b++) {
        uint32_t code = cru_byte_character((uint8_t)b);
        bool escaped = code == '"' || code == '\\';
        c->n[b] = code < 0x80 && !escaped ? 1 : 2;
        if (escaped) {
            c->p[b][0] = '\\';
            c->p[b][1] = (char)code;
        } else if (code < 0x80) {
            c->p[b][0] = (char)code;
        } else {
            c->p[b][0] = (char)(0xC0 | code >> 6);
            c->p[b][1] = (char)(0x80 | (code & 63));
        }
    }
}

static void add_token(struct cru_buffer *out, const struct characters *c, struct cru_span bytes) {
    cru_buffer_add_char(out, '"');
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char b = (unsigned char)bytes.p[i];
        cru_buffer_add(out, c->p[b], c->n[b]);
    }
    cru_buffer_add_char(out, '"');
}

static void add_added(struct cru_buffer *out, uint32_t first, const struct cru_span *added,
                      size_t n) {
    cru_buffer_add_string(out, "\"added_tokens\":[");
    for (size_t i = 0; i < n; i++) {
        cru_buffer_printf(out, "%s\n{\"id\":%llu,\"content\":", i ? "," : "",
                          (unsigned long long)(first + i));
        cru_buffer_add_json_string(out, added[i]);
        cru_buffer_add_string(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                                   "\"normalized\":false,\"special\":true}");
    }
    cru_buffer_add_string(out, "],\n");
}

void cru_vocab_json_write(const struct cru_bpe_vocab *v, const struct cru_span *added,
                          size_t n_added, struct cru_buffer *out) {
    struct characters chars;
    make_characters(&chars);
    uint32_t n = 256 + v->n_merges;
    cru_buffer_add_string(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n");
    add_added(out, n, added, n_added);
    cru_buffer_add_string(out, "\"normalizer\":{\"type\":\"NFC\"},\n\"pre_tokenizer\":{\"type\":"
                               "\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                               "{\"Regex\":");
    cru_buffer_add_json_string(out, cru_span_of(qwen2_pattern));
    cru_buffer_printf(out, "},\"behavior\":\"Isolated\",\"invert\":false},%s]},\n", byte_level);
    cru_buffer_printf(out, "\"post_processor\":%s,\n\"decoder\":%s,\n", byte_level, byte_level);
    cru_buffer_add_string(out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                               "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                               "\"fuse_unk\":false,\"byte_fallback\":false,"
                               "\"ignore_merges\":false,\n\"vocab\":{");
    for (uint32_t id = 0; id < n; id++) {
        cru_buffer_add_string(out, id ? ",\n" : "\n");
        add_token(out, &chars, cru_bpe_vocab_token(v, id));
        cru_buffer_printf(out, ":%u", id);
    }
    cru_buffer_add_string(out, "},\n\"merges\":[");
    for (uint32_t i = 0; i < v->n_merges; i++) {
        cru_buffer_add_string(out, i ? ",\n[" : "\n[");
        add_token(out, &chars, cru_bpe_vocab_token(v, v->merges[i].left));
        cru_buffer_add_char(out, ',');
        add_token(out, &chars, cru_bpe_vocab_token(v, v->merges[i].right));
        cru_buffer_add_char(out, ']');
    }
    cru_buffer_add_string(out, "]}}\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/shard_show.h"

#include <inttypes.h>

#include "crucible/base/base.h"
#include "shards/vocab_used.h"
#include "shards/writer.h"

static double share(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void show_id(struct cru_buffer *out, const char *what, uint32_t id) {
    if (id == CRU_SHARD_NO_ID)
        cru_buffer_printf(out, ", no %s id", what);
    else
        cru_buffer_printf(out, ", %s id %" PRIu32, what, id);
}

void cru_shard_show_text(const struct cru_shard_set *set, struct cru_buffer *out) {
    uint64_t content = set->n_tokens - set->n_padding;
    cru_buffer_printf(out, "%s\n", set->dir);
    cru_buffer_printf(out, "  documents   %" PRIu64 " in %zu shards\n", set->n_docs, set->n_shards);
    cru_buffer_printf(out, "  tokens      %" PRIu64 ", and %" PRIu64 " of padding (%.2f %%)\n",
                      content, set->n_padding, share(set->n_padding, set->n_tokens));
    cru_buffer_printf(out, "  text        %" PRIu64 " bytes, %.3f a token\n", set->text_bytes,
                      content ? (double)set->text_bytes / (double)content : 0);
    cru_buffer_printf(out, "  vocabulary  %s %016" PRIx64 ", %" PRIu32 " ids",
                      set->tokenizer_name[0] ? set->tokenizer_name : "(unnamed)",
                      set->tokenizer_hash, set->vocab_size);
    struct cru_vocab_used used;
    if (set->vocab_used_checksum && cru_shard_set_vocab(set, &used, NULL) == CRU_OK) {
        cru_buffer_printf(out, ", %" PRIu32 " in use", used.n);
        cru_vocab_used_close(&used);
    }
    cru_buffer_printf(out, ", %" PRIu32 " bytes a token\n", set->token_width);
    cru_buffer_printf(out, "  bag         %" PRIu32, set->bag);
    show_id(out, "padding", set->pad_id);
    show_id(out, "end", set->end_id);
    cru_buffer_printf(out, "\n  checksum    %016" PRIx64 "\n", set->checksum);
    if (set->n_sources)
        cru_buffer_add_string(out, "\n   documents        tokens   share  source\n");
    for (size_t i = 0; i < set->n_sources; i++) {
        const struct cru_shard_source *s = &set->sources[i];
        cru_buffer_printf(out, "%12" PRIu64 "  %12" PRIu64 "  %5.1f %%  ", s->documents, s->tokens,
                          share(s->tokens, content));
        cru_buffer_add_span(out, s->name);
        cru_buffer_add_char(out, '\n');
    }
    if (set->n_shards)
        cru_buffer_add_string(
            out, "\n   documents        tokens       padding  checksum          shard\n");
    for (size_t i = 0; i < set->n_shards; i++) {
        const struct cru_shard_file *f = &set->shards[i];
        cru_buffer_printf(out, "%12" PRIu64 "  %12" PRIu64 "  %12" PRIu64 "  %016" PRIx64 "  %s\n",
                          f->n_docs, f->n_tokens - f->n_padding, f->n_padding, f->checksum,
                          file_name(f->path));
    }
}

/* File names may hold any byte; JSON may not. */
static void add_path(struct cru_buffer *out, const char *path) {
    for (const char *p = path; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x80 || c < 0x20) {
            cru_buffer_add_string(out, "null");
            return;
        }
    }
    cru_buffer_add_json_string(out, cru_span_of(path));
}

static void add_id(struct cru_buffer *out, const char *key, uint32_t id) {
    cru_buffer_printf(out, ",\"%s\":", key);
    if (id == CRU_SHARD_NO_ID)
        cru_buffer_add_string(out, "null");
    else
        cru_buffer_printf(out, "%" PRIu32, id);
}

void cru_shard_show_json(const struct cru_shard_set *set, struct cru_buffer *out) {
    cru_buffer_add_string(out, "{\"path\":");
    add_path(out, set->dir);
    cru_buffer_add_string(out, ",\"tokenizer\":{\"name\":");
    cru_buffer_add_json_string(out, cru_span_of(set->tokenizer_name));
    cru_buffer_printf(out,
                      ",\"hash\":\"%016" PRIx64 "\"},\"vocab_size\":%" PRIu32
                      ",\"token_width\":%" PRIu32 ",\"bag\":%" PRIu32,
                      set->tokenizer_hash, set->vocab_size, set->token_width, set->bag);
    add_id(out, "pad_id", set->pad_id);
    add_id(out, "end_id", set->end_id);
    cru_buffer_printf(out,
                      ",\"documents\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"padding\":%" PRIu64
                      ",\"text_bytes\":%" PRIu64 ",\"checksum\":\"%016" PRIx64 "\",\"sources\":[",
                      set->n_docs, set->n_tokens, set->n_padding, set->text_bytes, set->checksum);
    for (size_t i = 0; i < set->n_sources; i++) {
        const struct cru_shard_source *s = &set->sources[i];
        cru_buffer_add_string(out, i ? ",{\"name\":" : "{\"name\":");
        cru_buffer_add_json_string(out, s->name);
        cru_buffer_printf(
            out, ",\"documents\":%" PRIu64 ",\"tokens\":%" PRIu64 ",\"text_bytes\":%" PRIu64 "}",
            s->documents, s->tokens, s->text_bytes);
    }
    cru_buffer_add_string(out, "],\"shards\":[");
    for (size_t i = 0; i < set->n_shards; i++) {
        const struct cru_shard_file *f = &set->shards[i];
        cru_buffer_add_string(out, i ? ",{\"file\":" : "{\"file\":");
        add_path(out, file_name(f->path));
        cru_buffer_printf(out,
                          ",\"bytes\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"tokens\":%" PRIu64
                          ",\"padding\":%" PRIu64 ",\"checksum\":\"%016" PRIx64 "\"}",
                          f->file_bytes, f->n_docs, f->n_tokens, f->n_padding, f->checksum);
    }
    cru_buffer_add_string(out, "]}\n");
}

/* The shortest decimal that reads back as the same float; 9 digits always do. */
static void add_float(struct cru_buffer *out, float x) {
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)x);
        float back = strtof(text, NULL);
        if (memcmp(&back, &x, sizeof x) == 0) break;
    }
    cru_buffer_add_string(out, text);
}

enum cru_status cru_shard_show_document(const struct cru_shard_set *set, uint64_t i, bool ids,
                                        struct cru_buffer *out, struct cru_error *err) {
    struct cru_shard_entry e;
    enum cru_status s = cru_shard_set_document(set, i, &e, err);
    if (s) return s;
    cru_buffer_printf(out, "{\"id\":\"%016" PRIx64 "%016" PRIx64 "\",\"source\":", e.id_hash.high,
                      e.id_hash.low);
    cru_buffer_add_json_string(out, e.source);
    if (e.bin == CRU_SHARD_NO_BIN)
        cru_buffer_add_string(out, ",\"bin\":null,\"weight\":");
    else
        cru_buffer_printf(out, ",\"bin\":%u,\"weight\":", (unsigned)e.bin);
    add_float(out, e.weight);
    cru_buffer_printf(out, ",\"offset\":%" PRIu64 ",\"length\":%" PRIu64 ",\"text_bytes\":%" PRIu64,
                      e.offset, e.length, e.text_bytes);
    if (ids) {
        cru_buffer_add_string(out, ",\"ids\":[");
        uint32_t some[512];
        for (uint64_t at = 0; at < e.length;) {
            size_t n = e.length - at < 512 ? (size_t)(e.length - at) : 512;
            s = cru_shard_set_read(set, e.offset + at, n, some, err);
            if (s) return s;
            for (size_t k = 0; k < n; k++)
                cru_buffer_printf(out, at + k ? ",%" PRIu32 : "%" PRIu32, some[k]);
            at += n;
        }
        cru_buffer_add_char(out, ']');
    }
    cru_buffer_add_string(out, "}\n");
    return CRU_OK;
}

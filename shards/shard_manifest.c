/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/shard_manifest.h"

#include <inttypes.h>

#include "crucible/base/base.h"
#include "shards/writer.h"

/* The last line holds the checksum of all before it, so that an edit or a flipped bit shows. */
#define TAIL_FORMAT " \"checksum\": \"%016" PRIx64 "\"}\n"
enum { TAIL_BYTES = 33 };

static void add_id(struct cru_buffer *out, const char *key, uint32_t id) {
    if (id == CRU_SHARD_NO_ID)
        cru_buffer_printf(out, " \"%s\": null,\n", key);
    else
        cru_buffer_printf(out, " \"%s\": %" PRIu32 ",\n", key, id);
}

static void add_sources(const struct cru_manifest *m, struct cru_buffer *out) {
    cru_buffer_add_string(out, " \"sources\": [");
    for (size_t i = 0; i < m->n_sources; i++) {
        const struct cru_shard_source *s = &m->sources[i];
        cru_buffer_add_string(out, i ? ",\n  {\"name\": " : "\n  {\"name\": ");
        cru_buffer_add_json_string(out, s->name);
        cru_buffer_printf(out,
                          ", \"documents\": %" PRIu64 ", \"tokens\": %" PRIu64
                          ", \"text_bytes\": %" PRIu64 "}",
                          s->documents, s->tokens, s->text_bytes);
    }
    cru_buffer_add_string(out, "],\n");
}

void cru_manifest_render(struct cru_manifest *m, struct cru_buffer *out) {
    size_t start = out->n;
    cru_buffer_printf(out, "{\"format\": \"%s\",\n \"version\": %u,\n \"tokenizer\": {\"name\": ",
                      CRU_MANIFEST_FORMAT, 1u);
    cru_buffer_add_json_string(out, m->tokenizer_name);
    cru_buffer_printf(out, ", \"hash\": \"%016" PRIx64 "\"},\n", m->tokenizer_hash);
    cru_buffer_printf(out, " \"vocab_size\": %" PRIu32 ",\n \"token_width\": %" PRIu32 ",\n",
                      m->vocab_size, m->token_width);
    cru_buffer_printf(out, " \"bag\": %" PRIu32 ",\n", m->bag);
    add_id(out, "pad_id", m->pad_id);
    add_id(out, "end_id", m->end_id);
    cru_buffer_printf(out, " \"documents\": %" PRIu64 ",\n \"tokens\": %" PRIu64 ",\n",
                      m->documents, m->tokens);
    cru_buffer_printf(out, " \"padding\": %" PRIu64 ",\n \"text_bytes\": %" PRIu64 ",\n",
                      m->padding, m->text_bytes);
    cru_buffer_printf(out,
                      " \"vocab_used\": {\"file\": \"%s\", \"ids\": %" PRIu32
                      ", \"checksum\": \"%016" PRIx64 "\"},\n",
                      CRU_VOCAB_USED_NAME, m->vocab_used_ids, m->vocab_used_checksum);
    add_sources(m, out);
    cru_buffer_add_string(out, " \"shards\": [");
    for (size_t i = 0; i < m->n_shards; i++) {
        const struct cru_manifest_shard *s = &m->shards[i];
        cru_buffer_printf(out,
                          "%s\n  {\"file\": \"%s\", \"bytes\": %" PRIu64 ", \"documents\": %" PRIu64
                          ", \"tokens\": %" PRIu64 ", \"padding\": %" PRIu64
                          ", \"checksum\": \"%016" PRIx64 "\"}",
                          i ? "," : "", s->file, s->bytes, s->documents, s->tokens, s->padding,
                          s->checksum);
    }
    cru_buffer_add_string(out, "],\n");
    if (out->failed) return;
    m->checksum = cru_hash64(out->p + start, out->n - start, 0);
    cru_buffer_printf(out, TAIL_FORMAT, m->checksum);
}

static bool file_name_is_ours(const char *name) {
    size_t digits = strspn(name, "0123456789");
    return digits >= 5 && strcmp(name + digits, ".crs") == 0;
}

static enum cru_status check(const struct cru_manifest *m, const char *name,
                             struct cru_error *err) {
    uint64_t documents = 0, tokens = 0, padding = 0;
    for (size_t i = 0; i < m->n_shards; i++) {
        const struct cru_manifest_shard *s = &m->shards[i];
        if (!file_name_is_ours(s->file))
            return cru_fail(err, CRU_FATAL,
                            "unable to read manifest: '%s': '%s' is not a shard's name", name,
                            s->file);
        documents += s->documents;
        tokens += s->tokens;
        padding += s->padding;
    }
    if (documents != m->documents || tokens != m->tokens || padding != m->padding)
        return cru_fail(err, CRU_FATAL,
                        "unable to read manifest: '%s': its totals are not the sum of its shards",
                        name);
    return CRU_OK;
}

enum cru_status cru_manifest_parse(const char *text, size_t n, const char *name,
                                   struct cru_arena *arena, struct cru_manifest *m,
                                   struct cru_error *err) {
    memset(m, 0, sizeof *m);
    if (n <= TAIL_BYTES)
        return cru_fail(err, CRU_FATAL, "unable to read manifest: '%s': cut short", name);
    m->checksum = cru_hash64(text, n - TAIL_BYTES, 0);
    char tail[TAIL_BYTES + 1];
    (void)snprintf(tail, sizeof tail, TAIL_FORMAT, m->checksum);
    if (memcmp(text + n - TAIL_BYTES, tail, TAIL_BYTES) != 0)
        return cru_fail(
            err, CRU_FATAL,
            "unable to read manifest: '%s': its checksum does not match: cut short or changed",
            name);
    enum cru_status s = cru_manifest_parse_json(text, n, name, arena, m, err);
    return s ? s : check(m, name, err);
}

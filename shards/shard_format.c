/* SPDX-License-Identifier: Apache-2.0 */
#include "shards/shard_format.h"

#include "crucible/base/base.h"

bool cru_crs_layout(struct cru_crs_header *h) {
    const uint64_t limit = UINT64_C(1) << 58;
    if (h->n_tokens > limit / 4 || h->n_docs > limit / 64 || h->source_bytes > limit) return false;
    h->header_bytes = CRU_CRS_HEADER_BYTES;
    h->entry_bytes = sizeof(struct cru_crs_entry);
    h->block_bytes = CRU_CRS_BLOCK_BYTES;
    h->tokens_offset = CRU_CRS_HEADER_BYTES;
    h->index_offset = cru_crs_round_up(h->tokens_offset + h->n_tokens * h->token_width, 64);
    h->source_offset = h->index_offset + h->n_docs * h->entry_bytes;
    h->sums_offset = cru_crs_round_up(h->source_offset + h->source_bytes, 8);
    uint64_t body = h->sums_offset - h->tokens_offset;
    h->n_blocks = body / h->block_bytes + (body % h->block_bytes != 0);
    h->file_bytes = h->sums_offset + h->n_blocks * 8;
    return true;
}

bool cru_crs_utf8(struct cru_span s) {
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        unsigned char c = p[i++];
        if (c < 0x80) continue;
        size_t more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        if (c < 0xC2 || c > 0xF4 || s.n - i < more) return false;
        /* The second byte's range shuts out overlong forms, surrogates and what lies past U+10FFFF.
         */
        unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (p[i] < low || p[i] > high) return false;
        for (size_t k = 1; k < more; k++)
            if ((p[i + k] & 0xC0) != 0x80) return false;
        i += more;
    }
    return true;
}

char *cru_crs_path(const char *dir, const char *name) {
    size_t n = strlen(dir) + strlen(name) + 2;
    char *path = malloc(n);
    if (path) (void)snprintf(path, n, "%s/%s", dir, name);
    return path;
}

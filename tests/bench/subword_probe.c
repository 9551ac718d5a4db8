/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of texts by a tokenizer.json that is no byte-level BPE, for subword_agree.py:
 *
 *   subword_probe TOKENIZER.json <texts >ids       texts: u32 bytes, text, ..   ids: u32 count, u32 ids, .. little endian
 */
#include <stdio.h>

#include "crucible/base/base.h"
#include "tokenizer/subword.h"

static int fail(const struct cru_error *err) {
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

int main(int argc, char **argv) {
    struct cru_subword *subword;
    struct cru_error err = {CRU_OK, "not a tokenizer.json of these kinds"};
    struct cru_ids ids = {NULL, 0, 0};
    char *text = NULL;
    uint32_t n;
    if (argc != 2) return 64;
    if (cru_subword_load(argv[1], &subword, &err) || !subword) return fail(&err);
    struct cru_subword_encoder *encoder = cru_subword_encoder_new(subword);
    while (encoder && fread(&n, 4, 1, stdin) == 1) {
        free(text);
        text = malloc(n + 1u);
        if (!text || fread(text, 1, n, stdin) != n) return 1;
        cru_ids_clear(&ids);
        if (cru_subword_encode(encoder, cru_span_make(text, n), CRU_SPECIAL_RECOGNISE, &ids, &err))
            return fail(&err);
        n = (uint32_t)ids.n;
        if (fwrite(&n, 4, 1, stdout) != 1 || (n && fwrite(ids.p, 4, n, stdout) != n)) return 1;
    }
    free(text);
    cru_ids_release(&ids);
    cru_subword_encoder_free(encoder);
    cru_subword_free(subword);
    return fflush(stdout) ? 1 : 0;
}

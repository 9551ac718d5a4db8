/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile vocabularies: a tokenizer.json, a rank file, or a compiled file whose checksum was made right.
 * One that loads must then encode without harm. */
#include "crucible/base/base.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_compile.h"
#include "tokenizer/vocab_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(const void *image, size_t n) {
    struct cru_tokenizer *t;
    struct cru_error err;
    struct cru_ids ids = {NULL, 0, 0};
    struct cru_buffer out;
    if (cru_tokenizer_from_image(image, n, &t, &err)) return;
    struct cru_encoder *e = cru_encoder_new(t);
    cru_buffer_init(&out);
    if (e && cru_encode(e, CRU_SPAN("The text, 123 <|endoftext|> e\xCC\x81 \xE4\xB8\xAD\xE6\x96\x87\n\n"),
                        CRU_SPECIAL_RECOGNISE, &ids, &err) == CRU_OK)
        cru_tokenizer_decode(t, ids.p, ids.n, &out);
    cru_buffer_release(&out);
    cru_ids_release(&ids);
    cru_encoder_free(e);
    cru_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 1) return 0;
    struct cru_vocab_bytes image = {NULL, 0};
    struct cru_error err;
    struct cru_span rest = cru_span_make((const char *)data + 1, n - 1);
    if (data[0] % 3 == 0 && cru_vocab_compile_json(rest, "fuzz", &image, &err) == CRU_OK)
        use(image.p, image.n);
    if (data[0] % 3 == 1 && cru_vocab_compile_ranks(rest, "qwen3", "fuzz", &image, &err) == CRU_OK)
        use(image.p, image.n);
    if (data[0] % 3 == 2 && rest.n >= sizeof(struct cru_vocab_header)) {
        struct cru_vocab_header h;
        image.p = malloc(rest.n);
        if (!image.p) return 0;
        memcpy(image.p, rest.p, rest.n);
        memcpy(&h, image.p, sizeof h);
        h.file_bytes = rest.n;
        h.checksum = 0;
        memcpy(image.p, &h, sizeof h);
        h.checksum = cru_hash64(image.p, rest.n, 0);
        memcpy(image.p, &h, sizeof h);
        use(image.p, rest.n);
    }
    free(image.p);
    return 0;
}

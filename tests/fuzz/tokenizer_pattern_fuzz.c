/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile patterns on hostile texts: a byte for the behaviour, the pattern up to a newline, the
 * text. Pieces must lie in the text, in order and none empty, and cover it unless the behaviour
 * removes something. */
#include "crucible/base/base.h"
#include "tokenizer/split_steps.h"
#include "tokenizer/vocab_compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static struct cru_classes classes;
    if (!classes.bits && !cru_classes_init(&classes)) abort();
    const char *text = n > 1 ? memchr(data + 1, '\n', n - 1) : NULL;
    if (!text || n > 200) return 0;
    struct cru_span regex =
        cru_span_make((const char *)data + 1, (size_t)(text - (const char *)data) - 1);
    text++;
    size_t left = n - (size_t)(text - (const char *)data);
    if (!cru_text_is_utf8(text, left)) return 0;
    struct cru_buffer steps;
    struct cru_split_plan plan;
    struct cru_error err;
    uint32_t behavior = data[0] % CRU_SPLIT_BEHAVIORS;
    cru_buffer_init(&steps);
    cru_split_step_add(&steps, CRU_STEP_REGEX, behavior, 0, regex);
    if (data[0] & 64)
        cru_split_step_add(&steps, CRU_STEP_TEKKEN, CRU_SPLIT_ISOLATED, 1, cru_span_make(NULL, 0));
    if (cru_split_plan_init(&plan, steps.p, steps.n, &err) == CRU_OK) {
        struct cru_splitter s;
        if (cru_splitter_init(&s, &plan, &classes, &err)) abort();
        const unsigned char *from = (const unsigned char *)text, *p, *end;
        enum cru_status status;
        cru_splitter_begin(&s, from, from + left);
        while ((status = cru_splitter_next(&s, &p, &end, &err)) == CRU_OK) {
            if (p < from || end <= p || end > (const unsigned char *)text + left) abort();
            bool removes = behavior == CRU_SPLIT_REMOVED || behavior == CRU_SPLIT_KEPT;
            if (!removes && p != from) abort();
            from = end;
        }
        if (status == CRU_END && behavior != CRU_SPLIT_REMOVED && behavior != CRU_SPLIT_KEPT &&
            from != (const unsigned char *)text + left)
            abort();
        cru_splitter_release(&s);
        cru_split_plan_release(&plan);
    }
    cru_buffer_release(&steps);
    return 0;
}

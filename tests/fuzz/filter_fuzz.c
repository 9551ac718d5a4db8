/* SPDX-License-Identifier: Apache-2.0 */
/* Any valid UTF-8 through every rule set, the PII scanner and language; any bytes as a condition. The rule
 * sets must leave valid UTF-8. */
#include "crucible/base/base.h"
#include "crucible/doc/document.h"
#include "crucible/filter/language.h"
#include "crucible/filter/pii.h"
#include "crucible/filter/rule_sets.h"
#include "crucible/filter/where.h"

static struct cru_filter_scratch scratch;
static struct cru_buffer masked;

static void require(bool truth) {
    if (!truth)
        abort();
}

static void check_sets(struct cru_span text) {
    static const char *const paths[] = {"", "a.c", "b.json", "c.txt", "readme.md"};
    struct cru_filter_facts facts = {{"", 0}, cru_span_of(paths[text.n % 5])};
    for (size_t i = 0; cru_rule_sets[i]; i++) {
        struct cru_verdict v;
        struct cru_span out;
        struct cru_error err;
        require(cru_rule_sets_apply(&cru_rule_sets[i], 1, &scratch, text, &facts, &out, &v, &err) ==
                CRU_OK);
        require(v.value == v.value);
        require(!v.rule || v.rule->direction != CRU_REMOVES);
        require(out.n <= text.n && cru_utf8_valid(out));
    }
}

static void check_where(const uint8_t *data, size_t n) {
    char source[256];
    struct cru_where *where;
    struct cru_error err;
    if (n >= sizeof source)
        return;
    memcpy(source, data, n);
    source[n] = 0;
    if (cru_where_parse(source, &where, &err) == CRU_OK)
        cru_where_free(where);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct cru_error err;
    check_where(data, n);
    if (!cru_utf8_valid(cru_span_make((const char *)data, n)))
        return 0;
    if (!scratch.stats.map.of)
        require(cru_filter_scratch_init(&scratch, &err) == CRU_OK);
    /* A copy of exactly this length, so that the sanitizer sees a byte read behind it. */
    char *copy = malloc(n ? n : 1);
    require(copy != NULL);
    memcpy(copy, data, n);
    struct cru_span text = cru_span_make(copy, n);
    check_sets(text);
    struct cru_pii_counts counts = cru_pii_replace(text, &masked);
    require(counts.emails + counts.addresses == 0 || cru_utf8_valid(cru_buffer_span(&masked)));
    (void)cru_language_detect(text);
    free(copy);
    return 0;
}

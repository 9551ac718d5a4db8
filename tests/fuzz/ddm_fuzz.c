/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes through the analyzer: no crash, and numbers in their ranges. The first byte chooses. */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/ddm.h"
#include "ddm/quality.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct cru_ddm_analyzer *analyzer;
    if (!analyzer) analyzer = cru_ddm_analyzer_new();
    if (!analyzer || size == 0) return 0;
    struct cru_span text = cru_span_make((const char *)data + 1, size - 1);
    struct cru_ddm_result r;
    struct cru_quality q;
    const struct cru_ddm_config *config = cru_ddm_profile(data[0] & 4 ? "traces" : "web");
    check(cru_ddm_score(analyzer, text, (enum cru_ddm_region)(data[0] & 3), config, &r, NULL) ==
          CRU_OK);
    check(cru_quality_measure(analyzer, text, &q, NULL) == CRU_OK);
    check(r.signal_score >= -1 && r.signal_score <= 1);
    check(r.engaged >= 0 && r.engaged <= 1 + 1e-9 && r.coherence >= -1e-9 && r.coherence <= 1);
    check(r.low_time >= 0 && r.low_time <= r.time * (1 + 1e-9));
    check(r.p_low >= 0 && r.p_low <= 1 && r.weight >= 0 && r.weight <= 2);
    check(r.novelty >= 0 && r.novelty <= 1 && r.repetition >= 0 && r.repetition < 1);
    for (int f = 0; f < CRU_FACTORS; f++) {
        double x = q.factor[f];
        if (f == CRU_MEAN_SENTENCE_LENGTH)
            check(x >= 0 && isfinite(x));
        else if (f == CRU_BYTE_ENTROPY)
            check(x >= 0 && x <= 8 + 1e-9);
        else
            check(isnan(x) || (x >= 0 && x <= 1));
    }
    size_t n;
    const struct cru_ddm_segment *s = cru_ddm_segments(analyzer, &n);
    check(n == r.segments);
    uint64_t words = 0;
    for (size_t i = 0; i < n; i++) {
        check(s[i].words > 0 && s[i].begin < s[i].end && s[i].end <= text.n);
        check(i == 0 || s[i - 1].end <= s[i].begin);
        words += s[i].words;
    }
    check(words == r.thinking_words);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a score profile: refused with a message, or one that is the same when written and
 * read again and keeps the analyzer sound. */
#include <math.h>

#include "crucible/base/base.h"
#include "ddm/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] =
        "One two three four five six.\n\nWait, let me check that again now: one "
        "two three four five six seven.\n```\ncode\n```\n";
    static struct cru_ddm_analyzer *analyzer;
    struct cru_profile p, q;
    struct cru_error err = {0};
    struct cru_buffer file;
    struct cru_ddm_result r;
    struct cru_quality quality;
    enum cru_status status =
        cru_profile_parse(cru_span_make((const char *)data, size), "fuzz", &p, &err);
    check(status == CRU_OK || (status == CRU_USAGE && err.message[0]));
    if (status != CRU_OK) return 0;
    cru_buffer_init(&file);
    cru_profile_render(&p, p.config.seeks_reasoning ? "traces" : "web", &file);
    check(cru_profile_parse(cru_buffer_span(&file), "fuzz", &q, &err) == CRU_OK);
    check(memcmp(&p.model, &q.model, sizeof p.model) == 0 && strcmp(p.cues, q.cues) == 0);
    q.config.name = p.config.name;
    check(memcmp(&p.config, &q.config, sizeof p.config) == 0);
    cru_buffer_release(&file);
    if (!analyzer) analyzer = cru_ddm_analyzer_new();
    if (!analyzer) return 0;
    check(cru_ddm_score(analyzer, CRU_SPAN(text), CRU_DDM_AUTO, &p.config, &r, &err) == CRU_OK);
    check(cru_quality_measure(analyzer, CRU_SPAN(text), &quality, &err) == CRU_OK);
    if (p.model.set) {
        double score = cru_quality_score(&p.model, &quality);
        check(score >= 0 && score <= 1);
    }
    check(!isnan(r.signal_score) && !isnan(r.weight) && !isnan(r.p_low));
    return 0;
}

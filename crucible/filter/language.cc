// SPDX-License-Identifier: Apache-2.0
// C++ only because CLD2's interface is.
#include <cstdio> // the next header names FILE
#include <cld2/public/compact_lang_det.h>
#include <cstring>

#include "crucible/filter/language.h"

namespace {

// CLD2's codes that are not today's ISO 639 codes, from its generated_language.cc against the ISO 639-1
// change list (iw, in, ji, jw, mo were withdrawn) and with script and region subtags taken off.
const struct {
    const char *cld2, *iso;
} renamed[] = {
    {"iw", "he"}, {"in", "id"}, {"ji", "yi"},      {"jw", "jv"},    {"mo", "ro"},
    {"un", "und"}, {"xxx", "und"}, {"zh-Hant", "zh"}, {"sr-ME", "cnr"},
};

} // namespace

extern "C" const char *cru_language_code(const char *code) {
    for (const auto &r : renamed)
        if (std::strcmp(code, r.cld2) == 0)
            return r.iso;
    return std::strncmp(code, "xx-", 3) == 0 ? "und" : code; // a script without a language
}

extern "C" struct cru_language cru_language_detect(struct cru_span text) {
    size_t n = text.n;
    if (n > CRU_LANGUAGE_BYTES) {
        n = CRU_LANGUAGE_BYTES;
        while (n > 0 && (static_cast<unsigned char>(text.p[n]) & 0xC0) == 0x80)
            n--;
    }
    CLD2::Language three[3];
    int percent[3], text_bytes;
    bool reliable;
    struct cru_language answer = {"und", 0};
    if (n == 0)
        return answer;
    double score[3]; // the Ext functions leave unknown unknown instead of calling it English
    CLD2::ExtDetectLanguageSummary(text.p, static_cast<int>(n), true, nullptr, 0,
                                   CLD2::UNKNOWN_LANGUAGE, three, percent, score, &text_bytes,
                                   &reliable);
    answer.code = cru_language_code(CLD2::LanguageCode(three[0]));
    if (std::strcmp(answer.code, "und") != 0)
        answer.score = percent[0] / (reliable ? 100.0 : 200.0);
    return answer;
}

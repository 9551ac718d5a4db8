/* SPDX-License-Identifier: Apache-2.0 */
#include <simdjson.h>

extern "C" {
#include "crucible/base/error.h"
}
#include "crucible/dedup/json_texts.h"

namespace {

struct Taker {
    cru_json_text_taker *take;
    void *context;
    cru_error *err;
};

/* Recursion is bounded by the parser's depth limit (1,024). */
cru_status walk(const simdjson::dom::element &element, const Taker &taker) {
    using simdjson::dom::element_type;
    cru_status status = CRU_OK;
    switch (element.type()) {
    case element_type::STRING: {
        const char *text = nullptr;
        size_t n = 0;
        if (element.get_c_str().get(text) || element.get_string_length().get(n)) return CRU_OK;
        return taker.take(taker.context, cru_span_make(text, n), taker.err);
    }
    case element_type::ARRAY: {
        simdjson::dom::array array;
        if (element.get_array().get(array)) return CRU_OK;
        for (simdjson::dom::element child : array)
            if ((status = walk(child, taker)) != CRU_OK) return status;
        return CRU_OK;
    }
    case element_type::OBJECT: {
        simdjson::dom::object object;
        if (element.get_object().get(object)) return CRU_OK;
        for (simdjson::dom::key_value_pair pair : object)
            if ((status = walk(pair.value, taker)) != CRU_OK) return status;
        return CRU_OK;
    }
    default:
        return CRU_OK;
    }
}

} // namespace

extern "C" cru_status cru_json_texts(cru_span json, cru_json_text_taker *take, void *context,
                                     cru_error *err) {
    try {
        simdjson::dom::parser parser;
        simdjson::dom::element root;
        simdjson::error_code code = parser.parse(json.p ? json.p : "", json.n).get(root);
        if (code == simdjson::MEMALLOC) return cru_fail_memory(err, "JSON");
        if (code) return cru_fail(err, CRU_BAD, "%s", simdjson::error_message(code));
        return walk(root, Taker{take, context, err});
    } catch (const std::exception &) {
        return cru_fail_memory(err, "JSON");
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every string value in a piece of JSON, at any depth, in order; keys are not values. simdjson
 * behind a C header. One thread at a time; nothing is kept between calls.
 */
#ifndef CRU_DEDUP_JSON_TEXTS_H
#define CRU_DEDUP_JSON_TEXTS_H

#include "crucible/base/error.h"
#include "crucible/base/span.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cru_status cru_json_text_taker(void *context, struct cru_span text,
                                            struct cru_error *err);

/*
 * Calls take(context, text, err) for each; `text` lives until take returns. Stops at the first
 * answer that is not CRU_OK and returns it. CRU_BAD when `json` is not one JSON value ("why" alone
 * in err); nothing was taken then.
 */
enum cru_status cru_json_texts(struct cru_span json, cru_json_text_taker *take, void *context,
                               struct cru_error *err);

#ifdef __cplusplus
}
#endif

#endif

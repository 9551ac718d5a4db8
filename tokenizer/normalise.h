/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NFC as the reference does it: that of utf8proc, except that code points newer than the reference's
 * tables (CRU_LATER) are left alone and nothing combines over them. A cru_normaliser is scratch memory
 * for one thread.
 */
#ifndef CRU_TOKENIZER_NORMALISE_H
#define CRU_TOKENIZER_NORMALISE_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "tokenizer/byte_masks.h"
#include "tokenizer/unicode_classes.h"

struct cru_normaliser {
    struct cru_buffer out;
    int32_t *points;  /* a stretch being composed */
    int32_t *sorting; /* as large as points */
    size_t capacity;
    cru_mark_leads_fn mark_leads;
    const unsigned char *scanned, *scanned_end; /* of the text: what `leads` is about */
    uint64_t leads[64];
};

void cru_normaliser_init(struct cru_normaliser *normaliser);
void cru_normaliser_release(struct cru_normaliser *normaliser);

/* *result is `text` when that is NFC already (nearly always), else a copy that lives until the next
 * call. `text` must be valid UTF-8. CRU_FATAL when memory is short. */
enum cru_status cru_normalise(struct cru_normaliser *normaliser, const struct cru_classes *classes,
                              struct cru_span text, struct cru_span *result, struct cru_error *err);
/* Whether `text` is NFC already; makes no copy. */
bool cru_is_normal(struct cru_normaliser *normaliser, const struct cru_classes *classes,
                   struct cru_span text);

/*
 * For text that comes bit by bit: where the first, or the last, character begins before which a text may be
 * cut, so that the normal form of the whole is that of the two parts; text.n when there is none. Such a
 * character is no mark and joins nothing before it, nor does what it decomposes to.
 *
 *     x  e  U+0301  y  U+0301        cuts: before x, e and y
 */
size_t cru_normal_first_cut(const struct cru_classes *classes, struct cru_span text);
size_t cru_normal_last_cut(const struct cru_classes *classes, struct cru_span text);

/* Sorts a run of marks by combining class, equal ones as they were. sorting[0..n) is scratch. */
void cru_order_marks(int32_t *marks, size_t n, int32_t *sorting);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/unicode_classes.h"

bool cru_classes_init(struct cru_classes *classes) {
    *classes = (struct cru_classes){cru_class_block, cru_class_bits};
    return true;
}

void cru_classes_release(struct cru_classes *classes) {
    *classes = (struct cru_classes){0};
}

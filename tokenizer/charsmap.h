/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The normaliser Precompiled: sentencepiece's table of what characters and short sequences become.
 *
 *   u32 bytes | trie: a Darts double array of u32 units, little endian | "new\0new\0..", UTF-8
 *
 *   unit  bit 31 label is a value | 10.. offset | 9 offset times 256 | 8 a value follows | 7..0 label
 *
 * As the reference does it (spm_precompiled 0.1.4, sentencepiece's normalizer.cc): a grapheme of less than
 * six bytes becomes what the shortest key that it begins with says, all of it; else each of its characters
 * does, or stays. Graphemes are those of subword_unicode.h, emoji joined by U+200D included; conjuncts of
 * Indic scripts are not joined, which matters to no table whose keys are whole characters.
 *
 * Owns its memory; made by one thread, read by any. Errors: CRU_USAGE for a table that is none, CRU_FATAL
 * for memory.
 */
#ifndef CRU_TOKENIZER_CHARSMAP_H
#define CRU_TOKENIZER_CHARSMAP_H

#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include <stdint.h>

struct cru_charsmap { /* zeroed: none */
    uint32_t *units;
    size_t n_units;
    char *text;
    size_t text_bytes; /* ends in a NUL that is not counted */
};
/* From base64, as tokenizer.json has it. */
enum cru_status cru_charsmap_init(struct cru_charsmap *map, struct cru_span base64,
                                  struct cru_error *err);
void cru_charsmap_release(struct cru_charsmap *map);
/* Appends the normal form of valid UTF-8. Memory: see out->failed. */
void cru_charsmap_apply(const struct cru_charsmap *map, struct cru_span text,
                        struct cru_buffer *out);

#endif

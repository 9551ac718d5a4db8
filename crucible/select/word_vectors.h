/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static word vectors: a matrix with a row a token, from a .safetensors or .npy file, mapped and
 * not copied. Any number of threads may read one. CRU_FATAL with the reason when a file is not
 * usable.
 *
 * A .safetensors file of model2vec (Tulkens, van Dongen 2024; its package is the source) may have lists
 * beside its matrix, one entry a token id:
 *
 *   mapping  [ 2, 0, 0, .. ]        the row of a token, when several share one
 *   weights  [ 0.3, 1.1, 0.9, .. ]  what its row is multiplied by
 */
#ifndef CRU_SELECT_WORD_VECTORS_H
#define CRU_SELECT_WORD_VECTORS_H

#include "crucible/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cru_word_vectors;
enum cru_status cru_word_vectors_open(const char *path, struct cru_word_vectors **vectors,
                                      struct cru_error *err);
void cru_word_vectors_free(struct cru_word_vectors *vectors); /* NULL is fine */

size_t cru_word_vectors_rows(const struct cru_word_vectors *vectors);
size_t cru_word_vectors_columns(const struct cru_word_vectors *vectors);
/* Whether a text's unknown tokens are left out of its mean: model2vec does so, whose matrix is called
 * `embeddings`; sentence-transformers (`embedding.weight`) and others give them their row. */
bool cru_word_vectors_drop_unknown(const struct cru_word_vectors *vectors);

/* sums[k] += row[k] of each id, times its weight if there are weights, in order and in double, so that
 * a text's sum is the same on every machine. An id beyond the rows and a row with a number that is not
 * finite add nothing. */
void cru_word_vectors_add(const struct cru_word_vectors *vectors, const uint32_t *ids, size_t n,
                          double *sums);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedding ensemble: a document as one unit vector in which several views are joined, each by
 * its weight alpha, so that one dot product is the weighted mean of the views' cosines:
 *
 *   [ sqrt(alpha_h) hash view | sqrt(alpha_t) static view | sqrt(alpha_s) structure view | 0 ]
 *     text --words, pairs,      ids --mean of their          text, crucible.ddm, .quality
 *     characters-->             word vectors-->              -->  (64 numbers)
 *
 * The hash view is a bag of words, word pairs and (in scripts written without spaces) characters
 * and character pairs, weighted by sublinear term frequency and projected by hashed signs. A run
 * over a stream has no document frequencies, and a document's vector must not depend on its
 * neighbours, so rarity is guessed from length: frequent words are short in all languages (Zipf
 * 1935; Bentz, Ferrer-i- Cancho 2016). The structure view places a few numbers (lengths, shares of
 * character classes, the DDM's counts when the document has them) on soft scales; a missing number
 * adds nothing.
 *
 * All is summed in integers and normalised once in double, so a document's vector is the same on
 * every machine. Only the first CRU_EMBED_TEXT bytes of a text are looked at. A cru_embedder owns
 * its scratch; one thread at a time.
 */
#ifndef CRU_SELECT_EMBED_H
#define CRU_SELECT_EMBED_H

#include "crucible/base/error.h"
#include "crucible/doc/document.h"
#include "crucible/select/word_vectors.h"
#include <stddef.h>
#include <stdint.h>

enum {
    CRU_EMBED_STRUCTURE = 64, /* numbers of the structure view */
    CRU_EMBED_DIM_MOST = 4096,
    CRU_EMBED_TEXT = 1 << 20,
};

#define CRU_EMBED_VIEWS "hash,structure" /* the default; static needs a model */
#define CRU_EMBED_DIM "256"

struct cru_embed_spec {
    size_t dim;      /* numbers of the whole vector, a multiple of 64 */
    size_t hash_dim; /* of the hash view; 0 when it is not wanted */
    bool structure;
    const struct cru_word_vectors *vectors; /* of the static view; NULL when it is not wanted */
    size_t static_dim;                      /* their columns rounded up to 64; 0 without */
};

/* Whether a list of views names the static one. */
bool cru_embed_wants_static(const char *views);

/* `views` is a comma-separated list; `vectors` are those of the static view, and stay the caller's.
 * CRU_USAGE for an unknown view, for vectors without the static view or the other way round, or a
 * dim that is no multiple of 64 or has no room for them. */
enum cru_status cru_embed_spec_parse(const char *views, int64_t dim,
                                     const struct cru_word_vectors *vectors,
                                     struct cru_embed_spec *spec, struct cru_error *err);

struct cru_embedder;
struct cru_embedder *
cru_embedder_new(const struct cru_embed_spec *spec); /* NULL: memory is short */
void cru_embedder_free(struct cru_embedder *embedder);
/* ids[0..n): the text's tokens, for the static view. x[0..spec.dim): length 1, or less when a view
 * has nothing to say (an empty text: zero in the hash view). CRU_FATAL only when memory is short.
 */
enum cru_status cru_embed_document(struct cru_embedder *embedder, const struct cru_doc *doc,
                                   const uint32_t *ids, size_t n, float *x, struct cru_error *err);

/* floor(256 * log2(x)) for x >= 1, in integers (exact up to the last place): 0 for 0. */
uint32_t cru_log2_256(uint64_t x);

#endif

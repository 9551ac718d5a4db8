/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many tokens a document has, for stages whose budgets are in tokens (select, mix).
 *
 * The count is that of the text alone: `crucible tokenize` adds one end-of-document id to each
 * document and padding to a multiple of the bag size. A count found under crucible.tokens is believed,
 * so in a chain of stages a text is counted once; a stage that changes a text must not keep it.
 *
 * A counter is shared by all threads of a stage: opening and freeing are for one thread, counting for
 * any number at once. It holds one encoder (a word cache of a few MiB) a thread that counts at the
 * same time as others.
 */
#ifndef CRU_STAGE_TOKEN_COUNT_H
#define CRU_STAGE_TOKEN_COUNT_H

#include "crucible/base/error.h"
#include "crucible/doc/document.h"
#include <stdint.h>

struct cru_token_counter;

/* `vocab` is a vocabulary's name ("qwen3") or a path, as for `crucible tokenize --vocab`. CRU_FATAL
 * when it cannot be found or loaded; *counter is then NULL. */
enum cru_status cru_token_counter_open(const char *vocab, struct cru_token_counter **counter,
                                       struct cru_error *err);

/* Tokens of doc->text into *n: crucible.tokens when the document has it, else counted and set there.
 * Call it from run() (it writes to the batch). CRU_BAD for a text that cannot be encoded (tokenizer.h): mark
 * it with cru_doc_wrong. CRU_FATAL when memory is short. */
enum cru_status cru_doc_tokens(struct cru_token_counter *counter, struct cru_batch *batch,
                               struct cru_doc *doc, uint64_t *n, struct cru_error *err);

void cru_token_counter_free(struct cru_token_counter *counter); /* NULL is fine */

#endif

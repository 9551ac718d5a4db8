/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool holds documents between two segments. Written in order by one thread, sealed, then read back
 * in order or by picks. Its format is Crucible's own and of one version: never an interchange file.
 *
 *   frame:  | magic u32 | documents u32 | bytes u64 | {length u64, xxh3 u64} * documents | documents |
 *   end:    | end magic u32 | 0 | documents u64 | xxh3 of those 16 bytes u64 |
 *
 * A document is its number, id, path, text, fields and meta, each with its length. The raw JSON of the
 * text is not kept: behind a spool the text is written in one form, UTF-8 with the fewest escapes.
 * A file without its end frame is recognisably unfinished and is refused. Memory: 24 bytes a document,
 * and past common->memory those move to a file in tmpdir.
 */
#ifndef CRU_STAGE_SPOOL_H
#define CRU_STAGE_SPOOL_H

#include "crucible/doc/document.h"
#include "crucible/stage/stage.h"

struct cru_spool;

/* path == NULL: an unlinked file in common->tmpdir. Otherwise PATH appears when the spool is sealed. */
enum cru_status cru_spool_create(const char *path, const struct cru_common *common,
                                 struct cru_spool **spool, struct cru_error *err);
/* Appends the living documents of the batch. */
enum cru_status cru_spool_write(struct cru_spool *spool, const struct cru_batch *batch,
                                struct cru_error *err);
/* Ends writing; after it the spool can be read. */
enum cru_status cru_spool_seal(struct cru_spool *spool, struct cru_error *err);
/* Opens a sealed spool written under a path. */
enum cru_status cru_spool_open(const char *path, const struct cru_common *common,
                               struct cru_spool **spool, struct cru_error *err);
uint64_t cru_spool_documents(const struct cru_spool *spool);
void cru_spool_free(struct cru_spool *spool);

/* Reads it back: in order, or in the order stage->class->next gives when stage is not NULL. */
struct cru_spool_reader;
enum cru_status cru_spool_reader_new(struct cru_spool *spool, struct cru_stage *stage,
                                     struct cru_spool_reader **reader, struct cru_error *err);
enum cru_status cru_spool_fill(void *reader, struct cru_batch *batch, struct cru_error *err);
enum cru_status cru_spool_parse(void *reader, struct cru_batch *batch, struct cru_error *err);
void cru_spool_reader_free(struct cru_spool_reader *reader);

#endif

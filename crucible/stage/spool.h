/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool holds documents between two segments: a file of batch frames, each with its length and
 * XXH3 checksum, and an end frame with the count. Written in order by one thread; a written spool
 * can be read by a path or by a pick. The format is Crucible's own and of one version: a spool is
 * never an interchange file. Memory: 8 bytes a document (the offsets), while picks are read.
 *
 *   frame:  u32 magic  u32 documents  u64 bytes  u64 xxh3 | documents ...
 *   doc:    u32 length, then id, text, fields and meta, each with its length
 *
 * A file without its end frame is recognisably unfinished and is refused.
 */
#ifndef CRU_STAGE_SPOOL_H
#define CRU_STAGE_SPOOL_H

#include "crucible/doc/document.h"
#include "crucible/stage/stage.h"

struct cru_spool;

/* path == NULL: an unlinked file in tmpdir. Otherwise PATH appears when the spool is sealed. */
enum cru_status cru_spool_create(const char *path, const char *tmpdir, struct cru_spool **spool,
                                 struct cru_error *err);
/* Appends the living documents of the batch. */
enum cru_status cru_spool_write(struct cru_spool *spool, const struct cru_batch *batch,
                                struct cru_error *err);
/* Ends writing; after it the spool can be read. */
enum cru_status cru_spool_seal(struct cru_spool *spool, struct cru_error *err);
/* Opens a sealed spool written under a path. */
enum cru_status cru_spool_open(const char *path, struct cru_spool **spool, struct cru_error *err);
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

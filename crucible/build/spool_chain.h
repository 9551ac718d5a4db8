/* SPDX-License-Identifier: Apache-2.0 */
/* Several finished spools read one behind the other, as one source. */
#ifndef CRU_BUILD_SPOOL_CHAIN_H
#define CRU_BUILD_SPOOL_CHAIN_H

#include "crucible/stage/pipeline.h"

struct cru_spool_chain;
enum cru_status cru_spool_chain_new(struct cru_spool_chain **chain, struct cru_error *err);
enum cru_status cru_spool_chain_add(struct cru_spool_chain *chain, const char *path,
                                    const struct cru_common *common, struct cru_error *err);
struct cru_source cru_spool_chain_source(struct cru_spool_chain *chain);
void cru_spool_chain_free(struct cru_spool_chain *chain);

#endif

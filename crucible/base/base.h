/* SPDX-License-Identifier: Apache-2.0 */
/* Everything in crucible/base that nearly every file needs. Include it after system headers. */
#ifndef CRU_BASE_BASE_H
#define CRU_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crucible/base/arena.h"
#include "crucible/base/buffer.h"
#include "crucible/base/error.h"
#include "crucible/base/hash.h"
#include "crucible/base/options.h"
#include "crucible/base/span.h"

#include "crucible/base/banned.h"

#endif

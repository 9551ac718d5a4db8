/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that have no place in a tool fed with hostile bytes: naming one after this header is a
 * compile error. base.h includes it last, so system headers go before crucible headers.
 */
#ifndef CRU_BASE_BANNED_H
#define CRU_BASE_BANNED_H
#if !defined(__cplusplus) && !defined(__CUDACC__)
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets atoi atol atof
#endif
#endif

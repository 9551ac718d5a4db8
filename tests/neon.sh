#!/bin/sh
# The NEON kernels on a machine without NEON: cross-compiled, run by an emulator, and compared with the plain ones.
# Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user. No part of `make test`.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cat >"$work/neon.c" <<'C'
#include "crucible/base/base.h"
#include "crucible/base/hash.h"
#include "tokenizer/byte_masks.h"

enum { BLOCKS = 64, ROUNDS = 20000 };

int main(void) {
    static unsigned char p[64 * BLOCKS];
    static struct cru_byte_masks masks[2][BLOCKS];
    static uint64_t leads[2][BLOCKS];
    static uint16_t places[2][64 * BLOCKS + CRU_POSITIONS_SLACK];
    const struct cru_mask_kernels *kernels[2] = {cru_mask_kernels_of(CRU_MASKS_PLAIN),
                                                 cru_mask_kernels_of(CRU_MASKS_NEON)};
    struct cru_random r = {1};
    if (!kernels[1]) return puts("no NEON kernels in this build"), 2;
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + cru_random_next(&r) % BLOCKS, found[2];
        for (size_t i = 0; i < 64 * n; i++)
            p[i] = (unsigned char)(round < 256 ? i + (unsigned)round : cru_random_next(&r) >> (round % 2));
        for (int k = 0; k < 2; k++) {
            kernels[k]->byte_masks(p, n, masks[k]);
            kernels[k]->mark_leads(p, n, leads[k]);
            found[k] = kernels[k]->positions(&masks[0][0].letter, n, places[k]);
        }
        if (memcmp(masks[0], masks[1], n * sizeof *masks[0]) || memcmp(leads[0], leads[1], 8 * n) ||
            found[0] != found[1] || memcmp(places[0], places[1], 2 * found[0]))
            return printf("round %d: NEON and plain differ\n", round), 1;
    }
    printf("NEON is plain in %d rounds\n", ROUNDS);
    return 0;
}
C
aarch64-linux-gnu-gcc -std=c11 -O2 -Wall -Wextra -Wconversion -I. -D_GNU_SOURCE -static \
    "$work/neon.c" tokenizer/byte_masks.c -o "$work/neon"
qemu-aarch64 "$work/neon"

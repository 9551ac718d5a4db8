/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/stage_main.h"

int main(int argc, char **argv) {
    return cru_stage_main(argc, argv, &cru_embed_stage);
}

# SPDX-License-Identifier: Apache-2.0
# make test-gpu, make bench-gpu: on a machine with an H100 or H200, nvcc and gcc, and none of the
# libraries that the rest wants. The bench alone links cuBLASLt, its peer.
GPU_C := $(addprefix crucible/select/,eesd.c similarity.c similarity_avx2.c similarity_vnni.c gains.c gains_first.c reach.c eesd_methods.c) crucible/base/error.c crucible/base/parallel.c
GPU_OBJ := $(patsubst %.c,$(B)/%.o,$(filter $(wildcard $(GPU_C)),$(GPU_C))) $(addprefix $(B)/crucible/select/,eesd_cuda.o eesd_cards.o)

.PHONY: test-gpu bench-gpu
$(B)/tests/gpu/eesd_cuda_test: $(B)/tests/gpu/eesd_cuda_test.o $(GPU_OBJ)
	$(NVCC) $^ -o $@ -lgomp
$(B)/tests/gpu/eesd_cuda_bench: $(B)/tests/gpu/eesd_cuda_bench.o $(GPU_OBJ)
	$(NVCC) $^ -o $@ -lgomp -lcublasLt
test-gpu: $(B)/tests/gpu/eesd_cuda_test
	$<
bench-gpu: $(B)/tests/gpu/eesd_cuda_bench
	@echo "commit $(COMMIT)"
	$<
-include $(wildcard $(B)/tests/gpu/*.d)

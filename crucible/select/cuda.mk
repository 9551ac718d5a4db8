# SPDX-License-Identifier: Apache-2.0
# The CUDA parts, where there is a compiler for them. CUDA=0 leaves them out. Their code is for Hopper
# cards (H100, H200); where there is none the programs say so, or use the processor.
NVCC ?= $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc))
CUDA ?= $(if $(SAN),0,$(if $(NVCC),1,0))
CUDA_HOME ?= $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))
NVCCFLAGS ?= -std=c++17 -O3 -Xcompiler -Wall,-Wextra -gencode arch=compute_90a,code=sm_90a

# What a room has of them.
cuda_objects = $(if $(filter 1,$(CUDA)),$(patsubst %.cu,$(B)/%.o,$(wildcard $(1)/*.cu)))

ifeq ($(CUDA),1)
CPPFLAGS += -DCRU_CUDA
LDLIBS += -L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt
endif

$(B)/%.o: %.cu
	@mkdir -p $(@D)
	$(or $(NVCC),$(error nvcc is needed for $<)) $(NVCCFLAGS) -I. -MMD -MP -c $< -o $@
-include $(foreach r,$(ROOMS),$(patsubst %.o,%.d,$(call cuda_objects,$(r))))

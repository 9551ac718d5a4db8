# Crucible. `make` builds, `make demo` shows, `make test` checks; CONTRIBUTING.md says where things live.
# Variables: B= build directory, SAN= sanitizer flags, PREFIX=, OPT=.
.DEFAULT_GOAL := all
B ?= build
SAN ?=
CC ?= gcc
CXX ?= g++
PREFIX ?= /usr/local
VERSION := 0.1.0

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wpointer-arith -Wcast-qual \
        -Wmissing-prototypes -Wvla -Wformat=2
CXXWARN := -Wall -Wextra -Wshadow
OPT ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE -DCRU_VERSION='"$(VERSION)"'
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
CFLAGS += -std=c11 $(OPT) $(WARN) $(SAN)
CXXFLAGS += -std=c++17 $(OPT) $(CXXWARN) $(SAN)
# libarchive's shared library brings libxml2 and ICU along, 3 MB and some milliseconds for each program of a
# pipe, for formats that nobody opens here. Its static one, where there is one, brings what is used.
STATIC_ARCHIVE := $(filter /%,$(shell $(CC) -print-file-name=libarchive.a))
LDLIBS += $(if $(STATIC_ARCHIVE),$(STATIC_ARCHIVE) -lnettle -llzma -lbz2 -llz4,-larchive) -lz -lzstd -lsqlite3 -lpcre2-8 -lxxhash -lgumbo -lutf8proc -lcld2 -lcyaml -lyaml \
          -lopenblas -lsimdjson -lstdc++ -lm -lpthread

ROOMS := crucible/base crucible/doc crucible/read crucible/filter crucible/dedup crucible/select \
         ddm tokenizer shards crucible/stage crucible/build cmd/train
SRC := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c))
CXXSRC := $(foreach r,$(ROOMS),$(wildcard $(r)/*.cc))
OBJ := $(SRC:%.c=$(B)/%.o) $(CXXSRC:%.cc=$(B)/%.o)

-include $(OBJ:.o=.d)

# The cue lexicons are compiled in: {"file", "its text"}, a line each.
CUES := $(sort $(wildcard recipes/cues/*.cues))
$(B)/ddm/cue_files.inc: $(CUES) Makefile
	@mkdir -p $(@D)
	@for f in $(CUES); do printf '{"%s",\n' $$f; sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $$f; echo '},'; done > $@.tmp && mv $@.tmp $@
$(B)/ddm/lexicon_set.o: CPPFLAGS += -I$(B)/ddm
$(B)/ddm/lexicon_set.o: $(B)/ddm/cue_files.inc

$(B)/crucible/base/parallel.o: CFLAGS += -fopenmp
# gcc would send the four numbers of a word through vector registers to store them.
$(B)/ddm/word_windows.o: CFLAGS += -fno-tree-slp-vectorize
# Its loops look at all of a vocabulary at every start; -O3 makes vectors of them.
$(B)/tokenizer/vocab_check.o: CFLAGS += -O3
# The trainer's matrix products; BLAS= builds it with the plain C ones alone.
BLAS ?= openblas
$(B)/cmd/train/%.o: CPPFLAGS += $(if $(filter openblas,$(BLAS)),-DCRU_OPENBLAS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

include crucible/select/cuda.mk

# One archive a room; a program or test links only the rooms its own may use, so the linker checks
# the arrows of CONTRIBUTING.md.
lib = $(foreach r,$(1),$(B)/lib/lib$(subst /,-,$(r)).a)
ALL_ROOMS := crucible/build crucible/stage crucible/read crucible/filter crucible/dedup crucible/select \
             ddm tokenizer shards crucible/doc crucible/base
USES_base := crucible/base
USES_doc := crucible/doc crucible/base
USES_read := crucible/read crucible/doc crucible/base
USES_filter := crucible/filter crucible/doc crucible/base
USES_dedup := crucible/dedup crucible/doc crucible/base
USES_select := crucible/select crucible/doc crucible/base
USES_ddm := ddm crucible/base
USES_tokenizer := tokenizer crucible/base
USES_shards := shards crucible/base
USES_train := cmd/train shards crucible/base
USES_stage := $(filter-out crucible/build,$(ALL_ROOMS))
USES_build := $(ALL_ROOMS)

define room_rule
$(B)/lib/lib$(subst /,-,$(1)).a: $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c)) $(patsubst %.cc,$(B)/%.o,$(wildcard $(1)/*.cc)) $(call cuda_objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$(r))))

# tests/unit/ROOM_what_test.c links the rooms that ROOM may use; and libarchive's shared library, since one writes archives.
UNIT := $(wildcard tests/unit/*_test.c)
define unit_rule
$(B)/$(1:.c=): $(1) $(call lib,$(USES_$(firstword $(subst _, ,$(notdir $(1))))))
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$< -Wl,--start-group $(call lib,$(USES_$(firstword $(subst _, ,$(notdir $(1)))))) -Wl,--end-group -o $$@ -lcmocka $$(patsubst %/libarchive.a,-larchive,$$(LDLIBS)) -lgomp
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

# Programs: crucible-STAGE each, and crucible that finds them.
STAGE_PROGRAMS := read filter dedup decontaminate score embed select mix tokenize
PROGRAMS := crucible $(STAGE_PROGRAMS:%=crucible-%) crucible-shard crucible-build crucible-report crucible-train crucible-vocab
BIN := $(PROGRAMS:%=$(B)/bin/%)
MAN := $(patsubst cmd/%.1,$(B)/share/man/man1/crucible-%.1,$(filter-out cmd/crucible.1,$(wildcard cmd/*.1))) \
       $(B)/share/man/man1/crucible.1
group = -Wl,--start-group $(1) -Wl,--end-group
link = @mkdir -p $(@D); $(CC) $(SAN) $(LDFLAGS) $(filter %.o,$^) $(call group,$(filter %.a,$^)) -o $@ $(LDLIBS) -lgomp

$(B)/cmd/crucible.o: CPPFLAGS += -DCRU_COMMIT='"$(COMMIT)"'
$(B)/bin/crucible: $(B)/cmd/crucible.o $(call lib,crucible/base)
	$(link)
$(STAGE_PROGRAMS:%=$(B)/bin/crucible-%): $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/stage_main.o $(B)/cmd/command.o $(call lib,$(USES_build))
	$(link)
$(B)/bin/crucible-build $(B)/bin/crucible-report: $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/command.o $(call lib,$(USES_build))
	$(link)
$(B)/bin/crucible-shard: $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/command.o $(call lib,$(USES_shards) tokenizer)
	$(link)
$(B)/bin/crucible-train: $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/command.o $(call lib,$(USES_train))
	$(link)
-include $(wildcard $(B)/cmd/*.d)

# A man page's options are those of the program's own table.
$(B)/share/man/man1/crucible-%.1: cmd/%.1 $(B)/bin/crucible-%
	@mkdir -p $(@D)
	@$(B)/bin/crucible-$* --man-options > $@.options
	@sed -e '/@OPTIONS@/{r $@.options' -e 'd;}' $< > $@.tmp && mv $@.tmp $@ && rm -f $@.options

$(B)/share/man/man1/crucible.1: cmd/crucible.1
	@mkdir -p $(@D)
	@cp $< $@

.PHONY: all programs
all: programs $(MAN)
programs: $(BIN)

# What must be there. `make deps` installs what is missing, and says what.
DEPS := build-essential pkg-config ca-certificates python3 python3-pip libsimdjson-dev libarchive-dev \
        libzstd-dev zlib1g-dev libsqlite3-dev libpcre2-dev libxxhash-dev libgumbo-dev libutf8proc-dev \
        libcld2-dev libcyaml-dev libyaml-dev libopenblas-dev nettle-dev liblzma-dev libbz2-dev liblz4-dev
DEPS_TEST := libcmocka-dev gzip zstd xz-utils bzip2 lz4
DEPS_DEMO := installation-guide-amd64 manpages manpages-dev manpages-de manpages-fr libc6-dev \
             linux-libc-dev libpython3-stdlib
DEPS_LINT := cppcheck clang-tidy clang libclang-rt-14-dev

define install
@missing=""; for p in $(1); do dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
if [ -n "$$missing" ]; then \
  echo "installing:$$missing"; \
  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null || exit 2; \
fi
endef

.PHONY: deps deps-test deps-demo deps-lint demo test unit asan tsan lint format fuzz bench install clean
deps:
	$(call install,$(DEPS))
deps-test:
	$(call install,$(DEPS) $(DEPS_TEST) $(DEPS_DEMO))
deps-demo:
	$(call install,$(DEPS) $(DEPS_DEMO))
deps-lint:
	$(call install,$(DEPS) $(DEPS_TEST) $(DEPS_LINT))

include tokenizer/vocab.mk

# make -s and -j are decided here, so that a plain `make demo` uses all cores and stays readable.
JOBS := $(shell nproc 2>/dev/null || echo 2)
SUB = $(MAKE) --no-print-directory -j$(JOBS)

demo:
	@$(MAKE) --no-print-directory deps-demo
	@echo "building"; $(SUB) -s all
	@$(MAKE) --no-print-directory -s vocab
	$(B)/bin/crucible build recipes/quickstart.yaml --work demo || [ $$? = 1 ]
	@$(B)/bin/crucible report demo --html demo/report.html
	@echo "the HTML report: demo/report.html"

test:
	@$(MAKE) --no-print-directory deps-test
	@echo "building"; $(SUB) -s all unit
	@$(MAKE) --no-print-directory -s vocab
	@sh tests/run.sh $(B) $(T)

unit: $(UNIT:%.c=$(B)/%)

# The same tests under the sanitizers. OpenBLAS starts threads of its own that ThreadSanitizer cannot
# follow, so it gets one.
asan:
	@$(MAKE) --no-print-directory deps-test
	@$(SUB) -s B=build-asan SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" OPT="-O1 -g" all unit vocab
	@ASAN_OPTIONS=detect_leaks=1 sh tests/run.sh build-asan $(T)
tsan:
	@$(MAKE) --no-print-directory deps-test
	@$(SUB) -s B=build-tsan SAN="-fsanitize=thread" OPT="-O1 -g" all unit vocab
	@TSAN_OPTIONS="halt_on_error=1 suppressions=$(CURDIR)/tests/tsan.supp" sh tests/run.sh build-tsan $(T)

# Warnings as errors, cppcheck, banned functions and the arrows between rooms.
lint: deps-lint
	@sh tests/arrows.sh
	@$(SUB) -s B=build-lint OPT="-O2 -Werror" programs unit
	@cppcheck --quiet --error-exitcode=1 --std=c11 --language=c -j$(JOBS) -I. -D_GNU_SOURCE -DCRU_VERSION='""' -DCRU_COMMIT='""' \
	  --enable=warning,portability --inline-suppr --suppressions-list=tests/cppcheck.supp \
	  $(foreach r,$(ROOMS),$(wildcard $(r)/*.c)) $(wildcard cmd/*.c)
	@echo "lint: clean"
format:
	$(call install,clang-format)
	clang-format -i $(shell git ls-files '*.c' '*.h' '*.cc')

# Each parser's fuzz target, FUZZ_SECONDS each (libFuzzer).
FUZZ := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_SECONDS ?= 20
fuzz: deps-lint
	@$(SUB) -s B=build-fuzz CC=clang CXX=clang++ WARN= SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" OPT="-O1 -g" $(FUZZ:%.c=build-fuzz/%)
	@for f in $(FUZZ:%.c=build-fuzz/%); do mkdir -p build-fuzz/corpus/$$(basename $$f); \
	  echo "$$f"; $$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=0 build-fuzz/corpus/$$(basename $$f) || exit 1; done
build-fuzz/tests/fuzz/%: tests/fuzz/%.c $(foreach r,$(filter-out cmd/train,$(ROOMS)),build-fuzz/lib/lib$(subst /,-,$(r)).a) build-fuzz/lib/libcmd-train.a
	@mkdir -p $(@D)
	clang $(CPPFLAGS) -std=c11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -c $< -o $@.o
	clang++ -fsanitize=fuzzer,address,undefined $@.o $(call group,$(filter %.a,$^)) -o $@ $(LDLIBS) -lgomp

include tests/gpu/gpu.mk

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/crucible/recipes/models \
	  $(DESTDIR)$(PREFIX)/share/crucible/recipes/cues $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(MAN) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 recipes/*.yaml recipes/*.jsonl $(DESTDIR)$(PREFIX)/share/crucible/recipes
	install -m 644 recipes/cues/*.cues $(DESTDIR)$(PREFIX)/share/crucible/recipes/cues
	install -m 644 recipes/models/*.yaml $(DESTDIR)$(PREFIX)/share/crucible/recipes/models
	[ ! -f $(B)/share/crucible/qwen3.vocab ] || install -m 644 $(B)/share/crucible/qwen3.vocab $(DESTDIR)$(PREFIX)/share/crucible
	sh tests/completion.sh $(B)/bin > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/crucible
	printf 'prefix=%s\nName: crucible\nDescription: raw dumps to training shards\nVersion: %s\nbindir=$${prefix}/bin\ndatadir=$${prefix}/share/crucible\n' '$(PREFIX)' '$(VERSION)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/crucible.pc

clean:
	rm -rf $(B) build-asan build-tsan build-lint build-fuzz demo

# Peers are installed into a virtual environment; each script prints ratios measured in one run.
BENCH := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/*.c))
$(B)/bench/%: tests/bench/%.c $(call lib,$(USES_build) cmd/train)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $< $(call group,$(filter %.a,$^)) -o $@ $(LDLIBS) -lgomp
bench:
	@$(MAKE) --no-print-directory deps-demo
	@$(SUB) -s all vocab $(BENCH)
	@sh tests/bench/run.sh $(B) $(T)

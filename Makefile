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
LDLIBS += -larchive -lzstd -lsqlite3 -lpcre2-8 -lxxhash -lgumbo -lutf8proc -lcld2 -lcyaml -lyaml \
          -lopenblas -lsimdjson -lstdc++ -lm -lpthread

ROOMS := crucible/base crucible/doc crucible/read crucible/filter crucible/dedup crucible/select \
         ddm tokenizer shards crucible/stage crucible/build cmd/train
SRC := $(foreach r,$(ROOMS),$(wildcard $(r)/*.c))
CXXSRC := $(foreach r,$(ROOMS),$(wildcard $(r)/*.cc))
OBJ := $(SRC:%.c=$(B)/%.o) $(CXXSRC:%.cc=$(B)/%.o)

-include $(OBJ:.o=.d)

$(B)/crucible/base/parallel.o: CFLAGS += -fopenmp

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

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
$(B)/lib/lib$(subst /,-,$(1)).a: $(patsubst %.c,$(B)/%.o,$(wildcard $(1)/*.c)) $(patsubst %.cc,$(B)/%.o,$(wildcard $(1)/*.cc))
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$(r))))

# tests/unit/ROOM_what_test.c links the rooms that ROOM may use.
UNIT := $(wildcard tests/unit/*_test.c)
define unit_rule
$(B)/$(1:.c=): $(1) $(call lib,$(USES_$(firstword $(subst _, ,$(notdir $(1))))))
	@mkdir -p $$(@D)
	$$(CC) $$(CPPFLAGS) $$(CFLAGS) $$< -Wl,--start-group $(call lib,$(USES_$(firstword $(subst _, ,$(notdir $(1)))))) -Wl,--end-group -o $$@ -lcmocka $$(LDLIBS) -lgomp
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

# Programs: crucible-STAGE each, and crucible that finds them.
STAGE_PROGRAMS := read filter dedup decontaminate score embed select mix tokenize
PROGRAMS := crucible $(STAGE_PROGRAMS:%=crucible-%) crucible-shard crucible-build crucible-report crucible-train
BIN := $(PROGRAMS:%=$(B)/bin/%)
MAN := $(patsubst cmd/%.1,$(B)/share/man/man1/crucible-%.1,$(filter-out cmd/crucible.1,$(wildcard cmd/*.1)))
group = -Wl,--start-group $(1) -Wl,--end-group
link = @mkdir -p $(@D); $(CC) $(SAN) $(LDFLAGS) $(filter %.o,$^) $(call group,$(filter %.a,$^)) -o $@ $(LDLIBS) -lgomp

$(B)/cmd/crucible.o: CPPFLAGS += -DCRU_COMMIT='"$(COMMIT)"'
$(B)/bin/crucible: $(B)/cmd/crucible.o $(call lib,crucible/base)
	$(link)
$(STAGE_PROGRAMS:%=$(B)/bin/crucible-%): $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/stage_main.o $(B)/cmd/command.o $(call lib,$(USES_build))
	$(link)
$(B)/bin/crucible-build $(B)/bin/crucible-report: $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/command.o $(call lib,$(USES_build))
	$(link)
$(B)/bin/crucible-shard: $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/command.o $(call lib,$(USES_shards))
	$(link)
$(B)/bin/crucible-train: $(B)/bin/crucible-%: $(B)/cmd/%.o $(B)/cmd/command.o $(call lib,$(USES_train))
	$(link)
-include $(wildcard $(B)/cmd/*.d)

# A man page's options are those of the program's own table.
$(B)/share/man/man1/crucible-%.1: cmd/%.1 $(B)/bin/crucible-%
	@mkdir -p $(@D)
	@$(B)/bin/crucible-$* --man-options > $@.options
	@sed -e '/@OPTIONS@/{r $@.options' -e 'd;}' $< > $@.tmp && mv $@.tmp $@ && rm -f $@.options

.PHONY: all programs
all: programs $(MAN)
programs: $(BIN)

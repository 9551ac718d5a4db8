# Crucible. `make` builds, `make demo` shows, `make test` checks; CONTRIBUTING.md says where things live.
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

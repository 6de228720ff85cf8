# convd's build. `make help` lists the targets. Everything built goes to build/, sources are found by where they stand.

# ---- settings one may give: make CC=clang CFLAGS=-O3 PREFIX=/usr WERROR=-Werror -----------------------------------
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
WERROR  ?=
LISTEN  ?= 127.0.0.1:8080
VARIANT ?=

# Debian packages: to build and serve, and on top of them to test. The only place where they are listed.
PACKAGES_RUN  := gcc libc6-dev pkg-config libmicrohttpd-dev libcjson-dev libdeflate-dev libjpeg-dev \
                 libwebp-dev libstb-dev libxxhash-dev libsqlite3-dev libarchive-dev nettle-dev curl
PACKAGES_TEST := $(PACKAGES_RUN) libcmocka-dev libcurl4-openssl-dev libspng-dev python3-jsonschema
PACKAGES_BENCH := $(PACKAGES_RUN) git procps python3 python3-numpy python3-pil
PACKAGES_FUZZ := $(PACKAGES_RUN) libspng-dev clang libclang-rt-dev
PACKAGES_NEON := libspng-dev libspng0 libdeflate-dev libdeflate0 libjpeg62-turbo-dev libjpeg62-turbo libwebp-dev libwebp7 \
                 zlib1g-dev zlib1g libcjson-dev libcjson1 libxxhash-dev libxxhash0 libstb-dev libcmocka-dev libcmocka0
PACKAGES_LINT := $(PACKAGES_TEST) binutils clang clang-format cppcheck shellcheck

# ---- what there is ---------------------------------------------------------------------------------------------------
VERSION := $(shell sed -n 's/^.define CONVD_VERSION "\(.*\)"/\1/p' core/convd.h)
SONAME  := libconvd.so.$(firstword $(subst ., ,$(VERSION)))
B       := build$(if $(VARIANT),/$(VARIANT))

TEMPLATES  := $(wildcard core/simd/*.tmpl.c)
CORE_SRC   := $(filter-out %.tmpl.c,$(wildcard core/*.c core/ops/*.c core/image/*.c core/simd/*.c core/learn/*.c))
API_SRC    := $(wildcard api/*.c)
SERVER_SRC := $(filter-out server/main.c,$(wildcard server/*.c server/handlers/*.c))
TEST_DIRS  := core api graphs store http cli conformance
TEST_HELP   = $(wildcard $(1)/lib_*.c $(1)/client.c) $(if $(filter %/graphs,$(1)),tests/api/lib_work.c) $(if $(filter %/http,$(1)),tests/store/lib_dir.c)
TEST_SRC   := $(foreach d,$(TEST_DIRS:%=tests/%),$(filter-out $(call TEST_HELP,$d) tests/core/embed.c,$(wildcard $d/*.c))) \
              $(wildcard tests/ops_all.c tests/simd_all.c)
TESTS      := $(TEST_SRC:%.c=$(B)/%)
# Tests in Python, and programs that they ask or that are run when asked for.
SCRIPT_LIB := $(wildcard tests/schema/lib_*.py)
SCRIPTS    := $(patsubst %.py,$(B)/%,$(filter-out $(SCRIPT_LIB),$(wildcard tests/schema/*.py)))
ASKED_SRC  := $(wildcard tests/schema/*.c tests/learn/*.c)
ASKED      := $(ASKED_SRC:%.c=$(B)/%)
EMBED      := $(if $(wildcard tests/core/embed.c),$(B)/tests/core/embed)

MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
ifeq ($(MACHINE),x86_64)
ISAS := base avx2 avx512 vnni
else
ISAS := neon
endif
ISA_base   := -DISA=base -DVL=16
ISA_neon   := -DISA=neon -DVL=16
ISA_avx2   := -DISA=avx2 -DVL=32 -mavx2 -mfma
ISA_avx512 := -DISA=avx512 -DVL=64 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
ISA_vnni   := -DISA=vnni -DVL=64 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mavx2 -mfma
CONTRACT_base := off
CONTRACT_neon := fast
CONTRACT_avx2 := fast
CONTRACT_avx512 := fast
CONTRACT_vnni := fast

CORE_OBJ   := $(CORE_SRC:%.c=$(B)/%.o) $(foreach i,$(ISAS),$(TEMPLATES:%.tmpl.c=$(B)/%.$i.o))
API_OBJ    := $(API_SRC:%.c=$(B)/%.o)
SERVER_OBJ := $(SERVER_SRC:%.c=$(B)/%.o)
MAIN_OBJ   := $(patsubst %.c,$(B)/%.o,$(wildcard server/main.c))
HELP_OBJ   := $(patsubst %.c,$(B)/%.o,$(foreach d,$(TEST_DIRS:%=tests/%),$(call TEST_HELP,$d)))
PROGRAM    := $(if $(MAIN_OBJ),$(B)/convd)
LIBRARIES  := $(B)/libconvd.a $(B)/libconvd.so

# ---- flags -----------------------------------------------------------------------------------------------------------
comma      := ,
PKG_CONFIG ?= pkg-config
pkg         = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)
CORE_PKGS   := libdeflate libjpeg libwebp
API_PKGS    := libcjson libxxhash
SERVER_PKGS := libmicrohttpd sqlite3 nettle
TEST_PKGS   := cmocka libcurl
ARCHIVES    := $(B)/server.a $(B)/api.a $(B)/libconvd.a
# Another processor's build: what needs neither sockets nor a store. Its packages are unpacked under build/, see test-neon.
ifeq ($(VARIANT),neon)
SERVER_PKGS :=
TEST_PKGS   := cmocka
ARCHIVES    := $(B)/api.a $(B)/libconvd.a
PKG_CONFIG  := PKG_CONFIG_SYSROOT_DIR=$(abspath $(B)/sysroot) PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
               PKG_CONFIG_LIBDIR=$(abspath $(B)/sysroot/usr/lib/aarch64-linux-gnu/pkgconfig) pkg-config
endif
CORE_LIBS   = $(call pkg,--libs $(CORE_PKGS))
API_LIBS    = $(call pkg,--libs $(API_PKGS))
SERVER_LIBS = $(if $(SERVER_PKGS),$(call pkg,--libs $(SERVER_PKGS)) -larchive)
TEST_LIBS   = $(call pkg,--libs $(TEST_PKGS))
PKG_CFLAGS := $(call pkg,--cflags $(CORE_PKGS) $(API_PKGS) $(SERVER_PKGS)) $(patsubst -I%,-isystem %,$(call pkg,--cflags stb)) \
              $(if $(filter neon,$(VARIANT)),-I$(abspath $(B)/sysroot/usr/include/aarch64-linux-gnu))

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes
CFLAGS   ?= -g
HARDEN   := -fstack-protector-strong -D_FORTIFY_SOURCE=2
OPT      := -O2
OPT_HOT  := -O3
# Sanitized templates contract to FMA too (that pass belongs to the expensive ones): they must equal ref.c bit by bit.
ifeq ($(VARIANT),asan)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
HARDEN   :=
OPT      := -O1
OPT_HOT  := -O1 -fexpensive-optimizations
else ifeq ($(VARIANT),fuzz)
override CC := clang
SANITIZE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
HARDEN   :=
OPT      := -O1
OPT_HOT  := -O1
else ifeq ($(VARIANT),tsan)
SANITIZE := -fsanitize=thread -fno-omit-frame-pointer
HARDEN   :=
OPT      := -O1
OPT_HOT  := -O1 -fexpensive-optimizations
endif
BASE := -std=gnu11 -D_GNU_SOURCE= -pthread -fPIC -fno-semantic-interposition -ffp-contract=off \
        $(WARNINGS) $(WERROR) $(HARDEN) $(SANITIZE) $(PKG_CFLAGS)
LINK := -pthread $(SANITIZE) -Wl,-z,relro,-z,now $(LDFLAGS) \
        $(if $(filter neon,$(VARIANT)),-Wl$(comma)-rpath-link$(comma)$(abspath $(B)/sysroot/usr/lib/aarch64-linux-gnu))

# Objects depend on this file, which changes when the flags do.
FLAGS := $(B)/flags
ifneq ($(filter-out help clean install-packages-%,$(or $(MAKECMDGOALS),all)),)
FLAGS_TEXT := $(CC) $(BASE) $(OPT) $(OPT_HOT) $(CFLAGS) $(CPPFLAGS) / $(LINK)
OBJECTS_TEXT := $(CORE_OBJ) $(API_OBJ) $(SERVER_OBJ)
$(shell mkdir -p $(B); \
  echo '$(FLAGS_TEXT)' | cmp -s - $(FLAGS) || echo '$(FLAGS_TEXT)' >$(FLAGS); \
  echo '$(OBJECTS_TEXT)' | cmp -s - $(B)/objects || echo '$(OBJECTS_TEXT)' >$(B)/objects)
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all help run test test-code test-crash run-tests programs asan tsan format lint lint-checks layers layers-check man docs fuzz run-fuzz soak run-soak bench install uninstall clean docker
.PHONY: install-packages-run install-packages-test install-packages-bench install-packages-fuzz install-packages-lint

## all: build the program and the library (what plain `make` does)
all: $(LIBRARIES) $(PROGRAM)

## help: this list
help:
	@echo 'make targets:'
	@sed -n 's/^## \([a-z-]*\): \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r t s; do printf '  %-10s %s\n' "$$t" "$$s"; done

# ---- compiling -------------------------------------------------------------------------------------------------------
COMPILE = @mkdir -p $(@D) && echo '  CC      $@' && $(CC) $(BASE) -MMD -MP -c -o $@ $<

$(B)/core/simd/%.o: core/simd/%.c $(FLAGS)
	$(COMPILE) $(OPT_HOT) $(CFLAGS) $(CPPFLAGS)
# Nobody reads errno or floating-point flags there, so that sqrt and both sides of ?: may be made of vectors.
$(B)/core/ops/%.o: core/ops/%.c $(FLAGS)
	$(COMPILE) $(OPT_HOT) -fno-math-errno -fno-trapping-math $(CFLAGS) $(CPPFLAGS)
$(B)/core/learn/%.o: core/learn/%.c $(FLAGS)
	$(COMPILE) $(OPT_HOT) -fno-math-errno -fno-trapping-math $(CFLAGS) $(CPPFLAGS)
# Rows of pictures: filters, colours, planes.
$(B)/core/image/%.o: core/image/%.c $(FLAGS)
	$(COMPILE) $(OPT_HOT) $(CFLAGS) $(CPPFLAGS)
$(B)/%.o: %.c $(FLAGS)
	$(COMPILE) $(OPT) $(CFLAGS) $(CPPFLAGS)
define ISA_RULE
$(B)/core/simd/%.$(1).o: core/simd/%.tmpl.c $(FLAGS)
	$$(COMPILE) $(OPT_HOT) $$(ISA_$(1)) -ffp-contract=$$(CONTRACT_$(1)) $(CFLAGS) $(CPPFLAGS)
endef
$(foreach i,$(ISAS),$(eval $(call ISA_RULE,$i)))

# .incbin is invisible to -MMD: whoever embeds files depends on all that are embedded.
EMBEDDERS := $(shell grep -ls 'embed[.]h"' $(API_SRC) $(SERVER_SRC) /dev/null)
$(EMBEDDERS:%.c=$(B)/%.o): $(wildcard api/pipelines/*.json server/web/* server/migrations/*.sql)

ARCHIVE = @echo '  AR      $@' && rm -f $@.new && ar rcs $@.new $(filter %.o,$^) && mv $@.new $@
$(B)/libconvd.a: $(CORE_OBJ) $(B)/objects
	$(ARCHIVE)
$(B)/api.a: $(API_OBJ) $(B)/objects
	$(ARCHIVE)
$(B)/server.a: $(SERVER_OBJ) $(B)/objects
	$(ARCHIVE)
$(B)/$(SONAME): $(CORE_OBJ) core/libconvd.map $(B)/objects
	@echo '  LD      $@' && $(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=core/libconvd.map -o $@ \
	    $(CORE_OBJ) $(LINK) $(CORE_LIBS) -lm
$(B)/libconvd.so: $(B)/$(SONAME)
	@ln -sf $(SONAME) $@
$(B)/convd: $(MAIN_OBJ) $(B)/server.a $(B)/api.a $(B)/libconvd.a
	@echo '  LD      $@' && $(CC) -o $@ $^ $(LINK) $(SERVER_LIBS) $(API_LIBS) $(CORE_LIBS) -lm

# ---- testing ---------------------------------------------------------------------------------------------------------
# A test program is one file, linked with its folder's lib_*.c and with everything but main.c. A line
# "/* link: FLAGS */" in it adds linker flags.
$(TESTS:%=%.o) $(ASKED:%=%.o): CPPFLAGS += -I.
$(HELP_OBJ) $(B)/tests/bench/soak.o: CPPFLAGS += -I.
define TEST_RULE
$(B)/$(1:%.c=%): $(B)/$(1:%.c=%.o) $(patsubst %.c,$(B)/%.o,$(call TEST_HELP,$(patsubst %/,%,$(dir $(1))))) \
    $(ARCHIVES)
	@echo '  LD      $$@' && $(CC) -o $$@ $$^ $$$$(sed -n 's,^/[*] link: \(.*\) [*]/$$$$,\1,p' $(1)) $$(LINK) \
	    $$(TEST_LIBS) $$(SERVER_LIBS) $$(API_LIBS) $$(CORE_LIBS) -lm
endef
$(foreach t,$(TEST_SRC) $(ASKED_SRC),$(eval $(call TEST_RULE,$t)))
$(SCRIPT_LIB:%=$(B)/%): $(B)/%: %
	@mkdir -p $(@D) && install -m 644 $< $@
$(SCRIPTS): $(B)/%: %.py $(SCRIPT_LIB:%=$(B)/%)
	@mkdir -p $(@D) && install -m 755 $< $@

# Preloaded into the daemon by a test.
SHIMS := $(patsubst %.c,$(B)/%.so,$(wildcard tests/http/shim/*.c))
$(SHIMS): $(B)/%.so: %.c %.h $(FLAGS)
	@mkdir -p $(@D) && echo '  LD      $@' && $(CC) -std=gnu11 -D_GNU_SOURCE= $(WARNINGS) -O1 -fPIC -shared -o $@ $< -ldl

# A user's program: the library and nothing else.
$(B)/tests/core/embed: tests/core/embed.c $(B)/libconvd.a $(FLAGS)
	@mkdir -p $(@D) && echo '  CC      $@' && $(CC) -std=gnu11 $(WARNINGS) $(SANITIZE) $(CFLAGS) -Icore -o $@ $< $(B)/libconvd.a \
	    $(LINK) $(CORE_LIBS) -lm

# run, test and the like build with every processor unless -j says otherwise.
JOBS = $(if $(findstring j,$(filter-out --%,$(MAKEFLAGS))),,-j$(shell nproc))

programs: $(TESTS) $(EMBED) $(SCRIPTS) $(ASKED) $(SHIMS)

run-tests: all programs
	@CONVD=$(abspath $(B)/convd) BUILD=$(abspath $(B)) TESTDATA=$(abspath tests/data) MUTANTS=$(if $(VARIANT),1000,10000) \
	    tools/run-tests $(TESTS) $(SCRIPTS)

install-packages-run:
	@tools/install-packages $(PACKAGES_RUN)
install-packages-test:
	@tools/install-packages $(PACKAGES_TEST)
install-packages-bench:
	@tools/install-packages $(PACKAGES_BENCH)
install-packages-fuzz:
	@tools/install-packages $(PACKAGES_FUZZ)
install-packages-lint:
	@tools/install-packages $(PACKAGES_LINT)

## run: install what is missing (apt), build, serve on 127.0.0.1:8080
run: install-packages-run
	@$(MAKE) $(JOBS) --no-print-directory all
	@exec $(B)/convd serve --listen $(LISTEN)

## test: install what is missing (apt), build, run every test, print one closing line
test: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory run-tests

## asan: every test under AddressSanitizer and UndefinedBehaviorSanitizer
asan: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory VARIANT=asan run-tests

.PHONY: test-graphs run-test-graphs
## test-graphs: 20,000 random graphs run, and 20,000 that are no graphs refused (GRAPHS=, VARIANT=asan)
GRAPHS ?= 20000
test-graphs: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory run-test-graphs
run-test-graphs: $(filter $(B)/tests/graphs/%,$(TESTS))
	@TEST_TIMEOUT=3600 GRAPHS=$(GRAPHS) BUILD=$(abspath $(B)/graphs) TESTDATA=$(abspath tests/data) tools/run-tests $^

## test-crash: 500 jobs and 60 kills; a kill and a failing disk at every call of a story; 10,000 jobs in the store (15 minutes)
DISK_TESTS := before_any within_any full_at broken_at full_from broken_from
test-crash: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory $(B)/convd $(B)/tests/http/crash $(B)/tests/http/disk $(SHIMS)
	@CONVD=$(abspath $(B)/convd) TESTDATA=$(abspath tests/data) CRASH_JOBS=500 CRASH_KILLS=60 CRASH_FILL=10000 $(B)/tests/http/crash
	@for t in $(DISK_TESTS); do \
	    CONVD=$(abspath $(B)/convd) BUILD=$(abspath $(B)) DISK_POINTS=0 DISK_TESTS="*$$t*" $(B)/tests/http/disk || exit 1; done

# What depends on instructions and on nothing around the process.
CORE_TESTS = $(filter $(B)/tests/core/% $(B)/tests/conformance/% $(B)/tests/graphs/integers $(B)/tests/ops_all $(B)/tests/simd_all,$(TESTS))
.PHONY: test-isa test-neon run-core-tests
run-core-tests: $(CORE_TESTS)
	@BUILD=$(abspath $(B)) TESTDATA=$(abspath tests/data) TEST_TIMEOUT=1200 tools/run-tests $^

## test-isa: every test under each CONVD_ISA; then those of the core on processors without AVX and without AVX-512 (qemu)
test-isa: install-packages-test
	@tools/install-packages qemu-user-static
	@$(MAKE) $(JOBS) --no-print-directory all programs
	@for isa in $(ISAS); do echo "CONVD_ISA=$$isa"; CONVD_ISA=$$isa $(MAKE) --no-print-directory run-tests || exit 1; done
	@for cpu in Nehalem Haswell; do echo "$$cpu"; RUN="qemu-x86_64-static -cpu $$cpu" $(MAKE) --no-print-directory \
	    run-core-tests || exit 1; done

## test-neon: the core's tests for 64-bit ARM: cross-compiled, run by qemu
NEON_ROOT := build/neon/sysroot
test-neon:
	@tools/install-packages $(PACKAGES_RUN) gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
	@tools/unpack-arm64 $(NEON_ROOT) $(PACKAGES_NEON)
	@RUN="qemu-aarch64-static -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$(abspath $(NEON_ROOT))/usr/lib/aarch64-linux-gnu" \
	    $(MAKE) $(JOBS) --no-print-directory VARIANT=neon CC=aarch64-linux-gnu-gcc run-core-tests

## tsan: every test under ThreadSanitizer
tsan: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory VARIANT=tsan run-tests

## test-code: run what `explain --format pytorch` and `opencv` print, hold it against convd (python3-torch, python3-opencv)
PYTHON ?= $(firstword $(foreach p,python3 /usr/bin/python3,$(shell $p -c 'import torch' 2>/dev/null && echo $p)) python3)
test-code: all
	@CONVD=$(abspath $(B)/convd) $(PYTHON) tests/code/agree.py

.PHONY: test-web
## test-web: the page in Chromium (chromium, nodejs, npm; npm brings playwright-core into the build folder)
CHROMIUM ?= $(firstword $(shell command -v chromium chromium-browser google-chrome))
test-web: install-packages-run
	@$(MAKE) $(JOBS) --no-print-directory all
	@command -v node >/dev/null && command -v npm >/dev/null && [ -n "$(CHROMIUM)" ] || tools/install-packages chromium nodejs npm
	@[ -d $(B)/web/node_modules/playwright-core ] || { mkdir -p $(B)/web && cd $(B)/web && npm install --no-audit --no-fund \
	    --silent --prefix . playwright-core@1; }
	@CONVD=$(abspath $(B)/convd) BUILD=$(abspath $(B)) TESTDATA=$(abspath tests/data) CHROMIUM=$(or $(CHROMIUM),chromium) \
	    node tests/web/learn.mjs

.PHONY: test-learn run-test-learn
## test-learn: what learning reaches with untouched defaults (a minute or two)
test-learn: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory run-test-learn
LEARN_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/learn/*.c))
run-test-learn: $(LEARN_TESTS)
	@TEST_TIMEOUT=900 BUILD=$(abspath $(B)/learn) TESTDATA=$(abspath tests/data) tools/run-tests $^

# ---- keeping it clean ------------------------------------------------------------------------------------------------
CPPCHECK := cppcheck -q -j 2 --std=c11 --language=c --enable=warning --inline-suppr --error-exitcode=1 \
            --suppressions-list=tools/cppcheck.txt -D__x86_64__

## lint: text checks, warnings of gcc and clang as errors, banned functions, each header alone, cppcheck, shellcheck
lint: install-packages-lint
	@$(MAKE) --no-print-directory lint-checks
lint-checks:
	@tools/lint-text
	@FLAGS='-std=gnu11 -D_GNU_SOURCE= -I. -Icore $(PKG_CFLAGS) $(WARNINGS) -Werror -fsyntax-only' \
	    SOURCES='$(CORE_SRC) $(API_SRC) $(SERVER_SRC) $(wildcard server/main.c)' \
	    TESTS='$(TEST_SRC) $(ASKED_SRC) $(wildcard tests/core/embed.c tests/bench/*.c tests/fuzz/*.c) $(HELP_OBJ:$(B)/%.o=%.c)' \
	    TEMPLATES='$(TEMPLATES)' ISAS='$(ISAS)' $(foreach i,$(ISAS),ISA_FLAGS_$i='$(ISA_$i)') \
	    HEADERS='$(filter-out banned.h core/simd/taps_tile.h,$(shell git ls-files '*.h' 2>/dev/null))' tools/lint-c
	@$(CPPCHECK) core api server
	@! command -v shellcheck >/dev/null || shellcheck $(filter-out %.txt,$(wildcard tools/*)) $(wildcard .ci/run)
	@echo 'lint: clean'

## layers: includes and symbols point one way, and the library exports nothing but convd_
layers: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory layers-check
layers-check: $(LIBRARIES)
	@tools/layers $(B)

## format: clang-format on the lines that differ from the last commit
format: install-packages-lint
	@git diff -U0 --no-color HEAD -- '*.c' '*.h' | clang-format-diff -p1 -i

## man: write docs/convd.1 anew from the rows of settings and subcommands
man: $(B)/convd
	$(B)/convd help man >docs/convd.1

## docs: write the reference pages under docs/ anew from the rows of the source
docs: $(B)/convd
	@for page in $$($(B)/convd help docs); do $(B)/convd help docs $$page >docs/$$page.md && echo "  docs/$$page.md"; done

# ---- installing ------------------------------------------------------------------------------------------------------
HEADERS := convd.h faults.def arena.h err.h tensor_file.h stats.h draw.h image/image.h image/codecs.def
BIN := $(DESTDIR)$(PREFIX)/bin
LIB := $(DESTDIR)$(PREFIX)/lib
INC := $(DESTDIR)$(PREFIX)/include/convd
SHARE := $(DESTDIR)$(PREFIX)/share
LIBFILE := libconvd.so.$(VERSION)

## install: program, library, headers, pkg-config file, man page, completion (DESTDIR=, PREFIX=/usr/local)
install: all
	install -d $(BIN) $(LIB)/pkgconfig $(INC)/image $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
	    $(SHARE)/zsh/site-functions
	install -m 755 $(B)/convd $(BIN)/convd
	install -m 644 $(B)/libconvd.a $(LIB)/libconvd.a
	install -m 755 $(B)/$(SONAME) $(LIB)/$(LIBFILE)
	ln -sf $(LIBFILE) $(LIB)/$(SONAME)
	ln -sf $(SONAME) $(LIB)/libconvd.so
	for h in $(HEADERS); do install -m 644 core/$$h $(INC)/$$h; done
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' convd.pc.in >$(LIB)/pkgconfig/convd.pc
	install -m 644 docs/convd.1 $(SHARE)/man/man1/convd.1
	install -m 644 completion/convd.bash $(SHARE)/bash-completion/completions/convd
	install -m 644 completion/_convd $(SHARE)/zsh/site-functions/_convd

## uninstall: remove what install put there
uninstall:
	rm -f $(BIN)/convd $(LIB)/libconvd.a $(LIB)/$(LIBFILE) $(LIB)/$(SONAME) $(LIB)/libconvd.so $(LIB)/pkgconfig/convd.pc \
	    $(SHARE)/man/man1/convd.1 $(SHARE)/bash-completion/completions/convd $(SHARE)/zsh/site-functions/_convd
	rm -rf $(INC)

## docker: build the container image convd (docker, or buildah where there is no docker engine; BASE=debian:bookworm-slim)
docker:
	@tools/container-build convd:$(VERSION)

## fuzz: libFuzzer on every target of tests/fuzz, SECONDS=20 each
fuzz: install-packages-fuzz
	@$(MAKE) $(JOBS) --no-print-directory VARIANT=fuzz run-fuzz
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
SECONDS ?= 20
$(FUZZERS): %: %.o $(B)/api.a $(B)/libconvd.a
	@echo '  LD      $@' && $(CC) -o $@ $^ -fsanitize=fuzzer $$(sed -n 's,^/[*] link: \(.*\) [*]/$$,\1,p' $(@:$(B)/%=%).c) $(LINK) $(API_LIBS) $(CORE_LIBS) -lm
run-fuzz: $(FUZZERS)
	@tools/run-fuzz $(SECONDS) $^

## soak: 16 connections of good and bad requests against the daemon, SOAK=60 seconds
soak: install-packages-test
	@$(MAKE) $(JOBS) --no-print-directory run-soak
SOAK ?= 60
$(B)/tests/bench/soak: $(B)/tests/bench/soak.o $(patsubst %.c,$(B)/%.o,$(call TEST_HELP,tests/http)) $(B)/server.a $(B)/api.a \
    $(B)/libconvd.a
	@echo '  LD      $@' && $(CC) -o $@ $^ $(LINK) $(TEST_LIBS) $(SERVER_LIBS) $(API_LIBS) $(CORE_LIBS) -lm
run-soak: all $(B)/tests/bench/soak
	@CONVD=$(abspath $(B)/convd) TESTDATA=$(abspath tests/data) $(B)/tests/bench/soak $(SOAK)

## bench: convd beside the libraries that are installed; writes docs/benchmarks.md (BENCH="PREFIX..." only some, minutes)
bench: install-packages-bench
	@$(MAKE) $(JOBS) --no-print-directory all $(B)/bench-engine
	@tests/bench/run $(BENCH)
$(B)/bench-engine: $(B)/tests/bench/engine.o $(B)/tests/bench/codecs.o $(B)/libconvd.a
	@echo '  LD      $@' && $(CC) -o $@ $^ $(LINK) $(CORE_LIBS) -lm

## clean: remove what was built
clean:
	rm -rf build

-include $(shell find $(B) \( -path build/asan -o -path build/tsan -o -path build/neon -o -path build/fuzz \) ! -path '$(B)' -prune -o -name '*.d' -print 2>/dev/null)

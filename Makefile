# make			everything, into build/
# make SAN=1		the same with AddressSanitizer and UBSan, into build/san/
# make test-build	build/test: the programs, with what tests need in millrace-streamd (--conformance), millrace-fcgi and millrace-runner (tests/switches)
# make check		the C unit tests (./dev test runs everything)
# make bench fuzz	benchmarks; the fuzz targets, a minute each
# make install		DESTDIR and PREFIX as usual
# make format lint
CC = gcc
CXX = g++
PREFIX = /usr
SYSCONFDIR = /etc
B = build$(if $(SAN),/san)
GEN = build/gen

WARN = -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wvla -Wundef -Wcast-qual -Wswitch-enum
HARDEN = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fno-common -fPIE \
	$(if $(filter gcc,$(CC)),-ftrivial-auto-var-init=zero)
FORTIFY = -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
comma = ,
SAN_FLAGS = -fsanitize=address$(comma)undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE = $(if $(SAN),$(SAN_FLAGS),$(FORTIFY))
PKG = libpq json-c libsodium nettle libsecp256k1 libjwt libcrypto libidn2 libcurl libseccomp libzip libxml-2.0 zlib
# System headers are not ours to warn about.
INCLUDES := $(subst -I,-isystem ,$(filter -I%,$(shell pkg-config --cflags $(PKG) 2>/dev/null)))
CFLAGS = -O2 -g
# A program holds what it uses of the library and of the queries, and its table of relocations, which each start reads, is short.
SECTIONS = -ffunction-sections -fdata-sections
VERSION := $(shell cat VERSION)
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DMILLRACE_VERSION='"$(VERSION)"' -pthread $(CFLAGS) $(SECTIONS) $(WARN) $(HARDEN) $(SANITIZE) -Iinclude -I$(GEN) -I. $(INCLUDES) $(CPPFLAGS)
LINK = -pthread -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,pack-relative-relocs,--as-needed,--gc-sections $(SANITIZE) $(LDFLAGS)

lib_src := $(wildcard lib/*.c lib/*/*.c)
fcgi_src := $(wildcard fcgi/*.c handlers/*.c handlers/*/*.c)
streamd_src := $(wildcard streamd/*.c streamd/*/*.c)
runner_src := $(wildcard runner/*.c runner/*/*.c)
phones_src := $(wildcard phones/*.c)
extract_src := $(wildcard extract/*.c extract/*/*.c)
ctl_src := $(wildcard ctl/*.c)
thesaurus_src := $(wildcard thesaurus/*.c)
spawn_src := $(wildcard ctl/spawn/*.c)
unit_src := $(wildcard tests/unit/*.c)

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB = $(B)/libmillrace.a
EXTRACT_LIBS = -ljson-c -lzip -lxml2 -lgumbo -lcmark-gfm-extensions -lcmark-gfm -luchardet -licuuc -lunistring -lseccomp -ljq
LIB_LIBS = -lpq -ljson-c -lsodium -ljwt -lcrypto -lidn2 -lunistring -lnettle -lsecp256k1

programs := $(if $(fcgi_src),millrace-fcgi) $(if $(streamd_src),millrace-streamd) $(if $(runner_src),millrace-runner) \
	$(if $(extract_src),millrace-extract) $(if $(ctl_src),millracectl) $(if $(spawn_src),millrace-spawn) \
	$(if $(wildcard host/container-root),millrace-container-root) $(if $(thesaurus_src),millrace-thesaurus) $(if $(phones_src),millrace-phones)
units := $(patsubst tests/unit/%.c,$(B)/unit/%,$(unit_src))
# The build for tests adds modes of its own: always the one with sanitizers, and build/test without them.
test_parts := $(call objects,$(wildcard tests/conformance/*.c))
worker_switches := $(call objects,$(wildcard tests/switches/*.c))
runner_switches := $(call objects,$(wildcard tests/switches/runner/*.c))

# A rule that fails leaves no half-made file behind, which the next run would take for whole.
.DELETE_ON_ERROR:

.PHONY: all test-build check units bench fuzz install format lint clean
all: $(programs:%=$(B)/%) $(B)/paths-checked $(B)/thesaurus
units: $(units)
test-build: $(programs:%=$(B)/test/%)

# With the directories, since a file that goes changes what is made of the others.
queries := $(wildcard sql/queries/*/*.sql)
query_dirs := $(wildcard sql/queries/*)
generated := $(GEN)/sql_api.h $(GEN)/sql_runner.h $(GEN)/sql_job.h $(GEN)/sql_stream.h $(GEN)/sql_admin.h $(GEN)/schemas.h
# A header that comes out as it was keeps its time, so that another query's text, or another program's
# query, compiles nothing anew but queries.c.
keep_time = { cmp -s $(1).new $(1) && rm $(1).new || mv $(1).new $(1); }
$(GEN)/sql_%.made: $(queries) $(query_dirs) sql/generate.awk Makefile
	@mkdir -p $(GEN)
	@awk -v mode=header -v who=$* -f sql/generate.awk \
		$(wildcard sql/queries/$(patsubst job,runner,$*)/*.sql) /dev/null >$(GEN)/sql_$*.h.new
	@$(call keep_time,$(GEN)/sql_$*.h)
	@touch $@
# sql_job.h has the runner's queries again, as a job asks them.
# The recipe makes make look at the header's time again.
$(GEN)/sql_%.h: $(GEN)/sql_%.made
	@:
$(GEN)/queries.c: $(queries) $(query_dirs) sql/generate.awk Makefile
	@mkdir -p $(GEN)
	@awk -v mode=source -f sql/generate.awk $(queries) /dev/null >$@
$(GEN)/migrations.c: $(wildcard sql/*.sql sql/migrations sql/functions sql/triggers sql/migrations/*.sql sql/functions/*.sql sql/triggers/*.sql) sql/embed.sh
	@mkdir -p $(GEN)
	@sh sql/embed.sh >$@
# The named reply schemas of handlers/schemas/*.json as one C string: each file is an object whose
# first and last lines are its braces alone.
$(GEN)/schemas.h: handlers/schemas $(wildcard handlers/schemas/*.json) Makefile
	@mkdir -p $(GEN)
	@for f in $(wildcard handlers/schemas/*.json); do [ "$$(sed -n '1p;$$p' "$$f" | tr -d '\n')" = '{}' ] || \
		{ echo "$$f: the first line has to be { alone and the last one } alone" >&2; exit 1; }; done
	@{ echo '{'; sep=; for f in $(wildcard handlers/schemas/*.json); do echo "$$sep"; sed '1d;$$d' "$$f"; sep=,; done; echo '}'; } | \
		sed -e 's/^[[:space:]]*//' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&"/' >$@
.SECONDARY: $(generated) $(generated:.h=.made) $(GEN)/queries.c $(GEN)/migrations.c

# What includes a generated header knows it by its .d file; before the first build it only has to be there.
$(B)/obj/%.o: %.c | $(generated)
	@mkdir -p $(@D)
	@echo '  CC $<'
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# libphonenumber's face, the one file of C++.
$(B)/obj/phones/number.o: phones/number.cc phones/number.h
	@mkdir -p $(@D)
	@echo '  CXX $<'
	@$(CXX) -std=c++17 $(CFLAGS) -Wall -Wextra -Werror $(HARDEN) $(SANITIZE) -I. -c -o $@ $<

$(LIB): $(call objects,$(lib_src) $(GEN)/queries.c $(GEN)/migrations.c)
	@rm -f $@
	@ar rcs $@ $^

$(B)/millrace-fcgi: $(call objects,$(fcgi_src)) $(if $(SAN),$(worker_switches)) $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lfcgi -lqrencode $(LIB_LIBS)
$(B)/test/millrace-fcgi: $(call objects,$(fcgi_src)) $(worker_switches) $(LIB)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lfcgi -lqrencode $(LIB_LIBS)
# What tests need nothing more of.
$(B)/test/%: $(B)/%
	@mkdir -p $(@D)
	@ln -f $< $@
# A path that nginx would send elsewhere than to the pool that serves it.
$(B)/paths-checked: $(B)/millrace-fcgi nginx/pools.conf handlers/check-paths.awk
	@$< --paths | awk -f handlers/check-paths.awk nginx/pools.conf -
	@touch $@
$(B)/millrace-streamd: $(call objects,$(streamd_src)) $(if $(SAN),$(test_parts)) $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lhttp_parser -lwslay -lz $(LIB_LIBS)
$(B)/test/millrace-streamd: $(call objects,$(streamd_src)) $(test_parts) $(LIB)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lhttp_parser -lwslay -lz $(LIB_LIBS)
$(B)/millrace-runner: $(call objects,$(runner_src)) $(if $(SAN),$(runner_switches)) $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lcurl -lssl -lm $(LIB_LIBS)
$(B)/test/millrace-runner: $(call objects,$(runner_src)) $(runner_switches) $(LIB)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lcurl -lssl -lm $(LIB_LIBS)
$(B)/millracectl: $(call objects,$(ctl_src) streamd/handover/wire.c) $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lcurl $(LIB_LIBS)
$(B)/millrace-container-root: host/container-root
	@mkdir -p $(@D)
	@install -m 755 $< $@
$(B)/millrace-extract: $(call objects,$(extract_src))
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ $(EXTRACT_LIBS)
$(B)/millrace-phones: $(call objects,$(phones_src) extract/sandbox.c extract/fail.c) $(B)/obj/phones/number.o
	@echo '  LD $@'
	@$(CXX) $(LINK) -o $@ $^ -lphonenumber -lseccomp
$(B)/millrace-spawn: $(call objects,$(spawn_src)) $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^

thesaurus_objects := $(call objects,$(thesaurus_src) $(addprefix runner/knowledge/,language.c terms.c utf8.c))
$(B)/millrace-thesaurus: $(thesaurus_objects) $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $^ -lz -lm $(LIB_LIBS)
# Of the dictionaries that are installed; says what it has gone without. The program runs once and leaves its memory to its end. It takes
# seconds: not again for each change to lib.
$(B)/thesaurus: $(thesaurus_objects) $(wildcard /usr/share/wordnet/data.noun /usr/share/dictd/freedict-*.dict.dz) | $(B)/millrace-thesaurus
	@echo '  GEN $@'
	@ASAN_OPTIONS=detect_leaks=0 $(B)/millrace-thesaurus $@

# A unit test is one file in tests/unit; it is linked with lib, and what its own line here adds, and prints "N passed, N failed".
worker_parts := $(call objects,$(filter-out fcgi/main.c,$(fcgi_src)))
$(B)/unit/match: $(call objects,fcgi/match.c fcgi/path_type.c)
$(B)/unit/seal: $(call objects,runner/secrets/unseal.c)
$(B)/unit/authority: $(call objects,runner/jobs/chat_authority.c)
$(B)/unit/markup: $(call objects,runner/outside/markup.c)
$(B)/unit/frames: $(call objects,runner/outside/frames.c runner/container/output.c)
$(B)/unit/breaker: $(call objects,runner/outside/breaker.c)
$(B)/unit/http: $(call objects,$(addprefix runner/,outside/http.c outside/transfer.c outside/breaker.c queue/stop.c thread.c))
# What a model's server is asked, and what it replies.
wires := $(call objects,runner/outside/sse.c runner/outside/refusal.c $(addprefix runner/models/,reply.c echo.c kept.c \
	wire.c openai.c anthropic.c anthropic_request.c google.c traits.c))
$(B)/unit/reply $(B)/unit/wire: $(wires)
$(B)/unit/share: $(call objects,fcgi/share.c fcgi/together.c)
$(B)/unit/together: $(call objects,fcgi/together.c)
$(B)/unit/skeleton: $(call objects,fcgi/skeleton.c)
$(B)/unit/estimate $(B)/fuzz-estimate: $(call objects,handlers/gateway/estimate.c fcgi/skeleton.c)
$(B)/unit/slots: $(call objects,$(addprefix runner/,queue/slots.c queue/stop.c thread.c))
$(B)/unit/thread: $(call objects,runner/thread.c)
$(B)/unit/outbox: $(call objects,$(addprefix runner/,queue/outbox.c queue/stop.c runner.c thread.c))
$(B)/unit/periodic: $(call objects,runner/queue/periodic.c runner/queue/stop.c runner/thread.c)
$(B)/unit/hub: $(call objects,streamd/events/hub.c streamd/events/event.c streamd/events/recent.c \
	streamd/metrics.c)
$(B)/unit/principal: $(call objects,streamd/events/principal.c streamd/events/usage.c streamd/metrics.c)
$(B)/unit/topics: $(call objects,streamd/events/topics.c streamd/events/usage.c streamd/events/hub.c \
	streamd/events/event.c streamd/events/recent.c streamd/metrics.c)
$(B)/unit/packet: $(call objects,streamd/socketio/packet.c streamd/json_scan.c)
$(B)/unit/number: $(call objects,$(addprefix extract/,number.c symbol.c out.c kind.c fail.c))
retrieval := $(addprefix runner/knowledge/,answered.c chunker.c compound.c furniture.c language.c stems.c question.c rank.c support.c terms.c thesaurus.c utf8.c weigh.c words.c)
$(B)/unit/passages: $(call objects,$(retrieval))
$(B)/unit/quotes: $(call objects,$(addprefix runner/knowledge/,furniture.c running.c terms.c utf8.c words.c))
$(B)/unit/compound: $(call objects,$(addprefix runner/knowledge/,compound.c language.c))
$(B)/unit/workflow_value: $(call objects,runner/jobs/workflow_value.c)
$(B)/unit/terms: $(call objects,runner/knowledge/utf8.c)
$(B)/unit/offset: $(call objects,streamd/socketio/offset.c)
$(B)/unit/deflate: $(call objects,streamd/websocket/deflate.c)
$(B)/unit/ws_read: $(call objects,streamd/websocket/ws_read.c streamd/websocket/deflate.c)
$(B)/unit/tasks: $(call objects,$(addprefix runner/,jobs/task_columns.c jobs/task_keys.c knowledge/extractor.c queue/stop.c thread.c))
$(B)/unit/routes $(B)/unit/rate $(B)/unit/caller: $(worker_parts)
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(LIB)
	@mkdir -p $(@D)
	@echo '  LD $@'
	@$(CC) $(LINK) -o $@ $(filter-out $(LIB),$^) $(LIB) -lfcgi -lqrencode -lwslay -lz -lcurl -lssl -lm $(LIB_LIBS)

# A fuzz target, the same way. tests/fuzz/run calls this with clang and B=build/fuzz.
$(B)/fuzz-compound: $(call objects,$(addprefix runner/knowledge/,compound.c furniture.c language.c stems.c terms.c utf8.c words.c))
$(B)/fuzz-docx_label: $(call objects,$(addprefix extract/,docx/docx_styles.c buffer.c number.c symbol.c out.c kind.c fail.c))
$(B)/fuzz-fields: $(worker_parts)
$(B)/fuzz-markup: $(call objects,runner/outside/markup.c)
$(B)/fuzz-packet: $(call objects,streamd/socketio/packet.c streamd/json_scan.c)
$(B)/fuzz-reply $(B)/fuzz-reply_anthropic $(B)/fuzz-reply_google: $(wires)
$(B)/fuzz-ws: $(call objects,streamd/websocket/ws_read.c streamd/websocket/deflate.c)
# Those of the extractor have fail() and grow() of their own, which know what free() gives back.
fuzz_extract := $(patsubst tests/fuzz/%.c,$(B)/fuzz-%,$(wildcard tests/fuzz/extract_*.c))
$(fuzz_extract): $(call objects,$(filter-out extract/main.c extract/fail.c extract/probe.c,$(extract_src)))
$(fuzz_extract): FUZZ_LIBS = -Wl,--wrap=free $(EXTRACT_LIBS)
$(B)/fuzz-%: $(B)/obj/tests/fuzz/%.o $(LIB)
	@echo '  LD $@'
	@$(CC) $(LINK) -fsanitize=fuzzer -o $@ $(filter-out $(LIB),$^) $(LIB) -lfcgi -lqrencode -lwslay -lz $(LIB_LIBS) $(FUZZ_LIBS)

check: all units
	tests/run unit

bench: all
	tests/bench/run
	tests/bench/retrieval

fuzz:
	tests/fuzz/run

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

lint:
	tests/lint

install: all
	install -d $(DESTDIR)$(PREFIX)/lib/millrace $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/millrace/sql \
		$(DESTDIR)$(SYSCONFDIR)/nginx/millrace $(DESTDIR)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/doc/millrace/docs \
		$(DESTDIR)$(PREFIX)/share/millrace/web/docs
	install -m 755 $(filter-out %/millracectl,$(programs:%=$(B)/%)) $(DESTDIR)$(PREFIX)/lib/millrace/
	install -m 644 $(B)/thesaurus $(DESTDIR)$(PREFIX)/lib/millrace/
	install -m 755 $(B)/millracectl $(DESTDIR)$(PREFIX)/bin/
	install -m 644 sql/roles.sql $(DESTDIR)$(PREFIX)/share/millrace/sql/
	install -m 644 web/widget.js $(DESTDIR)$(PREFIX)/share/millrace/web/
	install -m 644 $(wildcard web/docs/*) $(DESTDIR)$(PREFIX)/share/millrace/web/docs/
	install -m 644 README.md INSTALL.md CHANGELOG.md CONTRIBUTING.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/millrace/
	install -m 644 $(wildcard docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/millrace/docs/
	$(MAKE) -f systemd/install.mk FCGI=$(B)/millrace-fcgi DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' install

clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

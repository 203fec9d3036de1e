# gatehouse: make demo | test | bench | soak | lint | build | packages | generate. Needs Go, make and git; demo, test and
# bench install the rest as root on Debian, or say what to install.

VERSION ?= $(shell scripts/version.sh)
# The time that a build cannot be older than: that of its commit.
BUILT   ?= $(shell git log -1 --format=%cI 2>/dev/null)
GO      ?= go
BIN     ?= bin
TOOL    := $(GO) tool -modfile=tools/go.mod
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.built=$(BUILT)
# Go leaves 64 kB between the parts of a program for ARM and MIPS, for kernels with such pages; routers' and single boards' have 4 or 16.
LDFLAGS += $(if $(filter arm% mips%,$(GOARCH)),-R 16384)
# HTTP/2 would cost the gateway half a megabyte; a guest's page has three files.
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "$(LDFLAGS)"

# On MIPS, where flash is smallest, nothing but the database is inlined: that saves a fifth of the packed program.
SMALL   := -gcflags=all=-l -gcflags=github.com/ncruces/go-sqlite3-wasm/...=
# Elsewhere nothing but Go's runtime and SQLite's C library, whose tables would become code, and on 32 bits SQLite: a fourteenth less.
# A request costs some microseconds more.
INLINE  := runtime runtime/... internal/runtime/... modernc.org/libc $(if $(filter arm,$(GOARCH)),modernc.org/sqlite/lib)
LEAN    := -gcflags=all=-l $(foreach p,$(INLINE),-gcflags=$(p)=)
GATEWAY := $(BUILD) -tags nethttpomithttp2 $(if $(filter mips%,$(GOARCH)),$(SMALL),$(LEAN))

# The version comes from git by way of VERSION; go build need not ask again, in a checkout that may be another user's.
export GOFLAGS ?= -buildvcs=false
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.PHONY: demo test bench soak lint build gateway central packages lab generate deps clean
.DEFAULT_GOAL := build

demo: ; @scripts/deps.sh demo && $(MAKE) -s lab && $(BIN)/gatehouse-lab demo -bin $(BIN)
bench: ; @scripts/deps.sh bench && $(MAKE) -s lab && $(BIN)/gatehouse-lab bench -bin $(BIN)
test: ; @scripts/deps.sh test && scripts/test.sh
# The same for longer: what make test has only in part. DURATION=10m is how long a random run lasts.
soak: ; @scripts/deps.sh test && scripts/soak.sh
lint: ; @scripts/deps.sh test && scripts/lint.sh
deps: ; @scripts/deps.sh test
generate: ; $(TOOL) templ generate

build: gateway central

# One program alone; GOARCH and its like come from the environment.
gateway:
	mod=$$(scripts/sqlite.sh) && $(GATEWAY) -modfile=$$mod -o $(BIN)/ ./cmd/gatehouse
central:
	$(BUILD) -o $(BIN)/ ./cmd/gatehouse-central

# The lab is built beside the programs that it shows and measures.
lab: build
	$(GO) build -o $(BIN)/ ./cmd/gatehouse-lab

# A Debian package of each program for each architecture, in dist/.
packages:
	$(GO) build -C tools -o ../bin/pack ./pack
	bin/pack -version "$(VERSION)" -built "$(BUILT)" -out dist

clean:
	rm -rf bin dist

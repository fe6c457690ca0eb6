# What a newcomer types: make run. Each line behind ## is shown by make help.
.DEFAULT_GOAL := help
SHELL := /bin/sh
GO ?= go
BIN := build
# Tools are built once per version and kept outside the checkout.
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/referral-fhir-server
GOLANGCI_VERSION := v2.15.0
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
CYCLONEDX_VERSION := v1.10.0
CYCLONEDX := $(TOOLS)/cyclonedx-gomod-$(CYCLONEDX_VERSION)
FUZZTIME ?= 60s
FUZZ ?= $(sort $(dir $(shell grep -rl --include=*_test.go '^func Fuzz' .)))

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# make run LAMBDA=1 runs the functions as bootstraps, as Lambda does. They are the same bytes whoever
# builds them, wherever: neither folders nor the state of the checkout are in them.
LAMBDA_FLAGS := -modfile build/lambda/go.mod -tags lambda.norpc -trimpath -buildvcs=false -ldflags '-s -w'
LAMBDA_OS ?= linux
LAMBDA_ARCH ?= arm64
FUNCTIONS := ingest processor query

# make run TLS=1 asks callers for a certificate and an API key, with certificates of a development CA.
ifdef TLS
CERTS := $(or $(REFERRAL_DATA_DIR),.data)/certs
run: export REFERRAL_TLS_CERT := $(CERTS)/server.pem
run: export REFERRAL_TLS_KEY := $(CERTS)/server-key.pem
run: export REFERRAL_CLIENT_CA := $(CERTS)/ca.pem
run: export REFERRAL_NASH_CA := $(CERTS)/nash-ca.pem
run: export REFERRAL_CRLS := $(CERTS)/ca-crl.pem,$(CERTS)/nash-ca-crl.pem
run: export REFERRAL_AUTH := $(or $(REFERRAL_AUTH),certificate+key)
endif

.PHONY: run
run: deps ## build and run everything on this machine; Ctrl-C stops it (LAMBDA=1: through the Lambda bootstraps; TLS=1: with client certificates)
	@$(GO) build -o $(BIN)/server ./infra/server
ifdef TLS
	@$(GO) run ./infra/referralctl certs --out $(CERTS) >/dev/null
endif
ifdef LAMBDA
	@$(MAKE) -s lambda BIN=$(BIN)/local LAMBDA_OS=$$($(GO) env GOHOSTOS) LAMBDA_ARCH=$$($(GO) env GOHOSTARCH)
	@REFERRAL_LAMBDA_DIR=$(BIN)/local exec $(BIN)/server
else
	@exec $(BIN)/server
endif

.PHONY: env
env: ## print the variables with which another process uses the running stack
	@$(GO) build -o $(BIN)/referralctl ./infra/referralctl
	@exec $(BIN)/referralctl env

.PHONY: lambda
lambda: ## build build/{ingest,processor,query}/bootstrap for Lambda (linux, LAMBDA_ARCH=arm64)
	@GO=$(GO) sh infra/aws/modfile.sh
	for f in $(FUNCTIONS); do \
		GOOS=$(LAMBDA_OS) GOARCH=$(LAMBDA_ARCH) CGO_ENABLED=0 $(GO) build $(LAMBDA_FLAGS) -o $(BIN)/$$f/bootstrap ./$$f/lambda || exit 1; \
	done

.PHONY: sbom
sbom: build lambda $(CYCLONEDX) ## write what each binary is made of beside it: build/ingest/bootstrap.bom.json and so on (CycloneDX 1.6)
	@for b in $(addprefix $(BIN)/,server referralctl $(addsuffix /bootstrap,$(FUNCTIONS))); do \
		$(CYCLONEDX) bin -json -noserial -notimestamp -output $$b.bom.json $$b && sh infra/aws/modfile.sh name $$b.bom.json || exit 1; \
	done

.PHONY: test
test: deps ## run all tests, on a real PostgreSQL
	$(GO) test ./...

# Tests make and remove small files by the hundred thousand, PostgreSQL's most of all, and ext4 makes one the more slowly the
# more of them were removed in the last minutes. Where Linux has a file system in memory with 4 GB of room, of which the tests
# take a quarter, they are made there; what Go builds stays where it was.
in_memory = if awk '$$2 == "/dev/shm" && $$4 !~ /noexec/ { found = 1 } END { exit !found }' /proc/mounts 2>/dev/null && \
	[ "$$(df -Pk /dev/shm | awk 'END { print $$4 }')" -gt 4000000 ]; then \
		memory=$$(mktemp -d /dev/shm/check-XXXXXX); trap 'rm -rf "$$memory"' EXIT; trap exit INT TERM; \
		export GOTMPDIR="$${GOTMPDIR:-$${TMPDIR:-/tmp}}" TMPDIR="$$memory"; \
	fi

# The linter's govet is all of go vet. Three packages at a time on two cores, since tests also wait; and a program with the
# race detector in it waits a second when it ends, unless it is told to wait less.
.PHONY: check
check: export GORACE := atexit_sleep_ms=100
check: deps $(GOLANGCI) ## format, vet, lint, tidy, and all tests with the race detector
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GOLANGCI) run
	@$(in_memory); $(GO) test -race -shuffle=on -vet=off -p 3 ./...
	@GO=$(GO) sh infra/aws/modfile.sh
	$(GO) test -modfile build/lambda/go.mod -vet=off ./schemas

.PHONY: build
build: ## build the commands into build/
	$(GO) build -o $(BIN)/ ./infra/server ./infra/referralctl

.PHONY: deps
deps: ## install what is missing: PostgreSQL, by apt as root, else by npm
	@sh infra/localpg/deps.sh

.PHONY: test-npm
test-npm: deps ## test with clients and a validator of others, from npm (needs Node.js 20 and npm)
	$(GO) test -count=1 -tags npm -run '^TestNPM$$' ./infra/localsqs ./infra/conformance ./infra/aws

.PHONY: schemas
schemas: ## compile schemas/r4 and schemas/profiles anew: make schemas PACKAGES='folder or .tgz …'
	@test -n "$(PACKAGES)" || { echo "make schemas needs PACKAGES, such as hl7.fhir.r4.examples-4.0.1.tgz; see schemas/README.md"; exit 1; }
	$(GO) run ./schemas/compile/cmd -out schemas $(foreach p,$(WITH),-with $(p)) $(PACKAGES)

.PHONY: invalid
invalid: ## make testdata/invalid anew, after the tables have changed
	$(GO) run ./schemas/corpus

.PHONY: chaos
chaos: deps ## kill processors and PostgreSQL 21 times each under 20,000 submissions and a faulty queue; kill a processor at, and break, every message; fail with each SQLSTATE
	$(GO) test ./infra/server -count=1 -run '^TestChaos$$' -kills $(or $(KILLS),42) -each $(or $(EACH),480) -seed $(or $(SEED),8) -v -timeout 30m
	$(GO) test ./infra/server -count=1 -run '^(TestProcessorKilledAtAnyMessage|TestHastyProcessorLoses|TestKillLosesWithoutFlush|TestInvariants|TestStatusThat|TestMigrationUnderLoad)' -points 1 -v -timeout 30m
	$(GO) test ./processor -count=1 -run '^(TestSweep|TestEverySQLStateInTheMiddle|TestBothValidatorsAgree)$$' -sweep 1 -v -timeout 20m

.PHONY: chaos-long
chaos-long: deps ## fill real disks, take the store away for three minutes, stop the server for one, run an earlier release beside this one, and look for what 100,000 submissions leave; needs Linux, root and git's history
	$(GO) test ./infra/server -tags chaos -count=1 -run '^(TestDiskFull|TestOutage|TestFreeze|TestBothReleases|TestManyLeaveNothing)$$' -v -timeout 2h

.PHONY: soak
soak: deps ## break a server under load at random for DURATION (1h): kills, pauses, locks, outages; SEED repeats a run
	$(GO) test ./infra/server -count=1 -run '^TestSoak$$' -soak $(or $(DURATION),1h) -seed $(or $(SEED),0) -v -timeout 0

.PHONY: rehearse-restore
rehearse-restore: deps ## lose the store of a running server, go back to a copy, and find, repair and count what is missing: a minute
	$(GO) test ./infra/referralctl -count=1 -run '^TestRehearseRestore$$' -v

.PHONY: bench
bench: deps ## measure the whole server on this machine, about a minute; results also in build/bench.json
	@$(GO) build -o $(BIN)/ ./infra/server ./infra/bench
	@$(BIN)/bench -server $(BIN)/server -json $(BIN)/bench.json

.PHONY: bench-reads
bench-reads: deps ## measure reads and searches of a store with RESOURCES resources (1,000,000), which takes about four minutes to fill
	@$(GO) build -o $(BIN)/ ./infra/server ./infra/bench
	@$(BIN)/bench -server $(BIN)/server -resources $(or $(RESOURCES),1000000) -json $(BIN)/bench-reads.json

.PHONY: bench-lambda
bench-lambda: deps ## measure how the functions' bootstraps start, and the memory of ingest; fails beyond what is promised
	$(GO) test ./infra/lambdahost -count=1 -run '^$$' -bench '^(BenchmarkStart|BenchmarkMemory)$$' -benchtime 20x

.PHONY: reproduce
reproduce: ## build the functions again in another folder, from an empty cache, and compare: a few minutes
	$(GO) test ./infra/lambdahost -count=1 -run '^TestReproducible$$' -cold -v -timeout 30m

.PHONY: bench-compare
bench-compare: deps ## measure, and compare with earlier results: make bench-compare OLD=file.json
	@test -n "$(OLD)" || { echo "make bench-compare needs OLD, a bench.json of an earlier run"; exit 1; }
	@$(GO) build -o $(BIN)/ ./infra/server ./infra/bench
	@$(BIN)/bench -server $(BIN)/server -old $(OLD)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s), or those in FUZZ='folder …'
	@set -e; for package in $(FUZZ); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z]*' $$package/*_test.go | cut -c6-); do \
			echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: clean
clean: ## remove what was built; the data in .data/ stays
	rm -rf $(BIN)

$(GOLANGCI):
	@echo "Building golangci-lint $(GOLANGCI_VERSION) once; this takes a few minutes."
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS)/install $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/install/golangci-lint $@

$(CYCLONEDX):
	@echo "Building cyclonedx-gomod $(CYCLONEDX_VERSION) once; this takes a minute."
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS)/install $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
	@mv $(TOOLS)/install/cyclonedx-gomod $@

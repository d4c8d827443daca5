# Waybill's targets. `make` alone explains them.
#
# Nothing is needed beside Go, Node (npm fetches the embedded engines), make
# and a C compiler (the race detector wants one); for the targets on Apache
# Kafka also Java 17 and Maven. The tools below are built once, each version in
# a folder of its own, and are no part of go.mod.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/waybill
TOOLS := $(CACHE)/tools

BUF        := $(TOOLS)/buf@v1.75.0/buf
PROTOC_GO  := $(TOOLS)/protoc-gen-go@v1.36.12/protoc-gen-go
PROTOC_VT  := $(TOOLS)/protoc-gen-go-vtproto@v0.6.0/protoc-gen-go-vtproto
LINTER     := $(TOOLS)/golangci-lint@v2.15.0/golangci-lint
GENERATORS := $(BUF) $(PROTOC_GO) $(PROTOC_VT)

# What a caller may set: make test TESTFLAGS=-v, make simulate SCHEDULES=1000000.
TESTFLAGS ?=
TESTTIME  ?= 25m
# Together their plans have every kind of fault (internal/e2e/crash checks that).
SEEDS     ?= 2 3 5
# A seed takes two minutes, and one more for each 20,000 PUSHES above that. The
# default ones are a step of .ci/run, which has an hour.
PUSHES    ?=
CRASHTIME ?= $(if $(PUSHES),0,$(if $(filter file,$(origin SEEDS)),15m,90m))
SCHEDULES ?= 1000000
FUZZTIME  ?= 10s
BENCHTIME ?= 1s
BENCHOUT  ?= bin/packages.txt

GO_BUILD := go build -trimpath -buildvcs=false

.PHONY: help
help: ## Explain the targets (the default)
	@echo "Waybill: make TARGET"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Tools are fetched once into $(CACHE), engines too (root's into /var/cache/waybill)."

##### What it does

.PHONY: demo
demo: build ## Build and run the demo: a freight city on embedded engines
	bin/waybill demo

.PHONY: build
build: ## Build bin/waybill
	$(GO_BUILD) -o bin/waybill ./cmd/waybill

.PHONY: cross
cross: ## Build bin/waybill-linux-arm64
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO_BUILD) -o bin/waybill-linux-arm64 ./cmd/waybill

##### Is it right

# Two parts: all tests under the race detector, then what is too slow for it.
.PHONY: test
test: test-race test-plain ## Run every test: race detector, shuffled, end to end on embedded engines

.PHONY: test-race
test-race:
	go test -race -shuffle=on -timeout $(TESTTIME) $(TESTFLAGS) ./...

# Tests that run without the race detector stand here, one line for each:
# the simulation's full number of schedules, for example.
.PHONY: test-plain
test-plain:
	go test -count=1 -timeout $(TESTTIME) $(TESTFLAGS) ./internal/sim

# Real engines want the machine: one package after the other, and no race
# detector, under which the same tests run on embedded engines.
.PHONY: test-engines
test-engines: kafka ## Run the end-to-end tests on Apache Kafka, whose brokers die (Java 17, Maven)
	WAYBILL_ENGINES=real go test -count=1 -p 1 -timeout 30m $(TESTFLAGS) ./internal/cluster ./internal/e2e

.PHONY: crash
crash: kafka ## Kill stages and a broker under load by seeds (SEEDS="2 3 5", PUSHES=100000), check the ledger (Java 17, Maven)
	WAYBILL_CRASH_SEEDS="$(SEEDS)" WAYBILL_CRASH_PUSHES="$(PUSHES)" go test -count=1 -timeout $(CRASHTIME) -v ./internal/e2e/crash

.PHONY: simulate
simulate: ## Run the long simulation (SCHEDULES=1000000), and take every clause away
	WAYBILL_SCHEDULES=$(SCHEDULES) WAYBILL_FAULT_SCHEDULES=100000 \
	go test -count=1 -timeout 0 -v -run '^Test(Simulate|PlantedFaults)$$' ./internal/sim

.PHONY: fuzz
fuzz: ## Fuzz every decoder for a short while (FUZZTIME=10s each)
	.ci/fuzz $(FUZZTIME)

.PHONY: verify
verify: verify-generated verify-format verify-mod verify-vet verify-imports lint ## Check generated code, formatting, go.mod, vet, import rule, lint

.PHONY: verify-generated
verify-generated: $(GENERATORS)
	.ci/verify-generated "$(BUF)" "$(PROTOC_GO)" "$(PROTOC_VT)"

.PHONY: verify-format
verify-format:
	@bad=$$(gofmt -l .) && test -z "$$bad" || { echo "not in gofmt's form (run gofmt -w):"; echo "$$bad"; exit 1; }

.PHONY: verify-mod
verify-mod:
	@go mod tidy -diff || { echo "go.mod or go.sum is not tidy: run go mod tidy"; exit 1; }

.PHONY: verify-vet
verify-vet:
	go vet ./...

.PHONY: verify-imports
verify-imports:
	go test -count=1 ./internal/rules

.PHONY: lint
lint: $(LINTER) ## Run the linters
	$(LINTER) run ./...

##### What is written by machines

.PHONY: generate
generate: $(GENERATORS) ## Generate the code of schemas/
	cd schemas && PATH="$(dir $(PROTOC_GO)):$(dir $(PROTOC_VT)):$$PATH" $(BUF) generate

.PHONY: bench
bench: build ## Measure Waybill from outside into docs/benchmarks/push.md (10 minutes; ONLY=case,… for a part)
	bin/waybill load bench --out docs/benchmarks/push.md $(if $(ONLY),--only $(ONLY))

.PHONY: bench-packages
bench-packages: ## Run the packages' benchmarks into bin/packages.txt, for benchstat (BENCHTIME=1s)
	.ci/bench $(BENCHOUT) $(BENCHTIME)

##### Tools

.PHONY: kafka
kafka: # the jars of Apache Kafka, once, into the cache
	.ci/kafka/cluster fetch

# install-tool PACKAGE@VERSION builds into the folder of the target.
define install-tool
	@echo "building $(1) into the cache, once (up to two minutes)"
	@mkdir -p $(@D)
	@cd $(@D) && GOFLAGS= GOBIN=$(@D) go install $(1)
endef

$(BUF):
	$(call install-tool,github.com/bufbuild/buf/cmd/buf@v1.75.0)

$(PROTOC_GO):
	$(call install-tool,google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12)

$(PROTOC_VT):
	$(call install-tool,github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto@v0.6.0)

$(LINTER):
	$(call install-tool,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0)

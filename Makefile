# What people type. `make` alone explains itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
ARGS ?=
# What `make storm` passes on to `make alerts`.
ALERTS ?=
SECONDS ?= 60

.PHONY: help setup demo run check test bench storm alerts chaos fuzz fmt compose-demo compose-smoke

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=... is passed on: make demo ARGS='--speed 4', make run ARGS='--symbols BTCUSDT'"

setup: ## Install what is missing: redis-server (apt, brew); says what it can't install
	@./setup.sh

demo: setup ## Watch a liquidation cascade being detected on simulated exchanges (3 minutes, then exits)
	@$(CARGO) run --locked --release --bin cascade -- up --demo --once $(ARGS)

run: setup ## The same system on the live exchanges, until Ctrl-C
	@$(CARGO) run --locked --release --bin cascade -- up $(ARGS)

check: setup ## Format, lints (warnings are errors); compose, k8s, Prometheus, Dockerfile, scripts (deploy/check)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	deploy/check/run
	deploy/check/run --self-test

test: setup ## Every test; needs nothing but what `make setup` installs
	$(CARGO) test --locked --workspace $(ARGS)

bench: ## Benchmarks, each with its baseline in the same run (docs/benchmarks.md)
	$(CARGO) bench --locked -p cascade-venues --bench decode -- $(ARGS)
	$(CARGO) bench --locked -p cascade-detector --bench engine -- $(ARGS)
	$(CARGO) bench --locked -p cascade-open-interest --bench engine -- $(ARGS)
	$(CARGO) bench --locked -p cascade-wire --bench encode -- $(ARGS)

storm: setup ## Ten minutes of 2,000 liquidations/s and 20,000 trades/s into one ingest (ARGS='--seconds 60'); then `make alerts`
	@$(CARGO) build --locked --release -p cascade-tests -p liquidation-ingest -p cascade-signals -p cascade-simulator --bins --example exchanges --example storm
	@$(CARGO) run --locked --release -p cascade-tests --example storm -- $(ARGS)
	@$(MAKE) --no-print-directory alerts ARGS='$(ALERTS)'

alerts: setup ## 20,000 findings to six destinations that misbehave, then with dispatchers killed 50 times (ARGS='--findings 2000 --kills 5')
	@$(CARGO) build --locked --release -p alert-dispatcher --bins --example alerts
	@$(CARGO) run --locked --release -p alert-dispatcher --example alerts -- $(ARGS)

chaos: setup ## Twenty rounds of killed, stopped and paused replicas and a restarted Redis (ARGS='--rounds 3 --seed 7')
	@$(CARGO) build --locked --release -p cascade-signals --bins --example chaos
	@$(CARGO) run --locked --release -p cascade-signals --example chaos -- $(ARGS)

fuzz: ## Property tests for longer, then each fuzz target for SECONDS=60 (CONTRIBUTING.md)
	PROPTEST_CASES=$${PROPTEST_CASES:-2000000} $(CARGO) test --locked --release -p cascade-venues --test fuzz
	PROPTEST_CASES=$${PROPTEST_CASES:-2000000} $(CARGO) test --locked --release -p cascade-wire
	fuzz/run.sh $(SECONDS)

fmt: ## Format the code
	$(CARGO) fmt --all

compose-demo: ## The stack in containers, fed by simulated exchanges, until deploy/scripts/stop
	@deploy/scripts/start --demo $(ARGS)

compose-smoke: ## The stack in containers, for real: built, started, hurt, scaled, taken down (15 minutes besides the build)
	@deploy/scripts/compose-smoke $(ARGS)

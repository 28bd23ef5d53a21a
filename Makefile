# `make help` lists what there is. Every target makes the set-up it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PACKAGES := bertmesh doctor service mesh canary training observability modelstore chart
STAMP := $(VENV)/.set-up
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## Install what is missing: virtual environment, packages, Prometheus (seconds when all is there)
	@$(BIN)/python -m mesh.local.binaries

.PHONY: browser
browser: ## The browser that the console's tests look through
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  echo "installing chromium"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq chromium; }

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bertmesh needs Python 3.11 or newer, this is $$($(PYTHON) --version): set PYTHON=..."; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV); echo "installing python3-venv"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq python3-venv; $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,train,cluster,s3,dev]'
	@touch $@

.PHONY: run
run: setup ## The main job: a real canary promoted, a bad one taken back (about 3 minutes)
	@$(BIN)/bertmesh demo

.PHONY: up down
up: setup ## Start the local mesh and keep it in the foreground
	@$(BIN)/bertmesh up
down: setup ## End the local mesh
	@$(BIN)/bertmesh down

.PHONY: test
# Three processes on two cores: one has the local mesh, whose tests wait more than they compute.
test: setup browser helm lint types contracts ## Lint, types, import contracts and all tests
	$(BIN)/python -m pytest -n 3 --no-loadscope-reorder

.PHONY: helm generate
helm: setup ## The Helm that the chart's tests use
	@$(BIN)/python -m tests.support.helm
generate: setup helm ## Write all that is generated: CRD, chart, reference pages, rendered testdata; read the diff
	$(BIN)/python -m tests.generate

.PHONY: fast-test
fast-test: setup ## The tests that start no processes
	$(BIN)/python -m pytest -m "not slow"

.PHONY: lint
lint: setup ## Ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: setup ## Let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: setup ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy tests

.PHONY: contracts
contracts: setup ## Who may import whom
	$(BIN)/lint-imports

.PHONY: bench-judge bench-judge-quick bench-serving bench-inside bench-cache
bench-judge: setup ## How often each canary rule is wrong: ours, Flagger's, Argo's, Kayenta's (about 7 minutes)
	$(BIN)/python -m benchmarks.judge --write
bench-judge-quick: setup ## The same with few runs (a minute)
	$(BIN)/python -m benchmarks.judge --quick
bench-serving: setup ## The pod against its peers, in turns
	$(BIN)/python -m benchmarks.serving.run --json benchmarks/serving/results.json
bench-inside: setup ## Where the pod's time goes: tokenizer, queue, engine, HTTP
	$(BIN)/python -m benchmarks.serving.inside
bench-cache: setup ## The cache: hit ratio, and a cached answer against a constant
	$(BIN)/python -m benchmarks.cache

.PHONY: bench-shadow bench-swap bench-controller soak
bench-shadow: setup ## How soon copies convict or clear a canary, and what comparing costs a pod
	$(BIN)/python -m benchmarks.shadow_rehearsal
	$(BIN)/python -m benchmarks.shadow
bench-swap: setup ## A hot swap under load: how long, and what requests notice
	$(BIN)/python -m benchmarks.hot_swap
bench-controller: setup ## What 1, 100 and 1,000 rollouts cost the operator, Prometheus and the API server
	$(BIN)/python -m benchmarks.controller --write
soak: setup ## A pod under mixed load for 10 minutes: memory, threads and files stay level
	$(BIN)/python -m benchmarks.soak

.PHONY: image kind-up kind-demo kind-down
image: ## Build the image with docker, podman or buildah (deploy/image/build.sh --help)
	@deploy/image/build.sh
kind-up: ## kind + Istio + Jaeger + Prometheus + the chart; checks its tools first
	@deploy/kind/kind.sh up
kind-demo: ## A canary under traffic on kind
	@deploy/kind/kind.sh demo
kind-down: ## Remove the kind cluster
	@deploy/kind/kind.sh down

.PHONY: constraints
constraints: setup ## Pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools | sed 's/+cpu$$//' > constraints.txt

.PHONY: clean
clean: ## Remove what make and the mesh have made here
	@[ ! -x $(BIN)/bertmesh ] || $(BIN)/bertmesh down --quiet || true
	rm -rf $(VENV) .bertmesh build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

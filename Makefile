# `make help` lists what there is. Every target makes the set-up it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
PACKAGES := bertmesh service mesh canary training observability modelstore
STAMP := $(VENV)/.set-up
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## Install what is missing: virtual environment, packages, Prometheus (seconds when all is there)
	@$(BIN)/python -m mesh.binaries

.PHONY: browser
browser: ## The browser that the console's tests look through
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  echo "installing chromium"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq chromium; }

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bertmesh needs Python 3.11 or newer, this is $$($(PYTHON) --version): set PYTHON=..."; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV); echo "installing python3-venv"; $(SUDO) apt-get update -qq; $(SUDO) apt-get install -y -qq python3-venv; $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,train,cluster,dev]'
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
test: setup browser lint types contracts ## Lint, types, import contracts and all tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

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

.PHONY: bench-judge bench-judge-quick bench-serving bench-cache
bench-judge: setup ## How often each canary rule is wrong: ours, Flagger's, Argo's, Kayenta's (10-15 minutes)
	$(BIN)/python -m benchmarks.judge --write
bench-judge-quick: setup ## The same with few runs (a minute)
	$(BIN)/python -m benchmarks.judge --quick
bench-serving: setup ## The pod against its peers, in turns
	$(BIN)/python benchmarks/serving/run.py
bench-cache: setup ## The cache: hit ratio, and a cached answer against a constant
	$(BIN)/python -m benchmarks.cache

.PHONY: testdata
testdata: setup ## Render the outputs of tests/mesh/testdata anew; read the diff
	$(BIN)/python -m tests.mesh.rewrite_testdata

.PHONY: constraints
constraints: setup ## Pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools | sed 's/+cpu$$//' > constraints.txt

.PHONY: clean
clean: ## Remove what make and the mesh have made here
	@[ ! -x $(BIN)/bertmesh ] || $(BIN)/bertmesh down --quiet || true
	rm -rf $(VENV) .bertmesh build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
